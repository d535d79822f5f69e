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
