//! Many programs in one go, for where starting the machine is slow.
//!
//! A shell script runs program after program and frames what each says: `@@ NAME BEGIN`, standard output, `@@ NAME END
//! STATUS BYTES`, standard error. Standard output is not collected in a file: some programs leave no memory for one. In
//! the lab it is used at two levels: in one guest, to run many Linux programs, and on the lab's own Linux, to run `ukvmm`
//! many times. A program that takes the machine down with it is found by its frame being the first that has no end; the
//! rest then runs on another machine, as long as there is time.

use crate::compare;
use crate::process::{End, Outcome};
use crate::stream::Stream;
use lab::process::quote;
use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

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

/// What the error of a job begins with that the machine did not outlive.
pub const MACHINE_ENDED: &str = "the machine ended while it ran";

/// Runs all jobs on as few machines as their behaviour allows, for `limit` in all. `machine` runs a script for so long at
/// most and returns its output.
pub fn run(
    jobs: &[Job],
    limit: Duration,
    mut machine: impl FnMut(&str, Duration) -> Result<Outcome, String>,
) -> Results {
    let deadline = Instant::now() + limit;
    let mut results = Results::new();
    let mut rest = jobs;
    while !rest.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let error = || Err(format!("it was not run: {} s have passed", limit.as_secs()));
            results.extend(rest.iter().map(|job| (job.name.clone(), error())));
            break;
        }
        let outcome = match machine(&script(rest), left) {
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
            let error = format!("{MACHINE_ENDED}: {}", compare::describe(&outcome));
            results.insert(culprit.name.clone(), Err(error));
        }
        rest = rest.get(count + 1..).unwrap_or(&[]);
    }
    results
}

/// Waits until a job has been started on a machine that says this, and returns where its output begins.
pub fn begin(said: &Stream, name: &str, deadline: Instant) -> Option<usize> {
    let mark = format!("{MARK}{name} BEGIN\n");
    said.wait(0, deadline, |said| split(said, &mark).map(|(before, _)| before.len() + mark.len()))
}

/// Waits until a job has ended on a machine that says this. Returns whether it has.
pub fn has_ended(said: &Stream, name: &str, deadline: Instant) -> bool {
    let mark = end_mark(name);
    said.wait(0, deadline, |said| split(said, &mark).map(drop)).is_some()
}

/// What is said when a job has ended.
pub fn end_mark(name: &str) -> String {
    format!("{MARK}{name} END ")
}

/// The script that runs the jobs.
fn script(jobs: &[Job]) -> String {
    let mut script = format!(
        r#"mkdir -p /tmp
run() {{
    name=$1 seconds=$2 stdin=$3; shift 3
    rm -rf /tmp/case
    echo "{MARK}$name BEGIN"
    timeout -s KILL "$seconds" "$@" <"$stdin" 2>/tmp/err
    printf '{MARK}%s END %d %d\n' "$name" $? "$(wc -c </tmp/err)"
    cat /tmp/err
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
    let (_, rest) = split(bytes, &format!("{MARK}{name} BEGIN\n"))?;
    let (stdout, rest) = split(rest, &end_mark(name))?;
    let (line, rest) = split(rest, "\n")?;
    let (status, length) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let (stderr, rest) = rest.split_at_checked(length.parse().ok()?)?;
    let end = End::Exited(status.parse().ok()?);
    Some((Outcome { end, stdout: stdout.to_vec(), stderr: stderr.to_vec() }, rest))
}

/// What is before and behind the first `mark`.
fn split<'a>(bytes: &'a [u8], mark: &str) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(mark.len()).position(|window| window == mark.as_bytes())?;
    Some((&bytes[..start], &bytes[start + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;
    use std::process::Command;

    const LIMIT: Duration = Duration::from_secs(60);

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
    fn here(script: &str, _left: Duration) -> Result<Outcome, String> {
        let dir = tempfile::tempdir().unwrap();
        let mut busybox = Command::new("busybox");
        busybox.args(["sh", "-c", &script.replace("/tmp/", &format!("{}/", dir.path().display()))]);
        process::run(busybox, b"", Duration::from_secs(20))
    }

    #[test]
    fn what_programs_say_comes_back() {
        let results = run(&jobs(), LIMIT, here);
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
        let results = run(&jobs, LIMIT, |script, left| {
            machines += 1;
            // Without `timeout` between them, the program's parent is the script.
            here(&script.replace("timeout -s KILL \"$seconds\"", ""), left)
        });
        assert_eq!(machines, 2);
        assert!(results["good"].is_ok() && results["after"].is_ok());
        assert!(results["bad"].as_ref().unwrap_err().contains("ended while it ran"));
    }

    #[test]
    fn a_machine_that_hangs_takes_no_more_than_the_time_there_is() {
        let limit = Duration::from_millis(50);
        let results = run(&jobs(), limit, |_, left| {
            assert!(left <= limit);
            std::thread::sleep(left);
            Ok(Outcome { end: End::TimedOut, stdout: Vec::new(), stderr: Vec::new() })
        });
        assert!(results["one"].as_ref().unwrap_err().contains("ended while it ran"));
        assert!(results["two"].as_ref().unwrap_err().contains("not run"));
        assert!(results["three"].as_ref().unwrap_err().contains("not run"));
    }

    #[test]
    fn frames_end_where_the_machine_did() {
        let text = b"@@ one BEGIN\nab@@ one END 0 1\nc@@ two BEGIN\nab@@ two END 0 2\nx";
        let found = frames(text, &jobs());
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].stdout[..], &found[0].stderr[..]), (&b"ab"[..], &b"c"[..]));
        assert!(frames(b"@@ one BEGIN\n@@ one END 0 99999999999999999999\n", &jobs()).is_empty());
        assert!(frames(b"", &jobs()).is_empty());
    }
}
