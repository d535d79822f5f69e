//! What a debugger asks.

use super::{CODE, DATA, World, elf};
use crate::bytes::u64_at;
use crate::report;
use linux_raw_sys::general::*;
use vmm_abi::report::{Answer, Entry, Operation, Request};

const ENOENT: u32 = 2;
const EISDIR: u32 = 21;
const EINVAL: u32 = 22;
const ERANGE: u32 = 34;

/// Asks, with room for `room` bytes beside the answer's head.
fn ask_with(w: &World, room: usize, request: &Request<'_>) -> (Answer, Vec<u8>) {
    let mut out = vec![0xee; Answer::SIZE + room];
    let len = report::answer(&w.server, &[&request.header(), request.path].concat(), &mut out);
    let (answer, bytes) = Answer::decode(&out[..len]).unwrap();
    (answer, bytes.to_vec())
}

fn ask(w: &World, operation: Operation, process: u32, path: &str) -> (Answer, Vec<u8>) {
    ask_with(w, 1 << 20, &Request { operation, process, offset: 0, path: path.as_bytes() })
}

fn text(w: &World, path: &str) -> String {
    let (answer, bytes) = ask(w, Operation::Read, 0, path);
    assert_eq!(answer.error, 0, "{path}");
    String::from_utf8(bytes).unwrap()
}

/// Lists a folder, with little room at a time.
fn list(w: &World, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut offset = 0;
    loop {
        let path = path.as_bytes();
        let (answer, bytes) =
            ask_with(w, 40, &Request { operation: Operation::List, process: 0, offset, path });
        assert_eq!(answer.error, 0);
        let mut rest = &bytes[..];
        while let Some((entry, others)) = Entry::split(rest) {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            rest = others;
        }
        if answer.next == offset {
            return names;
        }
        offset = answer.next;
    }
}

#[test]
fn files_are_read_from_any_offset() {
    let (w, _) = World::new();
    let (answer, bytes) = ask(&w, Operation::Read, 0, "/bin/prog");
    assert_eq!((answer.error, answer.mode, answer.size), (0, 0o100755, elf().len() as u64));
    assert!(bytes == elf());
    let at = |offset, room| {
        ask_with(&w, room, &Request { operation: Operation::Read, process: 0, offset, path: b"/bin/prog" })
    };
    let (answer, bytes) = at(0x10000, 3);
    assert_eq!((answer.next, &bytes[..]), (0x10003, &b"dat"[..]));
    let (answer, bytes) = at(answer.size, 3);
    assert_eq!((answer.next, bytes.len()), (answer.size, 0), "the end");
    assert_eq!(at(u64::MAX, 3).1.len(), 0);
}

#[test]
fn proc_tells_about_processes() {
    let (w, t) = World::new();
    let (pid, _child) = w.fork(t);
    assert_eq!(text(&w, &format!("/proc/{pid}/comm")), "prog\n");
    assert!(text(&w, "/proc/1/maps").contains("00400000-00410000 r-xp 00000000"));
    assert_eq!(ask(&w, Operation::Link, 0, "/proc/1/exe").1, b"/bin/prog");
    // AT_ENTRY is among the pairs, the last of which is AT_NULL.
    let auxv = ask(&w, Operation::Read, 0, "/proc/1/auxv").1;
    let pairs: Vec<_> = auxv.as_chunks::<16>().0.iter().map(|p| (u64_at(p, 0), u64_at(p, 8))).collect();
    assert!(pairs.contains(&(9, CODE + 0x100)) && pairs.last() == Some(&(0, 0)), "{pairs:x?}");
    let self_of = |process| ask(&w, Operation::Link, process, "/proc/self").1;
    assert_eq!(self_of(pid as u32), pid.to_string().into_bytes());
    let folders = list(&w, "/proc");
    assert!(folders.contains(&"1".into()) && folders.contains(&pid.to_string()), "{folders:?}");
    assert_eq!(list(&w, "/proc/1/fd"), [".", "..", "0", "1", "2"]);
    let thread = u64::from(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD);
    let tid = w.ok(t, __NR_clone, &[thread, DATA + 0x4000, 0, 0, 0]);
    assert_eq!(list(&w, "/proc/1/task"), [".", "..", "1", &tid.to_string()]);
    assert!(text(&w, &format!("/proc/1/task/{tid}/status")).contains(&format!("\nPid:\t{tid}\n")));
}

#[test]
fn paths_are_those_of_the_process() {
    let (w, t) = World::new();
    w.store(t, DATA, b"/bin\0").unwrap();
    w.ok(t, __NR_chdir, &[DATA]);
    assert_eq!(ask(&w, Operation::Read, 1, "prog").0.error, 0);
    assert_eq!(ask(&w, Operation::Read, 0, "prog").0.error, ENOENT);
    assert_eq!(ask(&w, Operation::Read, 77, "prog").0.error, ENOENT, "there is no such process");
    w.ok(t, __NR_chroot, &[DATA]);
    assert_eq!(ask(&w, Operation::Read, 1, "/prog").0.error, 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (w, _) = World::new();
    let error = |operation, path| ask(&w, operation, 0, path).0.error;
    assert_eq!(error(Operation::Read, "/none"), ENOENT);
    assert_eq!(error(Operation::Read, ""), ENOENT);
    assert_eq!(error(Operation::Read, "/proc"), EISDIR);
    assert_eq!(error(Operation::Read, "/dev/zero"), EINVAL, "it has no end");
    assert_eq!(error(Operation::Read, "/dev/console"), EINVAL, "it would wait");
    assert_eq!(error(Operation::Link, "/bin/prog"), EINVAL);
    assert_eq!(error(Operation::List, "/bin/prog"), 20);
    let link = Request { operation: Operation::Link, process: 0, offset: 0, path: b"/proc/1/exe" };
    assert_eq!(ask_with(&w, 3, &link).0.error, ERANGE);
    for rubbish in [&[][..], &[1; 15], &[9; 40]] {
        let mut out = [0; 64];
        let len = report::answer(&w.server, rubbish, &mut out);
        assert_eq!(Answer::decode(&out[..len]).unwrap().0.error, EINVAL);
    }
    assert_eq!(report::answer(&w.server, &[], &mut [0; Answer::SIZE - 1]), 0);
}
