//! Distributions by their quartiles: from the least to the greatest a line, the half in the middle a box, the median a stroke.

use super::{HEIGHT, WIDTH, place};
use crate::format::escape::escape;
use std::io::{self, Write};

/// A row.
pub struct Row<'a> {
    pub name: &'a str,
    /// The name of the page's variable.
    pub colour: &'a str,
    /// Least, lower quartile, median, upper quartile, greatest.
    pub values: [f64; 5],
    /// What is to be said of them.
    pub figure: String,
}

/// How much longer than to the highest quartile the scale is: a single round that something interrupted would press all others together.
const ROOM: f64 = 1.25;

/// The rows on one scale, from 0 on. What is greater than its end has an arrow there.
pub fn write(rows: &[Row<'_>], out: &mut dyn Write) -> io::Result<()> {
    let greatest = rows.iter().map(|row| row.values[4]).fold(0.0, f64::max);
    let quartile = rows.iter().map(|row| row.values[3]).fold(0.0, f64::max);
    let most = greatest.min(quartile * ROOM);
    writeln!(out, "<div class=\"bars\">")?;
    for one in rows {
        row(one, most, out)?;
    }
    writeln!(out, "</div>")
}

fn row(row: &Row<'_>, most: f64, out: &mut dyn Write) -> io::Result<()> {
    let (name, figure) = (escape(row.name), escape(&row.figure));
    let [min, q1, median, q3, max] = row.values.map(|value| place(value, most));
    let middle = HEIGHT / 2.0;
    let rect = |x: f64, y: f64, width: f64, height: f64, colour: &str| {
        format!(
            "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"var(--{colour})\"/>"
        )
    };
    write!(
        out,
        "<div class=\"row\"><span class=\"name\" title=\"{name}\">{name}</span>\
         <svg class=\"lane\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{name}: {figure}\">{}{}{}",
        rect(min, middle - 1.0, (max - min).max(1.0), 2.0, row.colour),
        rect(q1 - 2.0, 4.0, (q3 - q1).max(0.0) + 4.0, HEIGHT - 8.0, row.colour),
        rect(median - 1.5, 1.0, 3.0, HEIGHT - 2.0, "ink"),
    )?;
    if row.values[4] > most {
        let (back, end) = (WIDTH - 12.0, WIDTH);
        write!(
            out,
            "<polygon points=\"{back},3 {end},{middle} {back},{}\" fill=\"var(--{})\"/>",
            HEIGHT - 3.0,
            row.colour
        )?;
    }
    writeln!(out, "</svg><span class=\"mean\">{figure}</span></div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_does_not_make_the_scale() {
        let row = |values| Row { name: "a", colour: "accent", values, figure: "f".into() };
        let mut out = Vec::new();
        write(&[row([40.0, 50.0, 60.0, 80.0, 90.0]), row([10.0, 20.0, 20.0, 40.0, 5000.0])], &mut out)
            .unwrap();
        let chart = String::from_utf8(out).unwrap();
        // The scale ends at 100.
        assert!(chart.contains("x=\"498.0\" y=\"4\" width=\"304.0\""), "{chart}");
        assert!(chart.contains("x=\"598.5\""), "{chart}");
        assert_eq!(chart.matches("<polygon").count(), 1);
    }
}
