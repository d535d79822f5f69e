//! Bars that are divided: how large a share of the whole each part is.

use crate::format::escape::escape;
use std::io::{self, Write};

/// A part of a bar.
pub struct Part<'a> {
    pub name: &'a str,
    /// The name of the page's variable.
    pub colour: &'a str,
    pub value: f64,
    /// The value in words.
    pub text: String,
}

/// Begins a chart, whose rows follow.
pub fn begin(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<div class=\"bars\">")
}

/// A row. Its bar is as wide as all others, whatever `whole` is, which is what the parts are shares of.
pub fn row(name: &str, parts: &[Part<'_>], whole: f64, figure: &str, out: &mut dyn Write) -> io::Result<()> {
    let name = escape(name);
    write!(out, "<div class=\"row\"><span class=\"name\" title=\"{name}\">{name}</span><div class=\"bar\">")?;
    for part in parts.iter().filter(|part| part.value > 0.0 && whole > 0.0) {
        let share = part.value / whole * 100.0;
        write!(
            out,
            "<span style=\"width:{share:.2}%;background:var(--{})\" title=\"{}: {} ({share:.1} %)\"></span>",
            part.colour,
            escape(part.name),
            escape(&part.text)
        )?;
    }
    writeln!(out, "</div><span class=\"mean\">{}</span></div>", escape(figure))
}

pub fn end(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "</div>")
}
