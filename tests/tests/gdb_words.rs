//! gdb's commands and printers (`gdb/`) read the words of the kernel's interface as the kernel does. They need no machine for it.

use guest_tests::build::Build;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use ukernel_abi::call::{Timeout, Timeouts};
use ukernel_abi::{Call, Fpage, Label, Rights, Status, Tag, ThreadId};

/// Commands of gdb's, and what they have to print.
#[derive(Default)]
struct Session {
    program: Option<PathBuf>,
    commands: Vec<String>,
    expected: String,
}

/// gdb with its commands.
fn gdb() -> Command {
    let loader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gdb/ukvmm-gdb.py");
    let mut gdb = Command::new("gdb");
    // Nothing is to be left in the folder of the sources.
    gdb.env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-nx", "-batch", "-iex", "set auto-load python-scripts off", "-x"])
        .arg(loader);
    gdb
}

impl Session {
    fn expect(&mut self, command: String, output: impl std::fmt::Display) {
        self.commands.push(command);
        writeln!(self.expected, "{output}").unwrap();
    }

    fn run(self) {
        let mut gdb = gdb();
        gdb.args(&self.program);
        for command in &self.commands {
            gdb.args(["-ex", command]);
        }
        let output = gdb.output().expect("Debian's package gdb is needed");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(stderr, "");
        assert_eq!(stdout, self.expected);
    }
}

#[test]
fn identifiers() {
    let mut session = Session::default();
    for id in [
        ThreadId::NIL,
        ThreadId::ANY,
        ThreadId::SIGMA0,
        ThreadId::ROOT,
        ThreadId::new(0xabcd, 0x3fe, 0xdead_beef),
        ThreadId::new(u16::MAX, 0x3ff, u32::MAX),
        ThreadId::irq(0),
        ThreadId::irq(63),
    ] {
        session.expect(format!("l4 id {:#x}", id.0), format!("{id:?}"));
        let parts = format!("printf \"%d %d\\n\", $l4_task({0:#x}), $l4_lthread({0:#x})", id.0);
        session.expect(parts, format!("{} {}", id.task(), id.lthread()));
    }
    session.expect("l4 id (4 << 16) + 5".to_owned(), "5.4v0 (no thread has this identifier)");
    session.run();
}

#[test]
fn flexpages() {
    let mut session = Session::default();
    for (fpage, text) in [
        (Fpage::NIL, "nil"),
        (Fpage::ALL, "0x0+128T rwx"),
        (Fpage::memory(0x20_0000, 21, Rights::RX), "0x200000+2M r-x"),
        (Fpage::memory(0x3000, 12, Rights::NONE), "0x3000+4K ---"),
        (Fpage::ports(0x3f8, 3), "ports 0x3f8+8"),
        (Fpage::irqs(4, 0), "irqs 4+1"),
    ] {
        session.expect(format!("l4 fpage {:#x}", fpage.0), text);
    }
    // Of what is none it says so, and of nothing else.
    for bit in 0..64 {
        for fpage in [Fpage::memory(0x20_0000, 21, Rights::RX), Fpage::ports(0x3f8, 3), Fpage::irqs(4, 0)] {
            let other = Fpage(fpage.0 ^ 1 << bit);
            let question = format!("printf \"%d\\n\", $_regex($l4_fpage({:#x}), \"no flexpage.*\")", other.0);
            session.expect(question, !other.is_valid() as u8);
        }
    }
    session.run();
}

#[test]
fn tags_timeouts_and_status() {
    let mut session = Session::default();
    let redirected = Tag(Tag::new(Label(0x12), 1, 2).propagated().0 | Tag::REDIRECTED);
    for (tag, text) in [
        (Tag::new(Label::PAGE_FAULT, 4, 0), "PAGE_FAULT, 4 words"),
        (Tag::new(Label::EXCEPTION, 5, 0), "EXCEPTION, 5 words"),
        (Tag::new(Label::FOREIGN, 7, 0), "FOREIGN, 7 words"),
        (Tag::new(Label::INTERRUPT, 2, 0), "INTERRUPT, 2 words"),
        (Tag::new(Label::PREEMPTION, 2, 0), "PREEMPTION, 2 words"),
        (redirected, "label 0x12, 1 word, 2 items, redirected, propagated"),
    ] {
        session.expect(format!("l4 tag {:#x}", tag.0), text);
        session.expect(format!("printf \"%d\\n\", $l4_label({:#x})", tag.0), tag.label().0);
    }
    for (timeouts, text) in [
        (Timeouts::ALL_NEVER, "send never, receive never"),
        (Timeouts::new(0, 500), "send at once, receive 500 us"),
        (Timeouts::of(Timeout::Deadline, Timeout::Now), "send deadline, receive at once"),
        (Timeouts(u64::MAX), "send at once, receive at once"),
    ] {
        session.expect(format!("l4 timeouts {:#x}", timeouts.0), text);
    }
    let mut number = 0;
    while let Some(status) = Status::from_rax(number) {
        session.expect(format!("l4 status {number}"), format!("{status:?}"));
        number += 1;
    }
    session.expect(format!("l4 status {number}"), format!("no status ({number:#x})"));
    session.run();
}

#[test]
fn calls() {
    let mut session = Session::default();
    let all = [
        (Call::Ipc, "ipc"),
        (Call::IdNearest, "id_nearest"),
        (Call::FpageUnmap, "fpage_unmap"),
        (Call::ThreadSwitch, "thread_switch"),
        (Call::ThreadSchedule, "thread_schedule"),
        (Call::LthreadExRegs, "lthread_ex_regs"),
        (Call::TaskNew, "task_new"),
    ];
    for (call, name) in all {
        session.expect(name_of(Tag(u32::MAX).to_rax() | call.rax()), name);
    }
    session.expect(name_of(Call::TaskNew.rax() + 1), "no call (7)");
    session.expect(name_of(60), "None");
    session.run();
}

fn name_of(rax: u64) -> String {
    format!("python from ukvmm_gdb import words; print(words.call({rax:#x}))")
}

/// A value of a type, made of a word, as gdb prints it.
fn printed(of: &str, word: u64) -> String {
    format!(
        "python t = gdb.lookup_type('{of}'); print(gdb.Value(({word:#x}).to_bytes(8, 'little')[:t.sizeof], t).format_string())"
    )
}

#[test]
fn printers() {
    let program = Build::locate().kernel().unwrap();
    let mut session = Session { program: Some(program), ..Session::default() };
    for (of, word, text) in [
        ("ukernel_abi::id::ThreadId", ThreadId::ROOT.0, "2.0v1"),
        ("ukernel_abi::fpage::Fpage", Fpage::ports(0x3f8, 3).0, "ports 0x3f8+8"),
        ("core::cell::Cell<ukernel_abi::id::ThreadId>", ThreadId::irq(4).0, "irq4"),
        ("core::cell::Cell<ukernel_abi::utcb::RunState>", 2, "ukernel_abi::utcb::RunState::Receiving"),
        ("core::cell::Cell<ukernel_abi::call::Timeouts>", 0, "send never, receive never"),
        ("core::cell::Cell<ukernel_core::mem::machine::PhysAddr>", 0x1000, "phys 0x1000"),
        ("core::cell::Cell<u64>", 42, "42"),
    ] {
        session.expect(printed(of, word), text);
    }
    session.run();
}

#[test]
fn nothing_is_said_about_a_machine_that_is_not_there() {
    for command in
        ["l4 ps", "l4 call", "l4 registers", "l4 where", "l4 thread 5.1", "l4 space", "l4 ipc", "l4 detach"]
    {
        let output = gdb().args(["-ex", command]).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "gdb is attached to no machine: l4 attach\n",
            "{command}"
        );
    }
}
