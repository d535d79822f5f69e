//! Which colour is what.

use crate::format::escape::escape;
use std::io::{self, Write};

/// Something that is shown in a colour, by the name of the page's variable.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub colour: &'a str,
}

pub fn write(entries: &[Entry<'_>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<ul class=\"legend\">")?;
    for Entry { name, colour } in entries {
        writeln!(out, "<li><i style=\"background:var(--{colour})\"></i>{}</li>", escape(name))?;
    }
    writeln!(out, "</ul>")
}
