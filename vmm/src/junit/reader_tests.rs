use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// The suites of these lines, which come a millisecond after each other.
fn read(text: &str) -> Vec<Suite> {
    let mut reader = Reader::default();
    for (n, line) in (1..).zip(text.lines()) {
        reader.line(line, MS * n);
    }
    reader.finish()
}

/// The cases as a person would note them down: `suite/case: what it came to`.
fn notes(suites: &[Suite]) -> Vec<String> {
    fn add(suite: &Suite, within: &str, into: &mut Vec<String>) {
        let name = if suite.name.is_empty() { within.into() } else { format!("{within}{}/", suite.name) };
        for case in &suite.cases {
            let outcome = match &case.outcome {
                Outcome::Passed => "passed".into(),
                Outcome::Skipped(why) => format!("skipped: {why}"),
                Outcome::Failed { message, .. } => format!("failed: {message}"),
                Outcome::Broken { message, .. } => format!("broken: {message}"),
            };
            into.push(format!("{name}{}: {outcome}", case.name));
        }
        suite.suites.iter().for_each(|suite| add(suite, &name, into));
    }
    let mut all = Vec::new();
    suites.iter().for_each(|suite| add(suite, "", &mut all));
    all
}

#[track_caller]
fn expect(text: &str, expected: &[&str]) {
    assert_eq!(notes(&read(text)), expected, "{text}");
}

#[test]
fn plain_tap_with_its_plan_at_either_end() {
    expect("1..2\nok 1 a\nnot ok 2 - b # 3, not 4\n", &["a: passed", "b: failed: 3, not 4"]);
    expect("TAP version 13\nok 1 a\nok 2 b # SKIP no disk\n1..2\n", &["a: passed", "b: skipped: no disk"]);
    expect(
        "ok 1\nnot ok 2 b # TODO later\n1..2\n",
        &["test 1: passed", "b: skipped: it is known to fail: later"],
    );
    expect("1..0 # SKIP no network\n", &["all: skipped: no network"]);
    assert!(notes(&read("hello\nok, fine\n")).is_empty(), "nothing about tests");
}

#[test]
fn whatever_is_missing_is_an_error() {
    expect(
        "ok 1 a\n",
        &["a: passed", "plan: broken: there is no plan (1..N), so nobody knows whether all results are here"],
    );
    expect("1..3\nok 1 a\n", &["a: passed", "plan: broken: 3 tests were planned, and 1 have results"]);
    expect(
        "1..1\nok 1 a\nok 2 b\n",
        &["a: passed", "b: passed", "plan: broken: 1 tests were planned, and 2 have results"],
    );
    let order = "order: broken: test 2 should have come, and it is 3: lines are missing";
    expect("1..2\nok 1 a\nok 3 c\n", &["a: passed", order, "c: passed"]);
    expect(
        "1..2\nok 1 a\nBail out! no memory\n",
        &["a: passed", "bail-out: broken: the tests gave up: no memory"],
    );
    expect(
        "1..2\n1..3\nok 1 a\nok 2 b\n",
        &["plan: broken: 2 tests were planned, and then 3", "a: passed", "b: passed"],
    );
    let timeout = "a: broken: TIMEOUT";
    expect("1..1\nok 1 a # TIMEOUT\n", &[timeout]);
}

#[test]
fn a_line_that_is_cut_off_is_no_result() {
    let mut reader = Reader::default();
    reader.line("1..1", MS);
    reader.cut_off("ok 1 b", MS);
    let suites = reader.finish();
    assert!(notes(&suites)[0].starts_with("cut-off: broken: the output ends within the line"), "{suites:?}");
    let mut reader = Reader::default();
    reader.line("1..1", MS);
    reader.line("ok 1 b", MS);
    reader.cut_off("login: ", MS);
    assert_eq!(notes(&reader.finish()), ["b: passed"]);
}

/// What Linux prints of KUnit, with the times that its log has.
const KTAP: &str = "\
[    0.100000] KTAP version 1
[    0.100001] 1..2
[    0.100002]     KTAP version 1
[    0.100003]     # Subtest: example
[    0.100004]     # module: kunit_example_test
[    0.100005]     1..3
[    0.100006]     # example_simple_test: EXPECTATION FAILED at example.c:29
[    0.100007]     Expected 1 + 1 == 3, but
[    0.100008]     not ok 1 example_simple_test
[    0.100009]     ok 2 example_skip_test # SKIP this test should be skipped
[    0.100010]         KTAP version 1
[    0.100011]         # Subtest: example_params_test
[    0.100012]         ok 1 one
[    0.100013]         ok 2 two
[    0.100014]         1..2
[    0.100015]     ok 3 example_params_test
[    0.100016] # example: pass:1 fail:1 skip:1 total:3
[    0.100017] not ok 1 example
[    0.100018] usb 1-1: new device
[    0.100019]     KTAP version 1
[    0.100020]     1..1
[    0.100021]     ok 1 x
[    0.100022] ok 2 other
";

#[test]
fn subtests_of_linux_are_suites_in_suites() {
    let suites = read(KTAP);
    assert_eq!(
        notes(&suites),
        [
            "example/example_simple_test: failed: it failed",
            "example/example_skip_test: skipped: this test should be skipped",
            "example/example_params_test/one: passed",
            "example/example_params_test/two: passed",
            "other/x: passed",
        ]
    );
    let Outcome::Failed { text, .. } = &suites[0].suites[0].cases[0].outcome else { panic!("{suites:?}") };
    assert!(text.contains("EXPECTATION FAILED") && text.contains("Expected 1 + 1 == 3"), "{text}");
}

#[test]
fn a_subtest_without_its_result_is_an_error() {
    expect(
        "1..1\n    ok 1 x\n    1..1\n",
        &[
            "plan: broken: 1 tests were planned, and 0 have results",
            "x: passed",
            "plan: broken: the output ended within this subtest",
        ],
    );
    expect(
        "1..2\n    1..1\n    ok 1 x\n1..2\nok 1 a\nok 2 b\n",
        &["a: passed", "b: passed", "x: passed", "plan: broken: there is no result of this subtest"],
    );
}

#[test]
fn a_suite_that_fails_though_its_cases_pass_has_failed() {
    expect(
        "1..1\n    1..1\n    ok 1 x\nnot ok 1 suite # set-up failed\n",
        &["suite: failed: set-up failed", "suite/x: passed"],
    );
    let lying = read("1..1\n    1..1\n    not ok 1 x\nok 1 suite\n");
    assert!(!lying[0].passed());
}

#[test]
fn several_runs_follow_each_other() {
    expect("1..1\nok 1 a\n1..1\nok 1 b\n", &["a: passed", "b: passed"]);
    expect("ok 1 a\n1..1\nok 1 b\n1..1\n", &["a: passed", "b: passed"]);
    expect(
        "KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..1\nnot ok 1 b\n",
        &["a: passed", "b: failed: it failed"],
    );
    assert_eq!(read("1..1\nok 1 a\n1..1\nok 1 b\n").len(), 2);
}

#[test]
fn failures_are_explained_and_cases_timed() {
    let suites = read("1..2\nnot ok 1 a\n# got 3\n# wanted 4\nok 2 b\n");
    let Outcome::Failed { text, .. } = &suites[0].cases[0].outcome else { panic!("{suites:?}") };
    assert_eq!(text, "# got 3\n# wanted 4\n");
    assert_eq!((suites[0].cases[0].time, suites[0].cases[1].time), (MS, MS * 3));
}

#[test]
fn our_own_servers_report_on_the_log() {
    expect("conformance: TAP ok 1 ipc/call\nlinux: hello\nconformance: TAP 1..1\n", &["ipc/call: passed"]);
}

proptest! {
    #[test]
    fn nothing_is_lost(lines in proptest::collection::vec(line(), 0..40)) {
        let mut reader = Reader::default();
        for line in &lines {
            reader.line(line, MS);
        }
        let suites = reader.finish();
        let mut cases = 0;
        suites.iter().for_each(|suite| suite.each(&mut |_| cases += 1));
        // A result that is bad makes the whole bad.
        let bad = lines.iter().any(|line| line.trim_start().starts_with("not ok 1 x"));
        prop_assert!(!bad || !suites.iter().all(Suite::passed), "{suites:?}");
        prop_assert!(suites.is_empty() || cases > 0, "{suites:?}");
    }
}

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("ok 1 a"),
        Just("ok 2 b"),
        Just("not ok 1 x"),
        Just("1..1"),
        Just("1..2"),
        Just("1..0"),
        Just("KTAP version 1"),
        Just("# Subtest: s"),
        Just("Bail out!"),
        Just("# words"),
        Just("words"),
        Just("ok - y # SKIP z"),
    ];
    (0usize..4, word).prop_map(|(indent, word)| format!("{}{word}", "    ".repeat(indent)))
}
