//! How figures are written in tables.

use crate::commands::bench::page::grouped;
use crate::commands::bench::results::Stats;

/// A figure: instructions whole and in groups of three, what is per byte with more digits.
pub fn figure(value: f64) -> String {
    if value >= 100.0 { grouped(value.round() as u64) } else { format!("{value:.2}") }
}

/// How many times as much: of the medians, that of the minima beside.
pub fn ratio(one: &Stats, other: &Stats) -> String {
    format!("{:.2} ({:.2})", one.median / other.median, one.min / other.min)
}

/// The half in the middle.
pub fn spread(stats: &Stats) -> String {
    format!("{}–{}", figure(stats.q1), figure(stats.q3))
}

/// A row of a table.
pub fn row<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The head of a table: the first columns are texts, the others figures.
pub fn head<T: AsRef<str>>(titles: &[T], texts: usize) -> String {
    let line = (0..titles.len()).map(|column| if column < texts { "---" } else { "---:" });
    row(titles) + &format!("|{}|\n", line.collect::<Vec<_>>().join("|"))
}

/// A text whose tables have columns that a terminal shows below each other.
pub fn aligned(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_table = |line: &&str| line.starts_with('|');
    let blocks = lines.chunk_by(|one, next| is_table(one) == is_table(next));
    let mut out = String::new();
    for block in blocks {
        match block.first().filter(|line| is_table(line)) {
            Some(_) => aligned_table(block).iter().for_each(|line| out += &format!("{line}\n")),
            None => block.iter().for_each(|line| out += &format!("{line}\n")),
        }
    }
    out
}

/// A table's lines, the second of which says where each column's figures stand.
fn aligned_table(lines: &[&str]) -> Vec<String> {
    let cells = |line: &&str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<_> = lines.iter().map(cells).collect();
    let cells_of = |column: usize| {
        rows.iter().enumerate().filter(|(n, _)| *n != 1).filter_map(move |(_, row)| row.get(column))
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| cells_of(column).map(|cell| cell.chars().count()).max().unwrap_or(0).max(3))
        .collect();
    let is_figure =
        |column: usize| rows.get(1).and_then(|row| row.get(column)).is_some_and(|cell| cell.ends_with(':'));
    let cell = |n: usize, column: usize, cell: &str| {
        let width = widths[column];
        match (n == 1, is_figure(column)) {
            (true, true) => "-".repeat(width - 1) + ":",
            (true, false) => "-".repeat(width),
            (false, true) => format!("{cell:>width$}"),
            (false, false) => format!("{cell:<width$}"),
        }
    };
    let line = |(n, row): (usize, &Vec<String>)| {
        let cells = row.iter().enumerate().map(|(column, text)| cell(n, column, text));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    rows.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_matter() {
        assert_eq!(figure(286_000.4), "286 000");
        assert_eq!(
            (figure(311.0), figure(0.756), figure(12.0)),
            ("311".into(), "0.76".into(), "12.00".into())
        );
    }

    #[test]
    fn a_table_is_markdown() {
        assert_eq!(head(&["a", "b"], 1) + &row(&["x", "1"]), "| a | b |\n|---|---:|\n| x | 1 |\n");
    }

    #[test]
    fn tables_are_for_terminals_too() {
        let table = head(&["what", "µs"], 1) + &row(&["a", "12 345"]) + &row(&["longer", ""]);
        let expected = "text\n\n| what   |     µs |\n| ------ | -----: |\n| a      | 12 345 |\n| longer |        |\n\nmore\n";
        assert_eq!(aligned(&format!("text\n\n{table}\nmore\n")), expected);
        assert_eq!(aligned(expected), expected);
    }

    #[test]
    fn ratios_are_of_medians_and_minima() {
        let stats = |min, median| Stats {
            min,
            q1: median,
            median,
            mean: median,
            q3: median,
            max: median,
            stddev: 0.0,
            n: 1.0,
        };
        assert_eq!(ratio(&stats(20.0, 30.0), &stats(40.0, 20.0)), "1.50 (0.50)");
    }
}
