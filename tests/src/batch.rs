//! Many programs in one go, for where starting the machine is slow.
//!
//! A shell script runs program after program and sends each one's output and status in a frame: `@@ NAME STATUS
//! BYTES BYTES`, a newline, standard output, standard error. In the lab it is used at two levels: in one guest, to
//! run many Linux programs, and on the lab's own Linux, to run `ukvmm` many times. A program that takes the machine
//! down with it is found by its frame being the first that is missing; the rest then runs on another machine.

use crate::compare;
use crate::process::{End, Outcome};
use std::collections::HashMap;
use std::fmt::Write;

const MARK: &str = "@@ ";

/// A program to run.
#[derive(Clone, Debug)]
pub struct Job {
    pub name: String,
    pub argv: Vec<String>,
    /// The file that it reads as its standard input.
    pub stdin: String,
    /// It is killed after so many seconds.
    pub seconds: u64,
}

/// What became of each job, by name.
pub type Results = HashMap<String, Result<Outcome, String>>;

/// Runs all jobs on as few machines as their behaviour allows. `machine` runs a script and returns its output.
pub fn run(jobs: &[Job], mut machine: impl FnMut(&str) -> Result<Outcome, String>) -> Results {
    let mut results = Results::new();
    let mut rest = jobs;
    while !rest.is_empty() {
        let outcome = match machine(&script(rest)) {
            Ok(outcome) => outcome,
            Err(error) => {
                results.extend(rest.iter().map(|job| (job.name.clone(), Err(error.clone()))));
                break;
            }
        };
        let done = frames(&outcome.stdout, rest);
        let culprit = rest.get(done.len());
        let count = done.len();
        results.extend(rest.iter().map(|job| job.name.clone()).zip(done.into_iter().map(Ok)));
        if let Some(culprit) = culprit {
            let error = format!("the machine ended while it ran: {}", compare::describe(&outcome));
            results.insert(culprit.name.clone(), Err(error));
        }
        rest = rest.get(count + 1..).unwrap_or(&[]);
    }
    results
}

/// The script that runs the jobs.
fn script(jobs: &[Job]) -> String {
    let mut script = format!(
        r#"mkdir -p /tmp
run() {{
    name=$1 seconds=$2 stdin=$3; shift 3
    rm -rf /tmp/case
    timeout -s KILL "$seconds" "$@" <"$stdin" >/tmp/out 2>/tmp/err
    printf '{MARK}%s %d %d %d\n' "$name" $? "$(wc -c </tmp/out)" "$(wc -c </tmp/err)"
    cat /tmp/out /tmp/err
}}
"#
    );
    for job in jobs {
        let _ = write!(script, "run {} {} {}", job.name, job.seconds, quote(&job.stdin));
        for word in &job.argv {
            let _ = write!(script, " {}", quote(word));
        }
        script.push('\n');
    }
    script
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The outcomes of the first jobs: as many as have whole frames.
fn frames(mut bytes: &[u8], jobs: &[Job]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for job in jobs {
        let Some((outcome, rest)) = frame(bytes, &job.name) else { break };
        outcomes.push(outcome);
        bytes = rest;
    }
    outcomes
}

fn frame<'a>(bytes: &'a [u8], name: &str) -> Option<(Outcome, &'a [u8])> {
    let mark = format!("{MARK}{name} ");
    let start = bytes.windows(mark.len()).position(|w| w == mark.as_bytes())? + mark.len();
    let end = start + bytes[start..].iter().position(|&b| b == b'\n')?;
    let line = std::str::from_utf8(&bytes[start..end]).ok()?;
    let mut numbers = line.split(' ').map(str::parse::<usize>);
    let (status, out, err) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let body = bytes[end + 1..].get(..out.checked_add(err)?)?;
    let outcome = Outcome {
        end: End::Exited(status as i32),
        stdout: body[..out].to_vec(),
        stderr: body[out..].to_vec(),
    };
    Some((outcome, &bytes[end + 1 + out + err..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;
    use std::process::Command;
    use std::time::Duration;

    fn job(name: &str, argv: &[&str]) -> Job {
        let argv = argv.iter().map(|&word| word.to_owned()).collect();
        Job { name: name.to_owned(), argv, stdin: "/dev/null".to_owned(), seconds: 10 }
    }

    fn jobs() -> [Job; 3] {
        [
            job("one", &["sh", "-c", "printf 'a\nb'; echo \"it's\" >&2; exit 3"]),
            job("two", &["true"]),
            job("three", &["sh", "-c", "echo '@@ four 0 0 0'"]),
        ]
    }

    /// Runs the script on this machine, in a directory of its own.
    fn here(script: &str) -> Result<Outcome, String> {
        let dir = tempfile::tempdir().unwrap();
        let mut busybox = Command::new("busybox");
        busybox.args(["sh", "-c", &script.replace("/tmp/", &format!("{}/", dir.path().display()))]);
        process::run(busybox, b"", Duration::from_secs(20))
    }

    #[test]
    fn what_programs_say_comes_back() {
        let results = run(&jobs(), here);
        let one = results["one"].as_ref().unwrap();
        assert_eq!(one.end, End::Exited(3));
        assert_eq!((&one.stdout[..], &one.stderr[..]), (&b"a\nb"[..], &b"it's\n"[..]));
        assert_eq!(results["two"].as_ref().unwrap().stdout, b"");
        assert_eq!(results["three"].as_ref().unwrap().stdout, b"@@ four 0 0 0\n");
    }

    #[test]
    fn the_rest_runs_after_one_that_takes_the_machine_down() {
        let jobs =
            [job("good", &["true"]), job("bad", &["sh", "-c", "kill -9 $PPID"]), job("after", &["true"])];
        let mut machines = 0;
        let results = run(&jobs, |script| {
            machines += 1;
            // Without `timeout` between them, the program's parent is the script.
            here(&script.replace("timeout -s KILL \"$seconds\"", ""))
        });
        assert_eq!(machines, 2);
        assert!(results["good"].is_ok() && results["after"].is_ok());
        assert!(results["bad"].as_ref().unwrap_err().contains("ended while it ran"));
    }

    #[test]
    fn frames_end_where_the_machine_did() {
        let text = b"@@ one 0 2 1\nabc@@ two 0 3 0\nab";
        let found = frames(text, &jobs());
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].stdout[..], &found[0].stderr[..]), (&b"ab"[..], &b"c"[..]));
        assert!(frames(b"@@ one 0 99999999999999999999 1\n", &jobs()).is_empty());
        assert!(frames(b"", &jobs()).is_empty());
    }
}
