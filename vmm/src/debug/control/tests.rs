//! vCPUs of this machine's KVM, with guests of a few instructions.

use super::freeze::Stand;
use super::trap::Trap;
use super::watch::Kinds;
use super::*;
use crate::events::Notice;
use crate::loader::{Entry, tables};
use crate::memory::{self, GuestMemory};
use crate::slots::{Protection, Slots};
use crate::vcpu::exit::Stop;
use crate::vcpu::group::{Group, Reports};
use crate::vcpu::thread::World;
use crate::vcpu::{entry, excursion, kick, registers};
use crate::virtio::attach::Windows;
use crate::vm::Vm;
use devices::PortBus;
use devices::exit::ExitPort;
use kvm_bindings::kvm_regs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::mpsc::Receiver;
use vm_memory::{Bytes, GuestAddress};

const CODE: u64 = 0x10_0000;
const DATA: u64 = 0x20_0000;
/// `inc qword ptr [DATA]; jmp` back
const COUNT: &[u8] = &[0x48, 0xff, 0x04, 0x25, 0, 0, 0x20, 0, 0xeb, 0xf6];
const SPIN: &[u8] = &[0xeb, 0xfe];
/// `cli; hlt`
const SLEEP: &[u8] = &[0xfa, 0xf4];
/// `mov al, 7; out 0xf8, al`
const TRAP: &[u8] = &[0xb0, 7, 0xe6, 0xf8];
const UD2: &[u8] = &[0x0f, 0x0b];

struct Machine {
    vm: Arc<Vm>,
    control: Arc<Control>,
    group: Group,
    notices: Receiver<Notice>,
}

impl Machine {
    /// `None` where there is no KVM. The first vCPU runs `code`, the others wait to be started.
    fn start(code: &[&[u8]], cpus: u8, hold: bool) -> Option<Self> {
        let kvm = crate::kvm::open().ok()?;
        kick::install().unwrap();
        let vm = Arc::new(Vm::new(&kvm, memory::allocate(4 << 20).unwrap()).unwrap());
        tables::write(vm.memory()).unwrap();
        vm.memory().write_slice(&code.concat(), GuestAddress(CODE)).unwrap();
        let vcpus = vm.create_vcpus(&kvm, cpus, false).unwrap();
        entry::set_registers(&vcpus[0], Entry::Native { rip: CODE, start_info: 0 }).unwrap();
        let (mailbox, notices, _) = Mailbox::new().unwrap();
        let control = Control::new(&vcpus, hold, mailbox.clone()).unwrap();
        let mut ports = PortBus::default();
        ports.add(vmm_abi::ports::EXIT, 4, Arc::new(Mutex::new(ExitPort)));
        let world = World::new(ports, Windows::default(), vm.memory().clone(), Some(control.clone()));
        let group = Group::start(vcpus, world, move |id| mailbox.send(Notice::Stopped(id))).unwrap();
        Some(Self { vm, control, group, notices })
    }

    fn memory(&self) -> &GuestMemory {
        self.vm.memory()
    }

    fn count(&self) -> u64 {
        self.memory().read_obj(GuestAddress(DATA)).unwrap()
    }

    fn wait_until_it_counts(&self) {
        let (start, began) = (self.count(), Instant::now());
        while self.count() == start {
            assert!(began.elapsed() < Duration::from_secs(20), "it does not run");
            std::thread::yield_now();
        }
    }

    fn wait_for_traps(&self) -> Vec<(usize, Trap)> {
        let mut fds = [PollFd::from_borrowed_fd(self.control.ready(), PollFlags::IN)];
        let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(poll(&mut fds, Some(&limit)), Ok(1), "nothing has happened");
        self.control.traps()
    }

    fn regs(&self, vcpu: usize) -> kvm_regs {
        self.control.with(vcpu, |fd| fd.get_regs().unwrap()).unwrap()
    }

    fn wait_for_end(&self) -> usize {
        match self.notices.recv_timeout(Duration::from_secs(20)).unwrap() {
            Notice::Stopped(id) => id,
            Notice::Request(request) => panic!("{request:?}"),
        }
    }

    /// Stops what runs.
    fn end(self) -> Reports {
        self.group.kick();
        let all: Vec<_> = (0..self.group.len()).collect();
        self.group.join(&all)
    }
}

fn stops(reports: Reports) -> Vec<Stop> {
    reports.all.into_iter().map(|report| report.unwrap().stop).collect()
}

/// `let m = machine!(…)` or the test is over, for want of a KVM.
macro_rules! machine {
    ($($args:expr),+) => {
        match Machine::start($($args),+) {
            Some(machine) => machine,
            None => return eprintln!("SKIP: this machine has no KVM"),
        }
    };
}

#[test]
fn what_is_held_runs_when_it_is_sent_on_and_stands_when_it_is_called() {
    let m = machine!(&[COUNT], 2, true);
    m.control.pause().unwrap();
    assert_eq!((m.count(), m.regs(0).rip), (0, CODE));
    for _ in 0..50 {
        m.control.resume(&[0, 1]);
        m.wait_until_it_counts();
        m.control.pause().unwrap();
        let stands = m.count();
        let started = m.control.with(1, |fd| registers::is_started(fd).unwrap()).unwrap();
        assert!(!started, "the other one waits for its start, and can be stopped all the same");
        assert_eq!(m.count(), stands);
    }
    assert_eq!(m.control.traps(), []);
    assert_eq!(stops(m.end()), [Stop::Kicked, Stop::Kicked]);
}

#[test]
fn one_that_sleeps_can_be_stopped_sent_elsewhere_and_put_back() {
    let m = machine!(&[SLEEP, &[0xf4; 30], COUNT], 1, true);
    m.control.attach();
    m.control.resume(&[0]);
    // Asleep, or still on the way: both are to work.
    m.control.pause().unwrap();
    let to = excursion::Destination {
        cs: tables::CODE_SELECTOR,
        ss: tables::DATA_SELECTOR,
        cr3: tables::PML4,
        regs: kvm_regs { rip: CODE + 32, rflags: 2, ..Default::default() },
    };
    let before = m.regs(0);
    let excursion = m.control.with(0, move |fd| excursion::Excursion::begin(fd, to).unwrap()).unwrap();
    m.control.resume(&[0]);
    m.wait_until_it_counts();
    m.control.pause().unwrap();
    m.control.with(0, |fd| excursion.end(fd).unwrap()).unwrap();
    assert_eq!(m.regs(0), before);
    let counted = m.count();
    m.control.resume(&[0]);
    m.control.pause().unwrap();
    assert_eq!(m.count(), counted);
    m.end();
}

#[test]
fn a_write_to_the_debugger_s_port_parks_behind_the_instruction() {
    // Afterwards: out 0xf4, al
    let m = machine!(&[TRAP, &[0xe6, 0xf4]], 1, true);
    m.control.attach();
    m.control.resume(&[0]);
    assert_eq!(m.wait_for_traps(), [(0, Trap::Port(7))]);
    let mut regs = m.regs(0);
    assert_eq!(regs.rip, CODE + TRAP.len() as u64);
    regs.rax = 9;
    m.control.with(0, move |fd| fd.set_regs(&regs).unwrap()).unwrap();
    m.control.resume(&[0]);
    m.wait_for_end();
    assert_eq!(m.control.traps(), [], "an ordinary end waits for nobody");
    assert_eq!(m.control.with(0, |_| ()), Err(NotParked(0)));
    m.control.pause().unwrap();
    assert_eq!(stops(m.end()), [Stop::Exit(9)]);
}

#[test]
fn without_a_debugger_nobody_listens_to_its_port() {
    let m = machine!(&[TRAP, &[0xe6, 0xf4]], 1, false);
    m.wait_for_end();
    assert_eq!(m.control.traps(), []);
    assert_eq!(stops(m.end()), [Stop::Exit(7)]);
}

#[test]
fn a_crash_waits_for_the_debugger_to_leave() {
    let m = machine!(&[UD2], 2, true);
    m.control.attach();
    m.control.resume(&[0, 1]);
    assert_eq!(m.wait_for_traps(), [(0, Trap::Crashed(Stop::Shutdown))]);
    assert!(m.control.has_crashed());
    m.control.pause().unwrap();
    m.control.resume(&[0, 1]);
    assert!(m.control.with(0, |fd| fd.get_regs().is_ok()).unwrap(), "it stays");
    assert!(m.notices.try_recv().is_err());
    m.control.detach();
    assert_eq!(m.wait_for_end(), 0);
    assert_eq!(stops(m.end()), [Stop::Shutdown, Stop::Kicked]);
}

#[test]
fn a_crash_ends_the_run_if_nobody_is_there_and_when_the_machine_is_killed() {
    let m = machine!(&[UD2], 1, false);
    m.wait_for_end();
    assert_eq!(stops(m.end()), [Stop::Shutdown]);
    let m = machine!(&[UD2], 1, true);
    m.control.attach();
    m.control.resume(&[0]);
    m.wait_for_traps();
    m.control.kill();
    m.wait_for_end();
    assert_eq!(stops(m.end()), [Stop::Shutdown]);
    let m = machine!(&[SPIN], 1, true);
    m.control.kill();
    let quits = matches!(m.notices.recv().unwrap(), Notice::Request(crate::ending::Request::Quit));
    assert!(quits);
    assert_eq!(stops(m.end()), [Stop::Kicked]);
}

#[test]
fn a_crashed_one_that_is_kicked_ends_with_its_crash() {
    // mov al, 120; out 0xf4, al
    let m = machine!(&[&[0xb0, 120, 0xe6, 0xf4]], 1, true);
    m.control.attach();
    m.control.resume(&[0]);
    assert_eq!(m.wait_for_traps(), [(0, Trap::Crashed(Stop::Exit(120)))]);
    assert_eq!(stops(m.end()), [Stop::Exit(120)]);
}

#[test]
fn an_error_that_is_mended_is_no_crash() {
    // int3, which is an error where kernel mode is emulated. Afterwards: mov al, 9; out 0xf4, al
    let start = || {
        let m = Machine::start(&[&[0xcc, 0xb0, 9, 0xe6, 0xf4]], 1, true)?;
        m.control.attach();
        m.control.resume(&[0]);
        let traps = m.wait_for_traps();
        if !matches!(traps[..], [(0, Trap::InternalError(_))]) {
            return None;
        }
        assert!(m.control.has_crashed());
        m.control.mended(0);
        assert!(!m.control.has_crashed());
        Some(m)
    };
    let (Some(left), Some(killed)) = (start(), start()) else {
        return eprintln!("SKIP: this machine's KVM does not emulate kernel mode");
    };
    let regs = left.regs(0);
    let behind = kvm_regs { rip: CODE + 1, ..regs };
    left.control.with(0, move |fd| fd.set_regs(&behind).unwrap()).unwrap();
    left.control.detach();
    left.wait_for_end();
    assert_eq!(stops(left.end()), [Stop::Exit(9)]);
    killed.control.kill();
    let quits = matches!(killed.notices.recv().unwrap(), Notice::Request(crate::ending::Request::Quit));
    assert!(quits);
    killed.end();
}

#[test]
fn to_be_called_and_to_end_at_the_same_time_is_no_deadlock() {
    // dec ecx until 0, then out 0xf4, al
    let code: &[&[u8]] = &[&[0xb9, 0, 2, 0, 0], &[0xff, 0xc9, 0x75, 0xfc, 0xe6, 0xf4]];
    for turn in 0..30 {
        let m = machine!(code, 2, true);
        m.control.attach();
        m.control.resume(&[0, 1]);
        for _ in 0..turn {
            std::thread::yield_now();
        }
        m.control.pause().unwrap();
        let at = m.control.with(0, |fd| fd.get_regs().is_ok());
        m.control.resume(&[0, 1]);
        m.wait_for_end();
        assert!(matches!(at, Ok(true) | Err(NotParked(0))));
        assert_eq!(stops(m.end()), [Stop::Exit(0), Stop::Kicked]);
    }
}

#[test]
fn a_watched_page_tells_and_then_is_memory_again() {
    let m = machine!(&[COUNT], 1, true);
    m.control.attach();
    m.control.pause().unwrap();
    let mut slots = Slots::new(m.vm.clone());
    for (protection, kinds, hits) in
        [(Protection::Writes, vec![true], 1), (Protection::All, vec![false, true], 2)]
    {
        slots.protect([(DATA, protection)].into()).unwrap();
        let all = Kinds { read: true, write: true };
        m.control.watches().set(vec![DATA], vec![(DATA..DATA + 8, all)]);
        let before = m.count();
        m.control.resume(&[0]);
        let traps = m.wait_for_traps();
        assert_eq!(traps.len(), hits, "{traps:x?}");
        let found: Vec<_> = traps
            .iter()
            .map(|trap| match &trap.1 {
                Trap::Watch(hit) if hit.address == DATA => hit.write,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, kinds);
        assert_eq!(m.count(), before + 1, "the access has been made, once");
        m.control.watches().clear();
        slots.protect([].into()).unwrap();
        m.control.resume(&[0]);
        m.wait_until_it_counts();
        m.control.pause().unwrap();
    }
    assert!(slots.protect([(8 << 20, Protection::All)].into()).is_err());
    slots.reserve(4096).unwrap().write_obj(5u8, GuestAddress(crate::slots::RESERVE)).unwrap();
    m.end();
}

/// Waits until the frozen machine stands, as the control socket does.
fn wait_until_it_stands(m: &Machine) {
    while !m.control.stands() {
        let mut fds = [PollFd::from_borrowed_fd(m.control.arrivals(), PollFlags::IN)];
        let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(poll(&mut fds, Some(&limit)), Ok(1), "it does not stand");
        m.control.forget_arrivals();
    }
}

#[test]
fn a_frozen_machine_stands_still_until_it_is_thawed() {
    let m = machine!(&[COUNT], 2, false);
    for _ in 0..50 {
        m.wait_until_it_counts();
        assert!(m.control.freeze() && !m.control.freeze());
        wait_until_it_stands(&m);
        let stands = m.count();
        let before = m.control.frozen_for();
        while m.control.frozen_for() < before + Duration::from_millis(1) {
            std::thread::yield_now();
        }
        assert_eq!(m.count(), stands);
        assert!(m.control.seen().iter().all(|seen| seen.stand == Stand::Frozen));
        assert!(m.control.thaw() && !m.control.thaw());
    }
    m.wait_until_it_counts();
    let whole = m.control.frozen_for();
    assert!(whole >= Duration::from_millis(50) && m.control.frozen_for() == whole, "it does not go on");
    assert_eq!(stops(m.end()), [Stop::Kicked, Stop::Kicked]);
}

#[test]
fn it_goes_on_when_both_the_debugger_and_the_user_have_let_go() {
    let m = machine!(&[COUNT], 2, false);
    m.wait_until_it_counts();
    for debugger_first in [true, false] {
        m.control.freeze();
        m.control.attach();
        m.control.pause().unwrap();
        let stands = m.count();
        assert!(m.regs(0).rip >= CODE, "a debugger can look at a frozen machine");
        if debugger_first {
            m.control.detach();
            assert!(m.control.stands());
            assert_eq!(m.control.with(0, |_| ()), Err(NotParked(0)), "and lets go");
            m.control.pause().unwrap();
            assert_eq!(m.count(), stands);
            m.control.resume(&[0, 1]);
            assert_eq!(m.count(), stands);
            m.control.thaw();
        } else {
            m.control.thaw();
            assert!(m.control.seen().iter().all(|seen| seen.stand == Stand::Held));
            assert_eq!(m.regs(1).rip, m.regs(1).rip);
            assert_eq!(m.count(), stands);
            m.control.detach();
        }
        m.wait_until_it_counts();
    }
    m.end();
}

#[test]
fn a_frozen_machine_can_be_ended_and_its_end_is_not_kept() {
    let m = machine!(&[SPIN], 1, false);
    m.control.freeze();
    wait_until_it_stands(&m);
    assert_eq!(stops(m.end()), [Stop::Kicked]);
    // It may have ended before it is frozen, or by the instruction that it is at.
    for _ in 0..20 {
        let m = machine!(&[UD2], 1, false);
        m.control.freeze();
        wait_until_it_stands(&m);
        m.control.thaw();
        m.wait_for_end();
        assert_eq!(stops(m.end()), [Stop::Shutdown]);
    }
}

#[test]
fn the_thread_s_time_is_known_while_it_runs() {
    let m = machine!(&[COUNT], 1, false);
    let times = || m.control.times()[0].map(|times| times.guest + times.user + times.system);
    while times().is_none_or(|seconds| seconds == 0.0) {
        m.wait_until_it_counts();
    }
    assert_eq!(m.control.seen()[0].stand, Stand::Running);
    m.end();
}

#[test]
fn registers_are_what_was_set() {
    let m = machine!(&[SPIN], 1, true);
    m.control.pause().unwrap();
    let read = || m.control.with(0, |fd| registers::read(fd).unwrap()).unwrap();
    let mut wanted = read();
    assert_eq!((wanted.rip, wanted.cr3, wanted.in_long_mode()), (CODE, tables::PML4, true));
    for (n, register) in wanted.general.iter_mut().enumerate() {
        *register = 0x1111 * (n as u64 + 1);
    }
    (wanted.fs_base, wanted.gs_base, wanted.kernel_gs_base) = (1, 2, 3);
    wanted.vector.xmm = std::array::from_fn(|n| u128::MAX / (n as u128 + 2));
    (wanted.vector.mxcsr, wanted.vector.fctrl) = (0x1fa0, 0x27f);
    if let Some(high) = &mut wanted.vector.ymm_high {
        *high = std::array::from_fn(|n| u128::MAX / (n as u128 + 99));
    }
    let write = wanted.clone();
    m.control.with(0, move |fd| registers::write(fd, &write).unwrap()).unwrap();
    assert_eq!(read(), wanted);
    m.control.resume(&[0]);
    m.control.pause().unwrap();
    assert_eq!(read(), wanted, "having run");
    wanted.kernel_gs_base = 1 << 63;
    assert!(m.control.with(0, move |fd| registers::write(fd, &wanted).is_err()).unwrap());
    m.end();
}

#[test]
fn work_that_panics_is_not_the_vcpu_s_end() {
    let m = machine!(&[COUNT], 1, true);
    m.control.pause().unwrap();
    let work = |_: &mut VcpuFd| {
        if true {
            panic!("on purpose")
        }
    };
    assert_eq!(m.control.with(0, work), Err(NotParked(0)));
    assert_eq!(m.regs(0).rip, CODE);
    assert_eq!(m.control.with(1, |_| ()), Err(NotParked(1)), "there is none");
    m.control.resume(&[0]);
    m.wait_until_it_counts();
    m.end();
}
