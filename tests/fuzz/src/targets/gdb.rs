//! The debugger's protocol: packets and noise, while the machine does what a debugger has it do, and a connection that ends anywhere.

use super::Seed;
use ukvmm::debug::mock::{CODE, COUNTER, Mock};
use ukvmm::gdb::framing::{Framer, Incoming, PACKET_SIZE, frame};
use ukvmm::gdb::session::{End, Session};

/// What begins a line that goes to the session as it is; any other is the body of a packet, which is put into a frame.
const RAW: u8 = b'~';
/// Begins a line that is taken in when the machine has had time to stop.
const LATER: u8 = b'@';

pub fn run(lines: &[u8]) {
    let mut mock = Mock::new();
    mock.run();
    let mut session = Session::new(&mut mock, true);
    session.happened();
    for line in lines.split(|&byte| byte == b'\n') {
        let (later, line) = line.strip_prefix(&[LATER]).map_or((false, line), |line| (true, line));
        if later {
            session.happened();
        }
        let bytes = line.strip_prefix(&[RAW]).map_or_else(|| frame(line), <[u8]>::to_vec);
        feed(&mut session, &bytes);
    }
    session.hang_up();
    session.happened();
    let end = session.end().expect("whoever has hung up is gone");
    drop(session);
    assert!(end != End::Left || mock.points().is_empty(), "a breakpoint is left behind");
    assert!(end != End::Left || mock.is_running() || mock.has_crashed(), "the machine stands still");
}

/// Everything, as the connection would.
fn feed(session: &mut Session<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let taken = session.receive(bytes);
        bytes = &bytes[taken..];
        let sent = check(session.outbox().bytes());
        session.outbox().sent(sent);
        if taken == 0 && sent == 0 {
            session.happened();
            if !session.takes() {
                return;
            }
        }
    }
}

/// What goes out is packets that a debugger can take in. Returns how many bytes it was.
fn check(bytes: &[u8]) -> usize {
    assert!(bytes.len() < 16 * PACKET_SIZE, "{} bytes wait", bytes.len());
    let mut framer = Framer::default();
    for &byte in bytes {
        match framer.push(byte, false) {
            None | Some(Incoming::Packet(_) | Incoming::Resend) => {}
            Some(other) => panic!("{other:?} goes out"),
        }
    }
    bytes.len()
}

fn lines(lines: &[&str]) -> Vec<u8> {
    lines.join("\n").into_bytes()
}

fn monitor(command: &str) -> String {
    let digits: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("qRcmd,{digits}")
}

pub fn seeds() -> Vec<Seed> {
    let start = ["QStartNoAckMode", "qSupported:multiprocess+;swbreak+", "?"];
    let point = |kind: &str| format!("{kind},{:x},1", CODE + 21);
    let watch = |kind: &str| format!("{kind},{COUNTER:x},8");
    let with = |rest: &[&str]| lines(&[&start[..], rest].concat());
    let will = |what: &str| with(&[&monitor(what), "vCont;c", "@vCont;c", "@vCont;s:p1.1;c"]);
    vec![
        (
            "threads",
            with(&[
                "qfThreadInfo",
                "qsThreadInfo",
                "qXfer:threads:read::0,40",
                "Tpc.1",
                "qThreadExtraInfo,pc.1",
            ]),
        ),
        (
            "memory",
            with(&[
                "Hgpc.1",
                "m400000,40",
                "M400000,2:0102",
                "X400000,1:}]",
                "mffffffffffffffff,ffffffffffffffff",
            ]),
        ),
        (
            "registers",
            with(&[
                "Hgpc.2",
                "g",
                "p10",
                "P10=2100400000000000",
                "p3f",
                "p42",
                "qXfer:features:read:target.xml:0,1000",
            ]),
        ),
        (
            "points",
            with(&[
                "Hgpd.1",
                &point("Z0"),
                "vCont;c",
                &format!("@{}", point("z0")),
                &point("Z1"),
                "vCont;s:pd.1",
            ]),
        ),
        (
            "watch",
            with(&["Hgp5.1", &watch("Z2"), "vCont;c", "@?", &watch("z2"), &watch("Z4"), "vCont;c:p5.-1"]),
        ),
        (
            "steps",
            with(&[
                "vCont?",
                "vCont;s:pc.1;c:pc.-1",
                "@vCont;r400010,400018:pc.1;c",
                "@vCont;C1e:pc.1;c",
                "~\u{3}",
            ]),
        ),
        ("processes", with(&["D;c", "vAttach;c", "!", "D", "vAttach;d", "@D;d", "vAttach;63", "@vKill;1"])),
        (
            "files",
            with(&[
                "qXfer:exec-file:read:c:0,100",
                "vFile:setfs:c",
                "vFile:open:2f6e6f2070726f6772616d206b6e6f776e,0,0",
                "vFile:fstat:0",
                "vFile:pread:0,100,0",
                "vFile:close:0",
                "qXfer:auxv:read::0,100",
            ]),
        ),
        ("exit", will("will exit")),
        ("crash", will("will crash")),
        ("segfault", will("will segfault")),
        ("fork", will("will fork")),
        ("output", with(&[&monitor("repeat 9000"), &monitor("help")])),
        ("acknowledged", lines(&["~+", "qSupported:", "~-", "~$g#00", "~$m40\u{3}", "k"])),
        ("interrupt", with(&["vCont;c", "~$m40\u{3}", "@g", "vCont;c"])),
    ]
}
