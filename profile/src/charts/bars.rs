//! Bars side by side, on one scale, and a line across all of them where what they are compared with would end.

use super::{HEIGHT, WIDTH, place};
use crate::format::escape::escape;
use std::io::{self, Write};

/// A row: a bar, or some below each other.
pub struct Row<'a> {
    pub name: &'a str,
    pub bars: Vec<Bar<'a>>,
    /// The values in words.
    pub figure: String,
}

pub struct Bar<'a> {
    /// What it is of.
    pub name: &'a str,
    /// The name of the page's variable.
    pub colour: &'a str,
    pub value: f64,
}

/// What the bars are drawn to.
#[derive(Clone, Copy)]
pub struct Scale {
    /// The value at the right end. Bars that are longer end there, with a gap.
    pub most: f64,
    /// Where the line is.
    pub line: Option<f64>,
}

impl Scale {
    /// One on which all bars of these rows have room, but none is longer than `limit`.
    pub fn of(rows: &[Row<'_>], limit: f64, line: Option<f64>) -> Self {
        let values = rows.iter().flat_map(|row| &row.bars).map(|bar| bar.value).chain(line);
        Self { most: values.fold(0.0, f64::max).min(limit), line }
    }
}

pub fn write(rows: &[Row<'_>], scale: Scale, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<div class=\"bars\">")?;
    for one in rows {
        row(one, scale, out)?;
    }
    writeln!(out, "</div>")
}

fn row(row: &Row<'_>, scale: Scale, out: &mut dyn Write) -> io::Result<()> {
    let (name, figure) = (escape(row.name), escape(&row.figure));
    write!(
        out,
        "<div class=\"row\"><span class=\"name\" title=\"{name}\">{name}</span>\
         <svg class=\"lane{}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{name}: {figure}\">",
        if row.bars.len() > 1 { " tall" } else { "" }
    )?;
    let height = HEIGHT / row.bars.len().max(1) as f64;
    for (n, bar) in row.bars.iter().enumerate() {
        let (y, width) = (n as f64 * height, place(bar.value, scale.most));
        write!(
            out,
            "<rect x=\"0\" y=\"{:.2}\" width=\"{width:.1}\" height=\"{:.2}\" fill=\"var(--{})\"><title>{}</title></rect>",
            y + height * 0.08,
            height * 0.84,
            bar.colour,
            escape(bar.name)
        )?;
        if bar.value > scale.most {
            // It does not end here.
            write!(
                out,
                "<rect x=\"{:.1}\" y=\"{y:.2}\" width=\"8\" height=\"{height:.2}\" fill=\"var(--paper)\"/>",
                WIDTH * 0.97
            )?;
        }
    }
    if let Some(line) = scale.line {
        let x = place(line, scale.most);
        write!(
            out,
            "<rect x=\"{:.1}\" y=\"0\" width=\"2\" height=\"{HEIGHT}\" fill=\"var(--ink)\"/>",
            x - 1.0
        )?;
    }
    writeln!(out, "</svg><span class=\"mean\">{figure}</span></div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row<'static>> {
        let bar = |name, value| Bar { name, colour: "accent", value };
        vec![
            Row { name: "a <b>", bars: vec![bar("one", 2.0), bar("two", 4.0)], figure: "2 & 4".into() },
            Row { name: "long", bars: vec![bar("one", 40.0)], figure: "40".into() },
        ]
    }

    fn chart(limit: f64) -> String {
        let rows = rows();
        let mut out = Vec::new();
        write(&rows, Scale::of(&rows, limit, Some(1.0)), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let chart = chart(100.0);
        for width in ["width=\"50.0\"", "width=\"100.0\"", "width=\"1000.0\""] {
            assert!(chart.contains(width), "{width} {chart}");
        }
        assert!(chart.contains("x=\"24.0\""), "the line: {chart}");
        assert!(chart.contains("a &lt;b&gt;") && chart.contains("2 &amp; 4"), "{chart}");
        assert!(!chart.contains("970.0"), "no gap");
    }

    #[test]
    fn bars_that_find_no_room_have_a_gap() {
        let chart = chart(8.0);
        assert!(chart.contains("width=\"500.0\"") && chart.matches("x=\"970.0\"").count() == 1, "{chart}");
    }
}
