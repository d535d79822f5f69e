//! `monitor ipc`

use super::Scene;
use super::table::broken;
use crate::debug::thread::Thread;
use crate::inspect::Kernel;
use crate::inspect::state::{Activity, State};
use crate::inspect::thread::Tcb;
use std::collections::{BTreeMap, BTreeSet};
use ukernel_abi::ThreadId;
use ukernel_abi::utcb::RunState;

const WIDTH: usize = 100;

/// A thread, and the one without which it does not go on.
struct Waiting {
    tcb: Tcb,
    state: State,
    on: Option<Thread>,
}

pub fn run(scene: &Scene<'_>, kernel: &Kernel, _: &[&str]) -> Result<String, String> {
    let threads: BTreeMap<_, _> = kernel
        .threads(scene.view)
        .into_iter()
        .filter_map(|thread| {
            let tcb = kernel.thread(scene.view, thread)?;
            let state = kernel.state(scene.view, &tcb);
            let on = waits_on(&tcb, &state);
            Some((thread, Waiting { tcb, state, on }))
        })
        .collect();
    let awaited: BTreeSet<_> = threads.values().filter_map(|waiting| waiting.on).collect();
    let mut text = String::new();
    let mut told = BTreeSet::new();
    // From those that nobody waits for; what is left then are cycles that nobody waits for either.
    let (tails, rest): (Vec<_>, Vec<_>) = threads.keys().partition(|thread| !awaited.contains(thread));
    for start in tails.into_iter().chain(rest) {
        if threads[start].on.is_some() && !told.contains(start) {
            let chain = Chain::from(*start, &threads);
            told.extend(chain.threads.iter().copied());
            let words = chain.in_words(scene, kernel, &threads);
            text += &broken(&words, WIDTH - 4).join("\n    ");
            text.push('\n');
        }
    }
    Ok(if text.is_empty() { "nobody waits for another\n".to_string() } else { text })
}

/// Whom a thread waits for, if that is one thread.
fn waits_on(tcb: &Tcb, state: &State) -> Option<Thread> {
    let thread = |id: ThreadId| id.is_valid().then(|| Thread::l4(id.task(), id.lthread()));
    match state.activity {
        Activity::Sending { to, .. } | Activity::Asking { to, .. } => thread(to),
        Activity::Receiving { from } => thread(from),
        // The other side's identifier has no version here.
        Activity::Copying { with } if tcb.state == RunState::InTransfer => {
            Some(Thread::l4(with.task(), with.lthread()))
        }
        _ => None,
    }
}

/// Threads each of which waits for the next, and where the last leads back to, if it does.
struct Chain {
    threads: Vec<Thread>,
    back_to: Option<usize>,
}

impl Chain {
    fn from(start: Thread, threads: &BTreeMap<Thread, Waiting>) -> Self {
        let mut chain = Self { threads: vec![start], back_to: None };
        let mut at = start;
        while let Some(next) = threads.get(&at).and_then(|waiting| waiting.on) {
            chain.back_to = chain.threads.iter().position(|thread| *thread == next);
            if chain.back_to.is_some() || !threads.contains_key(&next) {
                break;
            }
            chain.threads.push(next);
            at = next;
        }
        chain
    }

    fn in_words(&self, scene: &Scene<'_>, kernel: &Kernel, threads: &BTreeMap<Thread, Waiting>) -> String {
        let name = |thread: &Thread| format!("{thread} ({})", scene.names.thread(threads[thread].tcb.id));
        let mut text = self.threads.iter().map(name).collect::<Vec<_>>().join(" -> ");
        let Some(back_to) = self.back_to else {
            let last = self.threads.last().map(|last| &threads[last].state);
            let last =
                last.map_or(String::new(), |state| kernel.state_in_words(scene.view, scene.names, state));
            return format!("{text}: {last}");
        };
        let cycle = &self.threads[back_to..];
        text += &format!(" -> {}: ", cycle[0]);
        text += match cycle.iter().any(|thread| threads[thread].state.left.is_some()) {
            true => "a cycle, until a timeout ends it",
            false => "DEADLOCK",
        };
        text
    }
}
