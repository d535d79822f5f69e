extern crate std;
use super::*;
use std::string::{String, ToString};
use std::vec::Vec;

const LINE: &str = "server name=console elf=cons prio=200 memory=2097152 ports=0xb00+8,1016+8 irqs=5,4 call=log,fs args=-v,a%20b";

fn one(line: &str) -> Result<Server<'_>, Mistake> {
    servers(line).next().expect("one line").map_err(|e| e.what)
}

fn decode(arg: Arg<'_>) -> String {
    String::from_utf8(arg.bytes().collect()).unwrap()
}

#[test]
fn reads_a_full_line() {
    let s = one(LINE).unwrap();
    assert_eq!((s.name, s.elf, s.prio, s.memory), ("console", "cons", 200, 2 << 20));
    let ports: Vec<_> = s.ports().map(|r| (r.first, r.count)).collect();
    assert_eq!(ports, [(0xb00, 8), (0x3f8, 8)]);
    assert_eq!(s.irqs().collect::<Vec<_>>(), [5, 4]);
    assert_eq!(s.call().collect::<Vec<_>>(), ["log", "fs"]);
    assert_eq!(s.args().map(decode).collect::<Vec<_>>(), ["-v", "a b"]);
    let last = s.args().last().unwrap();
    assert!(last.is("a b") && !last.is("a%20b"));
    assert!(s.args().next().unwrap().strip("-").unwrap().is("v"));
}

#[test]
fn lists_may_be_left_out() {
    let s = one("server name=a elf=a prio=0 memory=0").unwrap();
    assert_eq!((s.ports().count(), s.irqs().count(), s.call().count(), s.args().count()), (0, 0, 0, 0));
    assert_eq!((s.devices().count(), s.kill().count(), s.restart, s.watchdog), (0, 0, Restart::Never, 0));
}

#[test]
fn drivers() {
    let s =
        one("server name=b elf=b prio=1 memory=1 devices=block:0,9p:12 kill=b,c restart=always watchdog=20")
            .unwrap();
    let device = |kind, index| Device { kind, index };
    assert!(s.devices().eq([device(DeviceKind::Block, 0), device(DeviceKind::P9, 12)]));
    assert!(s.kill().eq(["b", "c"]));
    assert_eq!((s.restart, s.watchdog), (Restart::Always, 20));
    assert_eq!(one("server name=b elf=b prio=1 memory=1 restart=never").unwrap().restart, Restart::Never);
    for kind in DeviceKind::ALL {
        assert_eq!(Device::parse(&device(kind, 3).to_string()), Some(device(kind, 3)));
        assert_eq!(DeviceKind::from_id(kind.id()), Some(kind));
    }
}

#[test]
fn what_is_written_is_read_back() {
    let args = ["--strace=summary", "two words", "100%,\n\"ü\"", "%41"];
    let ports = [PortRange::new(0xffff, 1).unwrap(), PortRange::new(0, 0x1_0000).unwrap()];
    let entry = Entry {
        name: "linux",
        elf: "linux",
        prio: 100,
        memory: u64::MAX,
        ports: &ports,
        irqs: &[0, 63],
        call: &["console"],
        args: &args,
        devices: &[Device { kind: DeviceKind::Net, index: 1 }],
        kill: &["console"],
        restart: Restart::Always,
        watchdog: 20,
    };
    let line = entry.to_string();
    assert!(!line.contains('\n'), "{line:?}");
    let s = one(&line).unwrap();
    assert_eq!((s.name, s.prio, s.memory), ("linux", 100, u64::MAX));
    assert_eq!(s.ports().collect::<Vec<_>>(), ports);
    assert_eq!(s.irqs().collect::<Vec<_>>(), [0, 63]);
    assert_eq!(s.args().map(decode).collect::<Vec<_>>(), args);
    assert!(s.devices().eq([Device { kind: DeviceKind::Net, index: 1 }]) && s.kill().eq(["console"]));
    assert_eq!((s.restart, s.watchdog), (Restart::Always, 20));
}

#[test]
fn comments_and_empty_lines_count_but_are_skipped() {
    let text = "# the set\n\n  \nserver name=a elf=a prio=1 memory=4096\nnonsense\nserver name=b elf=b prio=1 memory=1\n";
    let all: Vec<_> = servers(text).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].unwrap().name, "a");
    assert_eq!(all[1], Err(SetError { line: 5, what: Mistake::NotServer }));
    assert_eq!(all[2].unwrap().name, "b");
}

#[test]
fn every_mistake_is_named() {
    let base = "server name=a elf=a prio=1 memory=1";
    let cases: &[(&str, Mistake)] = &[
        ("serve name=a", Mistake::NotServer),
        ("server name", Mistake::NotKeyValue),
        ("server nam=a", Mistake::UnknownKey),
        ("server name=a name=b", Mistake::Twice),
        ("server elf=a prio=1 memory=1", Mistake::Missing("name")),
        ("server name=a prio=1 memory=1", Mistake::Missing("elf")),
        ("server name=a elf=a memory=1", Mistake::Missing("prio")),
        ("server name=a elf=a prio=1", Mistake::Missing("memory")),
        ("server name=../a elf=a prio=1 memory=1", Mistake::BadValue("name")),
        ("server name=a elf=A prio=1 memory=1", Mistake::BadValue("elf")),
        ("server name=a elf=a prio=256 memory=1", Mistake::BadValue("prio")),
        ("server name=a elf=a prio=1 memory=-1", Mistake::BadValue("memory")),
    ];
    for (line, what) in cases {
        assert_eq!(one(line), Err(*what), "{line}");
    }
    let lists = [
        ("ports", "0xb00"),
        ("ports", "0xb00+0"),
        ("ports", "0xffff+2"),
        ("ports", "0x10000+1"),
        ("ports", "0x+1+1"),
        ("ports", "1+1,"),
        ("irqs", "64"),
        ("irqs", ","),
        ("irqs", "x"),
        ("call", "a b"),
        ("call", "a,,b"),
        ("args", "a,,b"),
        ("args", "%2"),
        ("args", "%zz"),
        ("args", "\u{7f}"),
        ("devices", "block"),
        ("devices", "block:"),
        ("devices", "block:+1"),
        ("devices", "block:256"),
        ("devices", "disk:0"),
        ("kill", "a,,b"),
        ("restart", "sometimes"),
        ("watchdog", "0"),
        ("watchdog", "20ms"),
        ("watchdog", "60001"),
    ];
    for (key, value) in lists {
        let line = std::format!("{base} {key}={value}");
        let expected = if value.contains(' ') { Mistake::NotKeyValue } else { Mistake::BadValue(key) };
        assert_eq!(one(&line), Err(expected), "{line}");
    }
}

#[test]
fn names() {
    for good in ["a", "linux", "net-2", "x_y.z", "0"] {
        assert!(is_name(good), "{good}");
    }
    for bad in ["", ".", "..", "-a", "a/b", "A", "ä", "a b", "a=b", "0123456789012345678901234567890x"] {
        assert!(!is_name(bad), "{bad}");
    }
}
