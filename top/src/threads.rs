//! The threads of a machine.

use crate::figures::{Figures, shown};
use crate::panel::{Column, Panel, Side, figures};
use profile::live::window::{Thread, Window};
use std::cmp::Reverse;

const COLUMNS: [Column; 6] = [
    figures("TASK", 6, 5),
    Column { title: "STATE", width: 13, side: Side::Left, rank: 4 },
    figures("CPU", 8, 0),
    figures("IPC/s", 9, 2),
    figures("FAULT/s", 9, 3),
    figures("CALL/s", 9, 1),
];

/// What they are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    #[default]
    Cpu,
    Ipc,
    Faults,
    Calls,
    Name,
}

impl Sort {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Ipc => "IPC",
            Self::Faults => "page faults",
            Self::Calls => "system calls",
            Self::Name => "name",
        }
    }
}

pub fn panel(window: &Window, sort: Sort) -> Panel<6> {
    let figures = Figures::of(window);
    let mut threads: Vec<&Thread> = window.threads.iter().collect();
    // Those with as much keep their order, which is by CPU.
    match sort {
        Sort::Cpu => threads.sort_by_key(|thread| Reverse(cpu(thread))),
        Sort::Ipc => threads.sort_by_key(|thread| Reverse(thread.ipc_count)),
        Sort::Faults => threads.sort_by_key(|thread| Reverse(thread.page_fault_count)),
        Sort::Calls => threads.sort_by_key(|thread| Reverse(thread.system_call_count)),
        Sort::Name => threads.sort_by(|one, other| one.name.cmp(&other.name)),
    }
    let row = |thread: &Thread| {
        let cells = [
            thread.task.to_string(),
            thread.state.as_deref().map_or_else(|| "–".into(), shown),
            figures.share(cpu(thread)),
            figures.per_second(thread.ipc_count),
            figures.per_second(thread.page_fault_count),
            figures.per_second(thread.system_call_count),
        ];
        (shown(&thread.name), cells)
    };
    Panel { title: "THREAD", columns: COLUMNS, rows: threads.into_iter().map(row).collect() }
}

fn cpu(thread: &Thread) -> u64 {
    thread.user_ticks.saturating_add(thread.kernel_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_order_is_the_user_s() {
        let window = sample::window();
        let names = |sort| {
            let rows = panel(&window, sort).rows;
            rows.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(Sort::Cpu), ["linux", "linux: cat[7]", "block", "console"]);
        assert_eq!(names(Sort::Calls)[0], "linux: cat[7]");
        assert_eq!(names(Sort::Name)[0], "block");
        assert_eq!(
            (names(Sort::Ipc)[0].as_str(), names(Sort::Faults)[0].as_str()),
            ("linux", "linux: cat[7]")
        );
    }
}
