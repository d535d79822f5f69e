//! The whole of it, on machines in any condition.

use super::mapping::Holder;
use super::mock::{self, ALL, Machine, NO_EXECUTE, l4};
use super::names::{Names, Tables};
use super::paging::{self, PAGE, Translation};
use super::state::{Activity, Question};
use super::*;
use crate::debug::registers::{Registers, general, segment};
use crate::debug::thread::Thread;
use crate::debug::view::View;
use crate::debug::xsave::FXSAVE;
use std::mem::offset_of;
use ukernel_abi::debug::{event, outgoing};
use ukernel_abi::utcb::{FpuState, Regs, RunState};
use ukernel_abi::{ThreadId, layout};

fn state_of(machine: &Machine, thread: Thread) -> state::State {
    let kernel = machine.kernel();
    kernel.state(machine, &kernel.thread(machine, thread).unwrap())
}

#[test]
fn tasks_and_threads_are_found() {
    let machine = Machine::small();
    let kernel = machine.kernel();
    let tasks: Vec<_> = kernel.tasks(&machine).iter().map(|task| (task.number, task.chief)).collect();
    assert_eq!(tasks, [(1, 0), (2, 0), (3, 2), (4, 3)]);
    assert_eq!(kernel.threads(&machine), [l4(1, 0), l4(2, 0), l4(3, 0), l4(3, 1), l4(4, 0)]);
    assert!(kernel.thread(&machine, l4(3, 2)).is_none());
    assert!(kernel.thread(&machine, l4(0, 0)).is_none());
    assert!(kernel.thread(&machine, l4(3, 1024)).is_none());
    assert!(kernel.task(&machine, 5).is_none());
}

#[test]
fn a_list_of_threads_that_goes_astray_ends() {
    let next = mock::info().thread.next_in_task;
    for wrong in [mock::address(3, 0), mock::address(4, 0), mock::address(3, 1) + 1, 12, u64::MAX] {
        let mut machine = Machine::small();
        let second = machine.tcb_of(3, 1);
        machine.set(second + next, wrong);
        let kernel = machine.kernel();
        let task = kernel.task(&machine, 3).unwrap();
        assert_eq!(kernel.threads_of(&machine, &task), [l4(3, 0), l4(3, 1)], "{wrong:#x}");
    }
}

#[test]
fn what_runs_is_told_from_what_is_idle() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    assert_eq!(kernel.current(&machine, 0), None);
    machine.run(1, 3, 1);
    assert_eq!(kernel.current(&machine, 1), Some(l4(3, 1)));
    assert_eq!(kernel.vcpu_of(&machine, l4(3, 1)), Some(1));
    assert_eq!(kernel.current(&machine, 2), None);
    // A message has made the processor run another thread than the scheduler has chosen.
    let cpu = machine.cpu(1);
    machine.set(cpu + mock::info().cpu.rsp0, mock::address(4, 0) + mock::info().thread.frame_end);
    assert_eq!(kernel.current(&machine, 1), Some(l4(4, 0)));
    // The code that saves vector registers.
    machine.set(cpu + mock::info().cpu.rsp0, kernel.cpu_address(1) + 0x200);
    let running = kernel.running(&machine, 1).unwrap();
    assert_eq!((running.thread, running.in_stub), (l4(3, 1), true));
    // A thread that is none.
    machine.run(1, 77, 0);
    assert_eq!(kernel.current(&machine, 1), None);
}

#[test]
fn states_are_told_in_words() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let names = Names::read(&machine, &kernel, &Tables::default());
    let describe = |machine: &Machine, thread| kernel.describe(machine, &names, thread).unwrap();
    assert_eq!(describe(&machine, l4(2, 0)), "root, ready");
    machine.run(1, 2, 0);
    assert_eq!(describe(&machine, l4(2, 0)), "root, running on vCPU 1");
    assert_eq!(describe(&machine, Thread::vcpu(1)), "vCPU 1, runs 2.1");
    assert_eq!(describe(&machine, Thread::vcpu(0)), "vCPU 0, idle");
    let server = ThreadId::new(3, 1, 1);
    let tcb = machine.tcb_of(4, 0);
    let at = mock::info().thread;
    for (state, partner, words) in [
        (RunState::Sending, server, "blocked in IPC to task 3.2"),
        (RunState::Receiving, server, "waiting for task 3.2"),
        (RunState::Receiving, ThreadId(server.0 | 1 << 63), "waiting for task 3.2"),
        (RunState::Receiving, ThreadId::ANY, "waiting for anybody"),
        (RunState::Receiving, ThreadId::irq(4), "waiting for interrupt 4"),
        (RunState::Receiving, ThreadId::new(4, 0, 1), "sleeping"),
        (RunState::Receiving, ThreadId::NIL, "after a fault that nobody handles"),
        (RunState::Foreign, server, "system call read, handled by task 3.2"),
        (RunState::Preempted, server, "end of its time slice, handled by task 3.2"),
        (RunState::PageFault, server, "page fault (read) by the instruction at 0x0, handled by task 3.2"),
    ] {
        machine.block(tcb, state as u8, partner);
        assert_eq!(describe(&machine, l4(4, 0)), format!("task 4, {words}"));
    }
    machine.set(tcb + at.in_name_of, ThreadId::ROOT.0);
    machine.block(tcb, RunState::Sending as u8, server);
    assert_eq!(describe(&machine, l4(4, 0)), "task 4, blocked in IPC to task 3.2, in the name of root");
    machine.set_u8(tcb + at.moving, 1);
    machine.block(tcb, RunState::Ready as u8, server);
    assert_eq!(describe(&machine, l4(4, 0)), "task 4, moving to another CPU");
    machine.block(tcb, RunState::Receiving as u8, ThreadId::ANY);
    machine.set_u8(tcb + at.has_timeout, 1);
    machine.set(tcb + at.deadline, 5_000_000);
    machine.tsc = 2_000_000;
    assert_eq!(describe(&machine, l4(4, 0)), "task 4, waiting for anybody, for another 1.500 ms");
    machine.set_u8(tcb + at.stopped, 1);
    assert!(describe(&machine, l4(4, 0)).starts_with("task 4, stopped; waiting"));
}

#[test]
fn faults_say_what_they_are_about() {
    let mut machine = Machine::small();
    let pager = ThreadId::new(3, 0, 1);
    let tcb = machine.tcb_of(4, 0);
    let at = mock::info().thread;
    let frame = |register: usize| tcb + at.frame + register as u64;
    machine.set(frame(offset_of!(Regs, rip)), 0x40_1000);
    machine.set(tcb + at.outgoing, outgoing::PAGE_FAULT);
    machine.set(tcb + at.outgoing_value, 0x1234);
    machine.set(tcb + at.outgoing_access, 2);
    machine.block(tcb, RunState::Sending as u8, pager);
    let asking = |what, received| Activity::Asking { to: pager, what, received };
    let fault = |address, access| Question::PageFault { address, access, ip: 0x40_1000 };
    assert_eq!(state_of(&machine, l4(4, 0)).activity, asking(fault(Some(0x1234), 2), false));
    // By the fast path, which has not changed what is in the TCB.
    machine.block(tcb, RunState::PageFault as u8, pager);
    machine.set(frame(offset_of!(Regs, entry)), 0x14);
    assert_eq!(state_of(&machine, l4(4, 0)).activity, asking(fault(Some(0x40_1000), 1), true));
    machine.set(frame(offset_of!(Regs, entry)), 6);
    assert_eq!(state_of(&machine, l4(4, 0)).activity, asking(fault(None, 2), true));
    machine.set(tcb + at.outgoing, outgoing::EXCEPTION);
    machine.set(tcb + at.outgoing_value, 13);
    machine.block(tcb, RunState::Exception as u8, pager);
    assert_eq!(state_of(&machine, l4(4, 0)).activity, asking(Question::Exception { vector: 13 }, true));
}

#[test]
fn registers_at_rest_are_in_the_tcb() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let tcb = machine.tcb_of(4, 0);
    let at = mock::info().thread;
    for n in 0..21 {
        machine.set(tcb + at.frame + n * 8, 0x100 + n);
    }
    machine.set_u8(tcb + at.state, RunState::Foreign as u8);
    machine.set(tcb + at.cr3, 1 << 63 | 0x5007);
    let registers = kernel.registers(&machine, l4(4, 0)).unwrap();
    assert_eq!(registers.general[general::RAX], 0x10a);
    assert_eq!(registers.general[general::R15], 0x100);
    assert_eq!((registers.rip, registers.rflags, registers.rsp()), (0x110, 0x112, 0x113));
    // As SYSCALL has left them.
    assert_eq!((registers.general[general::RCX], registers.general[general::R8 + 3]), (0x110, 0x112));
    assert_eq!(registers.segments[segment::CS], 0x111);
    assert_eq!(registers.cr3, 0x5007);
    // It copies strings: its own rip is put aside.
    machine.set_u8(tcb + at.state, RunState::Copying as u8);
    machine.set(tcb + at.transfer_peer, mock::address(3, 0));
    machine.set(tcb + at.transfer_rip, 0x777);
    assert_eq!(kernel.registers(&machine, l4(4, 0)).unwrap().rip, 0x110);
    machine.set_u8(tcb + at.transfer_sends, 1);
    assert_eq!(kernel.registers(&machine, l4(4, 0)).unwrap().rip, 0x777);
}

#[test]
fn a_running_thread_has_the_vcpus_registers() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    machine.run(1, 4, 0);
    let mut of_vcpu = Registers { rip: 0x1234, gs_base: 5, ..Registers::default() };
    of_vcpu.segments[segment::CS] = 0x33;
    machine.registers[1] = Some(of_vcpu.clone());
    assert_eq!(kernel.registers(&machine, l4(4, 0)), Some(of_vcpu.clone()));
    assert_eq!(kernel.registers(&machine, Thread::vcpu(1)), Some(of_vcpu.clone()));
    // In the kernel on its behalf: they have been saved.
    let tcb = machine.tcb_of(4, 0);
    machine.set(tcb + mock::info().thread.frame, 15);
    of_vcpu.segments[segment::CS] = 0x10;
    of_vcpu.general[general::R15] = 99;
    machine.registers[1] = Some(of_vcpu.clone());
    assert_eq!(kernel.registers(&machine, l4(4, 0)).unwrap().general[general::R15], 15);
    // They are being saved: r14 has been, r15 has not.
    of_vcpu.general[general::R15 - 1] = 98;
    of_vcpu.general[general::RSP] = mock::address(4, 0) + mock::info().thread.frame + 8;
    machine.registers[1] = Some(of_vcpu.clone());
    machine.set(tcb + mock::info().thread.frame + 8, 14);
    let general = kernel.registers(&machine, l4(4, 0)).unwrap().general;
    assert_eq!((general[general::R15 - 1], general[general::R15]), (14, 99));
    // SYSCALL has come so far that the stack is the frame's end.
    of_vcpu.rip = mock::info().addresses.syscall_entry + 8;
    of_vcpu.general[general::RSP] = mock::address(4, 0) + mock::info().thread.frame_end;
    machine.registers[1] = Some(of_vcpu.clone());
    machine.set(tcb + mock::info().thread.frame + offset_of!(Regs, rip) as u64, 0x777);
    machine.set(tcb + mock::info().thread.frame + offset_of!(Regs, rsp) as u64, 0x888);
    let registers = kernel.registers(&machine, l4(4, 0)).unwrap();
    assert_eq!((registers.rip, registers.rsp(), registers.general[general::R15]), (0x777, 0x888, 99));
    assert_eq!(registers.general[general::RCX], 0x777);
    // It has not come so far.
    of_vcpu.general[general::RSP] = 0x999;
    of_vcpu.general[general::RCX] = 0x666;
    machine.registers[1] = Some(of_vcpu);
    let registers = kernel.registers(&machine, l4(4, 0)).unwrap();
    assert_eq!((registers.rip, registers.rsp()), (0x666, 0x999));
}

#[test]
fn vector_registers_are_found_wherever_the_machine_saves_them() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let at = mock::info().thread;
    let tcb = machine.tcb_of(4, 0);
    let read = |machine: &Machine| kernel.registers(machine, l4(4, 0)).unwrap();
    let initial = read(&machine).vector;
    assert_eq!((initial.fctrl, initial.mxcsr, initial.xmm[0]), (0x37f, 0x1f80, 0));
    // FXSAVE, and no more.
    machine.set_u8(tcb + at.uses_fpu, 1);
    machine.memory[(tcb + at.fpu) as usize..][..FXSAVE].copy_from_slice(&FpuState::INIT.0);
    machine.set(tcb + at.fpu + 160, 0xaaaa);
    machine.set(tcb + at.fs_base, 0xf5);
    let registers = read(&machine);
    assert_eq!((registers.vector.xmm[0], registers.vector.ymm_high, registers.fs_base), (0xaaaa, None, 0xf5));
    // XSAVE: all in the frame.
    let frame = machine.frame();
    machine.set(tcb + at.vector_frame, frame);
    machine.set(frame + 160, 0xbbbb);
    machine.set(frame + 512, 7);
    machine.set(frame + 576, 0xcccc);
    let vector = read(&machine).vector;
    assert_eq!((vector.xmm[0], vector.ymm_high.unwrap()[0]), (0xbbbb, 0xcccc));
    // The program saves upper halves itself, the kernel the rest.
    let root = machine.read_u64(tcb + at.cr3).unwrap();
    machine.map(root, layout::vector_area(0), frame, ALL);
    machine.set(frame + 512, 4);
    let vector = read(&machine).vector;
    assert_eq!((vector.xmm[0], vector.ymm_high.unwrap()[0]), (0xaaaa, 0xcccc));
    // They are still in a vCPU that runs somebody else.
    let cpu = machine.cpu(1);
    machine.set(cpu + mock::info().cpu.fpu_owner, mock::address(4, 0));
    let mut of_vcpu =
        Registers { fs_base: 1, gs_base: kernel.cpu_address(1), kernel_gs_base: 2, ..Registers::default() };
    of_vcpu.vector.xmm[0] = 0xdddd;
    machine.registers[1] = Some(of_vcpu);
    let registers = read(&machine);
    assert_eq!((registers.vector.xmm[0], registers.fs_base, registers.gs_base), (0xdddd, 1, 2));
}

#[test]
fn pages_have_the_rights_of_all_levels() {
    let mut machine = Machine::new(1);
    let root = machine.frame();
    let entry = machine.map(root, 0x40_0000, 0x7000, ALL | NO_EXECUTE);
    let page = paging::translate(&machine, root, 0x40_0123).unwrap();
    assert_eq!((page.frame, page.size, page.physical(0x40_0123)), (0x7000, PAGE, 0x7123));
    assert_eq!((page.writable, page.user, page.executable, page.entry), (true, true, false, entry));
    let top = machine.read_u64(root).unwrap();
    machine.set(root, top & !2);
    assert!(!paging::translate(&machine, root, 0x40_0123).unwrap().writable);
    // A superpage.
    let table_at = |entry| machine.read_u64(entry).unwrap() & !0xfff;
    let directory = table_at(table_at(root)) + 2 * 8;
    machine.set(directory, 0x20_0000 | 0x87);
    let page = paging::translate(&machine, root, 0x41_2345).unwrap();
    assert_eq!((page.size, page.physical(0x41_2345)), (2 << 20, 0x21_2345));
    for nothing in [0x80_0000, 1 << 47, u64::MAX, 0x8000_0040_0000] {
        assert_eq!(paging::translate(&machine, root, nothing), None, "{nothing:#x}");
    }
    assert_eq!(paging::translate(&machine, u64::MAX, 0), None);
}

#[test]
fn a_read_ends_where_nothing_is_mapped() {
    let mut machine = Machine::new(1);
    let root = machine.frame();
    let frames = [machine.frame(), machine.frame()];
    // Side by side in virtual memory, the other way round in physical memory; then the end of RAM.
    machine.map(root, 0x1000, frames[1], ALL);
    machine.map(root, 0x2000, frames[0], ALL);
    machine.set_u8(frames[1] + 0xfff, 1);
    machine.set_u8(frames[0], 2);
    let mut bytes = [9; 3];
    assert_eq!(paging::read(&machine, root, 0x1fff, &mut bytes[..2]), 2);
    assert_eq!(bytes, [1, 2, 9]);
    assert_eq!(paging::read(&machine, root, 0x2fff, &mut bytes), 1);
    machine.map(root, 0x3000, machine.memory.len() as u64, ALL);
    assert_eq!(paging::read(&machine, root, 0x2fff, &mut bytes), 1);
    assert_eq!(paging::read(&machine, root, u64::MAX, &mut bytes), 0);
}

#[test]
fn how_addresses_are_translated_is_told_by_the_registers() {
    let mut registers = Registers { cr3: 0x1000, ..Registers::default() };
    assert_eq!(Translation::of(&registers), Translation::None);
    registers.cr0 = 1 << 31;
    assert_eq!(Translation::of(&registers), Translation::Unknown);
    registers.efer = 1 << 10;
    assert_eq!(Translation::of(&registers), Translation::Tables(0x1000, paging::Levels::Four));
    registers.cr4 = 1 << 12;
    assert_eq!(Translation::of(&registers), Translation::Tables(0x1000, paging::Levels::Five));
    assert_eq!(Translation::None.page(&Machine::new(1), 0x1234).unwrap().physical(0x1234), 0x1234);
}

#[test]
fn pages_side_by_side_are_one_range() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let root = kernel.space(&machine, 4).unwrap();
    for (page, frame, bits) in
        [(0, 0x5000, ALL), (1, 0x6000, ALL), (2, 0x8000, ALL), (3, 0x9000, 5), (9, 0xa000, 5)]
    {
        machine.map(root, 0x40_0000 + page * PAGE, frame, bits);
    }
    machine.map(root, layout::GATE, 0x1000, 5);
    let ranges = |most| {
        let (ranges, is_all) = kernel.ranges(&machine, root, most);
        (ranges.iter().map(|r| (r.start & 0xffff, r.length)).collect::<Vec<_>>(), is_all)
    };
    let all = vec![(0, 0x2000), (0x2000, 0x1000), (0x3000, 0x1000), (0x9000, 0x1000)];
    assert_eq!(ranges(100), (all.clone(), true));
    assert_eq!(ranges(4), (all.clone(), true));
    assert_eq!(ranges(3), (all[..3].to_vec(), false));
}

#[test]
fn page_tables_that_lead_to_themselves_have_an_end() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let root = kernel.space(&machine, 4).unwrap();
    for entry in 0..512 {
        machine.set(root + entry * 8, root | ALL);
    }
    let (ranges, is_all) = kernel.ranges(&machine, root, 1000);
    assert_eq!((ranges.len(), is_all), (1000, false));
    // Without a page anywhere there is only the number of tables to end it.
    let mut tables = 0;
    for entry in 0..512 {
        machine.set(root + entry * 8, (4 << 20) | ALL);
    }
    paging::for_each_page(&machine, root, 1 << 47, &mut |_, _| {
        tables += 1;
        true
    });
    assert_eq!(tables, 0);
}

/// Gives `node` in the slab of `task` a leaf at `va`, and a parent.
fn node(machine: &mut Machine, task: u16, number: u64, va: u64, parent: u64) -> u64 {
    let kernel = machine.kernel();
    let (space, root) = (kernel.task(machine, task).unwrap().space, kernel.space(machine, task).unwrap());
    let entry = machine.map(root, va, 0x7000, ALL);
    let at = mock::info().mapping;
    let node = space + 128 + number * 64;
    machine.set(space + at.slab_space, space);
    machine.set(node + at.slot, entry);
    machine.set(node + at.page, va);
    machine.set(node + at.parent, parent);
    machine.set(entry + at.companion, node);
    if parent != 0 {
        let first = machine.read_u64(parent + at.children).unwrap();
        machine.set(node + at.next, first);
        machine.set(parent + at.children, node);
    }
    node
}

#[test]
fn a_page_is_followed_to_where_it_comes_from() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let top = node(&mut machine, 1, 0, 0x7000, 0);
    let middle = node(&mut machine, 3, 0, 0x30_0000, top);
    node(&mut machine, 4, 0, 0x40_0000, middle);
    node(&mut machine, 4, 1, 0x41_0000, middle);
    let at = |holders: &[Holder]| holders.iter().map(|h| (h.task, h.address)).collect::<Vec<_>>();
    let root = |task| kernel.space(&machine, task).unwrap();
    let chain = kernel.chain(&machine, root(4), 0x40_0123).unwrap();
    assert_eq!(at(&chain.holders), [(Some(4), 0x40_0000), (Some(3), 0x30_0000), (Some(1), 0x7000)]);
    assert_eq!((chain.receivers.len(), chain.more), (0, false));
    let chain = kernel.chain(&machine, root(3), 0x30_0000).unwrap();
    assert_eq!(at(&chain.receivers), [(Some(4), 0x41_0000), (Some(4), 0x40_0000)]);
    assert_eq!(kernel.chain(&machine, root(3), 0x31_0000), None);
    // Nodes that are their own parents and brothers.
    let fields = mock::info().mapping;
    machine.set(middle + fields.parent, middle);
    machine.set(middle + fields.children, middle);
    machine.set(middle + fields.next, middle);
    let chain = kernel.chain(&machine, kernel.space(&machine, 3).unwrap(), 0x30_0000).unwrap();
    assert_eq!((chain.holders.len(), chain.receivers.len()), (1, 1));
}

#[test]
fn what_tasks_may_do_is_read_from_their_spaces() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    let task = kernel.task(&machine, 3).unwrap();
    let at = mock::info().mapping;
    machine.set(task.space + at.lines, 0x10);
    let means = kernel.means(&machine, &task).unwrap();
    assert_eq!((means.limit, means.used, means.lines, means.ports), (100, 9, 0x10, 0));
    let bitmap = [machine.frame(), machine.frame()];
    machine.set(task.space + at.ports, bitmap[0]);
    for frame in bitmap {
        machine.memory[frame as usize..][..PAGE as usize].fill(0xff);
    }
    machine.set_u8(bitmap[1] + 5, 0b1110_1110);
    assert_eq!(kernel.means(&machine, &task).unwrap().ports, 2);
}

#[test]
fn events_and_lines_are_read() {
    let mut machine = Machine::small();
    let kernel = machine.kernel();
    assert!(kernel.events(&machine).is_empty() && kernel.lines(&machine).is_empty());
    for n in 0..6 {
        machine.event(n, event::EXCEPTION, ThreadId::ROOT, n);
    }
    let values: Vec<_> = kernel.events(&machine).iter().map(|event| event.value).collect();
    assert_eq!(values, [2, 3, 4, 5]);
    machine.attach(4, 3, 2);
    let lines = kernel.lines(&machine);
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].number, lines[0].owner.task(), lines[0].pending), (4, 3, 2));
    machine.set_exits([7, 8]);
    assert_eq!(kernel.exits(&machine), [7, 8]);
    assert_eq!((kernel.free_frames(&machine), kernel.tsc_khz(&machine)), (Some(77), Some(2_000_000)));
}

/// Everything that can be asked about a machine.
fn look_at_all(machine: &Machine, kernel: &Kernel) {
    let names = Names::read(machine, kernel, &Tables::default());
    for thread in kernel.threads(machine).into_iter().take(64) {
        let _ = kernel.describe(machine, &names, thread);
        let _ = kernel.registers(machine, thread);
    }
    for task in kernel.tasks(machine).iter().take(16) {
        let _ = kernel.means(machine, task);
        if let Some(root) = kernel.space_root(machine, task) {
            for range in kernel.ranges(machine, root, 20).0 {
                let _ = kernel.chain(machine, root, range.start);
            }
        }
    }
    for vcpu in 0..=machine.vcpus() {
        let _ = (kernel.current(machine, vcpu), kernel.fpu_owner(machine, vcpu));
    }
    let _ = (kernel.events(machine), kernel.lines(machine), kernel.exits(machine));
}

/// A xorshift generator: the same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn nothing_in_memory_is_believed() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let system = Machine::small();
    let used = system.end();
    // Words that are there, at other places too: so pointers stay pointers, but wrong ones.
    let words: Vec<_> =
        (0..used / 8).map(|n| system.read_u64(n * 8).unwrap()).filter(|word| *word != 0).collect();
    for _ in 0..200 {
        let mut machine = Machine::small();
        for _ in 0..1 + numbers.next() % 64 {
            let at = numbers.next() % (used / 8) * 8;
            let word = match numbers.next() % 3 {
                0 => numbers.next(),
                1 => u64::MAX,
                _ => words[(numbers.next() % words.len() as u64) as usize],
            };
            machine.set(at, word);
        }
        look_at_all(&machine, &machine.kernel());
    }
}
