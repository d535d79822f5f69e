//! Whether the kernel's records are right.
//!
//! *Do measuring with them and measuring from outside agree?* The server set `bench` runs twice in one lab, without a profile, when it reports what a round of each of its
//! loops takes, and with one, whose records say the same when what they cost is taken off. In the lab a tick is an instruction, so the two have to be equal.
//!
//! *Are there all of them?* A CPU leaves the kernel with a thread, the same thread enters it again, and so on; on one CPU in the lab, and on two of this machine's KVM, whose
//! ways into the kernel are perhaps others.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT, run_script_in_lab};
use guest_tests::process::{self, End, Outcome};
use libtest_mimic::Trial;
use profile::file::{Block, Reader, Ring};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use ukernel_abi::{Call, ThreadId};
use vmm_abi::trace::{Event, Record};

/// The second run's records are all that is printed.
const SCRIPT: &str = "{boot} >&2 && {boot} --profile /profile.raw >&2 && cat /profile.raw";
/// Cases of `conformance` whose threads run on both of two CPUs, wait, fault, and are interrupted.
const SMP: [&str; 2] = ["smp/deleted-while-it-runs", "smp/rally"];
const SMP_LIMIT: Duration = Duration::from_secs(120);
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
#[derive(Default)]
struct Profile {
    /// The kernel's records, CPU by CPU, but for those by which it measures.
    cpus: BTreeMap<u16, Vec<Record>>,
    /// What a record of each kind costs on the first CPU.
    costs: HashMap<Event, u64>,
}

impl Profile {
    fn read(raw: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::new(raw).map_err(|e| format!("the profile {e}"))?;
        let mut all = BTreeMap::<u16, Vec<Record>>::new();
        while let Some(block) = reader.next_block().map_err(|e| format!("the profile {e}"))? {
            match block {
                Block::Records { ring: Ring::Cpu(cpu), records } => {
                    all.entry(cpu).or_default().extend(records);
                }
                Block::Trailer(trailer) => {
                    if let Some(ring) = trailer.rings.iter().find(|ring| ring.dropped + ring.incomplete > 0) {
                        return Err(format!("records are missing: {ring:?}"));
                    }
                }
                _ => {}
            }
        }
        if !reader.is_complete() {
            return Err("the profile is cut off".to_owned());
        }
        let mut profile = Self::default();
        for (cpu, records) in all {
            let (calibration, records): (Vec<_>, Vec<_>) =
                records.into_iter().partition(|record| record.event() == Event::CALIBRATE);
            let costs = calibrate(&calibration);
            if KINDS.iter().any(|kind| !costs.contains_key(kind)) {
                return Err(format!("CPU {cpu} has measured no more than {costs:?}"));
            }
            if cpu == 0 {
                profile.costs = costs;
            }
            profile.cpus.insert(cpu, records);
        }
        Ok(profile)
    }

    /// Fails unless each CPU's records can follow each other.
    fn check_order(&self) -> Result<(), String> {
        for (cpu, records) in &self.cpus {
            let mut state = State::Kernel(0);
            for (n, record) in records.iter().enumerate() {
                state = match state.after(record) {
                    Some(state) if record.cpu() == *cpu => state,
                    _ => {
                        let before = &records[n.saturating_sub(3)..n];
                        return Err(format!(
                            "CPU {cpu}, record {n}: {record:x?} in {state:x?}, after {before:x?}"
                        ));
                    }
                };
            }
        }
        Ok(())
    }

    /// Ticks of a round of `which`, without what the records cost: what most rounds took. And how many took that.
    fn ticks(&self, which: &Loop) -> Option<(u64, usize)> {
        let length = if which.answered { 6 } else { 2 };
        let mut counts = HashMap::<u64, usize>::new();
        for round in self.cpus.get(&0)?.windows(length + 1) {
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

/// Where a CPU is.
#[derive(Clone, Copy, Debug)]
enum State {
    /// In user mode, with this thread.
    User(u64),
    /// In the kernel, which this thread has entered; 0 if it was idle.
    Kernel(u64),
}

impl State {
    /// Where it is after `record`, if that can be.
    fn after(self, record: &Record) -> Option<Self> {
        match (self, record.event()) {
            (Self::Kernel(_), Event::EXIT) => Some(Self::User(record.thread)),
            (Self::Kernel(thread), Event::COMMIT) => (thread == record.thread && thread != 0).then_some(self),
            (Self::Kernel(_), Event::IDLE_INTERRUPT) => (record.thread == 0).then_some(Self::Kernel(0)),
            (Self::User(thread), Event::ENTER_SYSCALL | Event::ENTER_TRAP | Event::ENTER_PAGE_FAULT) => {
                (thread == record.thread).then_some(Self::Kernel(thread))
            }
            _ => None,
        }
    }
}

/// What the kernel records.
const KINDS: [Event; 6] = [
    Event::ENTER_SYSCALL,
    Event::ENTER_TRAP,
    Event::ENTER_PAGE_FAULT,
    Event::COMMIT,
    Event::EXIT,
    Event::IDLE_INTERRUPT,
];

/// The cost of each kind of record: what most of them take.
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

/// All that two CPUs record.
fn smp(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let path = folder.path().join("profile.raw");
    let (kernel, file) = (context.build.kernel()?, path.to_string_lossy());
    let words = ["--kernel", &kernel.to_string_lossy(), "--servers", "conformance", "--cpus", "2"];
    let boot = Boot::words(&context.build, &words)?.with(&["--profile", &file]).program(&SMP);
    let outcome = process::run(boot.command(), b"", SMP_LIMIT)?;
    if outcome.end != End::Exited(0) {
        return Err(compare::describe(&outcome));
    }
    let raw = std::fs::read(&path).map_err(|e| format!("cannot read the profile: {e}"))?;
    let profile = Profile::read(&raw)?;
    for kind in KINDS {
        if !profile.cpus.values().flatten().any(|record| record.event() == kind) {
            return Err(format!("there is not one {}", kind.name()));
        }
    }
    match profile.cpus.len() {
        2 => profile.check_order(),
        count => Err(format!("{count} CPUs have recorded")),
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let outcome = Arc::new(Shared::<Result<Outcome, String>>::new());
    let trial = |which: &'static Loop| {
        let outcome = outcome.clone();
        plain(format!("lab::trace::{}", which.name), context, move |context| {
            agree(outcome.get(&context.slots, || measure(context)).as_ref().map_err(Clone::clone)?, which)
        })
    };
    let mut trials: Vec<_> = LOOPS.iter().map(trial).collect();
    trials.push(plain("lab::trace::order".to_owned(), context, move |context| {
        let outcome = outcome.get(&context.slots, || measure(context)).as_ref().map_err(Clone::clone)?;
        Profile::read(&outcome.stdout)?.check_order()
    }));
    trials.push(on_kvm("trace::order", context, smp));
    trials
}
