//! System calls and page faults: how many, and how long they take. The cost of measuring is not in these times.

use crate::figures::{Figures, shown};
use crate::panel::{Column, Panel, figures};
use profile::live::window::{Request, Window};
use std::cmp::Reverse;

const COLUMNS: [Column; 6] = [
    figures("CALL/s", 9, 0),
    figures("TIME", 8, 5),
    figures("p50", 10, 1),
    figures("p90", 10, 4),
    figures("p99", 10, 2),
    figures("MAX", 10, 3),
];

/// What they are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// How much time they took, all of them together.
    #[default]
    Time,
    Count,
}

pub fn panel(window: &Window, sort: Sort) -> Panel<6> {
    let figures = Figures::of(window);
    let mut requests: Vec<&Request> = window.system_calls.iter().chain(&window.faults).collect();
    requests.sort_by_key(|request| {
        Reverse(match sort {
            Sort::Time => request.sum_ticks,
            Sort::Count => request.count,
        })
    });
    let row = |request: &Request| {
        let cells = [
            figures.per_second(request.count),
            figures.share(request.sum_ticks),
            figures.time(request.p50_ticks),
            figures.time(request.p90_ticks),
            figures.time(request.p99_ticks),
            figures.time(request.max_ticks),
        ];
        (shown(&request.name), cells)
    };
    Panel { title: "SYSTEM CALL", columns: COLUMNS, rows: requests.into_iter().map(row).collect() }
}
