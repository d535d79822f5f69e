//! docs/dependencies.md lists the crates that the manifests name, no more and no fewer.

use crate::markdown::{read, root};
use std::collections::BTreeSet;
use std::process::Command;

fn documented(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

/// Dependencies of the workspace's packages that come from a registry.
fn used(metadata: &serde_json::Value) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let all = packages.iter().flat_map(|package| package["dependencies"].as_array().unwrap());
    all.filter(|d| d["source"].is_string()).map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_dependency_is_documented() {
    let page = read("docs/dependencies.md");
    let mut cargo = Command::new(env!("CARGO"));
    let output =
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root()).output().unwrap();
    let used = used(&serde_json::from_slice(&output.stdout).unwrap());
    let documented = documented(&page);
    let missing: Vec<_> = used.difference(&documented).collect();
    let stale: Vec<_> = documented.difference(&used).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not documented: {missing:?}; no longer used: {stale:?}");
}
