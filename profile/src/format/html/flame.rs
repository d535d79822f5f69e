//! Where vCPUs were found: a flame graph, and its functions one by one, since on a telephone a narrow box has no room for a name.

use crate::format::escape::escape;
use crate::format::flamegraph;
use crate::format::units::{count, percent};
use crate::report::Report;
use std::io::{self, Write};

/// Functions that are listed.
const FUNCTIONS: usize = 25;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let total = report.stacks.total();
    if total == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Where the time was, by {} samples</h2>\n<p class=\"faint\">A box is a function, as wide as vCPUs were found often in it and in what it \
         calls, which stands upon it.</p>\n{}\n<figure class=\"flame\">",
        count(total.into()),
        legend()
    )?;
    flamegraph::picture(&report.stacks, out)?;
    writeln!(
        out,
        "</figure>\n<div class=\"wide\"><table>\n<tr><th>functions</th><th class=\"less\">samples</th><th>itself</th><th class=\"less\">samples</th><th>with callees</th></tr>"
    )?;
    for (name, share) in report.stacks.functions().iter().take(FUNCTIONS) {
        let cells = [share.own, share.total].map(|n| {
            format!("<td class=\"less\">{}</td><td>{}</td>", count(n.into()), percent(n.into(), total.into()))
        });
        writeln!(out, "<tr><td class=\"function\">{}</td>{}</tr>", escape(name), cells.concat())?;
    }
    writeln!(out, "</table></div>")
}

fn legend() -> String {
    let kinds = [
        ("program", "Linux programs"),
        ("server", "servers"),
        ("kernel", "kernel, at the end of their names [k]"),
        ("idle", "idle"),
    ];
    let item = |(class, what)| format!("<li><i class=\"{class}\"></i>{what}</li>");
    format!("<ul class=\"legend flame\">{}</ul>", kinds.map(item).concat())
}
