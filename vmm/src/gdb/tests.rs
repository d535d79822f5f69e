//! Conversations in packets with a machine that is only thought up.

use super::framing::{Framer, Incoming, frame};
use super::session::{End, Session};
use crate::debug::debuggee::{Access, Debuggee, Event, Point};
use crate::debug::mock::{CODE, COUNTER, Mock, SIZE};
use crate::debug::thread::{Process, Thread};

const SH: Process = Process(12);

const fn thread(process: u32, number: u32) -> Thread {
    Thread { process: Process(process), number }
}

/// A debugger.
struct Gdb<'d>(Session<'d>);

impl<'d> Gdb<'d> {
    /// It comes to a machine that runs, and agrees on what gdb does.
    fn attach(mock: &'d mut Mock) -> Self {
        mock.run();
        let mut gdb = Self(Session::new(mock, true));
        gdb.0.happened();
        gdb.ask("QStartNoAckMode");
        gdb.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
        gdb
    }

    fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.0.receive(bytes), bytes.len());
    }

    /// The packets that have come since the last time.
    fn heard(&mut self) -> Vec<String> {
        let bytes = self.0.outbox().bytes().to_vec();
        self.0.outbox().sent(bytes.len());
        let mut framer = Framer::default();
        let packets = bytes.into_iter().filter_map(|byte| framer.push(byte, false));
        packets
            .map(|incoming| match incoming {
                Incoming::Packet(body) => String::from_utf8_lossy(&body).into_owned(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// Sends a packet and returns the answer, which must be one.
    fn ask(&mut self, body: &str) -> String {
        self.ask_all(body).pop().unwrap_or_default()
    }

    fn ask_all(&mut self, body: &str) -> Vec<String> {
        self.send(&frame(body.as_bytes()));
        self.heard()
    }

    /// Lets the machine run, and returns what is said of it when it has stopped.
    fn go(&mut self, body: &str) -> Vec<String> {
        let mut heard = self.ask_all(body);
        self.0.happened();
        heard.extend(self.heard());
        heard
    }
}

#[test]
fn attaching_stops_the_machine() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.ask("?"), "T02thread:p1.1;");
    assert_eq!(gdb.ask("qC"), "QCp1.1");
    drop(gdb);
    assert!(!mock.is_running());
}

#[test]
fn one_who_knows_one_process_has_threads_alone() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("qSupported:swbreak+");
    assert_eq!(gdb.ask("?"), "T02thread:10001;");
    let first = gdb.ask("qfThreadInfo");
    assert!(first.starts_with("m100000001,100000002,10001,20001,50001,"), "{first}");
    assert_eq!(gdb.ask("qsThreadInfo"), "l");
    assert_eq!(gdb.ask("Hgc0002"), "OK");
    assert_eq!(gdb.ask("qC"), "QCc0002");
}

#[test]
fn threads_are_listed_and_described() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.ask("qfThreadInfo"), "mp10000.1,p10000.2,p1.1,p2.1,p5.1,p5.2,pc.1,pc.2,pd.1");
    assert_eq!(gdb.ask("qsThreadInfo"), "l");
    assert_eq!(gdb.ask("qThreadExtraInfo,pc.2"), hex("sh[12], ready"));
    assert_eq!(gdb.ask("Tpc.2"), "OK");
    assert_eq!(gdb.ask("Tpc.3"), "E01");
    let xml = gdb.ask("qXfer:threads:read::0,1000");
    assert!(xml.starts_with("l<?xml"), "{xml}");
    assert!(xml.contains("<thread id=\"pc.2\">sh[12], ready</thread>"), "{xml}");
}

#[test]
fn a_list_comes_in_pieces_and_names_are_made_harmless() {
    let mut mock = Mock::new();
    mock.begin(Process(20), "<&>#$}*\n", 1);
    let mut gdb = Gdb::attach(&mut mock);
    let whole = gdb.ask("qXfer:threads:read::0,ffff");
    assert!(whole.contains("&lt;&amp;&gt;}\u{3}}\u{4}}]}\n?, ready"), "{whole:?}");
    let mut pieces = String::new();
    loop {
        let piece = gdb.ask(&format!("qXfer:threads:read::{:x},40", unescaped(&pieces).len()));
        pieces += &piece[1..];
        if piece.starts_with('l') {
            break;
        }
    }
    assert_eq!(pieces, whole[1..]);
}

/// The bytes that a packet with escapes stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(if byte == b'}' { bytes.next().unwrap() ^ 0x20 } else { byte });
    }
    plain
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_new_process_is_not_in_the_first_list_after_a_stop() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    let has_new = |list: String| list.contains("pe.1");
    let fork = format!("qRcmd,{}", hex("will fork"));
    assert!(!has_new(gdb.ask("qfThreadInfo")));
    gdb.ask_all(&fork);
    gdb.go("vCont;s:p1.1;c");
    assert!(!has_new(gdb.ask("qXfer:threads:read::0,1000")));
    assert!(has_new(gdb.ask("qXfer:threads:read::0,1000")));
    gdb.go("vCont;s:p1.1;c");
    assert!(has_new(gdb.ask("qfThreadInfo")));
}

#[test]
fn a_long_list_of_threads_takes_several_packets() {
    let mut mock = Mock::new();
    mock.begin(Process(20), "many", 9000);
    let mut gdb = Gdb::attach(&mut mock);
    let mut all = Vec::new();
    let mut answer = gdb.ask("qfThreadInfo");
    let mut packets = 0;
    while answer != "l" {
        packets += 1;
        all.extend(answer[1..].split(',').map(String::from).collect::<Vec<_>>());
        answer = gdb.ask("qsThreadInfo");
    }
    assert!(packets > 1);
    assert_eq!(all.len(), 9009);
    assert_eq!(all.last().map(String::as_str), Some("p14.2328"));
}

#[test]
fn memory_is_that_of_the_process_which_is_meant() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    let number = format!("m{:x},4", CODE + SIZE - 4);
    assert_eq!(gdb.ask("Hgpc.1"), "OK");
    assert_eq!(gdb.ask(&number), "0c000000");
    assert_eq!(gdb.ask("Hgpd.0"), "OK");
    assert_eq!(gdb.ask(&number), "0d000000");
    // What is there is read, and what is not there is an error.
    assert_eq!(gdb.ask(&format!("m{:x},40", CODE + SIZE - 4)), "0d000000");
    assert_eq!(gdb.ask(&format!("m{:x},4", CODE + SIZE)), "E0e");
    assert_eq!(gdb.ask("mffffffffffffffff,ffffffffffffffff"), "E0e");
    assert_eq!(gdb.ask(&format!("M{CODE:x},2:abcd")), "OK");
    assert_eq!(gdb.ask(&format!("m{CODE:x},3")), "abcd90");
    assert_eq!(gdb.ask(&format!("X{CODE:x},0:")), "OK");
    gdb.send(&frame(&[format!("X{CODE:x},3:").as_bytes(), b"\x03}\x03\x04"].concat()));
    assert_eq!(gdb.heard(), ["OK"]);
    assert_eq!(gdb.ask(&format!("m{CODE:x},3")), "032304");
    assert_eq!(gdb.ask(&format!("M{:x},4:00000000", CODE + SIZE - 2)), "E0e");
}

#[test]
fn registers_are_read_and_written_one_by_one() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.2");
    assert_eq!(gdb.ask("g").len(), 2 * 560);
    assert_eq!(gdb.ask("p10"), "2000400000000000");
    assert_eq!(gdb.ask("P0=0102030405060708"), "OK");
    assert_eq!(gdb.ask("p0"), "0102030405060708");
    // cr3, which packet g does not have; orig_rax, which nobody has; one that is too short; one that does not exist.
    assert_eq!(gdb.ask("p3f"), "00c0000000000000");
    assert_eq!(gdb.ask("p39"), "x".repeat(16));
    assert_eq!(gdb.ask("P0=01"), "E79");
    assert_eq!(gdb.ask("pffff"), "");
    assert_eq!(gdb.ask("p43"), "00".repeat(16));
    drop(gdb);
    let registers = mock.registers(thread(12, 2)).unwrap();
    assert_eq!(registers.general[0], 0x0807_0605_0403_0201);
}

#[test]
fn the_description_is_whole() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    let mut text = String::new();
    loop {
        let piece = gdb.ask(&format!("qXfer:features:read:target.xml:{:x},1000", text.len()));
        if piece == "l" {
            break;
        }
        text += &piece[1..];
    }
    assert!(text.contains("name=\"cr3\"") && text.contains("name=\"ymm15h\""));
    assert!(text.trim().ends_with("</target>"));
    assert_eq!(gdb.ask("qXfer:features:read:other.xml:0,10"), "E79");
}

#[test]
fn a_breakpoint_belongs_to_one_process() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    let at = CODE + 16 + 5;
    gdb.ask("Hgpd.1");
    assert_eq!(gdb.ask(&format!("Z0,{at:x},1")), "OK");
    // All processes run this code.
    assert_eq!(gdb.go("vCont;c"), ["T05thread:pd.1;swbreak:;"]);
    assert_eq!(gdb.ask("p10"), "1500400000000000");
    assert_eq!(gdb.ask(&format!("z0,{at:x},1")), "OK");
    assert_eq!(gdb.ask(&format!("Z1,{at:x},1")), "OK");
    assert_eq!(gdb.go("vCont;c"), ["T05thread:pd.1;hwbreak:;"]);
}

#[test]
fn a_breakpoint_that_comes_back_has_not_been_away() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.1");
    let at = CODE + 16 + 5;
    for _ in 0..3 {
        // The machine's own check: it is inserted once.
        assert_eq!(gdb.ask(&format!("Z0,{at:x},1")), "OK");
        assert_eq!(gdb.go("vCont;c"), ["T05thread:pc.1;swbreak:;"]);
        assert_eq!(gdb.ask(&format!("z0,{at:x},1")), "OK");
    }
    assert_eq!(gdb.ask(&format!("z0,{at:x},1")), "E16");
    assert_eq!(gdb.go("vCont;s:pc.1"), ["T05thread:pc.1;"]);
    drop(gdb);
    assert!(mock.points().is_empty());
    assert!(mock.plans.last().is_some_and(|plan| plan.alone && plan.step == [thread(12, 1)]));
}

#[test]
fn a_watchpoint_says_what_was_touched() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgp5.2");
    for (kind, word) in [(2, "watch"), (3, "rwatch"), (4, "awatch")] {
        assert_eq!(gdb.ask(&format!("Z{kind},{COUNTER:x},8")), "OK");
        assert_eq!(gdb.go("vCont;c"), [format!("T05thread:p5.1;{word}:{COUNTER:06x};")]);
        assert_eq!(gdb.ask(&format!("z{kind},{COUNTER:x},8")), "OK");
    }
    assert_eq!(gdb.ask("Z2,ffffffffffffffff,8"), "E0e");
    assert_eq!(gdb.ask("Z2,1000,0"), "E0e");
    drop(gdb);
    let point = Point::Data { address: COUNTER, length: 8, access: Access::Both };
    assert!(mock.points().contains(&(Process(5), point)));
}

#[test]
fn a_step_is_for_one_thread_while_the_others_run() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.ask("vCont?"), "vCont;c;C;s;S;r");
    gdb.ask("qfThreadInfo");
    let heard = gdb.go("vCont;s:pc.2;c:pc.-1");
    // gdb is told once what it does not know.
    assert!(heard[0].starts_with('O'), "{heard:?}");
    assert_eq!(heard[1..], ["T05thread:pc.2;"]);
    assert_eq!(gdb.go("vCont;s:pc.2;c:pc.-1"), ["T05thread:pc.2;"]);
    assert_eq!(gdb.go("vCont;r400020,400028:pc.2;c"), ["T05thread:pc.2;"]);
    assert_eq!(gdb.ask("p10"), "2800400000000000");
    drop(gdb);
    assert!(mock.plans.iter().all(|plan| !plan.alone && plan.step == [thread(12, 2)]));
    assert_eq!(mock.plans[2].while_in, Some((0x40_0020, 0x40_0028)));
}

#[test]
fn signals_have_their_numbers() {
    let mut mock = Mock::new();
    // SIGBUS and SIGUSR1: GDB has other numbers than Linux.
    mock.will(Event::Signal(thread(12, 1), 7));
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.go("vCont;c"), ["T0athread:pc.1;"]);
    gdb.ask_all("vCont;C1e:pc.1;c");
    drop(gdb);
    assert_eq!(mock.plans[1].signal, Some((thread(12, 1), 10)));
}

#[test]
fn ctrl_c_stops_the_machine_even_in_the_middle_of_a_packet() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    assert!(gdb.ask_all("vCont;c").is_empty());
    gdb.send(b"$m40\x03");
    gdb.0.happened();
    assert_eq!(gdb.heard(), ["T02thread:p1.1;"]);
    // It stands still already.
    gdb.send(b"\x03");
    assert!(gdb.heard().is_empty());
    assert_eq!(gdb.ask("qC"), "QCp1.1");
}

#[test]
fn a_machine_that_runs_is_asked_nothing() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    assert!(gdb.ask_all("vCont;c").is_empty());
    for body in ["g", "?", "vCont;c", "D", "k", "qfThreadInfo", "qXfer:threads:read::0,10", "m400000,4"] {
        assert_eq!(gdb.ask(body), "E.the machine runs");
    }
}

#[test]
fn a_crash_is_told_and_nothing_can_be_changed_after_it() {
    let mut mock = Mock::new();
    mock.will(Event::Crashed { thread: Thread::vcpu(1), message: "triple fault".into() });
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.go("vCont;c"), [format!("O{}", hex("triple fault\n")), "T06thread:p10000.2;".into()]);
    assert_eq!(gdb.ask(&format!("m{CODE:x},2")), "9090");
    let refusal = "the machine cannot be changed or run any more";
    assert_eq!(gdb.ask(&format!("M{CODE:x},1:00")), format!("E.{refusal}"));
    assert_eq!(gdb.ask("P0=0000000000000000"), format!("E.{refusal}"));
    assert_eq!(gdb.ask("Z0,400010,1"), format!("E.{refusal}"));
    let again = [&format!("{refusal}\n"), "triple fault\n"].map(|text| format!("O{}", hex(text)));
    let [first, second] = again;
    assert_eq!(gdb.ask_all("vCont;c"), [first, second, "T00thread:p10000.2;".into()]);
    assert_eq!(gdb.ask("?"), "T00thread:p10000.2;");
}

#[test]
fn the_machines_end_is_the_end() {
    let mut mock = Mock::new();
    mock.will(Event::Exited(3));
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.go("vCont;c"), ["W03;process:1"]);
    assert_eq!(gdb.0.end(), Some(End::Exited));
}

#[test]
fn a_process_can_be_let_go_of() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.1");
    assert_eq!(gdb.ask("Z0,400015,1"), "OK");
    assert_eq!(gdb.ask("D;c"), "OK");
    assert_eq!(gdb.ask("D;c63"), "E.there is no such process");
    let list = gdb.ask("qfThreadInfo");
    assert!(!list.contains("pc."), "{list}");
    assert_eq!(gdb.ask("Hgpc.1"), "E01");
    // What happens to it is not gdb's affair.
    drop(gdb);
    assert!(mock.points().is_empty());
}

#[test]
fn events_of_a_process_that_was_let_go_of_are_not_told() {
    let mut mock = Mock::new();
    mock.will(Event::Signal(thread(12, 1), 11));
    mock.will(Event::Interrupted(thread(12, 2)));
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("D;c");
    assert!(gdb.go("vCont;c").is_empty());
    gdb.0.happened();
    assert_eq!(gdb.heard(), ["T02thread:p10000.1;"]);
    drop(gdb);
    assert_eq!(mock.plans[1].signal, Some((thread(12, 1), 11)));
}

#[test]
fn the_machine_runs_when_all_are_let_go_of() {
    for how in [&["D"][..], &["D;10000", "D;1", "D;2", "D;5", "D;c", "D;d"]] {
        let mut mock = Mock::new();
        let mut gdb = Gdb::attach(&mut mock);
        gdb.ask("Z0,400015,1");
        for body in how {
            assert_eq!(gdb.0.end(), None);
            assert_eq!(gdb.ask(body), "OK");
        }
        assert_eq!(gdb.0.end(), Some(End::Left));
        drop(gdb);
        assert!(mock.is_running() && mock.points().is_empty() && mock.detached == 1);
    }
}

#[test]
fn one_who_stays_can_come_back_to_a_process() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.ask("!"), "OK");
    assert_eq!(gdb.ask("D"), "OK");
    assert_eq!(gdb.0.end(), None);
    assert_eq!(gdb.ask("?"), "W00");
    assert_eq!(gdb.ask("qfThreadInfo"), "l");
    assert_eq!(gdb.ask("g"), "E.no process is being debugged");
    assert_eq!(gdb.go("vAttach;c"), ["T05thread:pc.1;"]);
    assert_eq!(gdb.ask("qfThreadInfo"), "mpc.1,pc.2");
    assert_eq!(gdb.ask("vAttach;5"), "T05thread:p5.1;");
    assert_eq!(gdb.ask("qfThreadInfo"), "mp5.1,p5.2,pc.1,pc.2");
    assert_eq!(gdb.ask("vAttach;63"), "E.there is no such process");
    assert_eq!(gdb.ask("D"), "OK");
    assert_eq!(gdb.go("vAttach;63"), ["E.there is no such process"]);
    drop(gdb);
    assert!(mock.is_running());
}

#[test]
fn to_kill_is_to_end_the_machine() {
    for (body, answer) in [("k", None), ("vKill;c", Some("OK"))] {
        let mut mock = Mock::new();
        let mut gdb = Gdb::attach(&mut mock);
        assert_eq!(gdb.ask_all(body).first().map(String::as_str), answer);
        assert_eq!(gdb.0.end(), Some(End::Killed));
        drop(gdb);
        assert!(mock.killed);
    }
}

#[test]
fn whoever_hangs_up_leaves_no_breakpoints() {
    for running in [false, true] {
        let mut mock = Mock::new();
        let mut gdb = Gdb::attach(&mut mock);
        gdb.ask("Hgpc.1");
        gdb.ask("Z0,400100,1");
        if running {
            assert!(gdb.ask_all("vCont;c").is_empty());
        }
        gdb.send(b"$m4000");
        gdb.0.hang_up();
        gdb.0.happened();
        assert_eq!(gdb.0.end(), Some(End::Left));
        drop(gdb);
        assert!(mock.is_running() && mock.points().is_empty());
    }
}

#[test]
fn a_program_that_starts_is_told_as_what_gdb_goes_on_from_by_itself() {
    let mut mock = Mock::new();
    mock.runs(SH, "/bin/sh", Vec::new());
    let sh = thread(SH.0, 1);
    mock.will(Event::Started { thread: sh, new: true });
    mock.will(Event::Started { thread: sh, new: false });
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.1");
    assert_eq!(gdb.ask("Z0,1234,1"), "OK");
    assert_eq!(gdb.go("vCont;c"), ["T05thread:pc.1;library:;"]);
    assert_eq!(gdb.go("vCont;c"), [format!("T05thread:pc.1;exec:{};", hex("/bin/sh"))]);
    drop(gdb);
    assert!(mock.points().is_empty(), "the breakpoint was the old program's");
}

#[test]
fn files_are_those_of_a_process() {
    let mut mock = Mock::new();
    let bytes: Vec<u8> = (0..40_000).map(|index| (index % 251) as u8).collect();
    mock.runs(SH, "/bin/sh", bytes.clone());
    let mut gdb = Gdb::attach(&mut mock);
    assert_eq!(gdb.ask("qXfer:exec-file:read:c:0,100"), "m/bin/sh");
    assert_eq!(gdb.ask("qXfer:exec-file:read:c:7,100"), "l");
    assert_eq!(gdb.ask("qXfer:exec-file:read:d:0,100"), "mtarget:/no program known");
    assert_eq!(gdb.ask("vFile:setfs:c"), "F0");
    assert_eq!(gdb.ask(&format!("vFile:open:{},0,0", hex("/bin/sh"))), "F00");
    assert_eq!(gdb.ask(&format!("vFile:open:{},1,0", hex("/bin/sh"))), "F-1,1e");
    assert_eq!(gdb.ask(&format!("vFile:open:{},0,0", hex("/bin/ls"))), "F-1,02");
    gdb.send(&frame(b"vFile:pread:0,ffffffff,8"));
    let outbox = gdb.0.outbox();
    let body = &outbox.bytes()[1..];
    let (length, data) = body.split_at(body.iter().position(|&byte| byte == b';').unwrap());
    let expected = &bytes[8..8 + 0x8000];
    assert_eq!(length, format!("F{:04x}", expected.len()).as_bytes());
    assert!(data.windows(4).any(|window| window == [b'}', b'#' ^ 0x20, b'}', b'$' ^ 0x20]));
    let sent = outbox.bytes().len();
    outbox.sent(sent);
    assert_eq!(gdb.ask(&format!("vFile:readlink:{}", hex("/proc/self"))), "F02;12");
    assert_eq!(gdb.ask("vFile:close:0"), "F0");
    assert_eq!(gdb.ask("vFile:close:0"), "F-1,09");
    assert_eq!(gdb.ask("vFile:pread:0,10,0"), "F-1,09");
}

#[test]
fn a_program_has_an_auxiliary_vector_and_a_server_none() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.1");
    assert_eq!(gdb.ask("qXfer:auxv:read::0,1000").as_bytes()[..2], [b'm', 9]);
    gdb.ask("Hgp1.1");
    assert_eq!(gdb.ask("qXfer:auxv:read::0,1000"), "E03");
}

/// gdb says that it means any process when it reads the vector of one that it gets to know.
#[test]
fn the_process_that_gdb_has_asked_about_is_the_one_it_means() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgp0.0");
    let mut has_vector = |process: &str| {
        assert_eq!(gdb.ask(&format!("qAttached:{process}")), "1");
        gdb.ask("qXfer:auxv:read::0,1000").starts_with('m')
    };
    assert!(!has_vector("1") && has_vector("c") && !has_vector("5"));
    gdb.ask("Hgp1.1");
    assert_eq!(gdb.ask("qAttached:d"), "1");
    assert_eq!(gdb.ask("qC"), "QCp1.1");
    gdb.ask("Hgp0.0");
    assert!(gdb.ask("qXfer:auxv:read::0,1000").starts_with('m'));
    gdb.ask("Hgp1.1");
    gdb.ask("Hgp0.0");
    assert_eq!(gdb.ask("qC"), "QCp1.1");
}

/// What gdb 13 sends when it comes: it gets to know all processes before it believes why the machine has stopped.
#[test]
fn memory_is_that_of_the_process_that_gdb_gets_to_know() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    let number = format!("m{:x},4", CODE + SIZE - 4);
    gdb.ask("Hgp0.0");
    assert_eq!(gdb.ask("?"), "T02thread:p1.1;");
    for process in ["c", "5", "d"] {
        assert_eq!(gdb.ask(&format!("qAttached:{process}")), "1");
        assert_eq!(gdb.ask(&number), format!("{process:0>2}000000"));
    }
    assert_eq!(gdb.ask("Hc-1"), "OK");
    assert_eq!(gdb.ask(&number), "01000000");
    assert_eq!(gdb.ask("Z0,400010,1"), "OK");
    drop(gdb);
    assert_eq!(mock.points().iter().collect::<Vec<_>>(), [&(Process(1), Point::Code(CODE + 0x10))]);
}

/// After a stop gdb does not name its thread, not even when it has got to know another process since.
#[test]
fn a_breakpoint_goes_to_the_process_that_has_stopped() {
    let mut mock = Mock::new();
    mock.will(Event::Signal(thread(12, 1), 11));
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgp0.0");
    assert_eq!(gdb.go("vCont;c"), ["T0bthread:pc.1;"]);
    assert_eq!(gdb.ask("qAttached:d"), "1");
    assert_eq!(gdb.ask("qC"), "QCpc.1");
    assert_eq!(gdb.ask("Z0,400010,1"), "OK");
    assert_eq!(gdb.ask(&format!("m{:x},4", CODE + SIZE - 4)), "0c000000");
    drop(gdb);
    assert_eq!(mock.points().iter().collect::<Vec<_>>(), [&(SH, Point::Code(CODE + 0x10))]);
}

#[test]
fn the_monitor_has_its_say() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.1");
    let heard = gdb.ask_all(&format!("qRcmd,{}", hex("threads")));
    assert_eq!(heard, [format!("O{}", hex("threads in 12.1\n")), "OK".into()]);
    let heard = gdb.ask_all(&format!("qRcmd,{}", hex("repeat 5000")));
    assert!(heard.len() > 2 && heard.iter().all(|packet| packet.len() < super::framing::PACKET_SIZE));
    let digits: usize = heard.iter().filter(|packet| *packet != "OK").map(|packet| packet.len() - 1).sum();
    assert_eq!(digits, 2 * 5000 * "a line of text\n".len());
}

#[test]
fn nonsense_is_refused_and_forgotten() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    gdb.ask("Hgpc.2");
    for body in [
        "H",
        "Hx",
        "Hg-",
        "T",
        "Tp1",
        "m",
        "mzz,1",
        "M400000",
        "p",
        "P",
        "P0",
        "Z",
        "Z0",
        "Z0,1",
        "vCont;",
        "vCont;x",
        "vCont;s",
        "vCont;c:p1.1.1",
        "vCont;r1:pc.1",
        "vFile:pread:0",
        "vFile:open:",
        "qXfer:features:read",
        "qXfer:threads:read::x,1",
        "qXfer:threads:read::1",
        "qThreadExtraInfo",
        "qRcmd;",
        "D;",
        "D;x",
        "vAttach;",
        "vKill;-1",
        "vCont;t:pc.1",
    ] {
        let heard = gdb.ask_all(body);
        assert!(heard.len() == 1 && (heard[0].starts_with('E') || heard[0].is_empty()), "{body}: {heard:?}");
    }
    // What was agreed on still holds.
    assert_eq!(gdb.ask("qC"), "QCpc.2");
    assert_eq!(gdb.ask("p10"), "2000400000000000");
    assert_eq!(gdb.go("vCont;s:pc.2;c"), ["T05thread:pc.2;"]);
}

#[test]
fn packets_are_acknowledged_until_both_agree() {
    let mut mock = Mock::new();
    let mut session = Session::new(&mut mock, false);
    let mut say = |bytes: &[u8]| {
        session.receive(bytes);
        let said = String::from_utf8_lossy(session.outbox().bytes()).into_owned();
        session.outbox().sent(said.len());
        said
    };
    assert_eq!(say(b"$qC#b4"), "+$QC100000001#46");
    assert_eq!(say(b"$qC#b5"), "-");
    assert_eq!(say(b"-"), "$QC100000001#46");
    assert_eq!(say(b"$QStartNoAckMode#b0"), "+$OK#9a");
    assert_eq!(say(b"+$qC#b4-"), "$QC100000001#46");
    assert_eq!(say(b"$qC#b5"), String::from_utf8(frame(b"E.a packet with a wrong checksum")).unwrap());
}

#[test]
fn who_asks_without_reading_is_not_heard() {
    let mut mock = Mock::new();
    let mut gdb = Gdb::attach(&mut mock);
    let question = frame(format!("m{CODE:x},1000").as_bytes());
    let flood = question.repeat(1000);
    let mut taken = gdb.0.receive(&flood);
    assert!(taken < flood.len() && !gdb.0.takes());
    assert!(gdb.0.outbox().bytes().len() < 0x8_0000);
    while taken < flood.len() {
        assert!(!gdb.heard().is_empty());
        taken += gdb.0.receive(&flood[taken..]);
    }
}
