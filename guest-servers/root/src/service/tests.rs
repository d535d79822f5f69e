use super::*;
use crate::image::tests::{GOOD, Header, file};
use crate::machine::mock::Mock;
use proto::root::{Info, Module, Ram};
use proto::{Name, place};
use ukernel_abi::{Fpage, Tag};
use vmm_abi::trace;

const CONSOLE: ThreadId = ThreadId::new(3, 0, 1);
const LINUX: ThreadId = ThreadId::new(4, 0, 1);
const SET: &str = "\
server name=console elf=console prio=200 memory=2097152 ports=0xb00+8,0x3f8+8 irqs=5,4
server name=linux elf=linux prio=100 memory=8388608 call=console args=strace,a%20b
";

struct World {
    mock: Mock,
    root: Root,
}

impl World {
    fn new() -> Self {
        let elf = file(&GOOD);
        let initrd = vec![7; (2 << 20) + (1 << 12) + 5];
        let mut mock = Mock::new(&[
            ("set", SET.as_bytes()),
            ("console", &elf),
            ("linux", &elf),
            ("initrd", &initrd),
            ("root", &elf),
        ]);
        let root = crate::start(&mut mock).ok().unwrap();
        Self { mock, root }
    }

    fn send(&mut self, from: ThreadId, message: impl Into<Message>) -> Outcome {
        self.root.handle(&mut self.mock, from, &message.into())
    }

    fn ask(&mut self, from: ThreadId, request: Request) -> Result<Message, Refusal> {
        match self.send(from, request) {
            Outcome::Reply(message) => message.accepted(),
            other => panic!("{other:?}"),
        }
    }

    fn fault(&mut self, from: ThreadId, address: u64, access: Rights) -> Outcome {
        self.send(from, Message::new(Label::PAGE_FAULT, [address, 0x20_1234, access.0.into(), 4]))
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn base_of_items(outcome: &Outcome) -> Vec<(u64, u64, Rights)> {
    let Outcome::Resume(items) = outcome else { panic!("{outcome:?}") };
    items.as_slice().iter().map(|i| (i.base, i.snd.size(), i.snd.rights())).collect()
}

#[test]
fn a_fault_in_the_image_maps_what_is_around_it_in_place() {
    let mut w = World::new();
    let text = base_of_items(&w.fault(CONSOLE, 0x20_1234, Rights::X));
    assert_eq!(
        text,
        [(0x20_1000, 0x1000, Rights::RX), (0x20_2000, 0x2000, Rights::RX)],
        "not the next segment"
    );
    let Outcome::Resume(items) = w.fault(CONSOLE, 0x20_6000, Rights::W) else { panic!() };
    // The console's module is the second, so it is at 18 MiB.
    let snd = Fpage::memory(place::PHYSICAL + (18 << 20) + 0x5000, 12, Rights::RW);
    assert_eq!(items.as_slice()[0], MapItem::map(snd, 0x20_5000));
}

#[test]
fn a_segment_of_superpages_comes_by_superpages() {
    let large = |flags, page: u64| Header {
        flags,
        offset: page << 21,
        address: place::IMAGE + (page << 21),
        file_size: 2 << 20,
        size: 2 << 20,
    };
    let mut elf = file(&[large(5, 0), large(4, 1), large(6, 2)]);
    elf.resize(6 << 20, 0);
    let set = "server name=linux elf=linux prio=1 memory=0";
    let mut mock = Mock::new(&[("set", set.as_bytes()), ("linux", &elf)]);
    let root = crate::start(&mut mock).ok().unwrap();
    let mut w = World { mock, root };
    let fault = w.fault(CONSOLE, 0x20_1000, Rights::X);
    assert_eq!(base_of_items(&fault), [(0x20_0000, 2 << 20, Rights::RX)]);
    let fault = w.fault(CONSOLE, 0x7f_fff8, Rights::W);
    assert_eq!(base_of_items(&fault), [(0x60_0000, 2 << 20, Rights::RW)]);
}

#[test]
fn the_stack_comes_in_parts_of_one_block() {
    let mut w = World::new();
    let first = w.fault(CONSOLE, place::STACK_END - 8, Rights::W);
    assert_eq!(base_of_items(&first), [(place::STACK_END - (32 << 10), 32 << 10, Rights::RW)]);
    let free = w.mock.free;
    assert_eq!(w.fault(CONSOLE, place::STACK_END - 16, Rights::R), first);
    let low = w.fault(CONSOLE, place::STACK, Rights::R);
    assert_eq!(base_of_items(&low), [(place::STACK, 32 << 10, Rights::RW)]);
    let Outcome::Resume(items) = first else { panic!() };
    let Outcome::Resume(low) = low else { panic!() };
    assert_eq!(items.as_slice()[0].snd.base() - low.as_slice()[0].snd.base(), 32 << 10);
    assert_eq!(w.mock.free, free);
}

#[test]
fn a_server_that_faults_elsewhere_ends_the_machine() {
    for (address, access, why) in [
        (0, Rights::R, "nothing is there"),
        (place::STACK - 8, Rights::W, "stack overflow"),
        (place::STACK, Rights::X, "executed its stack"),
        (0x20_1000, Rights::W, "wrote to read-only memory"),
        (0x20_5000, Rights::X, "executed data"),
        (place::HEAP, Rights::W, "nothing is there"),
        (u64::MAX, Rights::R, "nothing is there"),
    ] {
        let mut w = World::new();
        w.send(CONSOLE, Request::Log(Bytes::split(b"half a line").0));
        assert_eq!(w.fault(LINUX, address, access), Outcome::Exit(exit::KERNEL_PANIC));
        let text = w.mock.text();
        assert!(text.starts_with("console: half a line\nroot: server linux died (thread 4.0v1): "), "{text}");
        assert!(text.contains(&format!("at {address:#x}")) && text.contains(why), "{text}");
    }
}

#[test]
fn exceptions_and_stray_system_calls_do_too() {
    let mut w = World::new();
    let exception = Message::new(Label::EXCEPTION, [13, 0, 0x20_1111, 0x3fff_fff0, 0x202]);
    assert_eq!(w.send(CONSOLE, exception), Outcome::Exit(exit::KERNEL_PANIC));
    assert!(w.mock.text().contains("server console died"), "{}", w.mock.text());
    assert!(w.mock.text().contains("exception 13"), "{}", w.mock.text());
    let mut w = World::new();
    assert_eq!(w.send(LINUX, Message::new(Label::FOREIGN, [60; 7])), Outcome::Exit(exit::KERNEL_PANIC));
}

#[test]
fn kernel_memory_that_runs_out() {
    let mut w = World::new();
    assert_eq!(w.root.map_failed(&mut w.mock, LINUX, false), Outcome::None);
    assert_eq!(w.root.map_failed(&mut w.mock, LINUX, true), Outcome::Exit(exit::KERNEL_PANIC));
    assert!(w.mock.text().contains("server linux died"));
}

#[test]
fn budgets() {
    let mut w = World::new();
    let window = 1 << 32;
    let m = w.ask(LINUX, Request::Ram { log2: 22, base: window }).unwrap();
    assert_eq!(
        Ram::try_from(&m),
        Ok(Ram { phys: 0, left: 4 << 20 }),
        "its physical address is not its affair"
    );
    let item = m.items().next().unwrap();
    assert_eq!((item.base, item.snd.log2(), item.snd.rights()), (window, 22, Rights::RW));
    assert_eq!(w.ask(LINUX, Request::Ram { log2: 23, base: window }), Err(Refusal::NoMemory));
    assert!(w.ask(LINUX, Request::Ram { log2: 22, base: window }).is_ok());
    assert_eq!(w.ask(LINUX, Request::Ram { log2: 12, base: window }), Err(Refusal::NoMemory));
    let info = Info::try_from(&w.ask(LINUX, Request::Info).unwrap());
    let spare = (64 << 20) - (8 << 20) - (2 << 20);
    assert_eq!(info, Ok(Info { budget: 8 << 20, left: 0, spare, kernel_frames: 3000 }));
    assert_eq!(w.fault(LINUX, place::STACK, Rights::W), Outcome::Exit(exit::KERNEL_PANIC));
    assert!(w.mock.text().contains("no memory for its stack"));
}

#[test]
fn the_machine_may_have_less_than_the_budgets() {
    let mut w = World::new();
    w.mock.free = 1 << 20;
    assert_eq!(w.ask(LINUX, Request::Ram { log2: 21, base: 0 }), Err(Refusal::NoMemory));
    let info = Info::try_from(&w.ask(LINUX, Request::Info).unwrap()).unwrap();
    assert_eq!((info.left, info.spare), (8 << 20, 0), "what was refused is not charged");
}

#[test]
fn the_last_server_gets_what_no_budget_needs() {
    let mut w = World::new();
    assert_eq!(w.ask(CONSOLE, Request::Spare { log2: 12, base: 1 << 32 }), Err(Refusal::NoMemory));
    let mut base = 1 << 32;
    while let Ok(m) = w.ask(LINUX, Request::Spare { log2: 21, base }) {
        assert_eq!(m.items().next().map(|i| (i.base, i.snd.size())), Some((base, 2 << 20)));
        base += 2 << 20;
    }
    assert_eq!(w.mock.free, 10 << 20, "the budgets of both servers are kept back");
    assert!(w.ask(LINUX, Request::Ram { log2: 23, base: place::HEAP }).is_ok());
    assert!(w.ask(CONSOLE, Request::Ram { log2: 21, base: place::HEAP }).is_ok());
    assert_eq!(w.mock.free, 0);
}

#[test]
fn dma_is_for_drivers() {
    let mut w = World::new();
    assert_eq!(w.ask(LINUX, Request::Dma { log2: 14, base: 0 }), Err(Refusal::Denied));
    let m = w.ask(CONSOLE, Request::Dma { log2: 14, base: 1 << 32 }).unwrap();
    let ram = Ram::try_from(&m).unwrap();
    assert_eq!(m.items().next().unwrap().snd.base(), place::PHYSICAL + ram.phys);
    assert_eq!(ram.phys % (16 << 10), 0);
}

#[test]
fn devices_come_in_parts() {
    let mut w = World::new();
    let first = w.ask(CONSOLE, Request::Devices { skip: 0 }).unwrap();
    assert_eq!(Devices::try_from(&first), Ok(Devices { more: 1 }));
    let second = w.ask(CONSOLE, Request::Devices { skip: 3 }).unwrap();
    assert_eq!(Devices::try_from(&second), Ok(Devices { more: 0 }));
    let all: Vec<_> = first.items().chain(second.items()).map(|i| i.snd).collect();
    let want = [Fpage::ports(0xb00, 3), Fpage::ports(0x3f8, 3), Fpage::irqs(5, 0), Fpage::irqs(4, 0)];
    assert_eq!(all, want);
    for skip in [4, u64::MAX] {
        let none = w.ask(CONSOLE, Request::Devices { skip }).unwrap();
        assert_eq!((Devices::try_from(&none), none.tag.items()), (Ok(Devices { more: 0 }), 0));
    }
    assert_eq!(w.ask(LINUX, Request::Devices { skip: 0 }).unwrap().tag.items(), 0);
}

#[test]
fn modules_come_in_parts_and_read_only() {
    let mut w = World::new();
    let module = Module::try_from(&w.ask(LINUX, Request::Module { name: name("initrd") }).unwrap()).unwrap();
    assert_eq!(module, Module { size: (2 << 20) + 4101, align_offset: 0 });
    let (mut offset, base, mut mapped) = (0, 1 << 32, Vec::new());
    while offset < module.size {
        let request = Request::MapModule { name: name("initrd"), offset, base: base + offset };
        let m = w.ask(LINUX, request).unwrap();
        mapped.extend(m.items().map(|i| (i.base - base, i.snd.size())));
        assert!(m.items().all(|i| i.snd.rights() == Rights::R));
        offset = Part::try_from(&m).unwrap().next;
    }
    assert_eq!(mapped, [(0, 2 << 20), (2 << 20, 2 << 20)], "the last one is the module's alone, too");
    let beyond = Request::MapModule { name: name("initrd"), offset: 4 << 20, base };
    assert_eq!(w.ask(LINUX, beyond), Err(Refusal::BadRequest));
}

#[test]
fn programs_are_not_modules() {
    let mut w = World::new();
    for (module, why) in
        [("linux", Refusal::Denied), ("root", Refusal::Denied), ("nosuch", Refusal::NotFound)]
    {
        assert_eq!(w.ask(LINUX, Request::Module { name: name(module) }), Err(why));
        let map = Request::MapModule { name: name(module), offset: 0, base: 0 };
        assert_eq!(w.ask(LINUX, map), Err(why));
    }
}

#[test]
fn a_ring_of_the_trace_is_for_one_server() {
    let mut w = World::new();
    let ask = Request::Trace { base: place::TRACE };
    assert_eq!(w.ask(CONSOLE, ask), Err(Refusal::NotFound), "nobody makes a profile");
    w.mock = w.mock.with_module(trace::MODULE, trace::module_size(1));
    let phys = w.mock.kip().module(trace::MODULE).unwrap().phys;
    let mut ring = |server| {
        let m = w.ask(server, ask).unwrap();
        let items: Vec<_> = m.items().collect();
        assert_eq!((m.tag.words(), items.len()), (0, 1));
        assert_eq!((items[0].base, items[0].snd.rights()), (place::TRACE, Rights::RW));
        assert_eq!(items[0].snd.size(), trace::RING_SIZE);
        items[0].snd.base() - place::PHYSICAL - phys
    };
    let second_thread = ThreadId::new(3, 1, 1);
    assert_eq!([LINUX, CONSOLE, LINUX, second_thread].map(&mut ring), [1, 2, 1, 2].map(trace::ring));
    for request in [
        Request::Module { name: name(trace::MODULE) },
        Request::MapModule { name: name(trace::MODULE), offset: 0, base: 1 << 32 },
    ] {
        assert_eq!(w.ask(LINUX, request), Err(Refusal::Denied), "the records of others");
    }
}

#[test]
fn names() {
    let mut w = World::new();
    let found = w.ask(LINUX, Request::Lookup { name: name("console") }).unwrap();
    assert_eq!(Found::try_from(&found), Ok(Found { thread: CONSOLE }));
    assert_eq!(w.ask(CONSOLE, Request::Lookup { name: name("linux") }), Err(Refusal::Denied));
    assert_eq!(w.ask(LINUX, Request::Lookup { name: name("net") }), Err(Refusal::NotFound));
}

#[test]
fn arguments() {
    let mut w = World::new();
    let m = w.ask(LINUX, Request::Args { offset: 0 }).unwrap();
    assert_eq!(Args::try_from(&m).unwrap().bytes.as_slice(), b"strace\0a b\0");
    let m = w.ask(LINUX, Request::Args { offset: 11 }).unwrap();
    assert_eq!(Args::try_from(&m).unwrap().bytes.as_slice(), b"");
    let m = w.ask(LINUX, Request::Args { offset: u64::MAX }).unwrap();
    assert_eq!(Args::try_from(&m).unwrap().bytes.as_slice(), b"");
}

#[test]
fn only_the_last_server_ends_the_machine() {
    let mut w = World::new();
    assert_eq!(w.send(CONSOLE, Request::Exit { status: 0 }), Outcome::None);
    assert!(w.mock.text().contains("console may not end the machine"));
    assert_eq!(w.send(LINUX, Request::Exit { status: 3 }), Outcome::Exit(3));
    assert_eq!(w.send(LINUX, Request::Exit { status: 137 }), Outcome::Exit(exit::GUEST_MAX));
    assert_eq!(w.send(LINUX, Request::Exit { status: 1 << 32 }), Outcome::Exit(exit::GUEST_MAX));
}

#[test]
fn a_panic_of_any_server_ends_the_machine() {
    let mut w = World::new();
    w.send(CONSOLE, Request::Log(Bytes::split(b"panic: oops\n").0));
    assert_eq!(w.send(CONSOLE, Request::Failed), Outcome::Exit(exit::KERNEL_PANIC));
    assert_eq!(w.mock.text(), "console: panic: oops\nroot: server console failed\n");
}

#[test]
fn second_threads_are_their_servers() {
    let mut w = World::new();
    let rx = ThreadId::new(3, 1, 1);
    w.send(rx, Request::Log(Bytes::split(b"hello\n").0));
    assert_eq!(w.mock.text(), "console: hello\n");
}

#[test]
fn strangers_and_nonsense() {
    let mut w = World::new();
    assert_eq!(w.send(ThreadId::new(77, 0, 1), Request::Info), Outcome::None);
    assert_eq!(w.fault(ThreadId::new(77, 0, 1), 0, Rights::R), Outcome::None);
    let nonsense = Message { tag: Tag::new(Label(0x2ff), 63, 63), words: [u64::MAX; 7] };
    let refused = Outcome::Reply(Message::refused(Refusal::BadRequest));
    assert_eq!(w.send(LINUX, nonsense), refused);
    assert_eq!(w.send(LINUX, Message::new(Label::PAGE_FAULT, [1])), Outcome::None);
}
