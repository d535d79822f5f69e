//! Who calls whom.

use crate::figures::{Figures, shown};
use crate::panel::{Column, Panel, figures};
use profile::live::window::{Pair, Window};

const COLUMNS: [Column; 3] = [figures("CALL/s", 9, 0), figures("MEAN", 10, 1), figures("MAX", 10, 2)];

pub fn panel(window: &Window) -> Panel<3> {
    let figures = Figures::of(window);
    let row = |pair: &Pair| {
        let cells = [
            figures.per_second(pair.count),
            figures.time(pair.sum_ticks / pair.count.max(1)),
            figures.time(pair.max_ticks),
        ];
        (shown(&format!("{} → {}", pair.client, pair.server)), cells)
    };
    Panel { title: "CLIENT → SERVER", columns: COLUMNS, rows: window.ipc.iter().map(row).collect() }
}
