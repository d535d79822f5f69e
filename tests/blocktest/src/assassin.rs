//! The thread that has the driver killed.

use crate::outage::Outages;
use crate::pattern::Random;
use crate::{DRIVER, shared};
use proto::Refusal;
use proto::session::{Hook, Request};
use userlib::clock::tsc;
use userlib::thread::{Stack, sleep};
use userlib::{Me, drivers, ipc, root, start};

pub static STACK: Stack<{ 16 << 10 }> = Stack::new();

/// Longest time between two kills, in microseconds.
const PAUSE_US: u64 = 6000;
/// One kill in so many is followed by another at once, which finds the driver as it starts.
const DOUBLE: u64 = 8;
/// How often it looks whether the writer goes on, and how often at most: a minute.
const LOOK_US: u32 = 200;
const LOOKS: u32 = 300_000;

/// The driver cannot be made to fail as it should, or the writer does not go on.
type Outcome<T = ()> = Result<T, &'static str>;

pub fn main(_me: Me) -> ! {
    shared::end(run().err());
    start::stop()
}

fn run() -> Outcome {
    let plan = shared::plan().ok_or("it has no plan")?;
    let mut random = Random(plan.seed ^ 0x6b69_6c6c);
    let (mut outages, mut kills) = (Outages::default(), 0);
    while kills < plan.kills {
        pause(&mut random);
        let twice = random.below(DOUBLE) == 0 && kills + 1 < plan.kills;
        outages.add(outage(|| {
            kill()?;
            if twice {
                sleep(1 + random.below(1000) as u32);
                kill()?;
            }
            Ok(())
        })?);
        kills += 1 + u64::from(twice);
    }
    outages.log("killed");
    for (hook, what) in
        [(Hook::Crash, "crashed"), (Hook::Fault, "faulted"), (Hook::Panic, "panicked"), (Hook::Spin, "hung")]
    {
        let mut outages = Outages::default();
        for _ in 0..plan.failures {
            pause(&mut random);
            outages.add(outage(|| fail(hook))?);
            // What follows is not to look like one that dies each time it is started.
            outage(kill)?;
        }
        outages.log(what);
    }
    Ok(())
}

fn pause(random: &mut Random) {
    sleep(1 + random.below(PAUSE_US) as u32);
}

fn kill() -> Outcome {
    drivers::kill(DRIVER).map_err(|_| "the driver could not be killed")
}

/// Lets the driver fail. Its answer is that it is gone.
fn fail(hook: Hook) -> Outcome {
    let driver = loop {
        match root::lookup(DRIVER) {
            Ok(driver) => break driver,
            Err(Refusal::Again) => sleep(LOOK_US),
            Err(_) => return Err("the driver is not there"),
        }
    };
    match ipc::call(driver, &Request::Hook(hook).into()) {
        Err(_) => Ok(()),
        Ok(_) => Err("the driver did not fail as it was asked to"),
    }
}

/// How long it takes (TSC) from now, when `harm` is done, until the writer has had something done by a new driver.
fn outage(harm: impl FnOnce() -> Outcome) -> Outcome<u64> {
    let (before, from) = (shared::recoveries().0, tsc());
    harm()?;
    for _ in 0..LOOKS {
        let (recoveries, at) = shared::recoveries();
        if recoveries != before {
            return Ok(at.saturating_sub(from));
        }
        sleep(LOOK_US);
    }
    Err("the writer does not go on")
}
