//! What GitHub demands of a workflow, as far as this repository's makes use of it ("Workflow syntax for GitHub Actions", docs.github.com).

use yaml_rust2::Yaml;

/// Keys that are known at each level. Others are an error to GitHub: nothing of the workflow is run then.
const OF_WORKFLOW: &[&str] =
    &["name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"];
const OF_JOB: &[&str] = &[
    "name",
    "needs",
    "if",
    "permissions",
    "runs-on",
    "environment",
    "concurrency",
    "outputs",
    "env",
    "defaults",
    "steps",
    "timeout-minutes",
    "strategy",
    "continue-on-error",
    "container",
    "services",
];
const OF_STEP: &[&str] = &["id", "if", "name", "env", "continue-on-error", "timeout-minutes"];
/// Of one that runs a script, and of one that uses an action.
const OF_SCRIPT: &[&str] = &["run", "working-directory", "shell"];
const OF_ACTION: &[&str] = &["uses", "with"];

/// What is wrong with it.
pub fn complaints(workflow: &Yaml) -> Vec<String> {
    let mut wrong = unknown("workflow", workflow, &[OF_WORKFLOW]);
    if workflow["on"].is_badvalue() || workflow["on"].is_null() {
        wrong.push("workflow: nothing sets it off (on)".into());
    }
    let jobs: Vec<_> = workflow["jobs"].as_hash().into_iter().flatten().collect();
    if jobs.is_empty() {
        wrong.push("workflow: it has no jobs".into());
    }
    for (name, job) in jobs {
        let name = name.as_str().unwrap_or_default();
        let mut letters = name.chars();
        let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !begins || !letters.all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            wrong.push(format!("{name}: no name for a job"));
        }
        wrong.extend(of_job(name, job));
    }
    wrong
}

fn of_job(name: &str, job: &Yaml) -> Vec<String> {
    let mut wrong = unknown(name, job, &[OF_JOB]);
    if job["runs-on"].as_str().is_none() {
        wrong.push(format!("{name}: it runs nowhere (runs-on)"));
    }
    let steps: Vec<_> = job["steps"].as_vec().into_iter().flatten().collect();
    if steps.is_empty() {
        wrong.push(format!("{name}: it has no steps"));
    }
    for (n, step) in steps.into_iter().enumerate() {
        wrong.extend(of_step(&format!("{name}, step {}", n + 1), step));
    }
    wrong
}

fn of_step(name: &str, step: &Yaml) -> Vec<String> {
    match (step["run"].as_str(), step["uses"].as_str()) {
        (Some(_), None) => unknown(name, step, &[OF_STEP, OF_SCRIPT]),
        (None, Some(action)) => {
            let mut wrong = unknown(name, step, &[OF_STEP, OF_ACTION]);
            let parts = action.split_once('@').map(|(place, version)| (place.split('/').count(), version));
            if !parts.is_some_and(|(names, version)| names >= 2 && !version.is_empty()) {
                wrong.push(format!("{name}: {action} is not OWNER/NAME@VERSION"));
            }
            wrong
        }
        _ => vec![format!("{name}: either it runs a script (run) or it uses an action (uses)")],
    }
}

/// Keys of `map` that are in none of these lists.
fn unknown(name: &str, map: &Yaml, known: &[&[&str]]) -> Vec<String> {
    let keys = map.as_hash().into_iter().flat_map(|map| map.keys());
    let keys = keys.map(|key| key.as_str().unwrap_or("(no text)"));
    let unknown = keys.filter(|key| !known.iter().any(|list| list.contains(key)));
    unknown.map(|key| format!("{name}: unknown key {key}")).collect()
}

#[test]
fn mistakes_are_found() {
    let of = |text: &str| complaints(&yaml_rust2::YamlLoader::load_from_str(text).unwrap()[0]).join("; ");
    let job = |job: &str| of(&format!("on: push\njobs:\n  a:\n    {}\n", job.replace('\n', "\n    ")));
    let steps = |steps: &str| job(&format!("runs-on: x\nsteps: [{steps}]"));
    assert_eq!(steps("{run: a}, {uses: a/b@1, with: {c: d}}"), "");
    for (said, says) in [
        (of("jobs: {}"), "nothing sets it off"),
        (of("on: push"), "it has no jobs"),
        (of("on: push\nenvs: {}\njobs: {}"), "unknown key envs"),
        (of("on: push\njobs: {1a: {}}"), "1a: no name"),
        (job("steps: [{run: a}]"), "runs nowhere"),
        (job("runs-on: x"), "it has no steps"),
        (job("runs-on: x\nstep: []"), "a: unknown key step"),
        (steps("{name: a}"), "either it runs a script"),
        (steps("{run: a, uses: b/c@1}"), "either it runs a script"),
        (steps("{run: a, with: {}}"), "a, step 1: unknown key with"),
        (steps("{uses: a/b@1, working-directory: c}"), "unknown key working-directory"),
        (steps("{run: a}, {uses: a/b}"), "a, step 2: a/b is not OWNER/NAME@VERSION"),
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
}
