use super::*;
use crate::format::Format;
use crate::mock;
use crate::report;
use std::collections::BTreeMap;
use std::io::{Read, Seek};

fn events(file: impl Read + Seek) -> Vec<Value> {
    let mut out = Vec::new();
    report::write(file, Format::Perfetto, &mut out).unwrap();
    let trace: Value = serde_json::from_slice(&out).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

/// Nanoseconds: what is written is exact to that.
fn nanos(event: &Value, member: &str) -> i64 {
    (event[member].as_f64().unwrap() * 1000.0).round() as i64
}

type Slice<'a> = (i64, i64, &'a str);

/// The slices of each track, by start, and the outer ones first.
fn tracks(events: &[Value]) -> BTreeMap<(u64, u64), Vec<Slice<'_>>> {
    let mut tracks = BTreeMap::<_, Vec<_>>::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let start = nanos(event, "ts");
        let slice = (start, start + nanos(event, "dur"), event["name"].as_str().unwrap());
        tracks
            .entry((event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap()))
            .or_default()
            .push(slice);
    }
    for slices in tracks.values_mut() {
        slices.sort_by_key(|(start, end, _)| (*start, -end));
    }
    tracks
}

/// No slice reaches out of the one that it begins in.
fn check_nesting(events: &[Value]) {
    for slices in tracks(events).values() {
        let mut stack: Vec<Slice<'_>> = Vec::new();
        for slice in slices {
            stack.retain(|outer| outer.1 > slice.0);
            assert!(stack.iter().all(|outer| slice.1 <= outer.1), "{slice:?} in {stack:?}");
            stack.push(*slice);
        }
    }
}

#[test]
fn calls_have_their_phases_in_them() {
    let events = events(mock::sample());
    check_nesting(&events);
    let tracks = tracks(&events);
    let program = &tracks[&(10, REQUESTS)];
    let first: Vec<_> = program.iter().take(7).map(|(_, _, name)| *name).collect();
    assert_eq!(first, ["getpid", "entry", "IPC out", "dispatch", "server", "reply", "exit"]);
    // 1100 ticks at 2 GHz, as they were measured.
    assert_eq!(program[0].1 - program[0].0, 550);
    assert!(tracks[&(5, REQUESTS)].iter().any(|slice| slice.2 == "call block"));
    assert_eq!(tracks[&(5, SERVES)].iter().filter(|slice| slice.2 == "getpid").count(), 20);
    assert!(tracks[&(CPUS, RUNS)].iter().any(|slice| slice.2 == "linux: cat[7]"));
    assert_eq!(tracks[&(CPUS, INTERRUPTS)].len(), 1);
    assert_eq!(
        tracks[&(CPUS, OUTSIDE)],
        [(tracks[&(CPUS, OUTSIDE)][0].0, tracks[&(CPUS, OUTSIDE)][0].0 + 100, "I/O port")]
    );
}

#[test]
fn what_is_on_a_track_comes_in_the_order_of_time() {
    let events = events(mock::sample());
    let mut last = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let track = (event["pid"].as_u64(), event["tid"].as_u64());
        let start = nanos(event, "ts");
        // The first phase begins with its call.
        assert!(last.insert(track, start).is_none_or(|before| before <= start), "{event}");
    }
}

#[test]
fn arrows_have_two_ends_and_tracks_have_names() {
    let events = events(mock::sample());
    let ids = |ph: &str| -> Vec<_> {
        events.iter().filter(|event| event["ph"] == ph).map(|event| event["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids("s"), ids("f"));
    // 20 getpid, a read, its call of the driver, a page fault.
    assert_eq!(ids("s").len(), 23);
    assert_eq!((ids("b").len(), ids("e").len()), (1, 1));
    for (process, thread) in tracks(&events).keys() {
        let name = |what: &str, of: &dyn Fn(&Value) -> bool| {
            events.iter().any(|event| event["name"] == what && event["pid"] == *process && of(event))
        };
        assert!(name("process_name", &|_| true) && name("thread_name", &|event| event["tid"] == *thread));
    }
}

#[test]
fn a_writer_that_fails_is_reported() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let result = report::write(mock::sample(), Format::Perfetto, &mut Full);
    assert!(matches!(result, Err(report::ReportError::Write(_))));
}
