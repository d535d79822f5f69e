//! As text, for programs and for those who have no terminal.

use crate::link::{Link, LinkError};
use crate::panel::Lines;
use crate::{header, ipc, requests, threads};
use profile::live::line::{End, Line};
use profile::live::window::Window;
use std::io::{self, Write};

/// Columns.
const WIDTH: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the figures cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes so many windows, or all until the machine ends: then returns how it ended.
pub fn run(link: &mut Link, windows: Option<u64>, out: &mut impl Write) -> Result<Option<End>, PlainError> {
    let mut left = windows;
    while left != Some(0) {
        match link.next_line()? {
            Line::Window(window) => {
                write(&window, out)?;
                left = left.map(|left| left - 1);
                if left != Some(0) {
                    writeln!(out)?;
                }
                out.flush()?;
            }
            Line::End(end) => return Ok(Some(end)),
            // Not behind a first line.
            Line::Busy(busy) => return Err(LinkError::Busy(busy.clients).into()),
        }
    }
    Ok(None)
}

pub fn write(window: &Window, out: &mut impl Write) -> io::Result<()> {
    for line in header::lines(window, WIDTH) {
        writeln!(out, "{line}")?;
    }
    let panels = [
        threads::panel(window, threads::Sort::default()).lines(WIDTH),
        ipc::panel(window).lines(WIDTH),
        requests::panel(window, requests::Sort::default()).lines(WIDTH),
    ];
    for Lines { heading, rows } in panels.into_iter().filter(|lines| !lines.rows.is_empty()) {
        writeln!(out, "\n{heading}")?;
        for row in rows {
            writeln!(out, "{row}")?;
        }
    }
    match window.other_threads {
        0 => Ok(()),
        others => writeln!(out, "\n{others} more threads"),
    }
}

/// How the machine ended, in a line.
pub fn ending(end: &End) -> String {
    match (end.status, end.signal) {
        (Some(status), _) => format!("machine ended with status {status}"),
        (None, Some(signal)) => format!("machine was ended by signal {signal}"),
        (None, None) => "machine ended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of a machine without VMX or SVM: its line, as it came from the socket.
    const WINDOW: &[u8] = include_bytes!("window.json");

    #[test]
    fn the_documentation_shows_what_is_printed() {
        let Line::Window(window) = Line::parse(WINDOW).unwrap() else { panic!("another line") };
        let mut out = Vec::new();
        write(&window, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        let documented = include_str!("../../docs/profile.md");
        assert!(documented.contains(&format!("```text\n{text}```")), "docs/profile.md should show:\n{text}");
    }

    #[test]
    fn an_end_is_told() {
        let end = |status, signal| ending(&End { status, signal, message: None });
        assert_eq!(end(Some(7), None), "machine ended with status 7");
        assert_eq!(end(None, Some(15)), "machine was ended by signal 15");
    }
}
