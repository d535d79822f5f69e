//! What came of tests.

use std::time::Duration;

/// Cases that belong together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Suite {
    /// May be empty.
    pub name: String,
    pub cases: Vec<Case>,
    /// Those within it.
    pub suites: Vec<Suite>,
}

/// One test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    pub name: String,
    /// From the result before to its own, as the host saw them.
    pub time: Duration,
    pub outcome: Outcome,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    /// For this reason.
    Skipped(String),
    /// What the test found. `text`: what was printed about it.
    Failed {
        message: String,
        text: String,
    },
    /// It came to no result.
    Broken {
        message: String,
        text: String,
    },
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Passed | Self::Skipped(_))
    }
}

impl Suite {
    /// Calls `visit` with each case.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Case)) {
        self.cases.iter().for_each(&mut *visit);
        self.suites.iter().for_each(|suite| suite.each(visit));
    }

    /// Whether nothing in it is wrong.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.outcome.is_good()) && self.suites.iter().all(Self::passed)
    }
}
