//! docs/dependencies.md lists the crates that the manifests name, each once, and who uses them.

use crate::markdown::{read, root};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Packages, by the crate that they use.
type Users = BTreeMap<String, BTreeSet<String>>;

/// What the rows say: crate, licence, packages.
fn documented(page: &str) -> Users {
    let mut all = Users::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let columns: Vec<_> = row.split(" | ").collect();
        let name = columns[0].trim_end_matches('`');
        let users = columns[2].split(", ").map(str::to_owned).collect();
        assert!(all.insert(name.to_owned(), users).is_none(), "{name} is there twice");
    }
    all
}

/// Dependencies of the workspace's packages that come from a registry.
fn used(metadata: &serde_json::Value) -> Users {
    let mut all = Users::new();
    for package in metadata["packages"].as_array().unwrap() {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        for dependency in dependencies.filter(|dependency| dependency["source"].is_string()) {
            let users = all.entry(dependency["name"].as_str().unwrap().to_owned()).or_default();
            users.insert(package["name"].as_str().unwrap().to_owned());
        }
    }
    all
}

#[test]
fn every_dependency_is_documented() {
    let page = read("docs/dependencies.md");
    let mut cargo = Command::new(env!("CARGO"));
    let output =
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root()).output().unwrap();
    let used = used(&serde_json::from_slice(&output.stdout).unwrap());
    let documented = documented(&page);
    for name in used.keys().chain(documented.keys()) {
        assert_eq!(documented.get(name), used.get(name), "{name}: on the page, and in the manifests");
    }
}
