//! What the commands say about a small machine.

use super::*;
use crate::inspect::mock::{self, ALL, Machine};
use crate::inspect::names::Tables;
use ukernel_abi::ThreadId;
use ukernel_abi::debug::event;
use ukernel_abi::utcb::RunState;

fn ask(machine: &Machine, line: &str) -> String {
    let kernel = machine.kernel();
    let names = Names::read(machine, &kernel, &Tables::default());
    let exits = [vec![("port write", 5), ("other", 1)], vec![("port write", 7)]];
    let scene = Scene { view: machine, kernel: Some(&kernel), names: &names, exits: &exits };
    let text = run(&scene, &[("linux ps", "its processes")], line);
    assert!(text.ends_with('\n') && text.lines().all(|line| line.chars().count() <= 100), "{text}");
    text
}

#[test]
fn help_lists_every_command() {
    let help = ask(&Machine::small(), "help");
    for name in "tasks threads space mappings ipc irqs trace caps exits tsc linux"
        .split(' ')
        .map(|n| format!("monitor {n}"))
    {
        assert!(help.contains(&name), "{name} in {help}");
    }
    assert_eq!(ask(&Machine::small(), " "), help);
}

#[test]
fn what_is_no_command_is_answered_helpfully() {
    let machine = Machine::small();
    assert_eq!(ask(&machine, "thread"), "there is no command \"thread\"; did you mean \"threads\"?\n");
    assert_eq!(ask(&machine, "linus"), "there is no command \"linus\"; did you mean \"linux\"?\n");
    assert_eq!(ask(&machine, "quux"), "there is no command \"quux\"; monitor help lists them\n");
    assert_eq!(ask(&machine, "space"), "use: monitor space T\n");
    assert_eq!(ask(&machine, "tasks 1"), "use: monitor tasks\n");
    assert_eq!(ask(&machine, "space 9"), "there is no task \"9\"; monitor tasks lists them\n");
    assert!(ask(&machine, "mappings 4 main").contains("no address"));
    assert!(ask(&machine, "mappings 4 0x1000").contains("nothing mapped"));
}

#[test]
fn another_kernel_can_be_asked_little() {
    let machine = Machine::new(1);
    let names = Names::default();
    let scene = Scene { view: &machine, kernel: None, names: &names, exits: &[] };
    assert!(run(&scene, &[], "tasks").contains("does not run"));
    assert_eq!(run(&scene, &[], "exits"), "exits have not been counted\n");
    assert!(run(&scene, &[], "tsc").contains('0'));
}

#[test]
fn tasks_threads_and_what_they_may() {
    let mut machine = Machine::small();
    machine.block(machine.tcb_of(4, 0), RunState::Foreign as u8, ThreadId::new(3, 1, 1));
    let tasks = ask(&machine, "tasks");
    assert_eq!(tasks.lines().count(), 6, "{tasks}");
    assert!(tasks.contains("   2  root "), "{tasks}");
    assert!(tasks.ends_with("77 frames (4 KiB) of kernel memory are free\n"));
    let threads = ask(&machine, "threads");
    assert!(threads.contains("\n2.1     root "), "{threads}");
    assert!(threads.contains("system call read, handled by task 3.2"), "{threads}");
    let caps = ask(&machine, "caps");
    assert!(caps.contains("   3  ?       root "), "{caps}");
}

#[test]
fn a_space_and_a_page_in_it() {
    let mut machine = Machine::small();
    let root = machine.kernel().space(&machine, 4).unwrap();
    machine.map(root, 0x40_0000, 0x7000, 5);
    machine.map(root, 0x7f00_0000_0000, 0x8000, ALL);
    let space = ask(&machine, "space 4");
    assert!(space.contains("0x000000400000  0x000000400fff  4 KiB  r-x        4 KiB  0x7000"), "{space}");
    assert!(space.contains("UTCB of thread 0"), "{space}");
    assert!(space.ends_with("8 KiB in 2 ranges\n"), "{space}");
    assert!(ask(&machine, "mappings 4 400000").contains("by the kernel itself"));
}

#[test]
fn who_waits_for_whom() {
    let mut machine = Machine::small();
    assert_eq!(ask(&machine, "ipc"), "nobody waits for another\n");
    let (server, second) = (ThreadId::new(3, 0, 1), ThreadId::new(3, 1, 1));
    machine.block(machine.tcb_of(4, 0), RunState::Sending as u8, server);
    machine.block(machine.tcb_of(3, 0), RunState::Receiving as u8, second);
    machine.block(machine.tcb_of(3, 1), RunState::Receiving as u8, ThreadId::ANY);
    assert_eq!(ask(&machine, "ipc"), "4.1 (task 4) -> 3.1 (task 3) -> 3.2 (task 3.2): waiting for anybody\n");
    // Two that wait for each other, and one that waits for them.
    machine.block(machine.tcb_of(3, 1), RunState::Sending as u8, server);
    let text = ask(&machine, "ipc");
    assert_eq!(text, "4.1 (task 4) -> 3.1 (task 3) -> 3.2 (task 3.2) -> 3.1: DEADLOCK\n");
    let tcb = machine.tcb_of(3, 1);
    machine.set_u8(tcb + mock::info().thread.has_timeout, 1);
    assert!(ask(&machine, "ipc").ends_with("a cycle, until a timeout ends it\n"));
    // Nobody waits for the two from outside.
    machine.block(machine.tcb_of(4, 0), RunState::Ready as u8, ThreadId::NIL);
    assert!(ask(&machine, "ipc").starts_with("3.1 (task 3) -> 3.2"));
    // One whose partner does not exist any more.
    machine.block(machine.tcb_of(4, 0), RunState::Receiving as u8, ThreadId::new(9, 0, 1));
    assert!(ask(&machine, "ipc").contains("4.1 (task 4): waiting for task 9\n"));
}

#[test]
fn lines_events_exits_and_counters() {
    let mut machine = Machine::small();
    assert!(ask(&machine, "irqs").contains("nobody"));
    assert!(ask(&machine, "trace").contains("nothing"));
    machine.attach(4, 3, 2);
    machine.event(0, event::EXCEPTION, ThreadId::ROOT, 14);
    machine.event(1, 99, ThreadId::ROOT, 14);
    machine.tsc = 123_456;
    assert!(
        ask(&machine, "irqs").contains("   4  3.1     task 3        2  ready"),
        "{}",
        ask(&machine, "irqs")
    );
    let trace = ask(&machine, "trace");
    assert!(trace.contains("exception  2.1     root      vector 14"), "{trace}");
    assert!(trace.contains("event 99   2.1     root      0xe"), "{trace}");
    let exits = ask(&machine, "exits");
    assert!(exits.contains("port write                  5            7\n"), "{exits}");
    assert!(exits.contains("other                       1            0\n"), "{exits}");
    let tsc = ask(&machine, "tsc");
    assert!(tsc.contains("1     123456                0          0\n"), "{tsc}");
    assert!(tsc.ends_with("2000.000 MHz\n"), "{tsc}");
}
