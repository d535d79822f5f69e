//! Uses the console server: words behind `--` are `LINES KILLS`. Ends the machine, with status 0 if all went well.
//!
//! Says `ready`, waits for a line of input and repeats it, and prints so many numbered lines, while it has the console killed. A line may come twice,
//! if the console has died with it; none may be missing.
//!
//! With the argument `--kill-only` it does nothing but have the console killed, some times, while another server uses it; with `--kill-only=block` the driver
//! of disks.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use proto::Refusal;
use proto::console::Event;
use userlib::console::Console;
use userlib::ipc::{self, NEVER};
use userlib::{Me, drivers, log, root, start, thread};
use vmm_abi::boot::ARGV_MODULE;

userlib::server!(main);

const SERVER: &str = "console";
/// Channels of output.
const OUT: u32 = 1;

enum Failure {
    Arguments,
    Console(&'static str, Refusal),
    /// There is no input.
    NoInput,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments => f.write_str("the arguments are LINES KILLS"),
            Self::Console(what, why) => write!(f, "{what}: {why:?}"),
            Self::NoInput => f.write_str("the input ended without a line"),
        }
    }
}

/// How often and how long after each other, in microseconds, a server is killed with `--kill-only`.
const KILLS: u32 = 10;
const PAUSE_US: u32 = 50_000;

fn main(me: Me) -> ! {
    if driver::real::has_arg("--kill-only") {
        kill_only(SERVER);
    }
    if driver::real::has_arg("--kill-only=block") {
        kill_only("block");
    }
    let status = match options().ok_or(Failure::Arguments).and_then(|(lines, kills)| run(me, lines, kills)) {
        Ok(()) => {
            log!("passed");
            0
        }
        Err(failure) => {
            log!("FAILED: {failure}");
            1
        }
    };
    root::exit(status);
    start::stop()
}

fn kill_only(victim: &str) -> ! {
    for n in 1..=KILLS {
        thread::sleep(PAUSE_US);
        if let Err(why) = drivers::kill(victim) {
            log!("FAILED: killing {victim}: {why:?}");
            start::stop()
        }
        log!("killed {victim}, {n} of {KILLS}");
    }
    start::stop()
}

fn options() -> Option<(u64, u64)> {
    let text = core::str::from_utf8(root::module(ARGV_MODULE).ok()?).ok()?;
    let mut words = text.split('\0');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn run(me: Me, lines: u64, kills: u64) -> Result<(), Failure> {
    let console = Console::open(me.id).map_err(|why| Failure::Console("opening the console", why))?;
    let print = |text: &[u8]| console.write(OUT, text).map_err(|why| Failure::Console("printing", why));
    print(b"ready\n")?;
    print(&line(&console)?)?;
    let mut killed = 0;
    for n in 0..lines {
        print(format!("line {n}\n").as_bytes())?;
        if killed < kills && n >= lines / (kills + 1) * (killed + 1) {
            drivers::kill(SERVER).map_err(|why| Failure::Console("killing the console", why))?;
            killed += 1;
        }
    }
    Ok(())
}

/// The next line of input, up to a newline or what a terminal sends for one.
fn line(console: &Console) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    loop {
        let event = ipc::receive(console.terminal().sender, NEVER).map_err(|_| Failure::NoInput)?;
        match Event::try_from(&event.message) {
            Ok(Event::Input(bytes)) => {
                let end = bytes.as_slice().iter().position(|b| matches!(b, b'\n' | b'\r'));
                line.extend_from_slice(&bytes.as_slice()[..end.unwrap_or(bytes.as_slice().len())]);
                if end.is_some() {
                    line.push(b'\n');
                    return Ok(line);
                }
            }
            Ok(Event::Resize(_)) => {}
            Ok(Event::End) | Err(_) => return Err(Failure::NoInput),
        }
    }
}
