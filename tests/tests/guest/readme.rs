//! README's things to try: what is typed there is typed here, and what it shows is seen.
//!
//! ```text
//! $ cargo xtask gdb -- /bin/ls /
//! (gdb) continue
//! Thread 3.1 hit Breakpoint 1, ...
//! ```
//!
//! Behind `$` is a command, behind the other prompts what it reads; the rest is what is seen, as `pattern` has it. Every command
//! has to succeed, and `build/` is the folder of this build.

use crate::trials::{Context, on_kvm};
use guest_tests::build::repository;
use guest_tests::compare;
use guest_tests::gdb::pattern;
use guest_tests::process::{self, End};
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const PAGE: &str = include_str!("../../../README.md");
const SECTION: &str = "\n## Five things to try\n";
const COMMAND: &str = "$ ";
const PROMPTS: [&str; 2] = ["/ # ", "(gdb) "];
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Default, Debug, PartialEq, Eq)]
struct Step {
    command: String,
    typed: String,
    expected: Vec<String>,
}

/// The blocks of the section, by the words in bold before them.
fn blocks(page: &'static str) -> Vec<(String, &'static str)> {
    let (_, section) = page.split_once(SECTION).expect("README has things to try");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```console\n").collect::<Vec<_>>();
    let name = |before: &str| {
        let bold = before.split("**").nth(1).unwrap_or("unnamed").to_lowercase();
        bold.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-")
    };
    let pairs = blocks.windows(2);
    pairs
        .map(|pair| (name(pair[0].rsplit("```").next().unwrap()), pair[1].split("```").next().unwrap()))
        .collect()
}

fn steps(block: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty()) {
        if let Some(command) = line.strip_prefix(COMMAND) {
            steps.push(Step { command: command.to_owned(), ..Step::default() });
            continue;
        }
        let step = steps.last_mut().ok_or_else(|| format!("no command before {line}"))?;
        match PROMPTS.iter().find_map(|prompt| line.strip_prefix(prompt)) {
            Some(typed) => step.typed += &format!("{typed}\n"),
            None => step.expected.push(line.to_owned()),
        }
    }
    Ok(steps)
}

/// What was seen: without prompts, which are there and not what is typed, and without empty lines.
fn visible(output: &str) -> Vec<&str> {
    output
        .lines()
        .map(|line| line.trim_start_matches("(gdb) ").trim_end())
        .filter(|line| !line.is_empty())
        .collect()
}

fn try_out(step: &Step, context: &Context) -> Result<(), String> {
    let build = context.build.path("").display().to_string();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("exec 2>&1; {}", step.command.replace("build/", &build))])
        .current_dir(repository())
        .env("UKVMM_NO_BUILD", "1")
        .env("NO_COLOR", "1");
    let outcome = process::run(command, step.typed.as_bytes(), LIMIT)?;
    let output = String::from_utf8_lossy(&outcome.stdout);
    let expected: Vec<_> = step.expected.iter().map(String::as_str).collect();
    if outcome.end != End::Exited(0) {
        return Err(compare::describe(&outcome));
    }
    match pattern::first_mismatch(&expected, &visible(&output)) {
        None => Ok(()),
        Some(line) => {
            let missing = expected.get(line).unwrap_or(&"nothing more");
            Err(format!("$ {}\nREADME.md shows {missing:?} next; there is:\n{output}", step.command))
        }
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let trial = |(name, block): (String, &'static str)| {
        on_kvm(&format!("readme::{name}"), context, move |context| {
            steps(block)?.iter().try_for_each(|step| try_out(step, context))
        })
    };
    blocks(PAGE).into_iter().map(trial).collect()
}
