//! Debuggers that talk nonsense, and leave in the middle of a word. The guest goes on each time, and ends as ever.

use crate::trials::{Context, on_kvm};
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{self, End, NAP, Running};
use guest_tests::programs;
use libtest_mimic::Trial;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the guest counts, and how long it rests in between, in milliseconds: longer than all attacks take together.
const TICKS: usize = 150;
const REST: &str = "30";
const LIMIT: Duration = Duration::from_secs(60);
/// How long an attacker listens: a machine that says nothing must not stop the test.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any packet that a debugger is told it may send.
const MUCH: usize = 1 << 20;

/// What is sent, and whether the attacker waits for an answer before it leaves.
struct Attack {
    name: &'static str,
    bytes: Vec<u8>,
    listens: bool,
}

fn attacks() -> Vec<Attack> {
    let attack = |name, bytes: &[u8], listens| Attack { name, bytes: bytes.to_vec(), listens };
    let mut attacks = vec![
        attack("nothing", b"", false),
        attack("only an interrupt", b"\x03", true),
        attack("interrupts", &[3; 1000], true),
        attack("acknowledgements", &[b'+'; 10_000], true),
        attack("denials", &[b'-'; 10_000], true),
        attack("every byte", &(0..=255).collect::<Vec<u8>>(), false),
        attack("half a packet", b"$qSupported:multiproc", false),
        attack("half a checksum", b"$g#6", false),
        attack("a wrong checksum", b"$g#00", true),
        attack("no digits in a checksum", b"$g#zz", true),
        attack("a packet in a packet", b"$m$m$m#00#00", false),
        attack("an escape at the end", b"$}#7d", true),
        attack("a packet without end", &[b"$", &vec![b'A'; MUCH][..]].concat(), false),
        attack("zeros", &vec![0; MUCH], false),
        attack("a request, and gone", &packet(b"qXfer:features:read:target.xml:0,fff"), false),
        attack("on it goes, and gone", &packet(b"vCont;c"), false),
    ];
    attacks.extend(PACKETS.iter().map(|text| Attack {
        name: text,
        bytes: packet(text.as_bytes()),
        listens: true,
    }));
    attacks
}

/// Packets that are whole, and ask for what makes no sense.
const PACKETS: &[&str] = &[
    "",
    "m0,ffffffffffffffff",
    "mffffffffffffffff,ffffffffffffffff",
    "m-1,-1",
    "M0,ffffffffffffffff:00",
    "X0,ffffffff:",
    "Hgp-1.-1",
    "Hgpffffffff.ffffffff",
    "Hgp0.0",
    "Tp7fffffff.7fffffff",
    "p99999999",
    "P10=",
    "G00",
    "Z0,0,ffffffffffffffff",
    "Z2,ffffffffffffffff,ffffffffffffffff",
    "Z9,0,0",
    "z0,1234,1",
    "vCont;s:p1.ffff;c:pffff.1",
    "vCont;r0,0:p-1.-1;",
    "vAttach;ffffffff",
    "vFile:setfs:ffffffff",
    "vFile:pread:7fffffff,ffffffffffffffff,ffffffffffffffff",
    "vFile:open:2f2f2f,0",
    "qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff",
    "qXfer:auxv:read::0,0",
    "qXfer:exec-file:read:ffffffff:0,10",
    "qRcmd,",
    "qRcmd,7",
    "qRcmd,6d617070696e677320666666666620666666666666666666666666666666666666",
    "qThreadExtraInfo,pffff.ffff",
    "qSupported:xmlRegisters=;;;=;+;-",
];

/// With its checksum.
fn packet(text: &[u8]) -> Vec<u8> {
    let sum = text.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    [b"$", text, format!("#{sum:02x}").as_bytes()].concat()
}

impl Attack {
    fn carry_out(&self, socket: &Path) -> std::io::Result<()> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Neither being thrown out nor silence is wrong.
        let sent = stream.write_all(&self.bytes);
        if self.listens && sent.is_ok() {
            let _ = stream.read(&mut [0; 64]);
        }
        Ok(())
    }
}

fn ticks(bytes: &[u8]) -> usize {
    bytes.windows(5).filter(|window| *window == b"tick ").count()
}

/// Waits for a tick that has not been yet.
fn lives(ukvmm: &Running, deadline: Instant) -> bool {
    let from = ukvmm.stdout.length();
    ukvmm.stdout.wait(from, deadline, |said| (ticks(said) > 0).then_some(())).is_some()
}

fn run(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let socket = folder.path().join("gdb");
    let option = format!("unix:{},wait=off", socket.display());
    let program = ["/tests/counter", &TICKS.to_string(), REST];
    let boot = Boot::linux(&context.build, &programs::debug_image(&context.build)?)?;
    let ukvmm = process::start(boot.with(&["--gdb", &option]).program(&program).command(), b"")?;
    let deadline = Instant::now() + LIMIT;
    let result = attacks().iter().try_for_each(|attack| {
        if !lives(&ukvmm, deadline) {
            return Err(format!("the guest does not live before `{}`", attack.name));
        }
        attack.carry_out(&socket).map_err(|e| format!("{}: {e}", attack.name))
    });
    let outcome = ukvmm.finish(if result.is_ok() { LIMIT } else { NAP })?;
    let errors = String::from_utf8_lossy(&outcome.stderr);
    // That it can be debugged, and nothing of what has been sent.
    let quiet = errors.lines().all(|line| line.contains("a debugger can come to "));
    let all = ticks(&outcome.stdout) == TICKS && outcome.end == End::Exited(0) && quiet;
    match result {
        Ok(()) if all => Ok(()),
        Ok(()) => Err(compare::describe(&outcome)),
        Err(error) => Err(format!("{error}: {}", compare::describe(&outcome))),
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![on_kvm("gdb-hostile", context, run)]
}
