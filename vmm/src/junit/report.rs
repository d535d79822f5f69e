//! Suites → JUnit XML, as Jenkins, GitLab and others read it.
//!
//! There is no standard; this is what `junit-10.xsd` of Jenkins' xUnit plugin allows and all readers that we know take: `testsuites` of flat `testsuite`s, each with its counts, its cases
//! and what was printed. Nested suites become flat ones whose names say where they were. Times have three decimals, and dates no zone: they are UTC.

use super::suite::{Case, Outcome, Suite};
use super::xml::Xml;
use std::time::Duration;

/// Between a suite's name and that of one within it.
const WITHIN: &str = "/";

/// A run of tests.
pub struct Report<'a> {
    /// Of the run: of the outermost suites, in front of their own names.
    pub name: &'a str,
    /// When the run began, without a zone: `2026-11-22T17:00:00`.
    pub timestamp: &'a str,
    pub time: Duration,
    pub suites: &'a [Suite],
    /// What the machine itself did, with what it printed.
    pub machine: &'a Case,
    pub out: &'a str,
    pub err: &'a str,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(cases: &[Case]) -> Self {
        let mut counts = Self { tests: cases.len(), ..Self::default() };
        for case in cases {
            match case.outcome {
                Outcome::Passed => {}
                Outcome::Skipped(_) => counts.skipped += 1,
                Outcome::Failed { .. } => counts.failures += 1,
                Outcome::Broken { .. } => counts.errors += 1,
            }
        }
        counts
    }

    fn and(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Report<'_> {
    /// The document.
    pub fn to_xml(&self) -> String {
        let mut flat = Vec::new();
        self.suites.iter().for_each(|suite| flatten(suite, self.name, &mut flat));
        let machine = std::slice::from_ref(self.machine);
        let all = flat.iter().map(|(_, cases)| *cases).chain([machine]).map(Counts::of);
        let all = all.fold(Counts::default(), Counts::and);
        let mut xml = Xml::document();
        let [tests, failures, errors] = [all.tests, all.failures, all.errors].map(|count| count.to_string());
        xml.begin(
            "testsuites",
            &[
                ("name", self.name),
                ("tests", &tests),
                ("failures", &failures),
                ("errors", &errors),
                ("time", &seconds(self.time)),
            ],
        );
        for (name, cases) in &flat {
            self.suite(&mut xml, name, cases);
            xml.end();
        }
        self.suite(&mut xml, self.name, machine);
        xml.element("system-out", &[], self.out);
        xml.element("system-err", &[], self.err);
        xml.finish()
    }

    /// A suite, which is left open.
    fn suite(&self, xml: &mut Xml, name: &str, cases: &[Case]) {
        let counts = Counts::of(cases);
        let text =
            [counts.tests, counts.failures, counts.errors, counts.skipped].map(|count| count.to_string());
        let time = cases.iter().map(|case| case.time).sum();
        let attributes = [
            ("name", name),
            ("tests", &text[0]),
            ("failures", &text[1]),
            ("errors", &text[2]),
            ("skipped", &text[3]),
            ("time", &seconds(time)),
            ("timestamp", self.timestamp),
        ];
        xml.begin("testsuite", &attributes);
        for case in cases {
            write(xml, name, case);
        }
    }
}

fn flatten<'a>(suite: &'a Suite, within: &str, into: &mut Vec<(String, &'a [Case])>) {
    let name =
        if suite.name.is_empty() { within.to_string() } else { [within, WITHIN, &suite.name].concat() };
    if !suite.cases.is_empty() {
        into.push((name.clone(), &suite.cases));
    }
    suite.suites.iter().for_each(|suite| flatten(suite, &name, into));
}

fn write(xml: &mut Xml, suite: &str, case: &Case) {
    xml.begin("testcase", &[("name", &case.name), ("classname", suite), ("time", &seconds(case.time))]);
    match &case.outcome {
        Outcome::Passed => {}
        Outcome::Skipped(why) => xml.element("skipped", &[("message", why)], ""),
        Outcome::Failed { message, text } => {
            xml.element("failure", &[("type", "failure"), ("message", message)], text);
        }
        Outcome::Broken { message, text } => {
            xml.element("error", &[("type", "error"), ("message", message)], text);
        }
    }
    xml.end();
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
