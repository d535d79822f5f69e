//! The host's Linux as the oracle: random operations on names have the same results there and here.
//!
//! Paths cannot leave the directory that the host's side works in: `..` comes only behind a name, and links lead
//! only to names, so each step up undoes a step down.

use super::world::World;
use crate::errno::Result;
use crate::fs::FileKind;
use linux_raw_sys::general as raw;
use proptest::prelude::*;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
enum Op {
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    /// Flags besides O_RDWR or O_RDONLY.
    Open(String, bool, u32),
    Stat(String),
    Lstat(String),
    ReadLink(String),
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![8 => "[abc]", 1 => Just(".".into()), 2 => "[abc]/\\.\\.", 1 => "[abc]/"];
    (prop::collection::vec(part, 1..4), any::<bool>())
        .prop_map(|(parts, slash)| parts.join("/") + if slash && parts.len() > 2 { "/" } else { "" })
}

fn target() -> impl Strategy<Value = String> {
    (prop::collection::vec("[abc]", 1..3), prop::bool::weighted(0.1))
        .prop_map(|(names, slash)| names.join("/") + if slash { "/" } else { "" })
}

fn op() -> impl Strategy<Value = Op> {
    let flags = prop::sample::select(vec![
        0,
        raw::O_CREAT,
        raw::O_CREAT | raw::O_EXCL,
        raw::O_TRUNC,
        raw::O_NOFOLLOW,
        raw::O_DIRECTORY,
        raw::O_CREAT | raw::O_NOFOLLOW,
    ]);
    prop_oneof![
        4 => path().prop_map(Op::Mkdir),
        2 => path().prop_map(Op::Rmdir),
        2 => path().prop_map(Op::Unlink),
        4 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        3 => (target(), path()).prop_map(|(a, b)| Op::Symlink(a, b)),
        5 => (path(), any::<bool>(), flags).prop_map(|(p, w, f)| Op::Open(p, w, f)),
        2 => path().prop_map(Op::Stat),
        2 => path().prop_map(Op::Lstat),
        2 => path().prop_map(Op::ReadLink),
    ]
}

fn here(w: &World, op: &Op) -> Result<String> {
    let none = |()| String::new();
    match op {
        Op::Mkdir(p) => w.mkdir(p).map(none),
        Op::Rmdir(p) => w.rmdir(p).map(none),
        Op::Unlink(p) => w.unlink(p).map(none),
        Op::Rename(a, b) => w.rename(a, b, 0).map(none),
        Op::Link(a, b) => w.link(a, b).map(none),
        Op::Symlink(text, p) => w.symlink(text, p).map(none),
        Op::Open(p, writes, flags) => {
            let mode = if *writes { raw::O_RDWR } else { raw::O_RDONLY };
            w.open(p, mode | flags).map(|_| String::new())
        }
        Op::Stat(p) => w.lookup(p, true).map(|d| format!("{:?}", d.inode().metadata().kind)),
        Op::Lstat(p) => w.lookup(p, false).map(|d| format!("{:?}", d.inode().metadata().kind)),
        Op::ReadLink(p) => w.read_link(p),
    }
}

fn kind(meta: &fs::Metadata) -> FileKind {
    let t = meta.file_type();
    match (t.is_dir(), t.is_symlink(), t.is_fifo()) {
        (true, ..) => FileKind::Directory,
        (_, true, _) => FileKind::Symlink,
        (.., true) => FileKind::Fifo,
        _ => FileKind::Regular,
    }
}

fn there(base: &Path, op: &Op) -> io::Result<String> {
    // Put together as text: `Path::join` would lose trailing slashes.
    let at = |p: &str| PathBuf::from(format!("{}/{p}", base.display()));
    let none = |()| String::new();
    match op {
        Op::Mkdir(p) => fs::create_dir(at(p)).map(none),
        Op::Rmdir(p) => fs::remove_dir(at(p)).map(none),
        Op::Unlink(p) => fs::remove_file(at(p)).map(none),
        Op::Rename(a, b) => fs::rename(at(a), at(b)).map(none),
        Op::Link(a, b) => fs::hard_link(at(a), at(b)).map(none),
        Op::Symlink(text, p) => symlink(text, at(p)).map(none),
        Op::Open(p, writes, flags) => {
            let mut options = OpenOptions::new();
            options.read(true).write(*writes).mode(0o666);
            options.custom_flags(*flags as i32).open(at(p)).map(|_| String::new())
        }
        Op::Stat(p) => fs::metadata(at(p)).map(|m| format!("{:?}", kind(&m))),
        Op::Lstat(p) => fs::symlink_metadata(at(p)).map(|m| format!("{:?}", kind(&m))),
        Op::ReadLink(p) => fs::read_link(at(p)).map(|text| text.display().to_string()),
    }
}

/// All that there is, as lines: path, kind, links of files, target.
fn tree_here(w: &World, dir: &str, out: &mut Vec<String>) {
    for name in w.list(dir) {
        let path = format!("{dir}/{name}");
        let meta = w.lstat(&path);
        let links = if meta.is_dir() { 0 } else { meta.links };
        let text = w.read_link(&path).unwrap_or_default();
        out.push(format!("{path} {:?} {links} {text}", meta.kind));
        if meta.is_dir() {
            tree_here(w, &path, out);
        }
    }
}

fn tree_there(base: &Path, dir: &str, out: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(format!("{}{dir}", base.display())).unwrap().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{dir}/{}", entry.file_name().display());
        let meta = entry.metadata().unwrap();
        let links = if meta.is_dir() { 0 } else { meta.nlink() };
        let text = fs::read_link(entry.path()).map(|t| t.display().to_string()).unwrap_or_default();
        out.push(format!("{path} {:?} {links} {text}", kind(&meta)));
        if meta.is_dir() {
            tree_there(base, &path, out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn names_behave_as_on_the_host(ops in prop::collection::vec(op(), 1..60)) {
        let base = tempfile::tempdir().unwrap();
        let w = World::new();
        for op in &ops {
            let ours = here(&w, op).map_err(|e| i32::from(e.number()));
            let theirs = there(base.path(), op).map_err(|e| e.raw_os_error().unwrap());
            prop_assert_eq!(ours, theirs, "{:?} of {:?}", op, &ops);
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        tree_here(&w, "", &mut ours);
        tree_there(base.path(), "", &mut theirs);
        prop_assert_eq!(ours, theirs);
    }
}
