//! `cargo xtask bench newcomer`: what somebody has to type, and to wait for, from nothing to a running shell; writes its part of docs/start.md.
//!
//! A clone of what is committed, in an empty folder, with no crate downloaded and nothing built. What `cargo xtask setup` installs
//! on the machine itself is there already if this repository has been built on it; that is said, since it cannot be taken away.

use super::inset;
use crate::paths;
use anyhow::{Context, Result, ensure};
use lab::process;
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const PAGE: &str = "docs/start.md";
/// Of README: below this are the commands, and the first one gives a shell.
const COMMANDS: &str = "\n## Two commands\n";
/// What is typed into the shell, and what it says.
const TYPED: &str = "echo here I am; exit\n";
const SAID: &str = "here I am";

#[derive(clap::Args)]
pub struct Args {
    /// Where the clone is made; a folder that is not there. It is removed afterwards
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Something that is typed, and how long it took.
struct Step {
    typed: String,
    what: &'static str,
    time: Duration,
}

struct Figures {
    steps: Vec<Step>,
    /// Bytes of the downloaded crates, and of all that is in the clone in the end.
    crates: u64,
    clone: u64,
    cpus: usize,
    /// Of the machine, before and after: how many wanted to run.
    load: [String; 2],
}

pub fn newcomer(args: &Args) -> Result<ExitCode> {
    let folder = args.folder.clone().unwrap_or_else(|| paths::build().join("newcomer"));
    let folder = paths::absolute(&folder)?;
    ensure!(!folder.exists(), "{} is there already; remove it, or name another --folder", folder.display());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let figures = measure(&folder);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let text = render(&figures?);
    println!("{text}");
    inset::write(PAGE, "newcomer", &text)?;
    Ok(ExitCode::SUCCESS)
}

/// The first command of README.
fn first_command(readme: &str) -> Option<&str> {
    let (_, commands) = readme.split_once(COMMANDS)?;
    let line = commands.lines().find_map(|line| line.strip_prefix("    "))?;
    Some(line.split('#').next()?.trim())
}

fn measure(folder: &Path) -> Result<Figures> {
    let before = load()?;
    let (clone, home) = (folder.join("ukvmm"), folder.join("cargo"));
    cargo_home(&home)?;
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--no-hardlinks"]).arg(paths::root()).arg(&clone);
    let cloned = timed(|| process::run(&mut git))?;
    let readme = fs::read_to_string(clone.join("README.md"))?;
    let command = first_command(&readme).context("README.md has no first command")?;
    let first = timed(|| shell(command, &clone, &home))?;
    let again = timed(|| shell(command, &clone, &home))?;
    let step = |typed: &str, what, time| Step { typed: typed.to_owned(), what, time };
    let steps = vec![
        step("git clone …/ukvmm", "", cloned),
        step("cd ukvmm", "", Duration::ZERO),
        step(command, "downloads crates, builds everything, starts: a shell", first),
        step(command, "the same again, when everything is there", again),
    ];
    Ok(Figures {
        steps,
        crates: size(&home)?,
        clone: size(&clone)?,
        cpus: std::thread::available_parallelism()?.get(),
        load: [before, load()?],
    })
}

/// An empty home of cargo's, with the settings of the user's: from where crates come.
fn cargo_home(home: &Path) -> Result<()> {
    fs::create_dir(home).with_context(|| format!("cannot make {}", home.display()))?;
    let users = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let users = users.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let settings = users.map(|users| users.join("config.toml")).filter(|settings| settings.exists());
    match settings {
        Some(settings) => Ok(fs::copy(settings, home.join("config.toml")).map(drop)?),
        None => Ok(()),
    }
}

/// Runs a command that gives a shell, and leaves that.
fn shell(command: &str, clone: &Path, home: &Path) -> Result<()> {
    let mut sh = Command::new("sh");
    sh.args(["-c", command]).current_dir(clone).env("CARGO_HOME", home);
    // What this was started with is not for the clone.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_ours = name.starts_with("UKVMM_") || name.starts_with("CARGO") || name.starts_with("RUST");
        if is_ours && !["CARGO_HOME", "RUSTUP_HOME"].contains(&&*name) {
            sh.env_remove(&*name);
        }
    }
    let mut child = sh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("stdin is a pipe")?.write_all(TYPED.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && said.contains(SAID), "{command}: {}, no shell: {said}", output.status);
    Ok(())
}

fn timed(body: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    body()?;
    Ok(start.elapsed())
}

/// The average number of those who want to run, of the last minute.
fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}

fn render(figures: &Figures) -> String {
    let [before, after] = &figures.load;
    let new = &figures.steps[..figures.steps.len() - 1];
    let minutes = new.iter().map(|step| step.time).sum::<Duration>().as_secs_f64() / 60.0;
    let mut out = format!(
        "\nWith Rust, gcc and the packages below there, **{} commands and {minutes:.1} minutes** on {} CPUs, which had other things to do as well: their load was {before} at the beginning \
and {after} at the end. A clone of the repository in an empty folder, no crate downloaded before:\n\n| typed | | time |\n|---|---|---:|\n",
        new.len(),
        figures.cpus,
    );
    for step in &figures.steps {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{}` | {} | {} |", step.typed, step.what, seconds(step.time));
    }
    let _ = writeln!(
        out,
        "\nThat takes {} MB for crates and {} MB for the clone with all that is built.\n",
        figures.crates / 1_000_000,
        figures.clone / 1_000_000
    );
    out
}

fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        0.0 => String::new(),
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_begins_with_the_command_that_gives_a_shell() {
        let readme = fs::read_to_string(paths::root().join("README.md")).unwrap();
        assert_eq!(first_command(&readme), Some("cargo xtask run"));
    }

    #[test]
    fn what_has_to_be_typed_is_counted_and_timed() {
        let step = |typed: &str, s| Step { typed: typed.to_owned(), what: "", time: Duration::from_secs(s) };
        let steps = vec![step("a", 30), step("b", 270), step("b", 1)];
        let load = ["0.10".to_owned(), "2.00".to_owned()];
        let text = render(&Figures { steps, crates: 2_000_000, clone: 0, cpus: 2, load });
        assert!(text.contains("**2 commands and 5.0 minutes** on 2 CPUs"), "{text}");
        assert!(text.contains("| `b` |  | 4 min 30 s |") && text.contains("| `b` |  | 1.0 s |"), "{text}");
    }
}
