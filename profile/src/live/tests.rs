use super::analysis::Analysis;
use super::batch::{Batch, Part, Seat};
use super::line::{End, Line};
use super::mixer::Mixer;
use super::window::{Machine, Window};
use crate::file::{Header, Names, Ring};
use crate::merge::Moment;
use crate::mock::{Guest, IPC, thread};
use vmm_abi::trace::{Event, Record};

const P: u64 = thread(10, 0);
const L: u64 = thread(5, 0);
const KHZ: u64 = 1000;
/// Ticks of a window.
const SECOND: u64 = KHZ * 1000;
const GETPID: u64 = 39;

fn machine() -> Machine {
    Machine { tsc_khz: KHZ, cpus: 1, ..Machine::default() }
}

/// Records with these numbers and times.
fn bytes(records: &[(u64, u64)]) -> Vec<u8> {
    let record = |&(n, tsc): &(u64, u64)| Record::new(Event::USER, 0, n, 0, tsc, n);
    records.iter().map(record).flat_map(Record::to_words).flat_map(u64::to_le_bytes).collect()
}

/// The times of records, and where nothing is certain: `[` to `]`.
fn mixed(mixer: &mut Mixer, began: u64, ended: u64, parts: Vec<Part>) -> String {
    let batch = Batch { began, ended, parts, ..Batch::default() };
    let word = |moment| match moment {
        Moment::Record { ring: Ring::Cpu(cpu), record } => format!("{cpu}:{}", record.tsc),
        Moment::Record { record, .. } => format!("{}", record.tsc),
        Moment::GapBegins { tsc } => format!("[{tsc}"),
        Moment::GapEnds { tsc } => format!("{tsc}]"),
    };
    mixer.mix(&batch).into_iter().map(word).collect::<Vec<_>>().join(" ")
}

fn records(cpu: u16, records: &[(u64, u64)]) -> Part {
    Part::Records(Ring::Cpu(cpu), bytes(records))
}

#[test]
fn batches_make_one_timeline() {
    let mut mixer = Mixer::default();
    // While the second ring was being looked at, the first one went on.
    let first = vec![records(0, &[(1, 10), (2, 30)]), records(1, &[(1, 20), (2, 105), (3, 110)])];
    assert_eq!(mixed(&mut mixer, 100, 120, first), "0:10 1:20 0:30");
    let second = vec![records(0, &[(3, 101), (4, 108)]), records(1, &[(4, 150)])];
    assert_eq!(mixed(&mut mixer, 200, 210, second), "0:101 1:105 0:108 1:110 1:150");
    assert_eq!(mixer.missing(), 0);
}

#[test]
fn where_records_are_missing_nothing_is_certain() {
    let mut mixer = Mixer::default();
    let parts = vec![records(0, &[(1, 10)]), Part::Dropped(Ring::Cpu(0), 7), records(1, &[(1, 50)])];
    assert_eq!(mixed(&mut mixer, 100, 120, parts), "0:10 [10 1:50");
    // The ring was emptied: what comes from there on is whole.
    assert_eq!(mixed(&mut mixer, 200, 220, vec![records(0, &[(2, 150)])]), "120] 0:150");
    // A number is missing: somebody has passed it over.
    assert_eq!(mixed(&mut mixer, 300, 320, vec![records(0, &[(5, 250)])]), "[200 250] 0:250");
    assert_eq!(mixer.missing(), 9);
}

#[test]
fn no_record_waits_for_ever_whatever_its_time() {
    let mut mixer = Mixer::default();
    let parts = vec![records(0, &[(1, u64::MAX), (2, 0)])];
    assert_eq!(mixed(&mut mixer, 100, 120, parts), "0:0");
    assert_eq!(mixed(&mut mixer, 200, 220, vec![records(0, &[(3, 110)])]), "0:110 0:120");
    // Too late for its place.
    assert_eq!(mixed(&mut mixer, 300, 320, vec![records(0, &[(4, 90)])]), "0:200");
}

/// The windows of `guest`, which somebody looks at every `period` ticks until `end`.
fn windows(guest: &Guest, period: u64, end: u64) -> Vec<Window> {
    let mut analysis = Analysis::new(machine(), &Header::default(), 0);
    let look = |began: u64| {
        let parts = guest.between(began.saturating_sub(period), began);
        let names = Names { tsc: 0, tasks: [(5, "linux".into()), (10, "linux: sh[1]".into())].into() };
        Batch { began, ended: began, parts, names: vec![names], seats: None }
    };
    // A batch is complete when the next one has been taken.
    (1..=end / period + 1).filter_map(|n| analysis.take(look(n * period))).collect()
}

/// A program that makes `calls` calls, one every 10 000 ticks.
fn busy(calls: u64) -> Guest {
    let mut guest = Guest::default();
    guest.kernel(0, 1, Event::ENTER_SYSCALL, L, IPC).kernel(0, 99, Event::EXIT, P, 0);
    for _ in 0..calls {
        guest.wait(8900).call(0, (P, L), GETPID, [100, 200, 150, 250, 200, 100]);
    }
    guest
}

#[test]
fn windows_add_up_however_often_one_looks() {
    let guest = busy(250);
    for period in [SECOND / 100, SECOND / 7, SECOND] {
        let windows = windows(&guest, period, 3 * SECOND);
        let calls = windows.iter().flat_map(|window| &window.system_calls);
        assert_eq!(calls.map(|call| call.count).sum::<u64>(), 250, "{period}");
        assert!(windows.iter().map(|window| window.number).eq(0..windows.len() as u64));
        assert!(windows.iter().all(|window| window.length_ticks == SECOND));
        // The last of the first hundred ends in the second window.
        assert_eq!(windows[0].system_calls[0].count, 99, "{period}");
    }
}

#[test]
fn a_window_says_who_has_done_what() {
    let window = &windows(&busy(250), SECOND / 100, 3 * SECOND)[1];
    let [program, server] = &window.threads[..] else { panic!("{:?}", window.threads) };
    assert_eq!((program.name.as_str(), program.system_call_count), ("linux: sh[1]", 100));
    assert_eq!((server.name.as_str(), server.ipc_count), ("linux", 100));
    assert_eq!(window.ipc.len(), 1);
    let ipc = &window.ipc[0];
    assert_eq!((ipc.client.as_str(), ipc.server.as_str(), ipc.count), ("linux: sh[1]", "linux", 100));
    assert_eq!((ipc.sum_ticks, ipc.max_ticks), (100_000, 1000));
    let call = &window.system_calls[0];
    assert_eq!((call.name.as_str(), call.p50_ticks, call.max_ticks), ("getpid", 1000, 1000));
    let cpu = window.cpus[0];
    assert_eq!(cpu.user_ticks + cpu.kernel_ticks + cpu.idle_ticks, SECOND);
    let of_threads: u64 = window.threads.iter().map(|thread| thread.user_ticks).sum();
    assert_eq!(of_threads, cpu.user_ticks);
    assert_eq!((window.records, window.dropped_records, window.uptime_ticks), (1000, 0, 2 * SECOND));
}

#[test]
fn what_lasts_longer_than_a_window_is_in_each() {
    let mut guest = Guest::default();
    guest.kernel(0, 1, Event::ENTER_SYSCALL, L, IPC).kernel(0, 9, Event::EXIT, P, 0);
    // It computes, then everybody sleeps.
    guest.kernel(0, 5 * SECOND / 2, Event::ENTER_SYSCALL, P, GETPID).kernel(
        0,
        5 * SECOND / 2,
        Event::IDLE_INTERRUPT,
        0,
        32,
    );
    let windows = windows(&guest, SECOND / 10, 5 * SECOND);
    let of = |n: usize| (windows[n].cpus[0].user_ticks / 1000, windows[n].cpus[0].idle_ticks / 1000);
    assert_eq!([of(0), of(1), of(2), of(3)], [(999, 0), (1000, 0), (500, 499), (0, 1000)]);
    assert_eq!(windows[1].threads[0].state.as_deref(), Some("runs"));
    // Who stands still meanwhile makes one long window.
    let long = self::windows(&guest, 3 * SECOND, 6 * SECOND);
    assert!(long.iter().map(|window| window.length_ticks).eq([3 * SECOND, 3 * SECOND, 3 * SECOND]));
}

#[test]
fn threads_that_do_nothing_are_listed_with_their_state() {
    let mut analysis = Analysis::new(machine(), &Header::default(), 0);
    let seats = vec![Seat { thread: P, state: "in read".into() }];
    let batch = Batch { began: SECOND, ended: SECOND, seats: Some(seats), ..Batch::default() };
    let window = analysis.take(batch).unwrap();
    let [thread] = &window.threads[..] else { panic!("{:?}", window.threads) };
    assert_eq!((thread.state.as_deref(), thread.task, thread.user_ticks), (Some("in read"), 10, 0));
}

#[test]
fn a_line_has_the_names_that_are_written_down() {
    let window = windows(&busy(250), SECOND / 100, 3 * SECOND).remove(1);
    let line = Line::Window(Box::new(window));
    let bytes = line.to_bytes();
    assert_eq!(Line::parse(&bytes).unwrap(), line);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.starts_with("{\"format\":1,\"kind\":\"window\",\"machine\":{\"pid\":") && text.ends_with("}\n")
    );
    let documented = include_str!("../../../docs/profile.md");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut names = Vec::new();
    members(&value, &mut names);
    for name in names {
        assert!(documented.contains(&format!("`{name}`")), "docs/profile.md does not say what {name} is");
    }
    let end = Line::End(End { status: Some(3), ..End::default() });
    assert_eq!(Line::parse(&end.to_bytes()).unwrap(), end);
}

/// The names of all members.
fn members(value: &serde_json::Value, names: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                names.push(name.clone());
                members(value, names);
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| members(value, names)),
        _ => {}
    }
}
