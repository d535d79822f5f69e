//! The example of a CI job: it has the form that GitHub demands ([`crate::workflow`]), its commands are such that exist, and the page says what the file does.

use crate::workflow;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use yaml_rust2::{Yaml, YamlLoader};

const WORKFLOW: &str = "tests/sample-project/.github/workflows/test.yml";
/// Programs that a runner has, and this machine need not.
const OF_RUNNERS: [&str; 2] = ["sudo", "rustup"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parse(text: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

/// The steps of all jobs.
fn steps(workflow: &Yaml) -> Vec<&Yaml> {
    let jobs = workflow["jobs"].as_hash().into_iter().flat_map(|jobs| jobs.values());
    jobs.flat_map(|job| job["steps"].as_vec().into_iter().flatten()).collect()
}

/// The scripts of the steps (`run`).
fn scripts(workflow: &Yaml) -> Vec<String> {
    steps(workflow).into_iter().filter_map(|step| Some(step["run"].as_str()?.to_owned())).collect()
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
    let scripts = scripts(&parse(&read(WORKFLOW)));
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
fn the_job_has_the_form_that_github_demands() {
    assert_eq!(workflow::complaints(&parse(&read(WORKFLOW))), [""; 0]);
}

#[test]
fn what_the_page_shows_is_yaml() {
    let page = read("docs/ci.md");
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let known: Vec<Yaml> = blocks.map(parse).collect();
    assert!(!known.is_empty() && known.iter().all(|block| block.as_hash().is_some()), "{known:?}");
}

#[test]
fn the_page_has_the_job_s_rule_for_kvm() {
    let page = read("docs/ci.md");
    assert!(page.contains(WORKFLOW));
    let rule = scripts(&parse(&read(WORKFLOW))).into_iter().find(|script| script.contains("udev")).unwrap();
    assert!(page.contains(rule.trim_end()), "{rule}");
    let advice = read("vmm/src/kvm/advice.rs");
    let first = rule.lines().next().unwrap();
    assert!(advice.contains(first), "ukvmm advises something else than {first}");
}

#[test]
fn scripts_are_found() {
    let text = "jobs:\n  a:\n    steps:\n    - name: x\n      run: |\n        one | two\n\n        three\n    - run: four\n";
    assert_eq!(scripts(&parse(text)), ["one | two\n\nthree\n", "four"]);
    assert_eq!(commands("one a | two\n\nthree\n"), [vec!["one", "a"], vec!["two"], vec!["three"]]);
}
