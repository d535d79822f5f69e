//! Metrics: who takes part, and what a round does.

use crate::child::{Child, Main};
use crate::clients::{self, STREAM};
use crate::memory::{BLOCK, PAGES, ROUNDS, Shared};
use crate::partners;
use core::sync::atomic::Ordering::Relaxed;
use paper::Stats;
use ukernel_abi::layout::PAGE;
use userlib::{Me, Status, ThreadId};

/// Whom a client has to do with.
pub enum Partner {
    None,
    /// A thread of another task.
    Task(Main),
    /// A thread of its own task.
    Thread(Main),
}

/// What is measured.
pub struct Metric {
    pub name: &'static str,
    pub unit: &'static str,
    /// What a round does that many of: calls, bytes. Figures are per one of them.
    pub per: u64,
    client: Main,
    partner: Partner,
    rounds: usize,
}

/// Rounds that are not counted.
const WARM_UP: usize = 10;
const MANY: usize = 500;
const FEW: usize = 50;

const _: () = assert!(WARM_UP + MANY <= ROUNDS);

use Partner::{None as Alone, Task, Thread};

/// Of one thing a round.
const fn ticks(name: &'static str, client: Main, partner: Partner) -> Metric {
    Metric { name, unit: "ticks", per: 1, client, partner, rounds: MANY }
}

/// Of `per` bytes a round.
const fn bytes(name: &'static str, per: usize, client: Main, partner: Partner, rounds: usize) -> Metric {
    Metric { name, unit: "ticks/byte", per: per as u64, client, partner, rounds }
}

/// What is taken off the rounds of all others.
pub const EMPTY: Metric = ticks("nothing", clients::empty, Alone);

pub const METRICS: &[Metric] = &[
    ticks("call and reply, 7 words", clients::call, Task(partners::answer)),
    ticks("call and reply, 7 words, same address space", clients::call, Thread(partners::answer)),
    ticks("L4 pipe round trip", clients::pipe_round_trip, Task(partners::pipe_echo)),
    bytes("L4 pipe, 64 KiB at a time", STREAM, clients::pipe_read, Task(partners::pipe_write), FEW),
    ticks("RPC with 4 KiB", clients::string_page, Task(partners::take_strings)),
    bytes("RPC, 4 KiB at a time", PAGE as usize, clients::string_page, Task(partners::take_strings), MANY),
    bytes("RPC, 64 KiB at a time", BLOCK, clients::string_block, Task(partners::take_strings), MANY),
    ticks("mapping RPC with 4 KiB", clients::map_page, Task(partners::take_pages)),
    bytes("mapping RPC, 4 KiB at a time", PAGE as usize, clients::map_page, Task(partners::take_pages), MANY),
    bytes("mapping RPC, 64 KiB at a time", BLOCK, clients::map_block, Task(partners::take_pages), MANY),
    ticks("fault", clients::fault, Alone),
    ticks("trap", clients::trap, Alone),
    ticks("Appel1", clients::appel1, Alone),
    Metric { per: PAGES as u64, rounds: FEW, ..ticks("Appel2", clients::appel2, Alone) },
];

impl Metric {
    /// What rounds take, the empty pair of readings taken off.
    pub fn measure(&self, me: Me, shared: &'static Shared, empty: u64) -> Result<Stats, Status> {
        let mut readings = [0; ROUNDS];
        let readings = self.readings(me, shared, &mut readings)?;
        Stats::of(readings, empty, self.per).ok_or(Status::BadArgument)
    }

    /// The least that a round takes.
    pub fn least(&self, me: Me, shared: &'static Shared) -> Result<u64, Status> {
        let mut readings = [0; ROUNDS];
        let readings = self.readings(me, shared, &mut readings)?;
        readings.iter().copied().min().ok_or(Status::BadArgument)
    }

    fn readings<'a>(
        &self,
        me: Me,
        shared: &'static Shared,
        into: &'a mut [u64; ROUNDS],
    ) -> Result<&'a mut [u64], Status> {
        shared.reset(WARM_UP + self.rounds);
        let client = Child::new(me, shared, 0)?;
        let partner = match self.partner {
            Partner::None => None,
            Partner::Task(main) => Some((Child::new(me, shared, 1)?, main)),
            Partner::Thread(main) => Some((client.second(1)?, main)),
        };
        if let Some((partner, main)) = &partner {
            partner.start(*main, client.id)?;
        }
        client.start(self.client, partner.as_ref().map_or(ThreadId::NIL, |(partner, _)| partner.id))?;
        client.finish()?;
        for (into, reading) in into.iter_mut().zip(&shared.readings) {
            *into = reading.load(Relaxed);
        }
        let readings = into.get_mut(WARM_UP..WARM_UP + self.rounds).unwrap_or_default();
        // A round that was not made.
        if readings.contains(&Shared::NOT_MADE) { Err(Status::Aborted) } else { Ok(readings) }
    }
}
