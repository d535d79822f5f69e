//! Running other programs, and saying so.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs `body` as a step of a longer job: says what it is and how long it took.
pub fn step<T>(what: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {what}");
    let start = Instant::now();
    let result = body();
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!("    {verdict} in {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Runs a program to its end. It is an error if it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", show(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", show(command));
    }
    Ok(())
}

/// Runs a program and returns what it printed. Its standard error is shown only if it fails.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    status_is(command, 0)
}

/// As [`output`], of a command that has to end with `status`.
pub fn status_is(command: &mut Command, status: i32) -> Result<Vec<u8>> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", show(command)))?;
    if output.status.code() != Some(status) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}\n{}", show(command), output.status, stderr.trim_end());
    }
    Ok(output.stdout)
}

/// As [`output`], as text.
pub fn text(command: &mut Command) -> Result<String> {
    let stdout = output(command)?;
    String::from_utf8(stdout).with_context(|| format!("{} printed bytes that are no text", show(command)))
}

/// As [`output`], with `input` for the program's standard input.
pub fn filter(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", show(command)))?;
    let mut stdin = child.stdin.take().context("stdin is a pipe")?;
    let output = std::thread::scope(|scope| {
        // A program that does not read it all says why.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        bail!(
            "{} ended with {}\n{}",
            show(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(output.stdout)
}

/// Whether a program starts and succeeds. What it prints is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// `word` as a word of a POSIX shell.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_come_back_from_the_shell() {
        for word in ["plain", "", "two words", "it's", "$HOME `x` \"y\" \\", "ä\nb"] {
            let echoed = text(Command::new("sh").args(["-c", &format!("printf %s {}", quote(word))]));
            assert_eq!(echoed.unwrap(), word);
        }
    }

    #[test]
    fn a_filter_gets_its_input() {
        let long = vec![b'x'; 1 << 20];
        assert_eq!(filter(&mut Command::new("cat"), &long).unwrap(), long);
        let mut fails = Command::new("sh");
        let error = filter(fails.args(["-c", "echo why >&2; exit 1"]), &long).unwrap_err().to_string();
        assert!(error.contains("why"), "{error}");
    }

    #[test]
    fn failures_name_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c 'exit 3'") && error.contains('3'), "{error}");
        assert!(run(&mut Command::new("/nonexistent/program")).is_err());
        assert!(
            output(Command::new("sh").args(["-c", "echo why >&2; exit 1"]))
                .unwrap_err()
                .to_string()
                .contains("why")
        );
    }
}
