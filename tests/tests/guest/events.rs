//! What a system call is made of, as the plugin of the lab's QEMU counts it. That it counts as many instructions as the time stamp counter is checked by the command itself.

use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::guest::{LAB_LIMIT, xtask};
use guest_tests::process::{self, End};
use libtest_mimic::Trial;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

/// A line of the command's results; what they have besides is not looked at.
#[derive(Deserialize)]
struct Metric {
    name: String,
    user: f64,
    kernel: f64,
    events: BTreeMap<String, f64>,
}

/// getpid is a message to the Linux server and the answer: into the kernel and out of it twice, and each time to another address space.
const GETPID: [(&str, f64); 4] = [("cr3-write", 2.0), ("swapgs", 4.0), ("syscall", 2.0), ("sysret", 2.0)];

fn check(metric: &Metric) -> Result<(), String> {
    let expected = GETPID.map(|(event, times)| (event.to_owned(), times)).into();
    if metric.events != expected {
        return Err(format!("the events of getpid are {:?}, and not {GETPID:?}", metric.events));
    }
    // The kernel's share is promised elsewhere; here the two are to be told apart at all.
    if metric.user > 10.0 && metric.kernel > 10.0 {
        Ok(())
    } else {
        Err(format!("{} instructions in user mode, {} in kernel mode", metric.user, metric.kernel))
    }
}

fn run(context: &Context) -> Result<(), String> {
    let mut command = xtask();
    command.args(["bench", "paper", "--no-build", "--events", "--only", "calls", "--system", "l4-forwarded"]);
    let outcome = process::run(command, b"", LAB_LIMIT)?;
    if outcome.end != End::Exited(0) {
        return Err(compare::describe(&outcome));
    }
    let path = context.build.require("paper/events.jsonl")?;
    let text = fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let metrics = text.lines().map(serde_json::from_str::<Metric>).collect::<Result<Vec<_>, _>>();
    let metrics = metrics.map_err(|e| format!("{}: {e}", path.display()))?;
    let getpid = metrics.iter().find(|metric| metric.name == "getpid").ok_or("getpid was not taken apart")?;
    check(getpid)
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![plain("lab::paper-events".to_owned(), context, run)]
}
