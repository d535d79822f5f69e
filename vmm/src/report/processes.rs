//! `monitor linux ps | fds PID | maps PID`

use super::facts::Facts;
use super::linux::{Linux, LinuxError};
use crate::monitor::table::Table;

/// For `monitor help`.
pub const COMMANDS: [(&str, &str); 3] = [
    ("linux ps", "Linux processes: parent, state, threads, command line"),
    ("linux fds PID", "what Linux process PID has open"),
    ("linux maps PID", "what Linux process PID has mapped, as in /proc/PID/maps"),
];

/// Does the command of these words, which come after `linux`.
pub fn run(facts: &Facts<'_>, words: &[&str]) -> Result<String, String> {
    let text = |result: Result<String, LinuxError>| result.map_err(|e| e.to_string());
    let linux = || facts.linux().map_err(|e| e.to_string());
    match words {
        ["ps"] => text(ps(&mut linux()?)),
        ["fds", pid] => text(fds(&mut linux()?, number(pid)?)),
        ["maps", pid] => text(maps(&mut linux()?, number(pid)?)),
        _ => Err(COMMANDS.map(|(usage, about)| format!("monitor {usage:<18} {about}")).join("\n")),
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no process number; monitor linux ps lists them"))
}

fn ps(linux: &mut Linux<'_>) -> Result<String, LinuxError> {
    let mut pids: Vec<u32> = linux.list(0, "/proc")?.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let mut table = Table::new([">pid", ">parent", "state", ">threads", "name", "command line"]);
    for pid in pids {
        let stat = linux.read(0, &format!("/proc/{pid}/stat"))?;
        let stat = Stat::parse(&stat).ok_or(LinuxError::Nonsense)?;
        let arguments = linux.read(0, &format!("/proc/{pid}/cmdline"))?;
        let arguments: Vec<_> =
            arguments.strip_suffix(b"\0").unwrap_or_default().split(|b| *b == 0).collect();
        table.row([
            pid.to_string(),
            stat.parent,
            stat.state,
            stat.threads,
            stat.name,
            printable(&arguments.join(&b' ')),
        ]);
    }
    Ok(table.text_or("there are no processes"))
}

/// What of `/proc/PID/stat` is wanted (proc(5)).
struct Stat {
    name: String,
    state: String,
    parent: String,
    threads: String,
}

impl Stat {
    fn parse(text: &[u8]) -> Option<Self> {
        // The name may have anything in it, a parenthesis too.
        let (start, end) = (text.iter().position(|b| *b == b'(')?, text.iter().rposition(|b| *b == b')')?);
        let rest = String::from_utf8_lossy(text.get(end + 1..)?);
        let fields: Vec<_> = rest.split_whitespace().collect();
        // The first of these is field 3.
        let field = |number: usize| fields.get(number - 3).map(|field| field.to_string());
        let name = printable(text.get(start + 1..end)?);
        Some(Self { name, state: state(field(3)?), parent: field(4)?, threads: field(20)? })
    }
}

fn state(letter: String) -> String {
    match letter.as_str() {
        "R" => "running".into(),
        "S" => "waiting".into(),
        "T" => "stopped".into(),
        "Z" => "ended".into(),
        _ => letter,
    }
}

fn fds(linux: &mut Linux<'_>, pid: u32) -> Result<String, LinuxError> {
    let folder = format!("/proc/{pid}/fd");
    let mut table = Table::new([">fd", "what"]);
    for fd in linux.list(0, &folder)? {
        let what = linux.link(0, &format!("{folder}/{fd}"))?;
        table.row([fd, printable(what.as_bytes())]);
    }
    Ok(table.text_or("it has nothing open"))
}

fn maps(linux: &mut Linux<'_>, pid: u32) -> Result<String, LinuxError> {
    let text = linux.read(0, &format!("/proc/{pid}/maps"))?;
    let lines = text.split_inclusive(|b| *b == b'\n').map(|line| printable(line.trim_ascii_end()) + "\n");
    Ok(match lines.collect::<String>() {
        empty if empty.is_empty() => "it has nothing mapped\n".into(),
        lines => lines,
    })
}

/// What a program has named must not do anything to a terminal.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_anything_in_them() {
        let stat = Stat::parse(b"7 (a) (b\x1b[) S 1 7 1 0 -1 0 0 0 0 0 1 2 3 4 20 0 3 0 99\n").unwrap();
        assert_eq!(
            [stat.name, stat.state, stat.parent, stat.threads],
            ["a) (b?[", "waiting", "1", "3"].map(String::from)
        );
        assert!(Stat::parse(b"7 (a").is_none());
        assert!(Stat::parse(b"7 ) (").is_none());
        assert!(Stat::parse(b"7 (a) S 1").is_none());
    }
}
