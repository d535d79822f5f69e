//! Unpacking archives, good and bad.

use super::world::World;
use crate::errno::Errno;
use crate::fs::FileKind;
use crate::fs::cpio::{CpioError, Problem, unpack};
use proptest::prelude::*;

/// Writes newc archives.
#[derive(Default)]
struct Archive(Vec<u8>);

struct Member<'a> {
    inode: u32,
    mode: u32,
    links: u32,
    rdev: (u32, u32),
    name: &'a str,
    data: &'a [u8],
}

impl Default for Member<'_> {
    fn default() -> Self {
        Self { inode: 1, mode: 0o100_644, links: 1, rdev: (0, 0), name: "f", data: b"" }
    }
}

impl Archive {
    fn add(mut self, m: Member<'_>) -> Self {
        let name_size = m.name.len() as u32 + 1;
        let fields =
            [m.inode, m.mode, 3, 4, m.links, 77, m.data.len() as u32, 0, 5, m.rdev.0, m.rdev.1, name_size, 0];
        self.0.extend(b"070701");
        fields.iter().for_each(|f| self.0.extend(format!("{f:08x}").bytes()));
        self.0.extend(m.name.bytes().chain([0]));
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.0.extend(m.data);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
    fn end(self) -> Vec<u8> {
        self.add(Member { name: "TRAILER!!!", mode: 0, ..Member::default() }).0
    }
}

fn try_unpack(w: &World, bytes: &[u8]) -> Result<usize, CpioError> {
    unpack(&w.ctx(), w.vfs.root(), bytes)
}

#[test]
fn a_tree_of_everything() {
    let w = World::new();
    let big = vec![0xab; 70_000];
    let bytes = Archive::default()
        .add(Member { name: ".", mode: 0o040_755, ..Member::default() })
        .add(Member { name: "bin", mode: 0o040_755, links: 2, ..Member::default() })
        .add(Member { name: "bin/sh", mode: 0o104_755, data: &big, ..Member::default() })
        .add(Member { name: "./bin/link", mode: 0o120_777, data: b"sh", ..Member::default() })
        .add(Member { name: "null", mode: 0o020_666, rdev: (1, 3), ..Member::default() })
        .add(Member { name: "fifo", mode: 0o010_600, ..Member::default() })
        .add(Member { name: "/deep/er/file", data: b"x", ..Member::default() })
        .end();
    assert_eq!(try_unpack(&w, &bytes), Ok(7));
    assert_eq!(w.get("/bin/link"), big);
    let sh = w.stat("/bin/sh");
    assert_eq!((sh.permissions, sh.uid, sh.gid, sh.modified.seconds), (0o4755, 3, 4, 77));
    assert_eq!(w.get("/null"), b"");
    assert_eq!(w.stat("/fifo").kind, FileKind::Fifo);
    assert_eq!(w.get("/deep/er/file"), b"x");
    assert_eq!(w.stat("/").permissions, 0o755);
}

#[test]
fn hard_links_with_their_content_at_the_last() {
    let w = World::new();
    let name = |name, data| Member { name, data, inode: 9, links: 3, ..Member::default() };
    let bytes = Archive::default().add(name("a", b"")).add(name("b", b"")).add(name("c", b"data")).end();
    assert_eq!(try_unpack(&w, &bytes), Ok(3));
    assert_eq!((w.get("/a"), w.stat("/a").links), (b"data".to_vec(), 3));
    assert_eq!(w.stat("/a").inode, w.stat("/c").inode);
}

#[test]
fn later_entries_replace_earlier_ones_and_archives_follow_one_another() {
    let w = World::new();
    let mut bytes = Archive::default().add(Member { data: b"one", ..Member::default() }).end();
    bytes.extend([0; 300]);
    bytes.extend(Archive::default().add(Member { data: b"two", ..Member::default() }).end());
    assert_eq!(try_unpack(&w, &bytes), Ok(2));
    assert_eq!(w.get("/f"), b"two");
}

#[test]
fn nothing_gets_out_of_the_directory() {
    let w = World::new();
    w.mkdir("/in").unwrap();
    w.mkdir("/out").unwrap();
    let at = w.find("/in");
    for name in ["../evil", "a/../../evil", "..", ""] {
        let bytes = Archive::default().add(Member { name, ..Member::default() }).end();
        assert_eq!(unpack(&w.ctx(), &at, &bytes).unwrap_err().problem, Problem::BadName, "{name}");
    }
    let bytes = Archive::default()
        .add(Member { name: "way", mode: 0o120_777, data: b"/out", ..Member::default() })
        .add(Member { name: "way/evil", ..Member::default() })
        .end();
    let error = unpack(&w.ctx(), &at, &bytes).unwrap_err();
    assert_eq!(error.problem, Problem::Failed("way/evil".into(), Errno::ENOTDIR));
    assert!(w.list("/out").is_empty());
}

#[test]
fn every_kind_of_damage_is_named() {
    let w = World::new();
    let good = Archive::default().add(Member { data: b"hello", ..Member::default() }).end();
    for cut in 1..good.len() - 1 {
        let problem = try_unpack(&w, &good[..cut]).err().map(|e| e.problem);
        // The padding of the last entry may be missing.
        assert!(problem == Some(Problem::Truncated) || cut > good.len() - 4, "{cut}: {problem:?}");
    }
    let problem = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        try_unpack(&w, &bad).unwrap_err().problem
    };
    assert_eq!(problem(0, b"070707"), Problem::BadMagic);
    assert_eq!(problem(20, b"g"), Problem::BadNumber);
    assert_eq!(problem(94, b"00000000"), Problem::BadName);
    assert_eq!(problem(94, b"ffffffff"), Problem::BadName);
    assert_eq!(problem(54, b"ffffffff"), Problem::Truncated);
    assert_eq!(problem(14, b"0000f1a4"), Problem::BadKind);
    assert_eq!(try_unpack(&w, b"").unwrap_err().problem, Problem::Truncated);
    let error = try_unpack(&w, b"junk").unwrap_err();
    assert_eq!(error.to_string(), "cpio archive, entry at byte 0: the archive ends too early");
}

#[test]
fn an_archive_that_is_too_large_is_said_to_be() {
    let w = World::with_frames(64);
    let bytes = Archive::default().add(Member { data: &vec![1; 300_000], ..Member::default() }).end();
    assert_eq!(try_unpack(&w, &bytes).unwrap_err().problem, Problem::Failed("f".into(), Errno::ENOSPC));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    /// Whatever the bytes are, unpacking ends, and does not panic.
    #[test]
    fn any_bytes(changes in prop::collection::vec((0..600usize, any::<u8>()), 0..12), cut in 0..700usize) {
        let w = World::with_frames(128);
        let mut bytes = Archive::default()
            .add(Member { name: "d", mode: 0o040_755, ..Member::default() })
            .add(Member { name: "d/f", links: 2, data: &[1; 50], ..Member::default() })
            .add(Member { name: "d/l", links: 2, ..Member::default() })
            .add(Member { name: "s", mode: 0o120_777, data: b"d", ..Member::default() })
            .end();
        for (at, byte) in changes {
            let len = bytes.len();
            bytes[at % len] = byte;
        }
        bytes.truncate(cut);
        let _ = try_unpack(&w, &bytes);
    }
}
