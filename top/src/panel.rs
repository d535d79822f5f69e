//! Rows and columns, in as much room as there is: the first column takes what the others leave, and those that matter least go first.

use profile::format::units::fit;

/// Columns of a name, at least.
const NAME: usize = 14;

/// A column behind the name.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    /// With the space before it.
    pub width: usize,
    pub side: Side,
    /// The higher, the sooner it is left out.
    pub rank: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Left,
    Right,
}

/// A table whose rows have a name each.
#[derive(Clone, Debug)]
pub struct Panel<const N: usize> {
    pub title: &'static str,
    pub columns: [Column; N],
    pub rows: Vec<(String, [String; N])>,
}

/// A table as lines of text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    pub heading: String,
    pub rows: Vec<String>,
}

impl<const N: usize> Panel<N> {
    /// The lines in so many columns.
    pub fn lines(&self, width: usize) -> Lines {
        let mut columns: Vec<usize> = (0..N).collect();
        let taken = |columns: &[usize]| columns.iter().map(|n| self.columns[*n].width).sum::<usize>();
        while taken(&columns) + NAME > width
            && let Some(least) = columns.iter().copied().max_by_key(|n| self.columns[*n].rank)
        {
            columns.retain(|n| *n != least);
        }
        let name_width = width - taken(&columns).min(width);
        let line = |name: &str, cells: &[&str; N]| {
            let mut line = format!("{:name_width$}", fit(name, name_width));
            for column in columns.iter().map(|n| (&self.columns[*n], cells[*n])) {
                let (Column { width, side, .. }, cell) = column;
                let cell = fit(cell, width - 1);
                match side {
                    Side::Left => line.push_str(&format!(" {cell:<0$}", width - 1)),
                    Side::Right => line.push_str(&format!("{cell:>width$}")),
                }
            }
            line.trim_end().to_string()
        };
        let row = |(name, cells): &(String, [String; N])| line(name, &cells.each_ref().map(String::as_str));
        Lines {
            heading: line(self.title, &self.columns.each_ref().map(|column| column.title)),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}

/// A column of figures.
pub const fn figures(title: &'static str, width: usize, rank: u8) -> Column {
    Column { title, width, side: Side::Right, rank }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_least_goes_first() {
        let state = Column { title: "STATE", width: 10, side: Side::Left, rank: 2 };
        let panel = Panel {
            title: "WHO",
            columns: [figures("A", 6, 0), state, figures("B", 8, 1)],
            rows: vec![("linux: a long name[12]".into(), ["1.0".into(), "in read".into(), "2".into()])],
        };
        let Lines { heading, rows } = panel.lines(50);
        assert_eq!(heading, "WHO                            A STATE           B");
        assert_eq!(rows, ["linux: a long name[12]       1.0 in read         2"]);
        assert_eq!(panel.lines(30).heading, "WHO                  A       B");
        assert_eq!(panel.lines(30).rows, ["linux: a…ame[12]   1.0       2"]);
        assert_eq!(panel.lines(21).rows, ["linux: …ame[12]   1.0"]);
        for width in 1..60 {
            let Lines { heading, rows } = panel.lines(width);
            assert!([&heading, &rows[0]].iter().all(|line| line.chars().count() <= width), "{width}");
        }
    }
}
