//! `/dev`: a file system in memory with the device files in it, and the devices that need no hardware.

use alloc::rc::Rc;

use super::context::FsContext;
use super::dentry::Dentry;
use super::file::{FileOps, Io};
use super::inode::New;
use super::metadata::{DeviceId, FileKind};
use super::recorder::Recorder;
use super::tmpfs;
use super::vfs::{Device, DeviceNumbers, Vfs};
use crate::buf::{Sink, Source};
use crate::errno::{Errno, Result};

/// Device numbers, as in Linux's `Documentation/admin-guide/devices.txt`.
pub mod number {
    use super::DeviceId;
    pub const NULL: DeviceId = DeviceId::new(1, 3);
    pub const ZERO: DeviceId = DeviceId::new(1, 5);
    pub const FULL: DeviceId = DeviceId::new(1, 7);
    pub const RANDOM: DeviceId = DeviceId::new(1, 8);
    pub const URANDOM: DeviceId = DeviceId::new(1, 9);
    pub const TTY: DeviceId = DeviceId::new(5, 0);
    pub const CONSOLE: DeviceId = DeviceId::new(5, 1);
    /// Of those that are for local use.
    pub const TRACE: DeviceId = DeviceId::new(10, 240);
}

const NODES: [(&str, DeviceId, u32); 8] = [
    ("null", number::NULL, 0o666),
    ("zero", number::ZERO, 0o666),
    ("full", number::FULL, 0o666),
    ("random", number::RANDOM, 0o666),
    ("urandom", number::URANDOM, 0o666),
    ("tty", number::TTY, 0o666),
    ("console", number::CONSOLE, 0o600),
    ("trace", number::TRACE, 0o666),
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Fills a buffer with random bytes.
pub type Random = Rc<dyn Fn(&mut [u8])>;

/// Makes the file system of `/dev`.
pub fn root(ctx: &FsContext<'_>, numbers: &DeviceNumbers) -> Result<Rc<Dentry>> {
    let root = tmpfs::root(ctx.vfs.pool().clone(), numbers.next(), 0o755, ctx.now())?;
    let directory = root.inode().as_dir().ok_or(Errno::ENOTDIR)?;
    for (name, rdev, permissions) in NODES {
        directory.create(&root, name.as_bytes(), New::Device { character: true, permissions, rdev }, ctx)?;
    }
    for (name, target) in LINKS {
        directory.create(&root, name.as_bytes(), New::Symlink { target: target.as_bytes() }, ctx)?;
    }
    Ok(root)
}

/// Gives the devices that need no hardware their meaning. The terminal's are [`crate::tty`]'s to add.
pub fn add_plain(vfs: &Vfs, random: Random) {
    for (number, content) in
        [(number::NULL, Content::Nothing), (number::ZERO, Content::Zeros), (number::FULL, Content::Full)]
    {
        vfs.add_device(FileKind::Character, number, Rc::new(Plain(content)));
    }
    for number in [number::RANDOM, number::URANDOM] {
        vfs.add_device(FileKind::Character, number, Rc::new(RandomDevice(random.clone())));
    }
    vfs.add_device(FileKind::Character, number::TRACE, Rc::new(Recorder));
}

#[derive(Clone, Copy)]
enum Content {
    /// `/dev/null`: nothing comes out, and what goes in is gone.
    Nothing,
    /// `/dev/zero`
    Zeros,
    /// `/dev/full`: as zero, but there is no room for anything.
    Full,
}

#[derive(Clone, Copy)]
struct Plain(Content);

impl Device for Plain {
    fn open(&self, _flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Ok(Rc::new(*self))
    }
}

impl FileOps for Plain {
    fn read(&self, _io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        match self.0 {
            Content::Nothing => Ok(0),
            Content::Zeros | Content::Full => sink.put_zeros(sink.remaining()),
        }
    }
    fn write(&self, _io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        match self.0 {
            Content::Full => Err(Errno::ENOSPC),
            // Not looked at, so a wild pointer is no error, as on Linux.
            Content::Nothing | Content::Zeros => Ok(source.skip(source.remaining())),
        }
    }
}

#[derive(Clone)]
struct RandomDevice(Random);

impl Device for RandomDevice {
    fn open(&self, _flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Ok(Rc::new(OpenRandom(self.0.clone())))
    }
}

const BLOCK: usize = 256;

struct OpenRandom(Random);

impl FileOps for OpenRandom {
    fn read(&self, _io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        let mut block = [0; BLOCK];
        let mut done = 0;
        while sink.remaining() > 0 {
            let n = sink.remaining().min(BLOCK);
            (self.0)(&mut block[..n]);
            match sink.put(&block[..n]) {
                Ok(0) => break,
                Ok(put) => done += put,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done)
    }
    /// What is written would be stirred in; there is nothing to stir it into.
    fn write(&self, _io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        Ok(source.skip(source.remaining()))
    }
}
