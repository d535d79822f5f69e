//! Getattr, setattr, statfs, readlink, extended attributes.

use super::fids::{Fid, Open};
use super::{Server, qids};
use crate::share::xattr;
use crate::wire::Writer;
use crate::wire::flags::{getattr, setattr};
use crate::wire::request::Change;
use rustix::fs::{StatxFlags, StatxTimestamp, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use std::sync::Arc;

impl Server {
    /// A file that was moved out of the folder shared is not there any more, except for those who had it open.
    fn still_shared(&self, fid: &Fid) -> Result<(), Errno> {
        if fid.open.is_some() { Ok(()) } else { self.share.inside(&fid.node) }
    }

    pub(super) fn getattr(&mut self, fid: u32, mask: u64, reply: &mut Writer<'_>) -> Result<(), Errno> {
        let fid = self.fids.get(fid)?;
        self.still_shared(fid)?;
        let stat = fid.node.stat()?;
        let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME)
            && mask & getattr::BIRTH_TIME != 0;
        reply.u64(getattr::BASIC | if born { getattr::BIRTH_TIME } else { 0 });
        reply.qid(qids::of(&self.share, &stat));
        reply.u32(stat.stx_mode.into());
        reply.u32(stat.stx_uid);
        reply.u32(stat.stx_gid);
        reply.u64(stat.stx_nlink.into());
        reply.u64(rustix::fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor));
        reply.u64(stat.stx_size);
        reply.u64(stat.stx_blksize.into());
        reply.u64(stat.stx_blocks);
        let time = |time: &StatxTimestamp| (time.tv_sec as u64, time.tv_nsec.into());
        let birth = if born { time(&stat.stx_btime) } else { (0, 0) };
        for (seconds, nanoseconds) in
            [time(&stat.stx_atime), time(&stat.stx_mtime), time(&stat.stx_ctime), birth]
        {
            reply.u64(seconds);
            reply.u64(nanoseconds);
        }
        // Generation and version of the data: not known.
        reply.u64(0);
        reply.u64(0);
        Ok(())
    }

    /// Size first, while the file may be written, and times last, since all else sets them.
    pub(super) fn setattr(&mut self, fid: u32, change: &Change) -> Result<(), Errno> {
        let fid = self.fids.get(fid)?;
        self.share.writable()?;
        self.still_shared(fid)?;
        let has = |bit: u32| change.valid & bit != 0;
        let times = times(change)?;
        if has(setattr::SIZE) {
            let open = match &fid.open {
                Some(Open::File { file, writable: true }) => Some(file),
                _ => None,
            };
            self.share.set_size(&fid.node, open, change.size)?;
        }
        if has(setattr::OWNER | setattr::GROUP) {
            let owner = has(setattr::OWNER).then_some(change.owner);
            let group = has(setattr::GROUP).then_some(change.group);
            self.share.set_owner(&fid.node, owner, group)?;
        }
        if has(setattr::MODE) {
            self.share.set_mode(&fid.node, change.mode)?;
        }
        if has(setattr::ACCESSED | setattr::MODIFIED) {
            self.share.set_times(&fid.node, &times)?;
        }
        Ok(())
    }

    pub(super) fn statfs(&mut self, fid: u32, reply: &mut Writer<'_>) -> Result<(), Errno> {
        let system = self.share.file_system(self.fids.node(fid)?)?;
        reply.u32(system.f_type as u32);
        reply.u32(system.f_bsize as u32);
        reply.u64(system.f_blocks);
        reply.u64(system.f_bfree);
        reply.u64(system.f_bavail);
        reply.u64(system.f_files);
        reply.u64(system.f_ffree);
        // An identifier of the host's file system, which is nothing to the guest.
        reply.u64(0);
        reply.u32(system.f_namelen as u32);
        Ok(())
    }

    pub(super) fn readlink(&mut self, fid: u32, reply: &mut Writer<'_>) -> Result<(), Errno> {
        let fid = self.fids.get(fid)?;
        self.still_shared(fid)?;
        let target = self.share.read_link(&fid.node)?;
        reply.string(&target);
        Ok(())
    }

    /// Makes a fid by which an attribute can be read, or the list of all if the name is empty, and says how long that is.
    pub(super) fn xattrwalk(
        &mut self,
        fid: u32,
        new: u32,
        name: &[u8],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let node = Arc::clone(self.fids.node(fid)?);
        self.fids.check_free(new)?;
        let value = match name {
            b"" => self.share.list_xattr(&node)?,
            _ => self.share.get_xattr(&node, name)?,
        };
        reply.u64(value.len() as u64);
        self.fids.put(new, Fid { node, open: Some(Open::Xattr(name.to_vec())) });
        Ok(())
    }

    /// Makes the fid one by which an attribute is written.
    pub(super) fn xattrcreate(&mut self, fid: u32, name: &[u8], size: u64, flags: u32) -> Result<(), Errno> {
        self.share.writable()?;
        self.fids.check_new_xattr()?;
        let size = usize::try_from(size).ok().filter(|&size| size <= xattr::LONGEST).ok_or(Errno::TOOBIG)?;
        let fid = self.fids.get_mut(fid)?;
        if fid.open.is_some() {
            return Err(Errno::BUSY);
        }
        fid.open = Some(Open::NewXattr { name: name.to_vec(), size, flags, value: Vec::new() });
        Ok(())
    }
}

/// Both times as the kernel takes them: a time, now, or unchanged.
fn times(change: &Change) -> Result<Timestamps, Errno> {
    let time = |bit: u32, set: u32, (seconds, nanoseconds): (u64, u64)| {
        let special = |nanoseconds| Ok(Timespec { tv_sec: 0, tv_nsec: nanoseconds });
        match (change.valid & bit != 0, change.valid & set != 0) {
            (false, _) => special(UTIME_OMIT),
            (true, false) => special(UTIME_NOW),
            // The special values are above this limit.
            (true, true) if nanoseconds >= 1_000_000_000 => Err(Errno::INVAL),
            (true, true) => Ok(Timespec { tv_sec: seconds as i64, tv_nsec: nanoseconds as i64 }),
        }
    };
    Ok(Timestamps {
        last_access: time(setattr::ACCESSED, setattr::ACCESSED_SET, change.accessed)?,
        last_modification: time(setattr::MODIFIED, setattr::MODIFIED_SET, change.modified)?,
    })
}
