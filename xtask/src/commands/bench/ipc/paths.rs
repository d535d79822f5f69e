//! The kernel's paths that are counted: where in the loops they are, what is aimed at, and what others need.
//!
//! Figures of others: instructions in kernel mode, measured in QEMU with `-icount` on one CPU like ours, the instruction that enters the
//! kernel included. NOVA, seL4 (its fast path) and Fiasco.OC with their own minimal programs, Linux 6.1.

use super::visit::{Entry, Round, Visit};
use crate::commands::bench::committed::Counts;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// A path: visits to the kernel that follow each other in a loop.
pub struct Path {
    /// Its name, for the file of counts and for tests.
    pub key: &'static str,
    pub what: &'static str,
    pub in_loop: &'static str,
    /// The visits of a round: how the kernel is entered, and what for. `None` is a visit that is not of this path.
    visits: &'static [(Entry, Option<&'static str>)],
    /// Instructions.
    pub aim: Option<u64>,
    pub best: &'static str,
    /// Whether the cache lines that it touches are promised, too.
    pub lines: bool,
}

/// A path as it was seen.
pub struct Counted<'a> {
    pub path: &'static Path,
    /// What each visit is for, and the visit.
    pub visits: Vec<(&'static str, &'a Visit)>,
}

impl Counted<'_> {
    pub fn instructions(&self) -> u64 {
        self.visits.iter().map(|(_, visit)| visit.instructions).sum()
    }

    pub fn counts(&self) -> Counts {
        let visits = || self.visits.iter().filter(|_| self.path.lines).map(|(_, visit)| visit);
        Counts {
            instructions: self.instructions(),
            code_lines: visits().map(|visit| visit.code_lines()).collect(),
            data_lines: visits().map(|visit| visit.data_lines()).collect(),
        }
    }
}

use Entry::{Event, Syscall};

pub const PATHS: &[Path] = &[
    Path {
        key: "call",
        what: "call + reply-and-wait, two address spaces",
        in_loop: "ipc_inter",
        visits: &[(Syscall, Some("call")), (Syscall, Some("reply-and-wait"))],
        aim: Some(170),
        best: "NOVA 277, seL4 424 (198 + 226), Fiasco.OC 1063",
        lines: true,
    },
    Path {
        key: "call-within",
        what: "the same within one address space",
        in_loop: "ipc_intra",
        visits: &[(Syscall, Some("call")), (Syscall, Some("reply-and-wait"))],
        aim: Some(160),
        best: "NOVA 257, seL4 418",
        lines: true,
    },
    Path {
        key: "forwarded",
        what: "forwarded Linux system call: in and back",
        in_loop: "foreign",
        visits: &[(Syscall, Some("system call")), (Syscall, Some("reply-and-wait"))],
        aim: Some(190),
        best: "Linux's own null call 210",
        lines: true,
    },
    Path {
        key: "reflected",
        what: "reflected Linux system call: to the trampoline in the same address space, which goes back by itself",
        in_loop: "reflected",
        visits: &[(Syscall, Some("system call"))],
        aim: Some(120),
        best: "",
        lines: true,
    },
    Path {
        key: "id-nearest",
        what: "cheapest L4 call (`id_nearest` of nil)",
        in_loop: "id_nearest",
        visits: &[(Syscall, Some("`id_nearest`"))],
        aim: Some(45),
        best: "NOVA 52",
        lines: true,
    },
    Path {
        key: "string-4096",
        what: "call with a string of 4 KiB + reply-and-wait",
        in_loop: "string_long",
        visits: &[(Syscall, Some("call")), (Syscall, Some("reply-and-wait"))],
        aim: None,
        best: "",
        lines: false,
    },
    Path {
        key: "string-8",
        what: "the same with a string of 8 bytes",
        in_loop: "string_short",
        visits: &[(Syscall, Some("call")), (Syscall, Some("reply-and-wait"))],
        aim: None,
        best: "",
        lines: false,
    },
    Path {
        key: "page-fault",
        what: "page fault to a pager, one page mapped, resume",
        in_loop: "fault",
        visits: &[(Event, Some("page fault")), (Syscall, Some("reply with the page, wait")), (Syscall, None)],
        aim: Some(700),
        best: "seL4 2070, Linux (in the kernel) 2737",
        lines: false,
    },
    Path {
        key: "interrupt",
        what: "interrupt to a waiting driver thread",
        in_loop: "interrupt",
        visits: &[(Event, Some("interrupt")), (Syscall, None)],
        aim: Some(250),
        best: "",
        lines: false,
    },
    Path {
        key: "unmap",
        what: "`fpage_unmap` of one page of one's own",
        in_loop: "fault",
        visits: &[(Event, None), (Syscall, None), (Syscall, Some("`fpage_unmap`"))],
        aim: None,
        best: "",
        lines: false,
    },
    Path {
        key: "switch",
        what: "`thread_switch` to a thread of another address space",
        in_loop: "switch",
        visits: &[(Syscall, Some("`thread_switch`")), (Syscall, None)],
        aim: None,
        best: "",
        lines: false,
    },
    Path {
        key: "task-new",
        what: "`task_new`: a task with one thread",
        in_loop: "task",
        visits: &[(Syscall, Some("`task_new`")), (Syscall, None)],
        aim: None,
        best: "",
        lines: false,
    },
    Path {
        key: "task-delete",
        what: "`task_new` that deletes it again",
        in_loop: "task",
        visits: &[(Syscall, None), (Syscall, Some("`task_new`, delete"))],
        aim: None,
        best: "",
        lines: false,
    },
];

/// What a byte of a string takes: the difference of two paths, and of their strings' bytes.
pub const STRINGS: ([&str; 2], u64) = (["string-8", "string-4096"], 4096 - 8);
/// Instructions a byte.
pub const STRING_AIM: f64 = 0.02;

/// Cache lines that others touch: what, code, data.
pub const LINES_OF_OTHERS: &[(&str, u64, u64)] = &[
    ("seL4: call", 16, 21),
    ("seL4: reply-and-wait", 19, 21),
    ("NOVA: call", 14, 27),
    ("NOVA: reply", 12, 22),
];
/// What is aimed at, a direction.
pub const CODE_LINES_AIM: u64 = 8;
pub const DATA_LINES_AIM: u64 = 14;

/// Bytes of code.
pub const TEXT_AIM: u64 = 64 << 10;
pub const TEXT_OF_OTHERS: &str = "seL4 76 KiB, NOVA 77 KiB";
/// Instructions from the kernel's first to σ0's first.
pub const BOOT_AIM: u64 = 100_000;

/// Finds all paths in the rounds.
pub fn count(rounds: &BTreeMap<String, Round>) -> Result<Vec<Counted<'_>>> {
    PATHS.iter().map(|path| path.find(rounds).with_context(|| format!("path {}", path.key))).collect()
}

/// Instructions that a byte of a string takes beyond what a string takes.
pub fn per_byte(paths: &[Counted]) -> Option<f64> {
    let (keys, bytes) = STRINGS;
    let [short, long] = keys.map(|key| paths.iter().find(|counted| counted.path.key == key));
    let more = long?.instructions().saturating_sub(short?.instructions());
    Some(more as f64 / bytes as f64)
}

impl Path {
    fn find<'a>(&'static self, rounds: &'a BTreeMap<String, Round>) -> Result<Counted<'a>> {
        let round = rounds.get(self.in_loop).with_context(|| format!("no loop {}", self.in_loop))?;
        let found: Vec<_> = round.visits.iter().map(|visit| visit.entry).collect();
        let expected: Vec<_> = self.visits.iter().map(|(entry, _)| *entry).collect();
        ensure!(found == expected, "the kernel is entered by {found:?} and not {expected:?}");
        let visits = round.visits.iter().zip(self.visits);
        let visits = visits.filter_map(|(visit, (_, what))| Some(((*what)?, visit))).collect();
        Ok(Counted { path: self, visits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn paths_have_names_of_their_own() {
        let names: BTreeSet<_> = PATHS.iter().map(|path| path.key).collect();
        assert_eq!(names.len(), PATHS.len());
    }

    #[test]
    fn a_path_is_the_visits_that_are_its_own() {
        let visit = |entry, instructions| {
            let mut visit = Visit::new(entry);
            visit.instructions = instructions;
            visit
        };
        let round = Round {
            visits: vec![visit(Event, 10), visit(Syscall, 20), visit(Syscall, 40)],
            ..Round::default()
        };
        let rounds = BTreeMap::from([("fault".to_owned(), round)]);
        let path = |key| PATHS.iter().find(|path| path.key == key).unwrap();
        assert_eq!(path("page-fault").find(&rounds).unwrap().instructions(), 30);
        assert_eq!(path("unmap").find(&rounds).unwrap().instructions(), 40);
        assert!(path("call").find(&rounds).is_err());
    }

    #[test]
    fn a_kernel_that_is_entered_otherwise_is_not_counted() {
        let rounds = BTreeMap::from([("fault".to_owned(), Round::default())]);
        assert!(PATHS.iter().find(|path| path.key == "unmap").unwrap().find(&rounds).is_err());
    }
}
