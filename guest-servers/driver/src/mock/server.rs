//! A driver server for tests of drivers with their clients: the engine, called directly, that dies when it is told to.

use super::{Machine, Ram};
use crate::Memory;
use crate::client::{Called, Link};
use crate::engine::{Driver, Engine, Outbox, Regions};
use proto::{Message, Refusal};
use std::boxed::Box;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use ukernel_abi::ThreadId;

const CLIENT: ThreadId = ThreadId::new(9, 0, 1);
const REGION: u64 = 0x77;
/// How often a driver that has died is looked for before it is there again.
const AWAY: u32 = 3;

/// When the driver dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// When a message has come, before it is looked at.
    Before,
    /// When everything has been done, but the answer.
    After,
}

/// A machine with one device.
pub trait Board: Clone {
    type Memory: Memory + Clone;
    /// `size` bytes that nobody has yet, aligned to a page.
    fn memory(&self, size: usize) -> Self::Memory;
    /// Whether the device's interrupt is pending.
    fn interrupts(&self) -> bool;
}

impl Board for Machine {
    type Memory = Ram;

    fn memory(&self, size: usize) -> Ram {
        Machine::memory(self, size)
    }
    fn interrupts(&self) -> bool {
        Machine::interrupts(self)
    }
}

struct Region<M>(M);

impl<M: Memory + Clone> Regions for Region<M> {
    type Memory = M;

    fn region(&mut self, client: ThreadId, id: u64) -> Result<M, Refusal> {
        assert_eq!((client, id), (CLIENT, REGION));
        Ok(self.0.clone())
    }
}

struct State<D, B: Board> {
    machine: B,
    region: B::Memory,
    make: Box<dyn Fn() -> D>,
    engine: Option<Engine<D, Region<B::Memory>>>,
    /// By number of the call.
    deaths: BTreeMap<u64, Death>,
    calls: u64,
    away: u32,
    now: u64,
}

/// A server; and the way of its one client to it.
pub struct Server<D, B: Board = Machine>(Rc<RefCell<State<D, B>>>);

impl<D, B: Board> Clone for Server<D, B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Driver, B: Board> Server<D, B> {
    /// A driver of the machine's device that `make` makes, again and again; its client has a region of `size` bytes.
    pub fn new(machine: &B, size: usize, make: impl Fn() -> D + 'static) -> Self {
        let engine = None;
        let (region, make) = (machine.memory(size), Box::new(make));
        let (machine, deaths) = (machine.clone(), BTreeMap::new());
        Self(Rc::new(RefCell::new(State {
            machine,
            region,
            make,
            engine,
            deaths,
            calls: 0,
            away: 0,
            now: 0,
        })))
    }

    /// It dies on the call of this number, counted from 1.
    pub fn dies(&self, call: u64, death: Death) {
        self.0.borrow_mut().deaths.insert(call, death);
    }
    pub fn calls(&self) -> u64 {
        self.0.borrow().calls
    }
    /// The client's region, as its device sees it.
    pub fn region(&self) -> B::Memory {
        self.0.borrow().region.clone()
    }
}

impl<D: Driver, B: Board> State<D, B> {
    /// The driver's answer; `None` if it is dead or dies, an error if it has nothing to say for now.
    fn answer(&mut self, message: &Message) -> Option<Result<Message, ()>> {
        self.calls += 1;
        let death = self.deaths.get(&self.calls).copied();
        if death == Some(Death::Before) {
            (self.engine, self.away) = (None, AWAY);
        }
        let engine = self.engine.as_mut()?;
        let mut out = Outbox::new();
        // What the device did meanwhile.
        if self.machine.interrupts() {
            engine.interrupt(self.now, &mut out);
        }
        engine.message(CLIENT, message, self.now, &mut out);
        while out.is_empty() && self.machine.interrupts() {
            engine.interrupt(self.now, &mut out);
        }
        while let (true, Some(deadline)) = (out.is_empty(), engine.deadline()) {
            self.now = self.now.max(deadline);
            engine.late(self.now, &mut out);
        }
        if death == Some(Death::After) {
            (self.engine, self.away) = (None, AWAY);
            return None;
        }
        Some(out.pop().map(|(_, answer)| answer).ok_or(()))
    }
}

impl<D: Driver, B: Board> Link for Server<D, B> {
    fn find(&mut self) -> Result<(), Refusal> {
        let state = &mut *self.0.borrow_mut();
        if state.away > 0 {
            state.away -= 1;
            return Err(Refusal::Again);
        }
        if state.engine.is_none() {
            state.engine = Some(Engine::new((state.make)(), Region(state.region.clone()), false));
        }
        Ok(())
    }
    fn call(&mut self, message: &Message) -> Option<Message> {
        let answer = self.0.borrow_mut().answer(message)?;
        Some(answer.expect("the client waits for what never comes"))
    }
    fn call_for(&mut self, message: &Message, _us: u32) -> Called {
        match self.0.borrow_mut().answer(message) {
            Some(Ok(answer)) => Called::Answer(answer),
            Some(Err(())) => Called::TimedOut,
            None => Called::Gone,
        }
    }
    fn pause(&mut self) -> bool {
        true
    }
    fn region(&self) -> u64 {
        REGION
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        self.0.borrow().region.read(offset, into);
    }
    fn write(&self, offset: usize, from: &[u8]) {
        self.0.borrow().region.write(offset, from);
    }
}
