//! What a window lists of what was counted: the most of each kind.

use super::batch::Seat;
use super::tally::{Calls, Tally, Work};
use super::window::{Cpu, Pair, Request, Thread, VmExit};
use crate::metric::{Key, Metric, Section};
use crate::names::NameBook;
use crate::summary::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use ukernel_abi::ThreadId;

const THREADS: usize = 256;
const PAIRS: usize = 64;
const REQUESTS: usize = 128;

/// The threads that there are and those that were there, and how many more; `running`: in user mode.
pub fn threads(
    tally: &Tally,
    seats: &[Seat],
    running: &BTreeSet<u64>,
    names: &NameBook,
) -> (Vec<Thread>, u64) {
    let seats: BTreeMap<u64, &str> = seats.iter().map(|seat| (seat.thread, seat.state.as_str())).collect();
    let ids: BTreeSet<u64> = seats.keys().chain(tally.threads.keys()).copied().collect();
    let work = |id| tally.threads.get(&id).copied().unwrap_or_default();
    let mut ids: Vec<_> = ids.into_iter().map(|id| (id, work(id))).collect();
    ids.sort_by_key(|(id, work)| (Reverse(work.user.saturating_add(work.kernel)), *id));
    let others = ids.len().saturating_sub(THREADS) as u64;
    let thread = |(id, work): (u64, Work)| Thread {
        name: names.thread(id, if seats.contains_key(&id) { u64::MAX } else { work.last }),
        task: ThreadId(id).task(),
        thread: ThreadId(id).lthread(),
        state: match running.contains(&id) {
            true => Some("runs".into()),
            false => seats.get(&id).map(|state| (*state).into()),
        },
        user_ticks: work.user,
        kernel_ticks: work.kernel,
        ipc_count: work.ipc,
        page_fault_count: work.page_faults,
        system_call_count: work.system_calls,
    };
    (ids.into_iter().take(THREADS).map(thread).collect(), others)
}

pub fn pairs(tally: &Tally, names: &NameBook) -> Vec<Pair> {
    let mut pairs: Vec<_> = tally.pairs.iter().collect();
    pairs.sort_by_key(|(_, calls)| Reverse(calls.count));
    let pair = |(&(client, server), calls): (&(u64, u64), &Calls)| Pair {
        client: names.thread(client, calls.last),
        server: names.thread(server, calls.last),
        count: calls.count,
        sum_ticks: calls.sum,
        max_ticks: calls.max,
    };
    pairs.into_iter().take(PAIRS).map(pair).collect()
}

pub fn cpus(tally: &Tally) -> Vec<Cpu> {
    let cpu = |(&cpu, time): (&u16, &Time)| Cpu {
        cpu,
        user_ticks: time.user,
        kernel_ticks: time.kernel,
        idle_ticks: time.idle,
        host_ticks: time.outside,
    };
    tally.summary.cpus.iter().map(cpu).collect()
}

pub fn vm_exits(tally: &Tally, names: &NameBook) -> Vec<VmExit> {
    let exit = |(key, metric): (&Key, &Metric)| VmExit {
        reason: key.name(names, metric.last),
        count: metric.total.count(),
        host_ticks: ticks(metric.total.sum()),
    };
    let mut exits: Vec<_> = tally.summary.section(Section::VmExit).into_iter().map(exit).collect();
    exits.sort_by_key(|exit| Reverse(exit.count));
    exits
}

/// Requests of a section, those that took most time first.
pub fn requests(tally: &Tally, section: Section, names: &NameBook) -> Vec<Request> {
    let request = |(key, metric): (&Key, &Metric)| Request {
        name: key.name(names, metric.last),
        count: metric.total.count(),
        sum_ticks: ticks(metric.total.sum()),
        p50_ticks: metric.total.quantile(0.5),
        p90_ticks: metric.total.quantile(0.9),
        p99_ticks: metric.total.quantile(0.99),
        max_ticks: metric.total.max(),
        measuring_ticks: ticks(metric.cost),
    };
    tally.summary.section(section).into_iter().take(REQUESTS).map(request).collect()
}

fn ticks(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}
