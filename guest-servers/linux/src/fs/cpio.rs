//! Unpacking a cpio archive ("newc", `Documentation/driver-api/early-userspace/buffer-format.rst`) into a directory.
//!
//! The archive comes from outside, so every length is checked and no entry can leave the directory: `..` is refused, and symbolic
//! links on the way are not followed. What is wrong is said, with the offset; entries before that are there.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::context::FsContext;
use super::dentry::Dentry;
use super::file::Io;
use super::inode::New;
use super::metadata::{Change, DeviceId, FileKind, Metadata, Time};
use super::path::{NAME_MAX, PATH_MAX};
use crate::errno::{Errno, Result};
use linux_raw_sys::general as raw;

/// What is wrong with an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// It ends in the middle of an entry, or without a trailer.
    Truncated,
    /// There is no "070701" or "070702" where an entry should be.
    BadMagic,
    /// A number is not hexadecimal.
    BadNumber,
    /// The name is empty, too long, without its NUL, or has `..` in it.
    BadName,
    /// A kind of file that there is not.
    BadKind,
    /// The file could not be made.
    Failed(String, Errno),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpioError {
    /// Where the entry starts.
    pub offset: usize,
    pub problem: Problem,
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpio archive, entry at byte {}: ", self.offset)?;
        match &self.problem {
            Problem::Truncated => f.write_str("the archive ends too early"),
            Problem::BadMagic => f.write_str("not a newc entry (070701 or 070702 expected)"),
            Problem::BadNumber => f.write_str("a header field is not a hexadecimal number"),
            Problem::BadName => f.write_str("a file name that cannot be"),
            Problem::BadKind => f.write_str("a kind of file that there is not"),
            Problem::Failed(name, e) => write!(f, "{name}: {e}"),
        }
    }
}

const HEADER: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";

/// One entry, as it is in the archive.
#[derive(Debug)]
struct Entry<'a> {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    mtime: u32,
    device: (u32, u32),
    rdev: (u32, u32),
    name: &'a [u8],
    data: &'a [u8],
}

/// Unpacks the archives in `bytes`, one behind the other with zeros between them, into `root`. Returns the number of entries.
pub fn unpack(ctx: &FsContext<'_>, root: &Rc<Dentry>, bytes: &[u8]) -> Result<usize, CpioError> {
    let mut unpacker = Unpacker { ctx, root, links: BTreeMap::new() };
    let (mut at, mut count, mut open) = (0, 0, true);
    while at < bytes.len() {
        if bytes[at] == 0 && !open {
            at += 1;
            continue;
        }
        let problem = |problem| CpioError { offset: at, problem };
        let (entry, next) = parse(bytes, at).map_err(problem)?;
        open = entry.name != TRAILER;
        if open {
            unpacker.entry(&entry).map_err(problem)?;
            count += 1;
        } else {
            unpacker.links.clear();
        }
        at = next;
    }
    if open { Err(CpioError { offset: at, problem: Problem::Truncated }) } else { Ok(count) }
}

/// The entry at `at` and where the next one starts.
fn parse(bytes: &[u8], at: usize) -> Result<(Entry<'_>, usize), Problem> {
    let header = bytes.get(at..at + HEADER).ok_or(Problem::Truncated)?;
    if !matches!(&header[..6], b"070701" | b"070702") {
        return Err(Problem::BadMagic);
    }
    let mut fields = [0; 13];
    for (field, digits) in fields.iter_mut().zip(header[6..].chunks_exact(8)) {
        *field = hex(digits).ok_or(Problem::BadNumber)?;
    }
    let [
        inode,
        mode,
        uid,
        gid,
        links,
        mtime,
        size,
        dev_major,
        dev_minor,
        r_major,
        r_minor,
        name_size,
        _check,
    ] = fields;
    let name_at = at + HEADER;
    let name_size = name_size as usize;
    if name_size == 0 || name_size > PATH_MAX + 1 {
        return Err(Problem::BadName);
    }
    let name = bytes.get(name_at..name_at + name_size).ok_or(Problem::Truncated)?;
    let name = name.strip_suffix(b"\0").ok_or(Problem::BadName)?;
    let data_at = (name_at + name_size).next_multiple_of(4);
    let end = data_at.checked_add(size as usize).ok_or(Problem::Truncated)?;
    let data = bytes.get(data_at..end).ok_or(Problem::Truncated)?;
    let entry = Entry {
        inode,
        mode,
        uid,
        gid,
        links,
        mtime,
        device: (dev_major, dev_minor),
        rdev: (r_major, r_minor),
        name,
        data,
    };
    Ok((entry, end.next_multiple_of(4)))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, &d| Some(n << 4 | (d as char).to_digit(16)?))
}

struct Unpacker<'a> {
    ctx: &'a FsContext<'a>,
    root: &'a Rc<Dentry>,
    /// Files with several names that have been seen, by device and inode.
    links: BTreeMap<(u32, u32, u32), Rc<Dentry>>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Problem> {
        let names = split(entry.name)?;
        self.make(entry, &names)
            .map_err(|e| Problem::Failed(entry.name.escape_ascii().map(char::from).collect(), e))
            .and_then(|known| if known { Ok(()) } else { Err(Problem::BadKind) })
    }

    /// Returns whether the kind is known.
    fn make(&mut self, entry: &Entry<'_>, names: &[&[u8]]) -> Result<bool> {
        let Some((name, parents)) = names.split_last() else {
            // The archive's own "."
            self.set_attributes(entry, self.root)?;
            return Ok(true);
        };
        let parent = self.directory(parents)?;
        let Some(kind) = FileKind::from_mode(entry.mode) else { return Ok(false) };
        let key = (entry.device.0, entry.device.1, entry.inode);
        let several = entry.links > 1 && kind != FileKind::Directory;
        if several && let Some(first) = self.links.get(&key).cloned() {
            self.clear_way(&parent, name, kind)?;
            let directory = parent.inode().as_dir().ok_or(Errno::ENOTDIR)?;
            directory.link(&parent, name, first.inode(), self.ctx.now())?;
            // The content comes with the last of the names (and with none but it).
            self.fill(entry, &first)?;
            return Ok(true);
        }
        let dentry = self.node(entry, kind, &parent, name)?;
        self.fill(entry, &dentry)?;
        if several {
            self.links.insert(key, dentry);
        }
        Ok(true)
    }

    /// The directory that these names lead to. Those that are missing are made, as Linux does not but GNU cpio -d does.
    fn directory(&self, names: &[&[u8]]) -> Result<Rc<Dentry>> {
        let mut at = self.root.clone();
        for name in names {
            let directory = at.inode().as_dir().ok_or(Errno::ENOTDIR)?;
            at = match directory.lookup(&at, name, self.ctx) {
                Err(Errno::ENOENT) => {
                    directory.create(&at, name, New::Directory { permissions: 0o755 }, self.ctx)?
                }
                found => found?,
            };
        }
        if at.inode().metadata().is_dir() { Ok(at) } else { Err(Errno::ENOTDIR) }
    }

    /// Removes what an entry is to replace. A directory stays if the entry is one. Returns what stays.
    fn clear_way(&self, parent: &Rc<Dentry>, name: &[u8], kind: FileKind) -> Result<Option<Rc<Dentry>>> {
        let directory = parent.inode().as_dir().ok_or(Errno::ENOTDIR)?;
        match directory.lookup(parent, name, self.ctx) {
            Ok(there) if kind == FileKind::Directory && there.inode().metadata().is_dir() => Ok(Some(there)),
            Ok(there) => directory.remove(&there, self.ctx.now()).map(|()| None),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn node(
        &self,
        entry: &Entry<'_>,
        kind: FileKind,
        parent: &Rc<Dentry>,
        name: &[u8],
    ) -> Result<Rc<Dentry>> {
        if let Some(there) = self.clear_way(parent, name, kind)? {
            self.set_attributes(entry, &there)?;
            return Ok(there);
        }
        let permissions = entry.mode & 0o7777;
        let rdev = DeviceId::new(entry.rdev.0, entry.rdev.1);
        let new = match kind {
            FileKind::Regular => New::File { permissions },
            FileKind::Directory => New::Directory { permissions },
            FileKind::Symlink => New::Symlink { target: link_text(entry.data)? },
            FileKind::Fifo => New::Fifo { permissions },
            FileKind::Socket => New::Socket { permissions },
            FileKind::Character => New::Device { character: true, permissions, rdev },
            FileKind::Block => New::Device { character: false, permissions, rdev },
        };
        let directory = parent.inode().as_dir().ok_or(Errno::ENOTDIR)?;
        let dentry = directory.create(parent, name, new, self.ctx)?;
        self.set_attributes(entry, &dentry)?;
        Ok(dentry)
    }

    /// Puts the entry's content into a regular file.
    fn fill(&self, entry: &Entry<'_>, dentry: &Rc<Dentry>) -> Result<()> {
        let Metadata { kind, .. } = dentry.inode().metadata();
        if kind != FileKind::Regular || entry.data.is_empty() {
            return Ok(());
        }
        let ops = dentry.inode().clone().open(raw::O_WRONLY, self.ctx)?;
        let mut source = entry.data;
        while !source.is_empty() {
            let offset = (entry.data.len() - source.len()) as u64;
            if ops.write(&Io { caller: self.ctx.caller, offset, timed_out: false }, &mut source)? == 0 {
                return Err(Errno::ENOSPC);
            }
        }
        self.set_attributes(entry, dentry)
    }

    fn set_attributes(&self, entry: &Entry<'_>, dentry: &Rc<Dentry>) -> Result<()> {
        let time = Time { seconds: entry.mtime.into(), nanos: 0 };
        dentry.inode().change(&Change {
            permissions: Some(entry.mode & 0o7777),
            uid: Some(entry.uid),
            gid: Some(entry.gid),
            accessed: Some(time),
            modified: Some(time),
            changed: time,
        })
    }
}

/// Some archivers put a NUL behind a link's text.
fn link_text(data: &[u8]) -> Result<&[u8]> {
    let text = data.strip_suffix(b"\0").unwrap_or(data);
    if text.is_empty() || text.len() > PATH_MAX || text.contains(&0) { Err(Errno::EINVAL) } else { Ok(text) }
}

/// The names in a path, which must stay inside.
fn split(path: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    if path.is_empty() || path.contains(&0) {
        return Err(Problem::BadName);
    }
    let names: Vec<&[u8]> = path.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".").collect();
    let good = names.iter().all(|n| *n != b".." && n.len() <= NAME_MAX);
    if good { Ok(names) } else { Err(Problem::BadName) }
}
