//! What servers and programs record for `--profile`: their own halves of the story, in a run of the program `events`.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::profile::Profile;
use guest_tests::programs;
use libtest_mimic::Trial;
use profile::kind::Kind;
use profile::span::Span;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vmm_abi::trace::{Event, Record};

const PROGRAM: &str = "/tests/events";
/// What it prints, with and without a profile.
const OUTPUT: &str = "20 calls\n3 events of a thread\n5 at once\nnothing that is no event\n";
const LIMIT: Duration = Duration::from_secs(60);

// As in `tests/programs/events.c`.
const BEGIN: Event = Event::user(1);
const END: Event = Event::user(2);
const THREAD: Event = Event::user(3);
const SEVERAL: Event = Event::user(4);
const FLOOD: Event = Event::user(5);
const CALLS: usize = 20;
const FLOOD_EVENTS: u64 = 1_000_000;

/// Number of `getppid`, and what the first process gets.
const GETPPID: (u64, u64) = (110, 0);

type Check = fn(&Profile) -> Result<(), String>;

/// What has to be so of each profile of [`PROGRAM`].
const CHECKS: [(&str, Check); 4] =
    [("calls", calls), ("events", events), ("drivers", drivers), ("calibration", calibration)];

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let (here, lab) = (Arc::new(Shared::new()), Arc::new(Shared::new()));
    let mut trials = Vec::new();
    for (name, check) in CHECKS {
        let here = here.clone();
        trials.push(on_kvm(&format!("records::{name}"), context, move |context| {
            check(here.get(&context.slots, || on_this_kvm(context, &[PROGRAM], OUTPUT)).as_ref()?)
        }));
        let lab = lab.clone();
        trials.push(plain(format!("lab::records::{name}"), context, move |context| {
            check(lab.get(&context.slots, || in_lab(context)).as_ref()?)
        }));
    }
    trials.push(plain("lab::records::agreement".to_owned(), context, move |context| {
        agreement(lab.get(&context.slots, || in_lab(context)).as_ref()?)
    }));
    trials.push(on_kvm("records::full-ring", context, |context| {
        full_ring(&on_this_kvm(context, &[PROGRAM, "flood"], "all written\n")?)
    }));
    trials
}

fn boot(context: &Context, profile: &Path, program: &[&str]) -> Result<Boot, String> {
    let image = programs::image(&context.build)?;
    let option = format!("{},format=raw", profile.display());
    Ok(Boot::linux(&context.build, &image)?.with(&["--profile", &option]).timeout(LIMIT).program(program))
}

/// Runs the program, which has to say the same as without a profile.
fn profile_of(
    context: &Context,
    program: &[&str],
    output: &str,
    run: impl FnOnce(&Boot) -> Result<Outcome, String>,
) -> Result<Profile, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
    let path = folder.path().join("profile");
    let outcome = run(&boot(context, &path, program)?)?;
    if outcome.end != End::Exited(0) || outcome.stdout != output.as_bytes() {
        return Err(format!("expected {output:?} and status 0; {}", compare::describe(&outcome)));
    }
    Profile::read(&path)
}

fn on_this_kvm(context: &Context, program: &[&str], output: &str) -> Result<Profile, String> {
    profile_of(context, program, output, |boot| boot.run_kvm(b"", LIMIT))
}

fn in_lab(context: &Context) -> Result<Profile, String> {
    profile_of(context, &[PROGRAM], OUTPUT, |boot| boot.run_lab(b"", LAB_LIMIT))
}

fn expect(is_so: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what()) }
}

/// Events and arguments.
fn told(records: &[Record]) -> Vec<(Event, u64)> {
    records.iter().map(|record| (record.event(), record.argument)).collect()
}

/// Records of this event.
fn of(records: &[Record], event: Event) -> impl Iterator<Item = &Record> {
    records.iter().filter(move |record| record.event() == event)
}

/// Each call is received, begun, ended and answered, one step after the other.
fn calls(profile: &Profile) -> Result<(), String> {
    let (_, ring) = profile.ring_with(BEGIN)?;
    let place = |event| ring.iter().position(|record| record.event() == event).ok_or("an event is missing");
    let between = &ring[place(BEGIN)?..place(END)?];
    let client = between[0].thread;
    let want = [
        (Event::RECEIVED, client),
        (Event::HANDLER_START, GETPPID.0),
        (Event::HANDLER_END, GETPPID.1),
        (Event::REPLY, client),
    ];
    let rounds: Vec<_> = between.windows(want.len()).filter(|round| told(round) == want).collect();
    expect(rounds.len() == CALLS, || format!("{} of {CALLS} calls: {:?}", rounds.len(), told(between)))?;
    let servers = |round: &&[Record]| round.iter().all(|r| r.thread == round[0].thread && r.thread != client);
    expect(rounds.iter().all(servers), || format!("not the server's: {rounds:?}"))?;
    expect(ring.is_sorted_by_key(|record| record.tsc), || "time goes backwards".to_owned())
}

/// A call takes as long by its records, without what they cost, as when it is measured from outside and nobody records: to within 2 %. What the kernel records
/// agrees to the instruction (`lab::trace`).
fn agreement(profile: &Profile) -> Result<(), String> {
    let (begin, end) = (profile.only(BEGIN)?, profile.only(END)?);
    let is_call = |span: &&Span| {
        (span.thread, span.kind) == (begin.thread, Kind::Linux(GETPPID.0))
            && (begin.tsc..end.tsc).contains(&span.start)
    };
    let calls: Vec<_> = profile.requests.iter().filter(is_call).collect();
    expect(calls.len() == CALLS, || format!("{} of {CALLS} calls", calls.len()))?;
    // From one call to the next: on the way out of the kernel and in again instructions are outside of both.
    let between = profile.cost(Event::EXIT)?.behind + profile.cost(Event::ENTER_SYSCALL)?.before;
    let round = |pair: &[&Span]| pair[0].corrected().total() + (pair[1].start - pair[0].end - between);
    let mut rounds: Vec<_> = calls.windows(2).map(round).collect();
    rounds.sort_unstable();
    let (inside, outside) = (rounds[rounds.len() / 2], promised("forwarded-getppid")?);
    expect(inside.abs_diff(outside) * 50 <= outside, || {
        format!("{inside} instructions by the records, {outside} measured from outside; all: {rounds:?}")
    })
}

/// What `cargo xtask bench calls` has counted of a call, which `lab::calls` checks.
fn promised(name: &str) -> Result<u64, String> {
    const COUNTS: &str = include_str!("../../data/call-counts.toml");
    let section = COUNTS.split_once(&format!("[{name}]\ninstructions = ")).map(|(_, rest)| rest);
    let number = section.and_then(|rest| rest.lines().next()?.parse().ok());
    number.ok_or_else(|| format!("nothing is promised of {name}"))
}

/// What programs record comes with their threads and arguments.
fn events(profile: &Profile) -> Result<(), String> {
    let (_, ring) = profile.ring_with(BEGIN)?;
    let users: Vec<_> = ring.iter().filter(|record| record.event().is_user()).copied().collect();
    let mut want = vec![(BEGIN, CALLS as u64), (END, CALLS as u64)];
    want.extend((0..3).map(|n| (THREAD, n)));
    want.extend((0..5).map(|n| (SEVERAL, u64::MAX - n)));
    expect(told(&users) == want, || format!("expected {want:?}, found {users:?}"))?;
    let first = users[0].thread;
    for record in &users {
        let is_first = record.thread == first;
        let same_task = record.thread as u16 == first as u16;
        expect(same_task && is_first == (record.event() != THREAD), || format!("wrong thread: {record:?}"))?;
    }
    Ok(())
}

/// The server asks the console to print, and the console its device, while the server waits for it.
fn drivers(profile: &Profile) -> Result<(), String> {
    let (_, linux) = profile.ring_with(BEGIN)?;
    let (asked, answered) = (of(linux, Event::DRIVER_REQUEST), of(linux, Event::DRIVER_DONE));
    let pairs: Vec<_> = asked.zip(answered).collect();
    let (_, console) = profile.ring_with(Event::DEVICE_REQUEST)?;
    let is_between = |record: &&Record, (asked, answered): &(&Record, &Record)| {
        record.thread == asked.argument && (asked.tsc..=answered.tsc).contains(&record.tsc)
    };
    for pair in &pairs {
        expect(pair.0.argument == pair.1.argument, || format!("not the same driver: {pair:?}"))?;
        let done: Vec<_> = console.iter().filter(|record| is_between(record, pair)).copied().collect();
        let found: Vec<_> = done.iter().map(Record::event).collect();
        let want = [
            Event::RECEIVED,
            Event::HANDLER_START,
            Event::DEVICE_REQUEST,
            Event::DEVICE_DONE,
            Event::HANDLER_END,
            Event::REPLY,
        ];
        expect(found == want, || format!("expected {want:?} of the console, found {found:?}"))?;
    }
    expect(!pairs.is_empty(), || "the program has printed, and the console was not asked to".to_owned())
}

/// Each server begins with records that tell what recording costs.
fn calibration(profile: &Profile) -> Result<(), String> {
    let mut servers = 0;
    for ring in profile.servers() {
        let first = ring.iter().take_while(|record| record.event() == Event::SERVER_CALIBRATE);
        expect(first.count() == 64, || {
            format!("a ring begins with {:?}", &told(ring)[..ring.len().min(70)])
        })?;
        servers += 1;
    }
    expect(servers == 2, || format!("{servers} servers have recorded, not Linux and the console"))
}

/// What finds no room is counted, and the rest comes in its order.
fn full_ring(profile: &Profile) -> Result<(), String> {
    let (ring, records) = profile.ring_with(FLOOD)?;
    let end = profile.end(ring)?;
    let floods: Vec<_> = of(records, FLOOD).map(|record| record.argument).collect();
    let kept = floods.len() as u64;
    expect(end.dropped > 0 && kept + end.dropped >= FLOOD_EVENTS, || {
        format!("{kept} of {FLOOD_EVENTS} events are there, and {end:?}")
    })?;
    expect(floods.is_sorted() && floods.iter().all(|n| *n < FLOOD_EVENTS), || "out of order".to_owned())
}
