//! `monitor exits`

use super::Scene;
use std::collections::BTreeMap;
use std::fmt::Write;

pub fn run(scene: &Scene<'_>) -> String {
    let mut reasons: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (vcpu, counts) in scene.exits.iter().enumerate() {
        for (reason, count) in counts {
            let row = reasons.entry(reason).or_insert_with(|| vec![0; scene.exits.len()]);
            row[vcpu] += count;
        }
    }
    if reasons.is_empty() {
        return "exits have not been counted\n".to_string();
    }
    let mut text = format!("{:<16}", "reason");
    // Writing to a string does not fail.
    let _ = (0..scene.exits.len()).try_for_each(|vcpu| write!(text, " {:>12}", format!("vCPU {vcpu}")));
    for (reason, counts) in reasons {
        let _ = write!(text, "\n{reason:<16}");
        let _ = counts.iter().try_for_each(|count| write!(text, " {count:>12}"));
    }
    text + "\n"
}
