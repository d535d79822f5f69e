//! The example of a CI job: its commands are such that exist, and the page says what the file does.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const WORKFLOW: &str = "tests/sample-project/.github/workflows/test.yml";
/// Programs that a runner has, and this machine need not.
const OF_RUNNERS: [&str; 2] = ["sudo", "rustup"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The scripts of the steps (`run:`), each as one text. A block (`|`) ends where lines are indented as `run:` is, or less.
fn scripts(workflow: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = workflow.lines().peekable();
    let mut scripts = Vec::new();
    while let Some(line) = lines.next() {
        let Some(script) = line.trim_start().trim_start_matches("- ").strip_prefix("run: ") else { continue };
        if script != "|" {
            scripts.push(script.to_owned());
            continue;
        }
        let mut block = String::new();
        while let Some(next) = lines.next_if(|next| next.is_empty() || indent(next) > indent(line)) {
            block += next.trim_start();
            block.push('\n');
        }
        scripts.push(block);
    }
    scripts
}

/// The first words of a script's commands.
fn commands(script: &str) -> Vec<Vec<String>> {
    let parts =
        script.split(['\n', '|', ';']).map(|part| part.split_whitespace().map(str::to_owned).collect());
    parts.filter(|words: &Vec<String>| !words.is_empty()).collect()
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Subcommands of xtask, as its help lists them.
fn commands_of_xtask() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    help.lines().filter_map(|line| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned())).collect()
}

#[test]
fn the_job_runs_commands_that_exist() {
    let scripts = scripts(&read(WORKFLOW));
    assert!(scripts.len() >= 4, "{scripts:?}");
    let known = commands_of_xtask();
    for script in &scripts {
        let sh = Command::new("sh").args(["-n", "-c", script]).stderr(Stdio::null()).status().unwrap();
        assert!(sh.success(), "no script: {script}");
        for words in commands(script) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words[..] {
                ["cargo", "xtask", command, ..] => assert!(known.contains(command), "{command}"),
                // Where the build puts it.
                ["ukvmm/build/ukvmm", "doctor", ..] => {}
                [program, ..] => {
                    assert!(OF_RUNNERS.contains(&program) || is_in_path(program), "{program}: {script}");
                }
                [] => {}
            }
        }
    }
}

#[test]
fn the_page_has_the_job_s_rule_for_kvm() {
    let page = read("docs/ci.md");
    assert!(page.contains(WORKFLOW));
    let rule = scripts(&read(WORKFLOW)).into_iter().find(|script| script.contains("udev")).unwrap();
    assert!(page.contains(rule.trim_end()), "{rule}");
    let advice = read("vmm/src/kvm/advice.rs");
    let first = rule.lines().next().unwrap();
    assert!(advice.contains(first), "ukvmm advises something else than {first}");
}

#[test]
fn scripts_are_found() {
    let text = "a:\n  - name: x\n    run: |\n      one | two\n\n      three\n  - run: four\n";
    assert_eq!(scripts(text), ["one | two\n\nthree\n", "four"]);
    assert_eq!(commands("one a | two\n\nthree\n"), [vec!["one", "a"], vec!["two"], vec!["three"]]);
}
