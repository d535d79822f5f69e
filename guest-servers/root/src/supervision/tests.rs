use super::*;
use crate::image::tests::{GOOD, file};
use crate::machine::mock::Mock;
use proto::drivers::beat;
use proto::root::{Found, Ram, Request as Basic};
use proto::{kernel, place};
use ukernel_abi::Label;

const SET: &str = "\
server name=block elf=block prio=200 memory=1048576 devices=block:0 restart=always watchdog=20
server name=other elf=block prio=200 memory=1048576 devices=block:1 restart=always
server name=client elf=client prio=100 memory=8388608 call=block kill=block
";
const LINE: &str = "virtio_mmio.device=4K@0xfeb00000:16";
const STATUS: u64 = 0xfeb0_0070;
const BASE: u64 = 1 << 32;

struct World {
    mock: Mock,
    root: Root,
}

impl World {
    fn new() -> Self {
        let elf = file(&GOOD);
        let mut mock = Mock::new(&[("set", SET.as_bytes()), ("block", &elf), ("client", &elf)]);
        mock.cmdline = LINE;
        mock.registers.extend([(0xfeb0_0000, u32::from_le_bytes(*b"virt")), (0xfeb0_0008, 2), (STATUS, 15)]);
        let root = crate::start(&mut mock).ok().unwrap();
        Self { mock, root }
    }

    fn server(&self, index: usize) -> &server::Server {
        self.root.servers[index].as_ref().unwrap()
    }

    fn thread(&self, index: usize) -> ThreadId {
        self.server(index).thread().unwrap()
    }

    fn send(&mut self, index: usize, message: impl Into<Message>) -> Outcome {
        let from = self.thread(index);
        self.root.handle(&mut self.mock, from, &message.into())
    }

    fn ask(&mut self, index: usize, request: impl Into<Message>) -> Result<Message, Refusal> {
        match self.send(index, request) {
            Outcome::Reply(message) => message.accepted(),
            other => panic!("{other:?}"),
        }
    }

    fn crash(&mut self, index: usize) -> Outcome {
        self.send(index, Message::new(Label::EXCEPTION, [13, 0, 0x20_1111, 0x3fff_fff0, 0x202]))
    }

    fn lookup(&mut self) -> Result<ThreadId, Refusal> {
        let name = name("block");
        self.ask(2, Basic::Lookup { name }).map(|m| Found::try_from(&m).unwrap().thread)
    }

    /// Lets everything that is due happen until the clock shows this.
    fn pass(&mut self, until: u64) {
        while let Some(deadline) = self.root.deadline().filter(|deadline| *deadline <= until) {
            self.mock.clock.set(self.mock.clock.get().max(deadline));
            self.root.tick(&mut self.mock);
        }
        self.mock.clock.set(self.mock.clock.get().max(until));
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn kill() -> Request {
    Request::Kill { name: name("block") }
}

#[test]
fn a_driver_gets_its_device_and_no_other() {
    let mut w = World::new();
    let m = w.ask(0, Request::Virtio { index: 0, base: BASE }).unwrap();
    assert_eq!(Virtio::try_from(&m), Ok(Virtio { offset: 0, size: 4096, line: 16, device: 2 }));
    let items: Vec<_> = m.items().collect();
    let page = Fpage::memory(place::PHYSICAL + 0xfeb0_0000, 12, Rights::RW);
    assert_eq!(items, [MapItem::map(page, BASE), MapItem::map(Fpage::irqs(16, 0), 0)]);
    assert_eq!(w.ask(0, Request::Virtio { index: 1, base: BASE }), Err(Refusal::NotFound));
    assert_eq!(w.ask(1, Request::Virtio { index: 0, base: BASE }), Err(Refusal::NoDevice));
    assert_eq!(w.ask(2, Request::Virtio { index: 0, base: BASE }), Err(Refusal::NotFound));
    assert_eq!(w.ask(2, Basic::Dma { log2: 12, base: BASE }), Err(Refusal::Denied));
    assert!(w.ask(0, Basic::Dma { log2: 12, base: BASE }).is_ok());
}

#[test]
fn a_driver_that_dies_is_started_again() {
    let mut w = World::new();
    w.ask(0, Request::Virtio { index: 0, base: BASE }).unwrap();
    let first = w.thread(0);
    let dma = Ram::try_from(&w.ask(0, Basic::Dma { log2: 15, base: BASE }).unwrap()).unwrap().phys;
    assert_eq!(w.crash(0), Outcome::None);
    assert_eq!(w.mock.deleted, [first]);
    assert_eq!(w.mock.load(STATUS), 0, "its device was reset");
    let second = w.lookup().unwrap();
    assert!(second != first && second == w.thread(0));
    assert!(w.mock.text().contains("server block died"), "{}", w.mock.text());
    let again = Ram::try_from(&w.ask(0, Basic::Dma { log2: 15, base: BASE }).unwrap()).unwrap().phys;
    assert_eq!(again, dma, "the memory that its device knew is its own");
    // A panic and a fault that nobody can answer are ends, too.
    assert_eq!(w.send(0, Basic::Failed), Outcome::None);
    let fault = kernel::PageFault { address: 0, ip: 0, access: Rights::R, code: 4 };
    let fault = Message::new(Label::PAGE_FAULT, [fault.address, fault.ip, fault.access.0.into(), fault.code]);
    assert_eq!(w.send(0, fault), Outcome::None);
    assert_eq!(w.mock.deleted.len(), 3);
    assert_eq!(
        w.root.map_failed(&mut w.mock, w.root.servers[0].as_ref().unwrap().thread().unwrap(), true),
        Outcome::None
    );
    // The one that the machine is there for ends it.
    assert_eq!(w.crash(2), Outcome::Exit(exit::KERNEL_PANIC));
}

#[test]
fn its_data_is_fresh_each_time() {
    let mut w = World::new();
    // Module 1, at 18 MiB; its data is pages 5 and 6.
    let data = (18 << 20) + 0x5000;
    let copies = w.mock.copies.clone();
    assert_eq!(copies.len(), 2, "both that are started again, from one file");
    assert!(copies.iter().all(|(from, _, len)| (*from, *len) == (data, 0x2000)));
    assert_ne!(copies[0].1, copies[1].1);
    let fault = Message::new(Label::PAGE_FAULT, [0x20_6000, 0, 2, 6]);
    let Outcome::Resume(items) = w.send(0, fault) else { panic!() };
    assert_eq!(items.as_slice()[0].snd.base(), place::PHYSICAL + copies[0].1);
    w.crash(0);
    assert_eq!(w.mock.copies[2..], copies[..1], "into the same place");
    let Outcome::Resume(items) = w.send(2, fault) else { panic!() };
    let in_place = place::PHYSICAL + (20 << 20) + 0x5000;
    assert_eq!(items.as_slice()[0].snd.base(), in_place, "one that is never started again has its own");
}

#[test]
fn one_that_dies_each_time_is_given_up_and_can_be_revived() {
    let mut w = World::new();
    let mut waited = false;
    while let State::Runs(_) = w.server(0).state {
        w.crash(0);
        if let State::Waits(until) = w.server(0).state {
            assert_eq!(w.lookup(), Err(Refusal::Again));
            w.pass(until + 10);
            waited = true;
        }
    }
    assert!(waited && w.mock.text().contains("it is given up"), "{}", w.mock.text());
    assert_eq!((w.lookup(), w.root.deadline()), (Err(Refusal::NoDevice), None));
    assert!(w.ask(2, kill()).is_ok());
    assert!(w.lookup().is_ok());
}

#[test]
fn who_may_kill_whom() {
    let mut w = World::new();
    let first = w.thread(0);
    assert_eq!(w.ask(1, kill()), Err(Refusal::Denied));
    assert_eq!(w.ask(2, Request::Kill { name: name("other") }), Err(Refusal::Denied));
    for _ in 0..100 {
        assert!(w.ask(2, kill()).is_ok());
    }
    assert_eq!((w.mock.deleted.len(), w.mock.deleted[0]), (100, first));
    assert!(w.lookup().is_ok(), "to be killed is no fault of its own");
}

#[test]
fn one_that_cannot_be_started_again() {
    let mut w = World::new();
    w.mock.refuse_tasks = Some(ukernel_abi::Status::NoMemory);
    assert_eq!(w.crash(0), Outcome::None);
    assert_eq!(w.lookup(), Err(Refusal::NoDevice));
    w.mock.refuse_tasks = None;
    assert!(w.ask(2, kill()).is_ok() && w.lookup().is_ok());
}

#[test]
fn a_device_that_does_not_reset_is_told_of() {
    let mut w = World::new();
    w.ask(0, Request::Virtio { index: 0, base: BASE }).unwrap();
    w.mock.stuck = Some(STATUS);
    w.crash(0);
    assert!(w.mock.text().contains("server block: device block:0 does not reset"), "{}", w.mock.text());
    assert!(w.lookup().is_ok(), "it will find out itself");
}

#[test]
fn regions_are_for_client_and_driver_alone() {
    let mut w = World::new();
    let share = |with| Request::Share { log2: 16, base: BASE, with: name(with) };
    assert_eq!(w.ask(2, share("other")), Err(Refusal::Denied));
    assert_eq!(w.ask(2, share("nobody")), Err(Refusal::NotFound));
    let m = w.ask(2, share("block")).unwrap();
    let id = Shared::try_from(&m).unwrap().id;
    let own = m.items().next().unwrap();
    let client = ThreadId::new(w.thread(2).task(), 7, 9);
    let region = Request::Region { client, id, base: 2 * BASE };
    let m = w.ask(0, region).unwrap();
    let found = Region::try_from(&m).unwrap();
    assert_eq!((found.log2, place::PHYSICAL + found.phys), (16, own.snd.base()));
    assert_eq!(m.items().next(), Some(MapItem::map(own.snd, 2 * BASE)));
    for (asker, client, id) in [
        (1, w.thread(2), id),
        (2, w.thread(2), id),
        (0, w.thread(1), id),
        (0, ThreadId::new(99, 0, 1), id),
        (0, w.thread(2), id + 1),
    ] {
        assert_eq!(w.ask(asker, Request::Region { client, id, base: BASE }), Err(Refusal::NotFound));
    }
    w.crash(0);
    assert!(w.ask(0, region).is_ok(), "the next driver gets it, too");
}

/// The driver's page, in which it notes that it is away from its loop for the `count`th time.
fn away(w: &mut World, count: u32) -> u64 {
    let m = w.ask(0, Request::Beat { base: BASE }).unwrap();
    let page = m.items().next().unwrap().snd.base() - place::PHYSICAL;
    note(w, page, count, true);
    page
}

fn note(w: &mut World, page: u64, count: u32, away: bool) {
    w.mock.store(page + beat::COUNT as u64, count);
    w.mock.store(page + beat::AWAY as u64, away.into());
}

#[test]
fn one_that_does_not_come_back_is_started_again() {
    let mut w = World::new();
    let first = w.thread(0);
    let page = away(&mut w, 5);
    assert_eq!(w.send(0, Request::Watch), Outcome::None);
    assert_eq!(w.mock.load(page + beat::WATCHED as u64), 1);
    w.pass(19_000);
    assert_eq!(w.mock.deleted, []);
    w.pass(21_000);
    assert_eq!(w.mock.deleted, [first]);
    assert!(w.mock.text().contains("server block is stuck"), "{}", w.mock.text());
    let again = away(&mut w, 1);
    assert_eq!((again, w.mock.load(page + beat::WATCHED as u64)), (page, 0), "a fresh page");
    assert_eq!(w.root.deadline(), None);
}

#[test]
fn one_that_works_or_rests_is_left_alone() {
    let mut w = World::new();
    let page = away(&mut w, 5);
    w.send(0, Request::Watch);
    for n in 1..50u32 {
        w.pass(u64::from(n) * 5000);
        note(&mut w, page, 5 + n, true);
    }
    note(&mut w, page, 54, false);
    w.pass(300_000);
    assert_eq!((w.mock.deleted.len(), w.root.deadline()), (0, None), "nobody looks at one that rests");
    assert_eq!(w.mock.load(page + beat::WATCHED as u64), 0);
    assert_eq!(w.ask(1, Request::Beat { base: BASE }), Err(Refusal::NotFound), "it has no watchdog");
    assert_eq!(w.send(1, Request::Watch), Outcome::None);
}

#[test]
fn nonsense_is_refused() {
    let mut w = World::new();
    let short = Message::new(proto::drivers::SHARE, [1]);
    assert_eq!(w.ask(0, short), Err(Refusal::BadRequest));
}
