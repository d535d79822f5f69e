//! Debian's GDB with a machine that is only thought up: what it makes of several processes.
//!
//! Here is what gdb understands of our packets. What it sees of real guests is tested with those.

#[path = "common/elf.rs"]
mod elf;

use elf::Elf;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use ukvmm::debug::listen::Listener;
use ukvmm::debug::mock::{CODE, Mock};
use ukvmm::debug::thread::Process;
use ukvmm::gdb::serve_one;
use ukvmm::gdb::session::End;

/// Far more than a session takes.
const LIMIT: &str = "60";
const FOUND: &[&str] =
    &["set remotetimeout 20", "set confirm off", "set width 0", "set schedule-multiple on"];

/// A machine whose programs have a file with the symbol `work` at their code.
fn machine() -> Mock {
    let program =
        Elf { entry: CODE, vaddr: CODE, paddr: CODE, symbol: Some("work"), ..Elf::new(&[0x90; 0x100]) };
    let mut mock = Mock::new();
    for process in [12, 13] {
        mock.runs(Process(process), "/bin/work", program.bytes());
    }
    mock.run();
    mock
}

/// Has gdb do `commands` with `mock`, and returns what it prints and how the session has ended.
fn session(mock: &mut Mock, commands: &[&str]) -> (String, End) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gdb");
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    std::thread::scope(|scope| {
        let gdb = scope.spawn(|| gdb(&path, commands));
        let running = mock.is_running();
        let end = serve_one(&listener, mock, running).unwrap();
        (gdb.join().unwrap(), end)
    })
}

/// Runs gdb; `SOCKET` in a command is where the machine is.
fn gdb(socket: &Path, commands: &[&str]) -> String {
    let mut gdb = Command::new("timeout");
    gdb.args(["--kill-after=5", LIMIT, "sh", "-c", r#"exec gdb "$@" 2>&1"#, "sh", "-nx", "-batch"]);
    for command in FOUND.iter().chain(commands) {
        gdb.args(["-ex", &command.replace("SOCKET", &socket.to_string_lossy())]);
    }
    let output = gdb.env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Checks that lines with these texts come in this order.
fn expect(printed: &str, texts: &[&str]) {
    let mut lines = printed.lines();
    for text in texts {
        assert!(lines.any(|line| line.contains(text)), "`{text}` is missing in:\n{printed}");
    }
}

const TARGET: &str = "target remote SOCKET";

#[test]
fn all_processes_are_there_with_their_threads_and_programs() {
    let mut mock = machine();
    let (printed, end) = session(&mut mock, &[TARGET, "info inferiors", "info threads"]);
    expect(
        &printed,
        &[
            "1    process 65536",
            "2    process 1",
            "3    process 2",
            "4    process 5",
            "5    process 12",
            "6    process 13",
            "1.1  Thread 65536.1 (kernel, ready)",
            "1.2  Thread 65536.2 (kernel, ready) 0x0000000000400020",
            "* 2.1  Thread 1.1 (sigma0, ready)",
            "5.2  Thread 12.2 (sh[12], ready)    0x0000000000400020 in work ()",
            "6.1  Thread 13.1 (cat[13], ready)   0x0000000000400010 in work ()",
        ],
    );
    assert!(!printed.contains("too long"), "{printed}");
    assert_eq!(end, End::Left);
    assert!(mock.is_running());
}

#[test]
fn memory_and_registers_are_those_of_the_chosen_process() {
    let number = format!("print *(int*){:#x}", CODE + 0x1ffc);
    let commands = [
        TARGET,
        &number,
        "inferior 6",
        &number,
        "set var $rax = 0x1234",
        "inferior 5",
        &number,
        "print $rax",
        "inferior 6",
        "print/x $rax",
        "print $eflags",
        // The description of all registers is read for the first process, and for others when one says so.
        "unset tdesc filename",
        "print/x $cr3",
        "set var $ymm2.v8_int32[6] = 4",
        "print $ymm2.v8_int32",
        "x/2xw 0x402000",
        "info auxv",
    ];
    let (printed, _) = session(&mut machine(), &commands);
    expect(
        &printed,
        &[
            "$1 = 1",
            "$2 = 13",
            "$3 = 12",
            "$4 = 0",
            "$5 = 0x1234",
            "$6 = [ IF ",
            "$7 = 0xd000",
            "$8 = {0, 0, 0, 0, 0, 0, 4, 0}",
            "Cannot access memory at address 0x402000",
            "AT_ENTRY             Entry point of program         0x400000",
        ],
    );
}

#[test]
fn a_breakpoint_is_in_one_process_and_steps_are_one_threads() {
    let mut mock = machine();
    let commands = [
        TARGET,
        "inferior 5",
        "break *0x400015",
        "continue",
        "stepi",
        "hbreak *0x40001a",
        "continue",
        "info threads",
        "delete",
        "watch *(long*)0x401000",
        "continue",
        "delete",
    ];
    let (printed, _) = session(&mut mock, &commands);
    expect(
        &printed,
        &[
            "Thread 5.1 hit Breakpoint 1, 0x0000000000400015 in work ()",
            "0x0000000000400016 in work ()",
            "Thread 5.1 hit Breakpoint 2, 0x000000000040001a in work ()",
            // All others have run too.
            "1.1  Thread 65536.1 (kernel, ready) 0x0000000000400017",
            "5.1  Thread 12.1 (sh[12], ready)    0x000000000040001a in work ()",
            "hit Hardware watchpoint 3: *(long*)0x401000",
            "0x000000000040001b in work ()",
        ],
    );
    assert!(mock.points().is_empty());
}

#[test]
fn a_symbols_breakpoint_is_in_all_processes_and_an_addresss_in_one() {
    let commands = [TARGET, "break work", "inferior 6", "break *work", "info breakpoints"];
    let (printed, _) = session(&mut machine(), &commands);
    expect(&printed, &["Breakpoint 1 at 0x400000 (2 locations)", "Breakpoint 2 at 0x400000"]);
    expect(&printed, &["1.1 ", "1.2 ", "2       breakpoint     keep y   0x0000000000400000 <work> inf 6"]);
}

#[test]
fn one_process_at_a_time_runs_too() {
    let commands = ["set schedule-multiple off", TARGET, "inferior 5", "continue", "continue"];
    let mut mock = machine();
    // Another one stops the machine.
    mock.will(ukvmm::debug::debuggee::Event::Signal(
        ukvmm::debug::thread::Thread { process: Process(13), number: 1 },
        11,
    ));
    let (printed, _) = session(&mut mock, &commands[..4]);
    expect(
        &printed,
        &["Say \"set schedule-multiple on\"", "Thread 6.1 received signal SIGSEGV, Segmentation fault."],
    );
}

#[test]
fn a_new_process_comes_with_the_next_stop() {
    let commands = [TARGET, "inferior 5", "monitor will fork", "stepi", "print $_inferior", "info threads"];
    let (printed, _) = session(&mut machine(), &commands);
    // gdb stays where it is, and lists the process when it is asked.
    expect(&printed, &["will fork", "0x0000000000400011 in work ()", "$1 = 5", "[New inferior 7]"]);
    expect(&printed, &["7.1  Thread 14.1 (new[14], ready)"]);
}

#[test]
fn the_end_of_the_machine_is_the_end_of_all_processes() {
    let mut mock = machine();
    let (printed, end) = session(&mut mock, &[TARGET, "monitor will exit", "continue", "info threads"]);
    expect(&printed, &["exited with code 03", "No threads."]);
    assert!(!printed.contains("Broken pipe") && !printed.contains("reset"), "{printed}");
    assert_eq!(end, End::Exited);

    let mut mock = machine();
    let (printed, end) = session(&mut mock, &[TARGET, "kill"]);
    expect(&printed, &["[Inferior 2 (process 1) killed]"]);
    assert_eq!(end, End::Killed);
    assert!(mock.killed);
}

#[test]
fn a_machine_that_has_crashed_can_be_looked_at() {
    let commands = [
        TARGET,
        "monitor will crash",
        "continue",
        "x/i $pc",
        "set var $rax = 1",
        "stepi",
        "inferior 5",
        "backtrace 1",
    ];
    let (printed, end) = session(&mut machine(), &commands);
    expect(
        &printed,
        &[
            "it is all over",
            "Thread 1.1 received signal SIGABRT, Aborted.",
            "nop",
            "the machine cannot be changed or run any more",
            "the machine cannot be changed or run any more",
            "Thread 1.1 stopped.",
            "#0  0x0000000000400010 in work ()",
        ],
    );
    assert_eq!(end, End::Left);
}

#[test]
fn one_who_stays_attaches_to_one_process_again() {
    let commands = [
        "target extended-remote SOCKET",
        "detach inferiors 1 2 3 4 5 6",
        "inferior 6",
        "attach 13",
        "info threads",
        "stepi",
        "detach",
    ];
    let mut mock = machine();
    let (printed, _) = session(&mut mock, &commands);
    expect(
        &printed,
        &["* 6.1  Thread 13.1 (cat[13], ready) 0x0000000000400010 in work ()", "0x0000000000400011"],
    );
    assert!(mock.is_running());
}

#[test]
fn debuggers_come_one_after_the_other_and_never_two() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gdb");
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    let mut mock = machine();
    let mut first = UnixStream::connect(&path).unwrap();
    std::thread::scope(|scope| {
        let served = scope.spawn(|| serve_one(&listener, &mut mock, true).unwrap());
        // It is there when it gets an answer.
        first.write_all(b"$?#3f").unwrap();
        let mut answer = [0; 17];
        first.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[..5], b"+$T02");
        let printed = gdb(&path, &["set remotetimeout 5", TARGET, "info threads"]);
        expect(&printed, &["another debugger is attached", "No threads."]);
        // It goes in the middle of a packet.
        first.write_all(b"$m4000").unwrap();
        drop(first);
        assert_eq!(served.join().unwrap(), End::Left);
    });
    assert!(mock.is_running());
    let (printed, end) = session(&mut mock, &[TARGET, "info threads"]);
    expect(&printed, &["6.1  Thread 13.1"]);
    assert_eq!(end, End::Left);
}

/// The machine must not wait for one who does not read.
#[test]
fn one_who_only_asks_does_not_keep_the_machine_from_ending() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gdb");
    let listener = Listener::Unix(UnixListener::bind(&path).unwrap());
    let mut mock = machine();
    mock.will(ukvmm::debug::debuggee::Event::Exited(0));
    let mut first = UnixStream::connect(&path).unwrap();
    first.write_all(b"$QStartNoAckMode#b0+$vCont;c#a8").unwrap();
    let begun = Instant::now();
    assert_eq!(serve_one(&listener, &mut mock, true).unwrap(), End::Exited);
    assert!(begun.elapsed() < Duration::from_secs(30));
}
