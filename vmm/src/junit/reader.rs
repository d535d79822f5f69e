//! Lines about tests → suites of cases, whatever the lines are.
//!
//! A guest may stop anywhere, lose lines, or say nonsense. What must not happen is that a test that failed or was not made looks like one that passed; so everything that is not as it
//! should be becomes a case of its own that has gone wrong: a plan that was not kept, a number that is missing, a subtest without its result, no plan at all.

use super::line::{Directive, Indented, Line, Verdict, parse};
use super::suite::{Case, Outcome, Suite};
use std::time::Duration;

/// Cases of a run; those above are not kept, and that is an error.
const CASES_MAX: usize = 100_000;
/// Bytes of a case's text.
const TEXT_MAX: usize = 16 << 10;
/// Subtests within each other; what is deeper is text.
const DEPTH_MAX: usize = 16;

/// What has been read of one stream.
#[derive(Default)]
pub struct Reader {
    /// Those that are complete.
    done: Vec<Suite>,
    /// Open ones, each within the one before. Empty until there is something about tests.
    levels: Vec<Level>,
    /// The name of a subtest that is about to begin.
    announced: Option<String>,
    /// What was printed since the last result.
    text: String,
    /// The last case has failed, and what follows belongs to it.
    explains: bool,
    /// When the last line about tests came.
    last: Duration,
    cases: usize,
}

/// A suite that is being read.
struct Level {
    indent: usize,
    suite: Suite,
    plan: Option<u64>,
    /// Results so far.
    results: u64,
    /// The number that the next one should have.
    next: u64,
    is_ktap: bool,
    failed: bool,
}

impl Level {
    fn new(indent: usize, name: Option<String>, is_ktap: bool) -> Self {
        let suite = Suite { name: name.unwrap_or_default(), ..Suite::default() };
        Self { indent, suite, plan: None, results: 0, next: 1, is_ktap, failed: false }
    }

    fn is_complete(&self) -> bool {
        self.plan == Some(self.results)
    }

    fn is_untouched(&self) -> bool {
        self.plan.is_none() && self.results == 0
    }
}

impl Reader {
    /// Reads a line, which came `at` this time of the run.
    pub fn line(&mut self, text: &str, at: Duration) {
        let Indented { indent, line } = parse(text);
        let deep =
            self.levels.len() >= DEPTH_MAX && self.levels.last().is_some_and(|top| indent > top.indent);
        match line {
            _ if deep => self.keep(text),
            Line::Other | Line::Comment => self.keep(text),
            Line::Version { ktap } => self.version(indent, ktap, at),
            Line::Plan { count, skip } => self.plan(indent, count, skip, at),
            Line::Subtest(name) => self.subtest(indent, name, at),
            Line::Result(verdict) => self.result(indent, verdict, at),
            Line::BailOut(why) => {
                self.level(0, at).failed = true;
                let message = format!("the tests gave up: {why}");
                self.add("bail-out", Duration::ZERO, Outcome::Broken { message, text: String::new() });
            }
        }
    }

    /// A line that ended with the stream, and nobody knows what it would have become.
    pub fn cut_off(&mut self, text: &str, at: Duration) {
        match parse(text).line {
            Line::Other | Line::Comment => self.keep(text),
            _ => {
                self.level(0, at);
                self.broken("cut-off", format!("the output ends within the line {text:?}"));
            }
        }
    }

    /// What was read; nothing if nothing was about tests.
    pub fn finish(mut self) -> Vec<Suite> {
        while let Some(level) = self.levels.pop() {
            let parent = self.levels.last_mut().map(|parent| &mut parent.suite.suites);
            let is_nested = parent.is_some();
            let suite = closed(level, is_nested.then_some("the output ended within this subtest"));
            parent.unwrap_or(&mut self.done).push(suite);
        }
        self.done
    }

    fn version(&mut self, indent: usize, ktap: bool, at: Duration) {
        self.close_above(indent);
        if self.levels.last().is_some_and(|top| top.indent == indent && !top.is_untouched()) {
            self.close_top();
        }
        self.level(indent, at).is_ktap = ktap;
        self.last = at;
    }

    fn plan(&mut self, indent: usize, count: u64, skip: Option<String>, at: Duration) {
        self.close_above(indent);
        if self.levels.last().is_some_and(|top| top.indent == indent && top.is_complete()) {
            self.close_top();
        }
        let level = self.level(indent, at);
        match level.plan {
            Some(first) if first != count => {
                self.broken("plan", format!("{first} tests were planned, and then {count}"));
            }
            _ => level.plan = Some(count),
        }
        if count == 0 {
            self.add(
                "all",
                Duration::ZERO,
                Outcome::Skipped(skip.unwrap_or_else(|| "no tests were planned".into())),
            );
        }
        self.last = at;
    }

    fn subtest(&mut self, indent: usize, name: String, at: Duration) {
        let is_nested = self.levels.len() > 1;
        match self.levels.last_mut() {
            Some(top)
                if indent == top.indent && is_nested && top.results == 0 && top.suite.name.is_empty() =>
            {
                top.suite.name = name;
            }
            Some(top) if indent > top.indent => {
                self.announced = Some(name);
                self.level(indent, at);
            }
            _ => self.announced = Some(name),
        }
    }

    fn result(&mut self, indent: usize, verdict: Verdict, at: Duration) {
        let again = verdict.number == Some(1);
        if self.levels.last().is_some_and(|top| top.indent == indent && top.is_complete() && again) {
            self.close_top();
        }
        let children = self.children_of(indent, &verdict);
        let level = self.level(indent, at);
        let expected = level.next;
        let number = verdict.number.unwrap_or(expected);
        level.results += 1;
        level.next = number.saturating_add(1);
        if number != expected {
            self.broken(
                "order",
                format!("test {expected} should have come, and it is {number}: lines are missing"),
            );
        }
        let time = at.saturating_sub(self.last);
        self.last = at;
        match children {
            // The result of a subtest is those of its cases, unless it says something else.
            Some(passed) if passed == verdict.ok => self.forget(),
            _ => self.case(number, verdict, time),
        }
    }

    fn case(&mut self, number: u64, verdict: Verdict, time: Duration) {
        let Verdict { ok, name, directive, .. } = verdict;
        let name = if name.is_empty() { format!("test {number}") } else { name };
        let explained_before = std::mem::take(&mut self.text);
        let failed = |message: String| Outcome::Failed { message, text: explained_before.clone() };
        let outcome = match (ok, directive) {
            (_, Directive::Skip(why)) => Outcome::Skipped(why),
            (_, Directive::Broken(message)) => Outcome::Broken { message, text: explained_before.clone() },
            (false, Directive::Todo(why)) => Outcome::Skipped(format!("it is known to fail: {why}")),
            (true, _) => Outcome::Passed,
            (false, Directive::Remark(message)) => failed(message),
            (false, Directive::None) => failed("it failed".into()),
        };
        let is_failure = matches!(outcome, Outcome::Failed { .. } | Outcome::Broken { .. });
        self.add(&name, time, outcome);
        // KTAP explains a failure before its result, TAP behind it.
        self.explains = is_failure && !self.levels.last().is_some_and(|level| level.is_ktap);
    }

    /// Closes what is within the subtest whose result has come. `None`: there was nothing, it is a case. Else, whether all passed.
    fn children_of(&mut self, indent: usize, verdict: &Verdict) -> Option<bool> {
        let mut passed = None;
        while self.levels.len() > 1 && self.levels.last().is_some_and(|top| top.indent > indent) {
            let Some(mut level) = self.levels.pop() else { break };
            let is_direct = self.levels.last().is_some_and(|parent| parent.indent <= indent);
            if level.suite.name.is_empty() && is_direct {
                level.suite.name.clone_from(&verdict.name);
            }
            let suite = closed(level, (!is_direct).then_some("there is no result of this subtest"));
            passed = Some(suite.passed() && passed.unwrap_or(true));
            if let Some(parent) = self.levels.last_mut() {
                parent.suite.suites.push(suite);
            }
        }
        passed
    }

    /// Closes subtests that are deeper than `indent` and have got no result.
    fn close_above(&mut self, indent: usize) {
        while self.levels.len() > 1 && self.levels.last().is_some_and(|top| top.indent > indent) {
            self.close_top();
        }
    }

    fn close_top(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        match self.levels.last_mut() {
            Some(parent) => {
                parent.suite.suites.push(closed(level, Some("there is no result of this subtest")))
            }
            None => self.done.push(closed(level, None)),
        }
    }

    /// The level whose lines begin behind so many spaces: the last one, or one within it.
    fn level(&mut self, indent: usize, at: Duration) -> &mut Level {
        let is_new = self.levels.last().is_none_or(|top| indent > top.indent);
        if is_new {
            let is_ktap = self.levels.last().is_some_and(|top| top.is_ktap);
            let name = self.announced.take();
            self.levels.push(Level::new(indent, name, is_ktap));
            self.last = at;
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn broken(&mut self, name: &str, message: String) {
        self.add(name, Duration::ZERO, Outcome::Broken { message, text: String::new() });
    }

    fn add(&mut self, name: &str, time: Duration, outcome: Outcome) {
        let Some(level) = self.levels.last_mut() else { return };
        self.cases += 1;
        let outcome = match self.cases {
            ..CASES_MAX => outcome,
            CASES_MAX => Outcome::Broken {
                message: "there are too many tests for one report".into(),
                text: String::new(),
            },
            _ => return,
        };
        level.suite.cases.push(Case { name: name.into(), time, outcome });
    }

    /// Keeps a line for the result that it explains.
    fn keep(&mut self, line: &str) {
        let Some(level) = self.levels.last_mut() else { return };
        let text = match level.suite.cases.last_mut().map(|case| &mut case.outcome) {
            Some(Outcome::Failed { text, .. } | Outcome::Broken { text, .. }) if self.explains => text,
            _ => &mut self.text,
        };
        if text.len() + line.len() < TEXT_MAX {
            text.push_str(line);
            text.push('\n');
        }
    }

    fn forget(&mut self) {
        self.text.clear();
        self.explains = false;
    }
}

/// The suite of a level, with what is wrong with it.
fn closed(level: Level, unfinished: Option<&str>) -> Suite {
    let Level { mut suite, plan, results, failed, .. } = level;
    let problem = match plan {
        _ if unfinished.is_some() => unfinished.map(Into::into),
        // It has said itself why it is not complete.
        _ if failed => None,
        None => Some("there is no plan (1..N), so nobody knows whether all results are here".into()),
        Some(planned) if planned != results => {
            Some(format!("{planned} tests were planned, and {results} have results"))
        }
        Some(_) => None,
    };
    if let Some(message) = problem {
        let outcome = Outcome::Broken { message, text: String::new() };
        suite.cases.push(Case { name: "plan".into(), time: Duration::ZERO, outcome });
    }
    suite
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
