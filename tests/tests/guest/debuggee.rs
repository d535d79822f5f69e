//! A machine that is debugged by the library itself: what `ukvmm` does for GDB, without GDB and its protocol.

use crate::trials::{Context, on_kvm};
use guest_tests::machine::{Machine, event, event_within, go};
use guest_tests::programs;
use libtest_mimic::Trial;
use std::sync::Arc;
use std::time::Duration;
use ukvmm::debug::debuggee::{Access, Debuggee, Error, Event, Plan, Point};
use ukvmm::debug::registers::general;
use ukvmm::debug::thread::{Process, Thread};
use ukvmm::gdb::framing::frame;
use ukvmm::gdb::session::Session;
use ukvmm::symbols;

type Test = fn(&Context) -> Result<(), String>;

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let tests: [(&str, Test); 8] = [
        ("breakpoint", breakpoint),
        ("system-call", system_call),
        ("watchpoint", watchpoint),
        ("string", string),
        ("registers", registers),
        ("good-moments", good_moments),
        ("leaving", leaving),
        ("hanging-up", hanging_up),
    ];
    tests.map(|(name, test)| on_kvm(&format!("debuggee::{name}"), context, test)).into()
}

/// The address of a function, or a variable, of a program to debug.
fn address(context: &Context, name: &str, symbol: &str) -> Result<u64, String> {
    programs::debug_image(&context.build)?;
    let file = programs::debug_folder(&context.build).join(name);
    let found = symbols::find(&file, symbol).map(|symbol| symbol.address);
    found.ok_or_else(|| format!("{name} has no {symbol}"))
}

fn failed(error: Error) -> String {
    error.to_string()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:x?}, not {expected:x?}")) }
}

/// Lets it run until a process begins with `/tests/NAME`.
fn until_starts(machine: &mut dyn Debuggee, name: &str) -> Result<Thread, String> {
    until_runs(machine, format!("{}/{name}", programs::GUEST_DIR))
}

/// Lets it run until a process begins with the file at `path`.
fn until_runs(machine: &mut dyn Debuggee, path: String) -> Result<Thread, String> {
    loop {
        match go(machine, Plan::default())? {
            Event::Started { thread, .. } if machine.executable(thread.process).as_ref() == Some(&path) => {
                return Ok(thread);
            }
            Event::Started { .. } => {}
            other => return Err(format!("{path} does not start: {other:?}")),
        }
    }
}

/// Lets it run until something happens that is no start of a program.
fn until_stops(machine: &mut dyn Debuggee) -> Result<Event, String> {
    loop {
        match go(machine, Plan::default())? {
            Event::Started { .. } => {}
            other => return Ok(other),
        }
    }
}

/// One process stops at a breakpoint, and another that runs the same program does not. The page was not there when it was set.
fn breakpoint(context: &Context) -> Result<(), String> {
    let bump = address(context, "counter", "bump")?;
    let script = "/tests/counter 3 & /tests/counter 3; wait";
    let guest = Machine::linux(&context.build, &["/bin/sh", "-c", script], true)?;
    let mut machine = guest.attach()?;
    let thread = until_starts(&mut machine, "counter")?;
    same("what is there", machine.read(thread.process, bump, &mut [0]), Err(Error::NotMapped(bump)))?;
    machine.insert(thread.process, Point::Code(bump)).map_err(failed)?;
    for _ in 0..3 {
        same("a stop", until_stops(&mut machine)?, Event::Breakpoint(thread))?;
        same("rip", machine.registers(thread).map_err(failed)?.rip, bump)?;
        // Before it can have gone on from there. It is not told to be there again.
        machine.resume(Plan::default()).map_err(failed)?;
        machine.interrupt();
        match event(&mut machine)? {
            Event::Interrupted(_) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    same("the end", until_stops(&mut machine)?, Event::Exited(0))?;
    drop(machine);
    let end = guest.end()?;
    let mut lines: Vec<&str> = end.output.lines().collect();
    lines.sort_unstable();
    let expected =
        ["counted to 3", "counted to 3", "tick 1", "tick 1", "tick 2", "tick 2", "tick 3", "tick 3"];
    same("what they have said", lines, expected.to_vec())
}

/// Starts a program that waits for a debugger, up to its function `function`, and has it wait no longer.
fn until_function(
    context: &Context,
    machine: &mut dyn Debuggee,
    name: &str,
    function: &str,
) -> Result<Thread, String> {
    let thread = until_starts(machine, name)?;
    let main = Point::Code(address(context, name, "main")?);
    machine.insert(thread.process, main).map_err(failed)?;
    same("the first stop", until_stops(machine)?, Event::Breakpoint(thread))?;
    machine.remove(thread.process, main).map_err(failed)?;
    let is_attached = address(context, name, "is_attached")?;
    machine.write(thread.process, is_attached, &[1]).map_err(failed)?;
    let at = Point::Code(address(context, name, function)?);
    machine.insert(thread.process, at).map_err(failed)?;
    same("the second stop", until_stops(machine)?, Event::Breakpoint(thread))?;
    machine.remove(thread.process, at).map_err(failed)?;
    Ok(thread)
}

/// A step over a system call ends behind it.
fn system_call(context: &Context) -> Result<(), String> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let guest = Machine::linux(&context.build, &["/tests/calls"], true)?;
    let mut machine = guest.attach()?;
    let thread = until_function(context, &mut machine, "calls", "ask")?;
    let step = Plan { step: vec![thread], ..Plan::default() };
    let mut steps = 0..100;
    let before = loop {
        let registers = machine.registers(thread).map_err(failed)?;
        let mut code = [0; 2];
        machine.read(thread.process, registers.rip, &mut code).map_err(failed)?;
        if code == SYSCALL {
            break registers;
        }
        steps.next().ok_or("there is no system call")?;
        same("a step", go(&mut machine, step.clone())?, Event::Stepped(thread))?;
    };
    same("a step", go(&mut machine, step)?, Event::Stepped(thread))?;
    let after = machine.registers(thread).map_err(failed)?;
    same("rip", after.rip, before.rip + SYSCALL.len() as u64)?;
    same("the process's number", after.general[general::RAX], 1)?;
    same("the stack", after.rsp(), before.rsp())?;
    same("the end", until_stops(&mut machine)?, Event::Exited(0))?;
    drop(machine);
    same("what it has said", &*guest.end()?.output, "waiting for a debugger\nsame\n")
}

/// Each change of a variable is told, with the value that it has got.
fn watchpoint(context: &Context) -> Result<(), String> {
    let guest = Machine::linux(&context.build, &["/tests/counter", "3"], true)?;
    let mut machine = guest.attach()?;
    let thread = until_starts(&mut machine, "counter")?;
    let main = Point::Code(address(context, "counter", "main")?);
    machine.insert(thread.process, main).map_err(failed)?;
    same("a stop", until_stops(&mut machine)?, Event::Breakpoint(thread))?;
    let address = address(context, "counter", "count")?;
    let access = Access::Write;
    let watched = Point::Data { address, length: 8, access };
    machine.insert(thread.process, watched).map_err(failed)?;
    for expected in 1..=3_u64 {
        same("a stop", until_stops(&mut machine)?, Event::Watchpoint { thread, address, access })?;
        let mut count = [0; 8];
        machine.read(thread.process, address, &mut count).map_err(failed)?;
        same("the count", u64::from_le_bytes(count), expected)?;
    }
    machine.remove(thread.process, watched).map_err(failed)?;
    same("the end", until_stops(&mut machine)?, Event::Exited(0))?;
    drop(machine);
    same("what it has said", &*guest.end()?.output, "tick 1\ntick 2\ntick 3\ncounted to 3\n")
}

/// A thread's registers can be changed while its vCPU is in the kernel, wherever that is: they are the thread's, and the kernel goes on as it would have.
fn registers(context: &Context) -> Result<(), String> {
    /// In the kernel, so many times.
    const TIMES: usize = 20;
    const RUN: Duration = Duration::from_millis(2);
    let guest = Machine::linux(&context.build, &["/tests/counter", "100000"], true)?;
    let mut machine = guest.attach()?;
    let thread = until_starts(&mut machine, "counter")?;
    let vcpu = Thread::vcpu(0);
    let mut inside = 0;
    while inside < TIMES {
        machine.resume(Plan::default()).map_err(failed)?;
        if let Some(other) = event_within(&mut machine, RUN)? {
            return Err(format!("{other:?}, after {inside} times"));
        }
        machine.interrupt();
        event(&mut machine)?;
        let (before, kernel) =
            (machine.registers(thread).map_err(failed)?, machine.registers(vcpu).map_err(failed)?);
        if kernel.in_user_mode() {
            continue;
        }
        inside += 1;
        let mut changed = before.clone();
        // What no system call changes.
        for n in [general::RBX, general::RBP, general::R8 + 4, general::R15] {
            changed.general[n] = 0x1234_5678_9abc_def0 + n as u64;
        }
        match machine.set_registers(thread, &changed) {
            Err(Error::Other(why)) if why.contains("at hand") => continue,
            other => other.map_err(failed)?,
        }
        same("the thread's registers", machine.registers(thread).map_err(failed)?.general, changed.general)?;
        machine.set_registers(thread, &before).map_err(failed)?;
        same("those as they were", machine.registers(thread).map_err(failed)?.general, before.general)?;
        same("the kernel's", machine.registers(vcpu).map_err(failed)?.general, kernel.general)?;
    }
    let limit = 100_000_u64.to_le_bytes();
    let count = address(context, "counter", "count")?;
    machine.write(thread.process, count, &limit).map_err(failed)?;
    same("the end", until_stops(&mut machine)?, Event::Exited(0))?;
    drop(machine);
    let said = guest.end()?.output;
    if said.ends_with("counted to 100000\n") { Ok(()) } else { Err(said) }
}

/// The Linux server waits for messages when a machine is interrupted, or a debugger comes: else it could not say what its programs are.
fn good_moments(context: &Context) -> Result<(), String> {
    const TIMES: usize = 20;
    const RUN: Duration = Duration::from_millis(3);
    const SHELL: &str = "/bin/busybox";
    let script = "while :; do : >/tmp/a; done";
    let guest = Machine::linux(&context.build, &["/bin/sh", "-c", script], true)?;
    let mut machine = guest.attach()?;
    let thread = until_runs(&mut machine, SHELL.to_owned())?;
    for turn in 0..TIMES {
        machine.detach();
        std::thread::sleep(RUN);
        machine = guest.attach()?;
        let look = |machine: &mut dyn Debuggee, when: &str| {
            let what = format!("{when}, turn {turn}: what runs");
            same(&what, machine.executable(thread.process).as_deref(), Some(SHELL))?;
            let descriptions = machine.threads().into_iter().map(|thread| machine.describe(thread));
            let descriptions = descriptions.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            let of_server = descriptions.iter().filter(|line| line.starts_with("linux,"));
            let waits: Vec<_> = of_server.map(|line| line.contains("waiting for anybody")).collect();
            same(&format!("{when}, turn {turn}: the server waits"), waits, vec![true])
        };
        look(&mut machine, "attached")?;
        machine.resume(Plan::default()).map_err(failed)?;
        if let Some(other) = event_within(&mut machine, RUN)? {
            return Err(format!("{other:?}"));
        }
        machine.interrupt();
        event(&mut machine)?;
        look(&mut machine, "interrupted")?;
    }
    machine.kill();
    drop(machine);
    guest.end().map(drop)
}

/// What a program prints that is debugged, and left in the middle of everything.
const LEFT: [&str; 2] = ["/tests/counter", "40"];

/// Starts it, with breakpoints that are set and some that wait, a watchpoint, and a step that is done.
fn busy(context: &Context, machine: &mut dyn Debuggee) -> Result<Thread, String> {
    let thread = until_starts(machine, "counter")?;
    let (bump, count) = (address(context, "counter", "bump")?, address(context, "counter", "count")?);
    machine.insert(thread.process, Point::Code(bump)).map_err(failed)?;
    same("a stop", until_stops(machine)?, Event::Breakpoint(thread))?;
    let step = Plan { step: vec![thread], ..Plan::default() };
    same("a step", go(machine, step)?, Event::Stepped(thread))?;
    for point in [
        Point::Code(address(context, "counter", "main")?),
        // Nothing will ever be there.
        Point::Code(0x1_0000_0000),
        Point::Data { address: count, length: 8, access: Access::Both },
    ] {
        machine.insert(thread.process, point).map_err(failed)?;
    }
    Ok(thread)
}

/// The machine goes on as if nothing had been when its debugger lets it go: at a stop, and in the middle of a step.
fn leaving(context: &Context) -> Result<(), String> {
    let undisturbed = Machine::linux(&context.build, &LEFT, false)?.end()?;
    for runs in [false, true] {
        let guest = Machine::linux(&context.build, &LEFT, true)?;
        let mut machine = guest.attach()?;
        let thread = busy(context, &mut machine)?;
        if runs {
            // The instruction after the next, so that something is under way when it is left.
            let step = Plan { step: vec![thread], while_in: Some((0, u64::MAX)), ..Plan::default() };
            machine.resume(step).map_err(failed)?;
        }
        machine.detach();
        drop(machine);
        same("how it has ended", guest.end()?, undisturbed.clone())?;
    }
    Ok(())
}

/// The same when the connection is lost while the machine runs.
fn hanging_up(context: &Context) -> Result<(), String> {
    let undisturbed = Machine::linux(&context.build, &LEFT, false)?.end()?;
    let guest = Machine::linux(&context.build, &LEFT, true)?;
    let mut machine = guest.attach()?;
    let thread = busy(context, &mut machine)?;
    let mut session = Session::new(&mut machine, false);
    session.receive(&frame(format!("vCont;s:p{:x}.{:x}", thread.process.0, thread.number).as_bytes()));
    session.hang_up();
    while session.end().is_none() {
        session.happened();
    }
    drop(machine);
    same("how it has ended", guest.end()?, undisturbed)
}

/// A string that lies on a page of which the debugger has made a copy gets to the receiver.
fn string(context: &Context) -> Result<(), String> {
    /// Where the sender has it: see `tests/conformance`.
    const STRING: u64 = 0x5000_0000;
    const BEGINS: &str = "ukernel_core::ipc::strings::begin";
    let case = ["--servers", "conformance", "--", "strings/long"];
    let undisturbed = Machine::start(&context.build, &case, false)?.end()?;
    let guest = Machine::start(&context.build, &case, true)?;
    let mut machine = guest.attach()?;
    let begins = symbols::find_function(&context.build.kernel()?, BEGINS).ok_or("nothing begins")?;
    let begins = Point::Code(begins);
    machine.insert(Process::KERNEL, begins).map_err(failed)?;
    same("a stop", until_stops(&mut machine)?, Event::Breakpoint(Thread::vcpu(0)))?;
    machine.remove(Process::KERNEL, begins).map_err(failed)?;
    let threads = machine.threads();
    let runs =
        |thread: &Thread| machine.describe(*thread).is_ok_and(|line| line.contains("running on vCPU 0"));
    let sender = threads.into_iter().find(runs).ok_or("nobody sends")?;
    let mut byte = [0];
    machine.read(sender.process, STRING, &mut byte).map_err(failed)?;
    machine.write(sender.process, STRING, &byte).map_err(failed)?;
    same("the end", until_stops(&mut machine)?, Event::Exited(0))?;
    drop(machine);
    same("what it has said", guest.end()?.output, undisturbed.output)
}
