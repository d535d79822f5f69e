//! Drivers and their clients on the µ-kernel.

use crate::client::{Called, Link};
use crate::engine::{Driver, Engine, Outbox, Regions};
use crate::memory::Memory;
use crate::registers::Registers;
use proto::session::Hook;
use proto::{Message, Refusal};
use ukernel_abi::call::Timeouts;
use ukernel_abi::{Status, ThreadId};
use userlib::beat::Beat;
use userlib::clock::{Clock, tsc};
use userlib::drivers::{self, Dma, Region};
use userlib::io::Port;
use userlib::ipc::{self, NEVER, NOW, Received};
use userlib::space::Range;
use userlib::trace::Event;
use userlib::window::Window;
use userlib::{irq, kip, root, thread, trace};

impl Registers for Window {
    fn read_u8(&self, offset: usize) -> u8 {
        self.load(offset).unwrap_or(!0)
    }
    fn read_u16(&self, offset: usize) -> u16 {
        self.load(offset).unwrap_or(!0)
    }
    fn read_u32(&self, offset: usize) -> u32 {
        self.load(offset).unwrap_or(!0)
    }
    fn write_u32(&self, offset: usize, value: u32) {
        let _inside = self.store(offset, value);
    }
}

impl Memory for Dma {
    fn phys(&self) -> u64 {
        self.phys
    }
    fn size(&self) -> usize {
        self.window.size()
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        if !self.window.read(offset, into) {
            into.fill(0);
        }
    }
    fn write(&self, offset: usize, from: &[u8]) {
        let _inside = self.window.write(offset, from);
    }
    fn load_u16(&self, offset: usize) -> u16 {
        self.window.load(offset).unwrap_or(0)
    }
    fn store_u16(&self, offset: usize, value: u16) {
        let _inside = self.window.store(offset, value);
    }
    fn split(self, at: usize) -> Option<(Self, Self)> {
        let (first, rest) = self.window.split(at)?;
        let phys = self.phys;
        Some((Self { window: first, phys }, Self { window: rest, phys: phys + at as u64 }))
    }
}

/// Regions, as root knows them.
pub struct Root;

impl Regions for Root {
    type Memory = Region;

    fn region(&mut self, client: ThreadId, id: u64) -> Result<Region, Refusal> {
        drivers::region(client, id)
    }
}

/// A region of a client's. All of it is the device's to reach, but only its lists are the driver's.
impl Memory for Region {
    fn phys(&self) -> u64 {
        self.phys
    }
    fn size(&self) -> usize {
        1 << self.log2
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        if !self.lists.read(offset, into) {
            into.fill(0);
        }
    }
    fn write(&self, offset: usize, from: &[u8]) {
        let _inside = self.lists.write(offset, from);
    }
    fn load_u16(&self, offset: usize) -> u16 {
        self.lists.load(offset).unwrap_or(0)
    }
    fn store_u16(&self, offset: usize, value: u16) {
        let _inside = self.lists.store(offset, value);
    }
    fn split(self, _at: usize) -> Option<(Self, Self)> {
        None
    }
}

/// Whether `arg` is among this server's arguments.
pub fn has_arg(arg: &str) -> bool {
    let mut offset = 0;
    let mut matched = Some(0);
    while let Ok(Some(part)) = root::args(offset) {
        let bytes = part.bytes;
        offset += bytes.as_slice().len();
        for &byte in bytes.as_slice() {
            match (byte, matched) {
                (0, Some(n)) if n == arg.len() => return true,
                (0, _) => matched = Some(0),
                (byte, Some(n)) if arg.as_bytes().get(n) == Some(&byte) => matched = Some(n + 1),
                _ => matched = None,
            }
        }
    }
    false
}

/// The main function of a driver: `make` takes the registers of the server's first device and makes its driver. If there is no such
/// device, or it does not work, clients are told so; other servers are not concerned.
pub fn main<D: Driver>(device: u32, make: impl FnOnce(Window) -> Result<D, crate::Broken>) -> ! {
    trace::start();
    // It is about its work already: a device on which it gets stuck at once is noticed, too.
    let mut beat = match Beat::new() {
        Ok(beat) => beat,
        Err(why) => absent(None, format_args!("no page to say that it is alive: {why:?}")),
    };
    let found = match drivers::device(0) {
        Ok(found) if found.id == device => found,
        Ok(found) => {
            absent(Some(beat), format_args!("the set gives it a device of kind {}, not {device}", found.id))
        }
        Err(Refusal::NoDevice) => absent(Some(beat), format_args!("the machine has no such device")),
        Err(why) => absent(Some(beat), format_args!("root gives it no device: {why:?}")),
    };
    let line = found.line;
    if let Err(status) = irq::attach(line) {
        absent(Some(beat), format_args!("interrupt line {line}: {status:?}"));
    }
    match make(found.registers) {
        Ok(driver) => run(&mut Engine::new(driver, Root, has_arg("--test-hooks")), line, &mut beat),
        Err(why) => absent(Some(beat), format_args!("the device cannot be used: {}", why.0)),
    }
}

/// Tells the log why there is nothing to drive, and then whoever asks.
pub fn absent(beat: Option<Beat>, why: core::fmt::Arguments) -> ! {
    userlib::log!("{why}");
    // To answer that takes no time that anybody need look at.
    if let Some(mut beat) = beat {
        beat.back();
    }
    ipc::serve(|_, _| ipc::Answer::Reply(Message::refused(Refusal::NoDevice)))
}

/// The loop of a driver whose device is on interrupt line `line`.
pub fn run<D: Driver, R: Regions>(engine: &mut Engine<D, R>, line: u8, beat: &mut Beat) -> ! {
    let clock = Clock::of(kip::kip());
    let now = || clock.monotonic_ns(tsc());
    let me = thread::current();
    let record = |event, argument| trace::event_of(me, event, argument);
    let mut out = Outbox::new();
    let mut broken = None;
    loop {
        // Answers are not waited for; the last one goes along with the wait.
        let (to, answer) = out.pop().unwrap_or((ThreadId::NIL, Message::ok([])));
        for (to, answer) in out.drain(..) {
            record(Event::REPLY, to.0);
            let _ = ipc::send(to, &answer, NOW);
        }
        let timeout =
            engine.deadline().map_or(NEVER, |deadline| microseconds(deadline.saturating_sub(now())));
        beat.back();
        if !to.is_nil() {
            record(Event::REPLY, to.0);
        }
        let received = ipc::ipc(to, &answer, ThreadId::ANY, Timeouts::new(NOW, timeout));
        if let Ok(received) = &received {
            record(Event::RECEIVED, received.from.0);
        }
        beat.away();
        match received {
            Ok(received) if ipc::turn_away(&received) => {}
            Ok(Received { from, message, .. }) => {
                record(Event::HANDLER_START, message.label().0.into());
                if from == ThreadId::irq(line) {
                    engine.interrupt(now(), &mut out);
                } else if let Some(hook) = engine.message(from, &message, now(), &mut out) {
                    fail(hook);
                }
                let answer = out.iter().find(|(to, _)| *to == from);
                record(Event::HANDLER_END, answer.map_or(Event::WAITS, |(_, m)| m.label().0.into()));
            }
            Err(Status::ReceiveTimeout) => engine.late(now(), &mut out),
            // The client does not wait for its answer, or has died.
            Err(_) => {}
        }
        if engine.broken() != broken {
            broken = engine.broken();
            if let Some(why) = broken {
                userlib::log!("the device has stopped working: {}", why.0);
            }
        }
    }
}

/// A timeout of an IPC: at least 1, which is the shortest that is no other thing.
fn microseconds(ns: u64) -> u32 {
    ns.div_ceil(1000).clamp(1, 1_000_000_000) as u32
}

/// Fails, as a test wants it.
fn fail(hook: Hook) {
    match hook {
        // No set gives anybody the ports of the DMA controller.
        Hook::Crash => Port(0).write_u8(0),
        Hook::Spin => loop {
            core::hint::spin_loop();
        },
        Hook::Fault => {
            let nothing = Range::reserve(4096, 4096, 0).map(Window::new);
            let _never: Option<u8> = nothing.and_then(|window| window.load(0));
        }
        Hook::Panic => panic!("as the test wants it"),
    }
}

/// A session's way to its driver.
pub struct ToServer {
    name: &'static str,
    server: ThreadId,
    memory: Window,
    region: u64,
    pauses: u32,
}

/// How long one pause is, and how many there are before a client gives up: 10 s, far longer than a driver takes to start.
const PAUSE_US: u32 = 500;
const PAUSES: u32 = 20_000;

impl ToServer {
    /// With a region of 2^`log2` bytes that is shared with the server `name`.
    pub fn new(name: &'static str, log2: u32) -> Result<Self, Refusal> {
        let (memory, region) = drivers::share(log2, name)?;
        Ok(Self::with_lists(name, memory, region))
    }

    /// With a region that is there already, and of which this has only the lists, or more: its data may be for somebody else to fill and look at.
    pub fn with_lists(name: &'static str, memory: Window, region: u64) -> Self {
        Self { name, server: ThreadId::NIL, memory, region, pauses: 0 }
    }

    /// The driver's thread, as last found.
    pub fn server(&self) -> ThreadId {
        self.server
    }

    /// Calls it, and waits so many microseconds for its answer.
    fn exchange(&self, message: &Message, us: u32) -> Result<Received, Status> {
        trace::event(Event::DRIVER_REQUEST, self.server.0);
        let received = ipc::ipc(self.server, message, self.server, Timeouts::new(NEVER, us));
        trace::event(Event::DRIVER_DONE, self.server.0);
        received
    }
}

impl Link for ToServer {
    fn find(&mut self) -> Result<(), Refusal> {
        self.server = root::lookup(self.name)?;
        Ok(())
    }
    fn call(&mut self, message: &Message) -> Option<Message> {
        match self.exchange(message, NEVER) {
            Ok(received) => {
                self.pauses = 0;
                Some(received.message)
            }
            Err(_) => None,
        }
    }
    fn call_for(&mut self, message: &Message, us: u32) -> Called {
        match self.exchange(message, us.max(1)) {
            Ok(received) => {
                self.pauses = 0;
                Called::Answer(received.message)
            }
            Err(Status::ReceiveTimeout) => Called::TimedOut,
            Err(_) => Called::Gone,
        }
    }
    fn pause(&mut self) -> bool {
        self.pauses += 1;
        thread::sleep(PAUSE_US);
        self.pauses <= PAUSES
    }
    fn region(&self) -> u64 {
        self.region
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        if !self.memory.read(offset, into) {
            into.fill(0);
        }
    }
    fn write(&self, offset: usize, from: &[u8]) {
        let _inside = self.memory.write(offset, from);
    }
}
