//! Whether measuring with the TSC channel and measuring from outside agree: the server set `bench` runs twice in one lab, without a profile, when it reports what a round
//! of each of its loops takes, and with one, whose records say the same when what they cost is taken off. In the lab a tick is an instruction, so the two
//! have to be equal.

use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT, run_script_in_lab};
use guest_tests::process::{End, Outcome};
use libtest_mimic::Trial;
use profile::file::{Block, Reader, Ring};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use ukernel_abi::{Call, ThreadId};
use vmm_abi::trace::{Event, Record};

/// The second run's records are all that is printed.
const SCRIPT: &str = "{boot} >&2 && {boot} --profile /profile.raw >&2 && cat /profile.raw";
/// Number of the Linux call that the loops make.
const GETPID: u64 = 39;

/// A loop of `bench`, and what the kernel records in a round of it.
struct Loop {
    name: &'static str,
    is_call: fn(&Record) -> bool,
    /// Whether somebody answers; else the caller goes on by itself.
    answered: bool,
    /// Whether caller and partner are of one task, if somebody answers.
    within: bool,
}

fn is_ipc(record: &Record) -> bool {
    record.argument as u32 == Call::Ipc.rax() as u32
}
fn is_getpid(record: &Record) -> bool {
    record.argument == GETPID
}
fn is_id_nearest(record: &Record) -> bool {
    record.argument == Call::IdNearest.rax()
}

const LOOPS: [Loop; 5] = [
    Loop { name: "ipc_inter", is_call: is_ipc, answered: true, within: false },
    Loop { name: "ipc_intra", is_call: is_ipc, answered: true, within: true },
    Loop { name: "foreign", is_call: is_getpid, answered: true, within: false },
    Loop { name: "reflected", is_call: is_getpid, answered: false, within: true },
    Loop { name: "id_nearest", is_call: is_id_nearest, answered: false, within: true },
];

impl Loop {
    /// Whether these are the records of a round.
    fn is_round(&self, records: &[Record]) -> bool {
        const ANSWERED: [Event; 6] = [
            Event::ENTER_SYSCALL,
            Event::COMMIT,
            Event::EXIT,
            Event::ENTER_SYSCALL,
            Event::COMMIT,
            Event::EXIT,
        ];
        let events: &[Event] = if self.answered { &ANSWERED } else { &[Event::ENTER_SYSCALL, Event::EXIT] };
        let task = |record: &Record| ThreadId(record.thread).task();
        let one_task = records.iter().all(|record| task(record) == task(&records[0]));
        records.iter().map(Record::event).eq(events.iter().copied())
            && (self.is_call)(&records[0])
            && one_task == self.within
    }
}

/// What a profile says.
struct Profile {
    /// The kernel's records of the one CPU.
    records: Vec<Record>,
    /// What a record of each kind costs.
    costs: HashMap<Event, u64>,
}

impl Profile {
    fn read(raw: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::new(raw).map_err(|e| format!("the profile {e}"))?;
        let mut all = Vec::new();
        while let Some(block) = reader.next_block().map_err(|e| format!("the profile {e}"))? {
            match block {
                Block::Records { ring: Ring::Cpu(0), records } => all.extend(records),
                Block::Trailer(trailer) if trailer.rings.iter().any(|ring| ring.dropped > 0) => {
                    return Err("records were dropped".to_owned());
                }
                _ => {}
            }
        }
        let (costs, records) = all.into_iter().partition(|record| record.event() == Event::CALIBRATE);
        Ok(Self { records, costs: calibrate(&costs) })
    }

    /// Ticks of a round of `which`, without what the records cost: what most rounds took. And how many took that.
    fn ticks(&self, which: &Loop) -> Option<(u64, usize)> {
        let length = if which.answered { 6 } else { 2 };
        let mut counts = HashMap::<u64, usize>::new();
        for round in self.records.windows(length + 1) {
            let (last, records) = round.split_last()?;
            let same = (last.event(), last.thread) == (records[0].event(), records[0].thread);
            if same && which.is_round(records) {
                let costs: Option<u64> =
                    records.iter().map(|record| self.costs.get(&record.event()).copied()).sum();
                *counts.entry(last.tsc - records[0].tsc - costs?).or_default() += 1;
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count)
    }
}

/// The cost of each kind of record, which all have to be the same.
fn calibrate(records: &[Record]) -> HashMap<Event, u64> {
    let mut costs = HashMap::<Event, Vec<u64>>::new();
    for pair in records.windows(2) {
        if pair[0].argument == pair[1].argument {
            costs.entry(Event(pair[0].argument as u16)).or_default().push(pair[1].tsc - pair[0].tsc);
        }
    }
    let median = |mut ticks: Vec<u64>| {
        ticks.sort_unstable();
        ticks[ticks.len() / 2]
    };
    costs.into_iter().map(|(event, ticks)| (event, median(ticks))).collect()
}

/// Both runs.
fn measure(context: &Context) -> Result<Outcome, String> {
    let kernel = context.build.kernel()?;
    let boot = Boot::words(
        &context.build,
        &["--kernel", &kernel.to_string_lossy(), "--servers", "bench", "--uart"],
    )?;
    run_script_in_lab(&context.build, "trace.sh", SCRIPT, &[], &boot, LAB_LIMIT)
}

/// Ticks of a round of the loop `name` by the first report of the server: `BENCH NAME ROUNDS TICKS MORE-ROUNDS TICKS`.
fn reported(log: &str, name: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.split_once(&format!("BENCH {name} ")))?.1;
    let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [rounds, ticks, more_rounds, more_ticks] = numbers[..] else { return None };
    let (ticks, rounds) = (more_ticks.checked_sub(ticks)?, more_rounds.checked_sub(rounds)?);
    ticks.is_multiple_of(rounds).then(|| ticks / rounds)
}

fn agree(outcome: &Outcome, which: &Loop) -> Result<(), String> {
    /// Rounds of the shortest run of a loop.
    const FEWEST: usize = 31;
    let explain =
        |e: String| format!("{e}; {}", compare::describe(&Outcome { stdout: Vec::new(), ..outcome.clone() }));
    if outcome.end != End::Exited(0) {
        return Err(explain("the lab failed".to_owned()));
    }
    let log = String::from_utf8_lossy(&outcome.stderr);
    let outside = reported(&log, which.name).ok_or_else(|| explain("nothing was reported".to_owned()))?;
    let profile = Profile::read(&outcome.stdout).map_err(explain)?;
    match profile.ticks(which) {
        Some((inside, rounds)) if inside == outside && rounds >= FEWEST => Ok(()),
        other => Err(format!(
            "a round takes {outside} instructions, but by its records (ticks, rounds) {other:?}; they cost {:?}",
            profile.costs
        )),
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let outcome = Arc::new(OnceLock::<Result<Outcome, String>>::new());
    let trial = |which: &'static Loop| {
        let outcome = outcome.clone();
        plain(format!("lab::trace::{}", which.name), context, move |context| {
            agree(outcome.get_or_init(|| measure(context)).as_ref().map_err(Clone::clone)?, which)
        })
    };
    LOOPS.iter().map(trial).collect()
}
