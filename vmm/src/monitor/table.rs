//! Text in columns.

/// Where a line ends.
const WIDTH: usize = 100;
/// Between two columns.
const GAP: &str = "  ";
/// A last column that has less room than this is not broken into lines.
const LEAST: usize = 20;

/// Rows under a heading. The last column is broken into several lines where it is too long.
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// With these headings; those that begin with `>` are of columns that are aligned to the right.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            right: headings.iter().map(|heading| heading.starts_with('>')).collect(),
            rows: vec![headings.iter().map(|heading| heading.trim_start_matches('>').to_string()).collect()],
        }
    }

    pub fn row<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.into());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The text, or `otherwise` if there are no rows.
    pub fn text_or(&self, otherwise: &str) -> String {
        if self.is_empty() { format!("{otherwise}\n") } else { self.text() }
    }

    pub fn text(&self) -> String {
        let column = |n: usize| self.rows.iter().filter_map(move |row| row.get(n));
        let widths: Vec<_> = (0..self.right.len())
            .map(|n| column(n).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        let last = widths.len().saturating_sub(1);
        let indent: usize = widths[..last].iter().map(|width| width + GAP.len()).sum();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (n, cell) in row.iter().take(last).enumerate() {
                let space = " ".repeat(widths[n].saturating_sub(cell.chars().count()));
                let (before, after) = if self.right[n] { (space.as_str(), "") } else { ("", space.as_str()) };
                line += before;
                line += cell;
                line += after;
                line += GAP;
            }
            let cell = row.last().map_or("", String::as_str);
            if self.right.last() == Some(&true) {
                line += &" ".repeat(widths[last].saturating_sub(cell.chars().count()));
            }
            let room = WIDTH.saturating_sub(indent).max(LEAST);
            let joint = format!("\n{}", " ".repeat(indent));
            line += &broken(cell, room).join(&joint);
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// Breaks a text between words into lines of at most `room` characters. Words that are longer stay whole.
pub fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start");
        if line.is_empty() {
            *line += word;
        } else if line.chars().count() + 1 + word.chars().count() <= room {
            line.push(' ');
            *line += word;
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}

/// Bytes, as a person reads them: `12 KiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        b if b >= 10 << 20 && b.is_multiple_of(1 << 20) => format!("{} MiB", b >> 20),
        b if b.is_multiple_of(1 << 10) => format!("{} KiB", b >> 10),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["name", ">size", "what"]);
        table.row(["a".to_string(), "1".to_string(), "x y".to_string()]);
        table.row(["long".to_string(), "1000".to_string(), String::new()]);
        assert_eq!(table.text(), "name  size  what\na        1  x y\nlong  1000\n");
        assert_eq!(Table::new(["a"]).text_or("none"), "none\n");
    }

    #[test]
    fn a_long_last_column_goes_on_below_itself() {
        let mut table = Table::new(["n", "what"]);
        table.row(["1".to_string(), ["word"; 40].join(" ")]);
        let text = table.text();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.matches("word").count(), 40);
        assert!(text.lines().skip(2).all(|line| line.starts_with("   word")));
    }

    #[test]
    fn sizes_are_exact() {
        assert_eq!(
            [size(5), size(4096), size(2 << 20), size(64 << 20)],
            ["5 bytes", "4 KiB", "2048 KiB", "64 MiB"]
        );
    }
}
