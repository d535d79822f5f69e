//! What is found in profiles: records of any guest's making, in any order, in files that may be damaged.

use super::Seed;
use profile::file::{Header, Names, Trailer};
use profile::format::Format;
use profile::mock::{Guest, IPC, sample, thread};
use profile::report;
use std::io::Cursor;
use vmm_abi::trace::Event;

pub fn run(bytes: &[u8]) {
    let write = |format| {
        let mut out = Vec::new();
        report::write(Cursor::new(bytes), format, &mut out).is_ok().then_some(out)
    };
    let Some(table) = write(Format::Table) else { return };
    // What can be shown in one way can be in all.
    let [lines, trace, page, log] = [Format::JsonLines, Format::Perfetto, Format::Html, Format::Hdr]
        .map(|format| write(format).expect("a table can be made of it"));
    let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| drop(json(line)));
    drop(json(&trace));
    for text in [&table, &page] {
        let text = str::from_utf8(text).expect("UTF-8");
        assert!(
            text.chars().all(|letter| letter == '\n' || !letter.is_control()),
            "something for a terminal"
        );
    }
    for line in String::from_utf8_lossy(&table).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(log.starts_with(b"# "));
}

/// A short run of a guest that does these things.
fn short(guest: impl FnOnce(&mut Guest)) -> Vec<u8> {
    let mut made = Guest::default();
    guest(&mut made);
    let header = Header { tsc_khz: 2_000_000, ..Header::default() };
    made.file(&header, &Names::default(), Trailer::default()).into_inner()
}

pub fn seeds() -> Vec<Seed> {
    let (program, server) = (thread(10, 0), thread(5, 0));
    let whole = sample().into_inner();
    let cut = whole[..whole.len() / 2].to_vec();
    vec![
        ("cut-off", cut),
        ("empty", short(|_| {})),
        (
            "call",
            short(|guest| {
                guest.call(0, (program, server), 39, [9; 6]);
            }),
        ),
        (
            "gap",
            short(|guest| {
                guest.call(0, (program, server), 39, [9; 6]).skip(3).call(0, (program, server), 39, [9; 6]);
            }),
        ),
        (
            "trampoline",
            short(|guest| {
                guest
                    .kernel(0, 10, Event::ENTER_SYSCALL, program, 0)
                    .kernel(0, 21, Event::EXIT, program, 0)
                    .kernel(0, 30, Event::ENTER_SYSCALL, program, IPC)
                    .kernel(0, 1, Event::COMMIT, program, server)
                    .kernel(0, 2, Event::EXIT, server, 0)
                    .kernel(0, 6, Event::ENTER_SYSCALL, server, IPC)
                    .kernel(0, 7, Event::COMMIT, server, program)
                    .kernel(0, 8, Event::EXIT, program, 0);
            }),
        ),
        (
            "outside",
            short(|guest| {
                guest
                    .kernel(0, 5, Event::EXIT, program, 0)
                    .host(0, 10, Event::VM_EXIT, 2)
                    .host(0, 10, Event::VM_ENTRY, 2)
                    .kernel(0, 5, Event::ENTER_TRAP, program, 0x40)
                    .kernel(0, 5, Event::EXIT, program, 0)
                    .server(5, Event::USER, program, 1)
                    .server(5, Event::DEVICE_REQUEST, server, 1)
                    .server(5, Event::DEVICE_DONE, server, 1);
            }),
        ),
        ("whole", whole),
    ]
}
