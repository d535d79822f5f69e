//! Tells a debugger what runs in the tasks that this server has made ([`ukernel_abi::names`]).
//!
//! One thread of a server does so. A profile is told as well: it has no use for who is there at its end.

use crate::trace::{self, Event};
use core::sync::atomic::Ordering::{Relaxed, Release};
use ukernel_abi::ThreadId;
use ukernel_abi::names::{LENGTH, Names};

// SAFETY: nothing else has this name (`ukernel_abi::names::SYMBOL`).
#[cfg_attr(target_os = "none", unsafe(export_name = "ukvmm_names"))]
static NAMES: Names = Names::new();

/// Names a task, or names it anew. It stays nameless if the table is full.
pub fn set(task: u16, name: &[u8]) {
    set_in(table(), task, name);
    if trace::is_on() {
        for (piece, bytes) in (0..).zip(padded(name).as_chunks().0) {
            trace::event_of(ThreadId::new(task, piece, 0), Event::NAMED, u64::from_le_bytes(*bytes));
        }
    }
}

/// The task is there no more.
pub fn clear(task: u16) {
    clear_in(table(), task);
}

/// As the compiler sees it, anybody may read it. Servers that name nothing do not have it.
fn table() -> &'static Names {
    core::hint::black_box(&NAMES)
}

fn set_in(names: &Names, task: u16, name: &[u8]) {
    let holds = |task: u16| move |entry: &&_| holds(entry, task);
    let place = names.entries.iter().find(holds(task)).or_else(|| names.entries.iter().find(holds(0)));
    let Some(entry) = place else { return };
    entry.task.store(0, Relaxed);
    for (word, bytes) in entry.name.iter().zip(padded(name).as_chunks().0) {
        word.store(u64::from_le_bytes(*bytes), Release);
    }
    entry.task.store(task.into(), Release);
}

/// As much of the name as there is room for.
fn padded(name: &[u8]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let len = name.len().min(LENGTH);
    bytes[..len].copy_from_slice(&name[..len]);
    bytes
}

fn clear_in(names: &Names, task: u16) {
    if let Some(entry) = names.entries.iter().find(|entry| holds(entry, task)) {
        entry.task.store(0, Release);
    }
}

fn holds(entry: &ukernel_abi::names::Entry, task: u16) -> bool {
    entry.task.load(Relaxed) == u64::from(task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ukernel_abi::names::{CAPACITY, decode};

    fn read(names: &Names) -> Vec<(u16, String)> {
        let words =
            names.entries.iter().flat_map(|e| [&e.task].into_iter().chain(&e.name).map(|w| w.load(Relaxed)));
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        decode(&bytes).map(|(task, name)| (task, String::from_utf8_lossy(name).into_owned())).collect()
    }

    #[test]
    fn a_task_has_one_name() {
        let names = Names::new();
        set_in(&names, 5, b"sh[1]");
        set_in(&names, 6, b"init");
        set_in(&names, 5, b"ls[1]");
        assert_eq!(read(&names), [(5, "ls[1]".into()), (6, "init".into())]);
        clear_in(&names, 5);
        clear_in(&names, 5);
        assert_eq!(read(&names), [(6, "init".into())]);
    }

    #[test]
    fn long_names_are_cut_and_what_does_not_fit_has_none() {
        let names = Names::new();
        for task in 1..=CAPACITY as u16 + 1 {
            set_in(&names, task, &[b'x'; 40]);
        }
        let all = read(&names);
        assert_eq!(all.len(), CAPACITY);
        assert_eq!(all.last(), Some(&(CAPACITY as u16, "x".repeat(LENGTH))));
        clear_in(&names, 3);
        set_in(&names, 999, b"new");
        assert!(read(&names).contains(&(999, "new".into())));
    }
}
