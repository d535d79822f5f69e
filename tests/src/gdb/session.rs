//! The files in `tests/gdb`.
//!
//! ```text
//! # What is shown, for people. Comments may be anywhere.
//!
//! $ ukvmm --gdb unix:SOCKET,wait=on --servers linux -- /tests/counter 3 &
//!
//! (gdb) target extended-remote SOCKET
//! ...
//! (gdb) continue
//! -- Ctrl-C when the guest says "tick"
//! Thread 5.1 received signal SIGINT, Interrupt.
//!
//! $ wait $!; echo $?
//! tick
//! 0
//! ```
//!
//! Behind a command of GDB is what it prints, as [`pattern`] has it; behind the line that begins with `$ wait`, what the guest has printed and the
//! exit status. A guest that has died may have left a core, named `CORE` on its command line. What is seen in that comes last:
//!
//! ```text
//! $ ukvmm gdb-core CORE
//! (gdb) monitor tasks
//! ...
//! ```
//!
//! `$ gdb KERNEL CORE` opens it without our help.
//!
//! Empty lines do not count. Lines that begin with `--` are stage directions, `>` lines a command's further input.

use super::pattern;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const GUEST: &str = "$ ukvmm ";
const END: &str = "$ wait $!; echo $?";
/// How a core is opened.
const OPENERS: [(&str, Opener); 2] =
    [("$ ukvmm gdb-core CORE", Opener::Ukvmm), ("$ gdb KERNEL CORE", Opener::Gdb)];
const COMMAND: &str = "(gdb) ";
/// Stands for the guest's socket.
pub const SOCKET: &str = "SOCKET";
const DIRECTION: &str = "-- ";

/// What somebody types and sees.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub name: String,
    /// Arguments of `ukvmm`.
    pub guest: Vec<String>,
    /// What the guest has to have said before GDB is started.
    pub after: Option<String>,
    /// Not to be run anywhere else.
    pub only: Option<Place>,
    pub steps: Vec<Step>,
    /// The guest's output, and then its exit status.
    pub end: Vec<String>,
    /// What opens its core, and what is done then.
    pub opener: Opener,
    pub autopsy: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Opener {
    #[default]
    Ukvmm,
    Gdb,
}

/// What a line of a file belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Guest,
    End,
    Autopsy,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Kvm,
    Lab,
}

/// A command of GDB.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub command: String,
    /// Lines that the command reads.
    pub input: Vec<String>,
    /// Ctrl-C is pressed when the guest says this.
    pub interrupt: Option<String>,
    pub expected: Vec<String>,
}

/// What became of a session.
pub struct Seen {
    /// What GDB printed, a command each. One that was never given has none.
    pub outputs: Vec<String>,
    /// The guest's output and exit status.
    pub end: String,
    /// What GDB printed of the core.
    pub autopsy: Vec<String>,
}

impl Session {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut session = Self { name: name.to_owned(), ..Self::default() };
        let mut part = Part::Guest;
        for (number, line) in text.lines().enumerate() {
            session.line(line.trim_end(), &mut part).map_err(|e| format!("line {}: {e}", number + 1))?;
        }
        match (session.guest.is_empty(), part) {
            (true, _) => Err(format!("there is no line `{GUEST}…`")),
            (_, Part::Guest) => Err(format!("there is no line `{END}`")),
            _ => Ok(session),
        }
    }

    fn line(&mut self, line: &str, part: &mut Part) -> Result<(), String> {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
        } else if let Some((_, opener)) = OPENERS.iter().find(|(opening, _)| line == *opening) {
            (self.opener, *part) = (*opener, Part::Autopsy);
        } else if let Some(words) = line.strip_prefix(GUEST) {
            self.guest = split(words.strip_suffix(" &").ok_or("`ukvmm` has to run in the background: &")?)?;
        } else if line == END {
            *part = Part::End;
        } else if *part == Part::End {
            self.end.push(line.to_owned());
        } else if let Some(direction) = line.strip_prefix(DIRECTION) {
            self.direction(direction)?;
        } else if let Some(command) = line.strip_prefix(COMMAND) {
            self.steps_of(*part).push(Step { command: command.to_owned(), ..Step::default() });
        } else {
            let step = self.steps_of(*part).last_mut().ok_or("nothing has been typed yet")?;
            match line.strip_prefix('>') {
                Some(input) => step.input.push(input.to_owned()),
                None => step.expected.push(line.to_owned()),
            }
        }
        Ok(())
    }

    fn steps_of(&mut self, part: Part) -> &mut Vec<Step> {
        if part == Part::Autopsy { &mut self.autopsy } else { &mut self.steps }
    }

    fn direction(&mut self, text: &str) -> Result<(), String> {
        let quoted = |text: &str| {
            Some(text.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.is_empty())?.to_owned())
        };
        if let Some(said) = text.strip_prefix("Ctrl-C when the guest says ").and_then(quoted) {
            self.steps.last_mut().ok_or("nothing has been typed yet")?.interrupt = Some(said);
        } else if let Some(said) = text.strip_prefix("when the guest has said ").and_then(quoted)
            && self.steps.is_empty()
        {
            self.after = Some(said);
        } else if text.starts_with("only on KVM: ") {
            self.only = Some(Place::Kvm);
        } else if text.starts_with("only in the lab: ") {
            self.only = Some(Place::Lab);
        } else {
            return Err(format!("no such stage direction, or not here: {text}"));
        }
        Ok(())
    }

    /// How often GDB comes.
    pub fn connections(&self) -> usize {
        self.steps.iter().filter(|step| step.command.contains(SOCKET)).count()
    }

    /// Whether all was as the file says.
    pub fn check(&self, seen: &Seen) -> Result<(), String> {
        let mut report = String::new();
        compare_steps(&self.steps, &seen.outputs, &mut report);
        compare(END, &self.end, &seen.end, &mut report);
        compare_steps(&self.autopsy, &seen.autopsy, &mut report);
        if report.is_empty() {
            Ok(())
        } else {
            Err(format!("{report}\nall that was seen:\n{}", self.show(seen)))
        }
    }

    fn show(&self, seen: &Seen) -> String {
        let all = |steps: &[Step], outputs: &[String]| {
            let both = steps.iter().zip(outputs);
            both.map(|(step, output)| format!("{COMMAND}{}\n{}\n", step.command, lines(output).join("\n")))
                .collect::<String>()
        };
        let autopsy = all(&self.autopsy, &seen.autopsy);
        format!("{}{END}\n{}{autopsy}", all(&self.steps, &seen.outputs), seen.end)
    }
}

fn compare_steps(steps: &[Step], outputs: &[String], report: &mut String) {
    for (number, step) in steps.iter().enumerate() {
        let output = outputs.get(number).map_or("", String::as_str);
        compare(&format!("{COMMAND}{}", step.command), &step.expected, output, report);
    }
}

fn compare(what: &str, expected: &[String], output: &str, report: &mut String) {
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let lines = lines(output);
    let Some(number) = pattern::first_mismatch(&expected, &lines) else { return };
    let line = expected.get(number).map_or("nothing more".to_owned(), |line| format!("`{line}`"));
    let _ = writeln!(report, "{what}\n  does not print {line}, but:");
    for line in lines {
        let _ = writeln!(report, "  | {line}");
    }
}

/// What counts of GDB's output: not that it reads a file, which it says whenever it does, and not that a source is newer than a file without a time.
fn lines(output: &str) -> Vec<&str> {
    const NOISE: [&str; 3] = [
        "Reading /",
        "warning: File transfers from remote targets can be slow.",
        "warning: Source file is more recent than executable.",
    ];
    let lines = output.lines().map(str::trim_end);
    lines.filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise))).collect()
}

/// Words as a shell has them, with single quotes.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    let (mut is_quoted, mut is_inside) = (false, false);
    for c in line.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                is_inside = false;
                continue;
            }
            _ => {}
        }
        if !is_inside {
            words.push(String::new());
            is_inside = true;
        }
        if c != '\'' {
            words.last_mut().expect("there is one").push(c);
        }
    }
    if is_quoted { Err(format!("a quote has no end: {line}")) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# About it.
$ ukvmm --gdb unix:SOCKET -- /bin/sh -c 'a b' &
-- when the guest has said "ready"

(gdb) break f
Breakpoint 1 at ...
(gdb) continue
-- Ctrl-C when the guest says "tick"
#0  f () at f.c:3
(gdb) commands
>silent
>end

$ wait $!; echo $?
tick
0

$ ukvmm gdb-core CORE
(gdb) info threads
* 1 ...
"#;

    fn seen(outputs: [&str; 3], end: &str) -> Seen {
        let autopsy = vec!["* 1 LWP 1\n".to_owned()];
        Seen { outputs: outputs.map(str::to_owned).to_vec(), end: end.to_owned(), autopsy }
    }

    #[test]
    fn a_session_is_read_and_compared() {
        let session = Session::parse("x", TEXT).unwrap();
        assert_eq!(session.guest, ["--gdb", "unix:SOCKET", "--", "/bin/sh", "-c", "a b"]);
        assert_eq!(session.after.as_deref(), Some("ready"));
        assert_eq!(session.steps.len(), 3);
        assert_eq!(session.steps[1].interrupt.as_deref(), Some("tick"));
        assert_eq!(session.steps[1].expected, ["#0  f () at f.c:3"]);
        assert_eq!(session.steps[2].input, ["silent", "end"]);
        assert_eq!((session.autopsy.len(), session.end.len()), (1, 2));
        let good = ["Breakpoint 1 at 0x12\n", "\nReading /x from remote target...\n#0  f () at f.c:3 \n", ""];
        session.check(&seen(good, "tick\n0\n")).unwrap();
        assert!(session.check(&seen(good, "tick\n1\n")).unwrap_err().contains("does not print `0`"));
        let error = session.check(&seen(["no", good[1], ""], "tick\n0\n")).unwrap_err();
        assert!(
            error.contains("(gdb) break f\n  does not print `Breakpoint 1 at ...`, but:\n  | no\n"),
            "{error}"
        );
        let cut = Seen { outputs: vec![good[0].to_owned()], ..seen(good, "tick\n0\n") };
        assert!(session.check(&cut).is_err());
        let no_core = Seen { autopsy: Vec::new(), ..seen(good, "tick\n0\n") };
        assert!(session.check(&no_core).unwrap_err().starts_with("(gdb) info threads\n"));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told() {
        for (text, expected) in [
            ("$ ukvmm x\n", "line 1: `ukvmm` has to run in the background"),
            ("(gdb) x\n$ wait $!; echo $?\n", "there is no line `$ ukvmm"),
            ("$ ukvmm x &\n(gdb) x\n", "there is no line `$ wait"),
            ("$ ukvmm x &\nout of the blue\n", "line 2: nothing has been typed yet"),
            ("$ ukvmm 'x &\n", "a quote has no end"),
            ("-- turn left\n", "no such stage direction"),
            ("$ ukvmm x &\n(gdb) x\n-- when the guest has said \"x\"\n", "not here"),
        ] {
            let error = Session::parse("x", text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
