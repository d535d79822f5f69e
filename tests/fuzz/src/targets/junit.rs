//! What a guest prints about its tests, whatever it prints, and the report that becomes of it.

use super::Seed;
use roxmltree::Document;
use std::time::Duration;
use ukvmm::ending::{Kind, Status};
use ukvmm::evidence::ears::Mouth;
use ukvmm::junit::listener::Listener;
use ukvmm::junit::verdict::{End, Verdict};

/// Bytes that are printed at once; pieces end anywhere in a line.
const PIECE: usize = 7;

pub fn run(text: &[u8]) {
    let mut listener = Listener::default();
    for (n, piece) in (0u64..).zip(text.chunks(PIECE)) {
        // A byte at the beginning of a piece says where it is printed now and then.
        let mouth = if piece[0] == 0xff { Mouth::Debug } else { Mouth::Out };
        listener.hear(mouth, piece, Duration::from_millis(n));
    }
    let (suites, out, err) = listener.finish(Duration::from_secs(1));
    let end = End { kind: Kind::Exited, status: Status::Exit(0), message: None };
    let verdict = Verdict::new(suites, &end, Duration::from_secs(1));
    let xml = verdict.to_xml("fuzz", "2026-11-22T17:00:00", &out, &err);
    let document = Document::parse(&xml).expect("well-formed XML");
    let root = document.root_element();
    let count = |name| root.attribute(name).and_then(|count| count.parse::<usize>().ok()).expect("a count");
    assert_eq!(verdict.passed(), count("failures") + count("errors") == 0);
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, count("tests"));
    assert_eq!(verdict.status(end.status) == end.status, verdict.passed());
}

pub fn seeds() -> Vec<Seed> {
    let nested = "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: s\n    1..2\n    # words\n    not ok 1 a\n    ok 2 b # SKIP c\nnot ok 1 s\nok 2 t\n";
    vec![
        ("plain", b"TAP version 14\n1..3\nok 1 - a\nnot ok 2 b # TODO later\nnot ok 3 c # f.rs:1: 1, not 2\n# why\n".to_vec()),
        ("nested", nested.as_bytes().to_vec()),
        ("kernel", b"[    0.100000] KTAP version 1\n[    0.100001][    T1] 1..1\n[    0.2]     ok 1 x\r\n".to_vec()),
        ("marked", b"conformance: TAP ok 1 ipc/call\nconformance: TAP 1..1\nBail out! no\n".to_vec()),
        ("odd", b"1..1\nok 1 \x1b[1m<&>\"'\0\xff\xfe # TIMEOUT\n\xffnot ok 1 y\n1..0 # skip\nok".to_vec()),
    ]
}
