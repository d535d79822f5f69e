use super::*;
use crate::junit::reader::Reader;
use proptest::prelude::*;
use roxmltree::{Document, Node};

fn xml(suites: &[Suite], out: &str) -> String {
    let machine =
        Case { name: "machine".into(), time: Duration::from_millis(1500), outcome: Outcome::Passed };
    Report {
        name: "run",
        timestamp: "2026-11-22T17:00:00",
        time: machine.time,
        suites,
        machine: &machine,
        out,
        err: "",
    }
    .to_xml()
}

fn number(node: Node<'_, '_>, name: &str) -> usize {
    node.attribute(name).unwrap_or_else(|| panic!("{name} of {node:?}")).parse().unwrap()
}

/// What `junit-10.xsd` of Jenkins' xUnit plugin demands.
fn check(text: &str) {
    let document = Document::parse(text).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    let mut sums = [0; 3];
    for suite in root.children().filter(Node::is_element) {
        assert_eq!(suite.tag_name().name(), "testsuite");
        assert!(suite.has_attribute("name"));
        assert_eq!(suite.attribute("timestamp").unwrap().len(), "2026-11-22T17:00:00".len());
        let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let with =
            |tag| cases.iter().filter(|case| case.children().any(|node| node.has_tag_name(tag))).count();
        let counts = [cases.len(), with("failure"), with("error"), with("skipped")];
        assert_eq!(["tests", "failures", "errors", "skipped"].map(|name| number(suite, name)), counts);
        (0..3).for_each(|n| sums[n] += counts[n]);
        cases.into_iter().for_each(check_case);
        let known = ["testcase", "system-out", "system-err"];
        assert!(
            suite.children().filter(Node::is_element).all(|node| known.contains(&node.tag_name().name()))
        );
    }
    assert_eq!(["tests", "failures", "errors"].map(|name| number(root, name)), sums);
}

fn check_case(case: Node<'_, '_>) {
    assert!(case.has_attribute("name") && case.has_attribute("classname"));
    // SUREFIRE_TIME: three decimals at most.
    let (_, decimals) = case.attribute("time").unwrap().split_once('.').unwrap();
    assert_eq!(decimals.len(), 3);
    let results: Vec<_> = case.children().filter(Node::is_element).collect();
    assert!(results.len() <= 1, "{results:?}");
    for result in results {
        assert!(["failure", "error", "skipped"].contains(&result.tag_name().name()));
        assert!(result.has_attribute("message"));
    }
}

fn read(text: &[u8]) -> Vec<Suite> {
    let mut reader = Reader::default();
    for line in text.split(|&byte| byte == b'\n') {
        reader.line(&String::from_utf8_lossy(line), Duration::ZERO);
    }
    reader.finish()
}

#[test]
fn nested_suites_become_flat_ones() {
    let suites = read(b"1..2\n    # Subtest: inner\n    1..2\n    ok 1 a\n    not ok 2 b # <why> \"x\"\nnot ok 1 inner\nok 2 c # SKIP z");
    let text = xml(&suites, "all\x1b[0m output & <more>\n");
    check(&text);
    for expected in [
        "<testsuites name=\"run\" tests=\"4\" failures=\"1\" errors=\"0\" time=\"1.500\">",
        "<testsuite name=\"run/inner\" tests=\"2\" failures=\"1\"",
        "<testcase name=\"b\" classname=\"run/inner\" time=\"0.000\">",
        "<failure type=\"failure\" message=\"&lt;why&gt; &quot;x&quot;\"/>",
        "<skipped message=\"z\"/>",
        "<testcase name=\"machine\" classname=\"run\" time=\"1.500\"/>",
        "<system-out>all\u{241b}[0m output &amp; &lt;more&gt;\n</system-out>",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_make_a_document(bytes in proptest::collection::vec(any::<u8>(), 0..400), pieces in proptest::collection::vec(0usize..6, 0..30)) {
        let lines: [&[u8]; 6] = [b"not ok 1 x\0\x1b", b"1..2", b"    ok 1 \xff", b"# Subtest: <&>\"'", b"\n", b"ok 3 ]]> # SKIP \x0b"];
        let mixed = pieces.iter().flat_map(|&n| [lines[n], b"\n", &bytes[..n.min(bytes.len())]].concat());
        let text: Vec<u8> = mixed.chain(bytes.iter().copied()).collect();
        check(&xml(&read(&text), &String::from_utf8_lossy(&text)));
    }
}
