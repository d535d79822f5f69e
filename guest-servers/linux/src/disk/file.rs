//! The device file: what an open disk is, and where its reads and writes begin.

use alloc::rc::Rc;

use super::Disk;
use crate::buf::{Sink, Source};
use crate::errno::{Errno, Result};
use crate::fs::file::{File, FileOps, Io};
use crate::fs::inode::New;
use crate::fs::metadata::{Change, DeviceId, FileKind};
use crate::fs::vfs::Device;
use crate::fs::{Dentry, FsContext};
use linux_raw_sys::general as raw;

/// Linux's name of the first virtio disk.
pub const NAME: &str = "vda";
/// And its number: the first of those that Linux gives to block devices as they come.
pub const NUMBER: DeviceId = DeviceId::new(254, 0);
const PERMISSIONS: u32 = 0o660;
/// The group `disk`, as Debian and others number it.
const GROUP: u32 = 6;

/// Puts the disk into `/dev`, whose root directory is `dev`.
pub fn add(ctx: &FsContext<'_>, dev: &Rc<Dentry>, disk: Rc<Disk>) -> Result<()> {
    let directory = dev.inode().as_dir().ok_or(Errno::ENOTDIR)?;
    let new = New::Device { character: false, permissions: PERMISSIONS, rdev: NUMBER };
    let node = directory.create(dev, NAME.as_bytes(), new, ctx)?;
    node.inode().change(&Change { gid: Some(GROUP), changed: ctx.now(), ..Change::default() })?;
    ctx.vfs.add_device(FileKind::Block, NUMBER, Rc::new(Vda(disk)));
    Ok(())
}

struct Vda(Rc<Disk>);

impl Device for Vda {
    /// A disk that cannot be written to may be opened for writing, and refuses the writing itself, as Linux's virtio disks do.
    fn open(&self, _flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Ok(Rc::new(OpenDisk(self.0.clone())))
    }
}

struct OpenDisk(Rc<Disk>);

impl FileOps for OpenDisk {
    fn read(&self, _io: &Io<'_>, _sink: &mut dyn Sink) -> Result<usize> {
        Err(Errno::EAGAIN)
    }
    fn write(&self, _io: &Io<'_>, _source: &mut dyn Source) -> Result<usize> {
        Err(Errno::EAGAIN)
    }
    fn disk(&self) -> Option<&Disk> {
        Some(&self.0)
    }
}

/// Reads from a file that is `disk`, at the file's offset or at `at`. No signal ends the wait, as with Linux's disks.
pub async fn read(file: &File, disk: &Disk, sink: &mut dyn Sink, at: Option<u64>) -> Result<usize> {
    let offset = at.unwrap_or(file.offset());
    let n = disk.read(offset, sink).await?;
    if at.is_none() {
        file.set_offset(offset + n as u64);
    }
    Ok(n)
}

/// Writes likewise. O_APPEND has no meaning for a device.
pub async fn write(file: &File, disk: &Disk, source: &mut dyn Source, at: Option<u64>) -> Result<usize> {
    let offset = at.unwrap_or(file.offset());
    let n = disk.write(offset, source).await?;
    if n > 0 && file.flags() & raw::O_DSYNC != 0 {
        disk.flush().await?;
    }
    if at.is_none() {
        file.set_offset(offset + n as u64);
    }
    Ok(n)
}
