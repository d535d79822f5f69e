//! Pages that show a terminal: what is typed there is typed here, and what they show is seen.
//!
//! ```text
//! $ cargo xtask gdb -- /bin/ls /
//! (gdb) continue
//! Thread 3.1 hit Breakpoint 1, ...
//! ```
//!
//! Behind `$` is a command, behind the other prompts what it reads; the rest is what is seen, as `pattern` has it. Every command has
//! to succeed, and `build/` is the folder of this build.

use crate::trials::{Context, on_kvm};
use guest_tests::build::repository;
use guest_tests::compare;
use guest_tests::gdb::pattern;
use guest_tests::process::{self, End};
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const PAGES: [(&str, &str); 2] =
    [("readme", include_str!("../../../README.md")), ("tutorial", include_str!("../../../docs/tutorial.md"))];
const BLOCK: &str = "```console\n";
const END: &str = "```";
const COMMAND: &str = "$ ";
const PROMPTS: [&str; 2] = ["/ # ", "(gdb) "];
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Default, Debug, PartialEq, Eq)]
struct Step {
    command: String,
    typed: String,
    expected: Vec<String>,
}

/// The blocks of a page, by the heading or the bold words before them.
fn blocks(page: &'static str) -> Vec<(String, &'static str)> {
    let mut blocks = Vec::new();
    let mut parts = page.split(BLOCK);
    let mut before = parts.next().unwrap_or_default();
    for part in parts {
        let (block, rest) = part.split_once(END).unwrap_or((part, ""));
        blocks.push((name(before), block));
        before = rest;
    }
    blocks
}

fn name(before: &str) -> String {
    let mut titles = before.lines().rev().filter_map(|line| {
        let bold = || line.strip_prefix("**")?.split("**").next();
        line.strip_prefix("## ").or_else(bold)
    });
    let words = titles.next().unwrap_or("untitled").to_lowercase();
    let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
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
            let missing = *expected.get(line).unwrap_or(&"nothing more");
            Err(format!("$ {}\nthe page shows {missing:?} next; there is:\n{output}", step.command))
        }
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let trial = |page: &str, (name, block): (String, &'static str)| {
        on_kvm(&format!("page::{page}::{name}"), context, move |context| {
            steps(block)?.iter().try_for_each(|step| try_out(step, context))
        })
    };
    let of = |(page, text): (&'static str, _)| blocks(text).into_iter().map(move |block| trial(page, block));
    PAGES.into_iter().flat_map(of).collect()
}
