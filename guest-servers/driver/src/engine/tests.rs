use super::*;
use crate::mock::{Machine, Ram};
use proto::session::{DATA, DEPTH, Entered};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

const ALICE: ThreadId = ThreadId::new(5, 0, 1);
const BOB: ThreadId = ThreadId::new(6, 2, 1);
const SECOND: u64 = 1_000_000_000;
/// Operations of the fake driver.
const WORK: u32 = 1;
const ONCE: u32 = 2;
const FOR_EVER: u32 = 3;

/// What the test sees and does of a device.
#[derive(Default)]
struct Device {
    under_way: BTreeMap<u16, (Submission, Buffer)>,
    started: Vec<u32>,
    done: VecDeque<Finished>,
    broken: bool,
    resets: u32,
    cannot_reset: bool,
    room: usize,
}

#[derive(Clone)]
struct Fake(Rc<RefCell<Device>>);

impl Fake {
    fn finish(&self, tag: u32, outcome: Outcome) {
        let mut device = self.0.borrow_mut();
        let found = device.under_way.iter().find(|(_, (s, _))| s.tag == tag).map(|(ticket, _)| *ticket);
        let ticket = found.expect("a request with this tag is under way");
        device.under_way.remove(&ticket);
        device.done.push_back(Finished { ticket, outcome, value: tag.into() });
    }
}

impl Driver for Fake {
    fn info(&self) -> Opened {
        Opened { info: [1, 2, 3, 4, 5, 6] }
    }
    fn start(&mut self, ticket: u16, request: &Submission, buffer: Buffer) -> Start {
        let mut device = self.0.borrow_mut();
        if !matches!(request.operation, WORK | ONCE | FOR_EVER) {
            return Start::Over(Outcome::BadRequest);
        }
        if device.under_way.len() == device.room {
            return Start::Full;
        }
        assert!(device.under_way.insert(ticket, (*request, buffer)).is_none(), "a ticket is used once");
        device.started.push(request.tag);
        Start::Started
    }
    fn kick(&mut self) {}
    fn interrupt(&mut self) -> Result<(), Broken> {
        Ok(())
    }
    fn finished(&mut self) -> Result<Option<Finished>, Broken> {
        let mut device = self.0.borrow_mut();
        if device.broken { Err(Broken("broken")) } else { Ok(device.done.pop_front()) }
    }
    fn reset(&mut self) -> Result<(), Broken> {
        let mut device = self.0.borrow_mut();
        device.resets += 1;
        device.under_way.clear();
        device.done.clear();
        if device.cannot_reset { Err(Broken("it does not reset")) } else { Ok(()) }
    }
    fn patience(&self, request: &Submission) -> Option<u64> {
        (request.operation != FOR_EVER).then_some(SECOND)
    }
    fn is_repeatable(&self, request: &Submission) -> bool {
        request.operation != ONCE
    }
}

struct Owners(BTreeMap<u64, (u16, Ram)>);

impl Regions for Owners {
    type Memory = Ram;
    fn region(&mut self, client: ThreadId, id: u64) -> Result<Ram, Refusal> {
        let (owner, ram) = self.0.get(&id).ok_or(Refusal::NotFound)?;
        if *owner == client.task() { Ok(ram.clone()) } else { Err(Refusal::NotFound) }
    }
}

struct World {
    fake: Fake,
    engine: Engine<Fake, Owners>,
    regions: BTreeMap<u64, Ram>,
    out: Outbox,
    now: u64,
}

impl World {
    /// Alice has region 1, Bob region 2, and both have opened their sessions.
    fn new() -> Self {
        let machine = Machine::new(0, 0, &[], Box::new(|_| None));
        let fake = Fake(Rc::new(RefCell::new(Device { room: 1000, ..Device::default() })));
        let mut owners = BTreeMap::new();
        for id in 1..40 {
            owners.insert(id, (if id == 2 { BOB } else { ALICE }.task(), machine.memory(8192)));
        }
        let regions = owners.iter().map(|(id, (_, ram))| (*id, ram.clone())).collect();
        let engine = Engine::new(fake.clone(), Owners(owners), false);
        let mut world = Self { fake, engine, regions, out: Vec::new(), now: 0 };
        world.open(ALICE, 1).unwrap();
        world.open(BOB, 2).unwrap();
        world
    }

    fn send(&mut self, from: ThreadId, request: Request) {
        let hook = self.engine.message(from, &request.into(), self.now, &mut self.out);
        assert_eq!(hook, None);
    }

    /// The answer that `to` has got, if it has.
    fn answer(&mut self, to: ThreadId) -> Option<Result<Message, Refusal>> {
        let at = self.out.iter().position(|(thread, _)| *thread == to)?;
        Some(self.out.remove(at).1.accepted())
    }

    fn open(&mut self, from: ThreadId, region: u64) -> Result<Opened, Refusal> {
        self.send(from, Request::Open { region });
        self.answer(from).expect("an open is answered at once").map(|m| Opened::try_from(&m).unwrap())
    }

    fn put(&self, region: u64, n: u32, operation: u32, tag: u32) {
        let submission = Submission { operation, tag, offset: DATA as u32, len: 16, ..Submission::default() };
        self.regions[&region].write(Submission::place(n), &submission.to_bytes());
    }

    fn enter(&mut self, from: ThreadId, region: u64, submitted: u32, taken: u32, wait: u32) {
        self.send(from, Request::Enter { region, submitted, taken, wait });
    }

    fn entered(&mut self, to: ThreadId) -> Option<u32> {
        self.answer(to).map(|m| Entered::try_from(&m.unwrap()).unwrap().completed)
    }

    fn completion(&self, region: u64, n: u32) -> (u32, Outcome, u64) {
        let mut bytes = [0; 16];
        self.regions[&region].read(Completion::place(n), &mut bytes);
        let Completion { tag, outcome, value } = Completion::from_bytes(&bytes).unwrap();
        (tag, outcome, value)
    }

    fn interrupt(&mut self) {
        self.engine.interrupt(self.now, &mut self.out);
    }

    /// Alice has a request of this kind under way, with tag 7, and waits.
    fn alice_waits(operation: u32) -> Self {
        let mut w = Self::new();
        w.put(1, 0, operation, 7);
        w.enter(ALICE, 1, 1, 0, 1);
        assert_eq!(w.entered(ALICE), None);
        w
    }
}

#[test]
fn a_request_goes_to_the_device_and_comes_back() {
    let mut w = World::alice_waits(WORK);
    let (submission, buffer) = *w.fake.0.borrow().under_way.values().next().unwrap();
    let phys = w.regions[&1].phys() + DATA as u64;
    assert_eq!((submission.tag, buffer), (7, Buffer { phys, len: 16 }));
    w.fake.finish(7, Outcome::Failed);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(1));
    assert_eq!(w.completion(1, 0), (7, Outcome::Failed, 7));
    assert_eq!(w.engine.deadline(), None);
}

#[test]
fn answers_come_when_there_is_enough() {
    let mut w = World::new();
    (0..3).for_each(|n| w.put(1, n, WORK, n));
    w.enter(ALICE, 1, 3, 0, 2);
    w.fake.finish(1, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), None);
    w.fake.finish(0, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(2));
    assert_eq!((w.completion(1, 0).0, w.completion(1, 1).0), (1, 0), "in the order in which they were done");
    w.enter(ALICE, 1, 3, 2, 0);
    assert_eq!(w.entered(ALICE), Some(2), "who does not want to wait is told at once");
    w.enter(ALICE, 1, 3, 2, 64);
    w.fake.finish(2, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(3), "more will not come");
}

#[test]
fn a_second_thread_that_waits_sends_the_first_away() {
    let mut w = World::alice_waits(WORK);
    let other = ThreadId::new(ALICE.task(), 3, 1);
    w.enter(other, 1, 1, 0, 1);
    assert_eq!(w.entered(ALICE), Some(0));
    w.fake.finish(7, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(other), Some(1));
}

#[test]
fn what_a_client_may_not_do() {
    let mut w = World::new();
    for (from, request, why) in [
        (ALICE, Request::Open { region: 2 }, Refusal::NotFound),
        (ALICE, Request::Open { region: 99 }, Refusal::NotFound),
        (ALICE, Request::Enter { region: 2, submitted: 0, taken: 0, wait: 0 }, Refusal::NotFound),
        (ALICE, Request::Enter { region: 1, submitted: DEPTH + 1, taken: 0, wait: 0 }, Refusal::BadRequest),
        (ALICE, Request::Enter { region: 1, submitted: u32::MAX, taken: 0, wait: 0 }, Refusal::BadRequest),
        (ALICE, Request::Enter { region: 1, submitted: 1, taken: 1, wait: 0 }, Refusal::BadRequest),
        (ALICE, Request::Hook(Hook::Crash), Refusal::Denied),
    ] {
        w.send(from, request);
        assert_eq!(w.answer(from).unwrap().err(), Some(why), "{request:?}");
    }
    let nonsense = Message::new(ukernel_abi::Label(0x4ff), [1]);
    w.engine.message(ALICE, &nonsense, 0, &mut w.out);
    assert_eq!(w.answer(ALICE).unwrap().err(), Some(Refusal::BadRequest));
    assert!(w.fake.0.borrow().started.is_empty());
}

#[test]
fn buffers_are_within_the_regions_data() {
    let mut w = World::new();
    let bad =
        [(0, 16), (DATA - 1, 16), (8192 - 15, 16), (8192, 1), (u32::MAX as usize, 1), (DATA, usize::MAX)];
    for (n, (offset, len)) in bad.into_iter().enumerate() {
        let (offset, len) = (offset as u32, len as u32);
        let submission = Submission { operation: WORK, tag: n as u32, offset, len, ..Submission::default() };
        w.regions[&1].write(Submission::place(n as u32), &submission.to_bytes());
    }
    w.put(1, 6, 99, 6);
    w.enter(ALICE, 1, 7, 0, 7);
    assert_eq!(w.entered(ALICE), Some(7));
    (0..7).for_each(|n| assert_eq!(w.completion(1, n), (n, Outcome::BadRequest, 0)));
    assert!(w.fake.0.borrow().started.is_empty());
}

#[test]
fn clients_take_turns_when_there_is_little_room() {
    let mut w = World::new();
    w.fake.0.borrow_mut().room = 2;
    (0..4).for_each(|n| w.put(1, n, WORK, n));
    (0..4).for_each(|n| w.put(2, n, WORK, 10 + n));
    w.enter(ALICE, 1, 4, 0, 4);
    w.enter(BOB, 2, 4, 0, 4);
    for _ in 0..8 {
        let tag = w.fake.0.borrow().under_way.values().map(|(s, _)| s.tag).min().unwrap();
        w.fake.finish(tag, Outcome::Done);
        w.interrupt();
    }
    assert_eq!((w.entered(ALICE), w.entered(BOB)), (Some(4), Some(4)));
    let started = w.fake.0.borrow().started.clone();
    let third = started[2..].iter().take(4).filter(|tag| **tag >= 10).count();
    assert_eq!((started.len(), third), (8, 2), "{started:?}");
}

#[test]
fn a_device_that_breaks_rules_is_reset_and_begins_again() {
    let mut w = World::alice_waits(WORK);
    w.engine.recover(Broken("test"), None, 0);
    assert_eq!(w.fake.0.borrow().resets, 1);
    assert_eq!(w.fake.0.borrow().started, [7, 7]);
    w.fake.finish(7, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(1));
}

#[test]
fn a_device_that_stays_broken_is_left_alone() {
    let mut w = World::alice_waits(WORK);
    w.fake.0.borrow_mut().broken = true;
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(1));
    assert_eq!(w.completion(1, 0).1, Outcome::NoDevice);
    assert_eq!((w.engine.broken(), w.fake.0.borrow().resets), (Some(Broken("broken")), RESETS));
    // Requests fail at once.
    w.put(2, 0, WORK, 3);
    w.enter(BOB, 2, 1, 0, 1);
    assert_eq!((w.entered(BOB), w.completion(2, 0).1), (Some(1), Outcome::NoDevice));
    // Who begins anew has it tried again.
    w.fake.0.borrow_mut().cannot_reset = true;
    assert_eq!(w.open(BOB, 2), Err(Refusal::NoDevice));
    (w.fake.0.borrow_mut().cannot_reset, w.fake.0.borrow_mut().broken) = (false, false);
    assert!(w.open(BOB, 2).is_ok());
    w.put(2, 0, WORK, 4);
    w.enter(BOB, 2, 1, 0, 1);
    w.fake.finish(4, Outcome::Done);
    w.interrupt();
    assert_eq!((w.entered(BOB), w.completion(2, 0).1), (Some(1), Outcome::Done));
}

#[test]
fn a_silent_device_is_reset_after_a_while() {
    let mut w = World::alice_waits(WORK);
    assert_eq!(w.engine.deadline(), Some(SECOND));
    w.engine.late(SECOND - 1, &mut w.out);
    assert_eq!(w.fake.0.borrow().resets, 0);
    for n in 1..=u64::from(RESETS) + 1 {
        w.now = n * SECOND;
        w.engine.late(w.now, &mut w.out);
    }
    assert_eq!((w.entered(ALICE), w.completion(1, 0).1), (Some(1), Outcome::NoDevice));
    assert_eq!(w.engine.deadline(), None);
}

#[test]
fn what_waits_for_the_outside_may_take_long() {
    let mut w = World::alice_waits(FOR_EVER);
    assert_eq!(w.engine.deadline(), None);
    w.engine.late(1000 * SECOND, &mut w.out);
    assert_eq!(w.fake.0.borrow().resets, 0);
    w.fake.finish(7, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(1));
}

#[test]
fn what_must_not_be_done_twice_is_lost() {
    let mut w = World::alice_waits(ONCE);
    w.engine.recover(Broken("test"), None, 0);
    w.interrupt();
    assert_eq!((w.entered(ALICE), w.completion(1, 0)), (Some(1), (7, Outcome::Lost, 0)));
    assert_eq!(w.fake.0.borrow().started, [7]);
}

#[test]
fn a_client_that_begins_anew_does_not_disturb_others() {
    let mut w = World::alice_waits(WORK);
    for _ in 0..10 {
        w.put(2, 0, FOR_EVER, 9);
        w.enter(BOB, 2, 1, 0, 1);
        // Bob's former request must not touch his region any more: the device forgets it.
        w.open(BOB, 2).unwrap();
        let tags: Vec<_> = w.fake.0.borrow().under_way.values().map(|(s, _)| s.tag).collect();
        assert_eq!(tags, [7]);
    }
    assert_eq!((w.fake.0.borrow().resets, w.engine.broken()), (10, None));
    w.fake.finish(7, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(1));
}

#[test]
fn sessions_that_nobody_uses_make_room() {
    let mut w = World::alice_waits(WORK);
    for region in 3..40 {
        w.open(ALICE, region).unwrap();
    }
    assert_eq!(w.engine.sessions.len(), SESSIONS);
    w.fake.finish(7, Outcome::Done);
    w.interrupt();
    assert_eq!(w.entered(ALICE), Some(1), "one that is waited for stays");
    w.enter(BOB, 2, 0, 0, 0);
    assert_eq!(
        w.answer(BOB).unwrap().err(),
        Some(Refusal::NotFound),
        "who was sent away is told, and opens again"
    );
    assert!(w.open(BOB, 2).is_ok());
}

#[test]
fn hooks_are_for_tests() {
    let mut w = World::new();
    w.engine.hooks = true;
    let hook = w.engine.message(ALICE, &Request::Hook(Hook::Spin).into(), 0, &mut w.out);
    assert_eq!((hook, w.answer(ALICE)), (Some(Hook::Spin), None));
}

#[test]
fn numbers_wrap() {
    let mut w = World::new();
    for n in 0..1000u32 {
        w.put(1, n, WORK, n);
        w.enter(ALICE, 1, n + 1, n, 1);
        w.fake.finish(n, Outcome::Done);
        w.interrupt();
        assert_eq!((w.entered(ALICE), w.completion(1, n).0), (Some(n + 1), n));
    }
}
