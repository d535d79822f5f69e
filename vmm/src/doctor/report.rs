//! Findings, and how they are printed.

use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Good,
    /// Guests run without it.
    Note,
    /// Guests do not run.
    Bad,
}

/// One line of the report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub verdict: Verdict,
    pub about: &'static str,
    pub text: String,
}

impl Finding {
    pub fn good(about: &'static str, text: String) -> Self {
        Self { verdict: Verdict::Good, about, text }
    }
    pub fn note(about: &'static str, text: String) -> Self {
        Self { verdict: Verdict::Note, about, text }
    }
    pub fn bad(about: &'static str, text: String) -> Self {
        Self { verdict: Verdict::Bad, about, text }
    }
}

#[derive(Default, Debug)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
    /// Whether guests can run.
    pub fn is_usable(&self) -> bool {
        self.findings.iter().all(|f| f.verdict != Verdict::Bad)
    }
}

/// Where texts begin.
const INDENT: usize = 21;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Good => "ok",
                Verdict::Note => "note",
                Verdict::Bad => "FAIL",
            };
            let text = finding.text.replace('\n', &format!("\n{:INDENT$}", ""));
            writeln!(f, "{verdict:4}  {:14} {text}", finding.about)?;
        }
        Ok(())
    }
}
