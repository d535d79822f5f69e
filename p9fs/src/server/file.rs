//! Open, create, read, write, fsync, lock.

use super::fids::{Fid, Open};
use super::{Server, qids};
use crate::share::file::Existing;
use crate::share::{Kind, Name};
use crate::wire::Writer;
use crate::wire::flags::{lock, open};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The host's flags for a client's, and whether they let the file be written. What is not here (`O_DIRECT`, `O_NOATIME`, `O_NONBLOCK`
/// and so on) is about the client's own side, or nothing that a server could promise.
fn host_flags(flags: u32) -> Result<(OFlags, bool), Errno> {
    let (mut host, writable) = match flags & open::ACCESS {
        open::READ => (OFlags::RDONLY, false),
        open::WRITE => (OFlags::WRONLY, true),
        open::READ_WRITE => (OFlags::RDWR, true),
        _ => return Err(Errno::INVAL),
    };
    for (client, flag) in [
        (open::TRUNCATE, OFlags::TRUNC),
        (open::APPEND, OFlags::APPEND),
        (open::DATA_SYNC, OFlags::DSYNC),
        (open::SYNC, OFlags::SYNC),
        (open::DIRECTORY, OFlags::DIRECTORY),
    ] {
        if flags & client != 0 {
            host |= flag;
        }
    }
    Ok((host, writable))
}

/// The largest piece to read or write in: 0 leaves it to the size of messages.
const PIECE: u32 = 0;

impl Server {
    pub(super) fn lopen(&mut self, fid: u32, flags: u32, reply: &mut Writer<'_>) -> Result<(), Errno> {
        let (host, writable) = host_flags(flags)?;
        let fid = self.fids.get_mut(fid)?;
        if fid.open.is_some() {
            return Err(Errno::BUSY);
        }
        let file = self.share.open_node(&fid.node, host)?;
        reply.qid(qids::of(&self.share, &fid.node.stat()?));
        reply.u32(PIECE);
        fid.open = Some(match fid.node.kind() {
            Kind::Folder => Open::Folder(file),
            _ => Open::File { file, writable },
        });
        Ok(())
    }

    /// Makes a file in the folder that the fid stands for; then the fid stands for the file, open.
    pub(super) fn lcreate(
        &mut self,
        fid: u32,
        name: &[u8],
        flags: u32,
        mode: u32,
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let (host, writable) = host_flags(flags & !open::DIRECTORY)?;
        let existing = if flags & open::EXCLUSIVE != 0 { Existing::Refuse } else { Existing::Open };
        let fid = self.fids.get_mut(fid)?;
        if fid.open.is_some() {
            return Err(Errno::BUSY);
        }
        let (node, file) = self.share.create(&fid.node, Name::new(name)?, host, mode, existing)?;
        if node.kind() == Kind::Folder {
            return Err(Errno::ISDIR);
        }
        reply.qid(qids::of(&self.share, &node.stat()?));
        reply.u32(PIECE);
        *fid = Fid { node: node.into(), open: Some(Open::File { file, writable }) };
        Ok(())
    }

    pub(super) fn read(
        &mut self,
        fid: u32,
        offset: u64,
        count: u32,
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let fid = self.fids.get(fid)?;
        let value = match &fid.open {
            Some(Open::Xattr(name)) if name.is_empty() => self.share.list_xattr(&fid.node)?,
            Some(Open::Xattr(name)) => self.share.get_xattr(&fid.node, name)?,
            _ => {
                let file = fid.file()?;
                return reply.data(count, |room| read_full(file, room, offset));
            }
        };
        let rest = usize::try_from(offset).ok().and_then(|offset| value.get(offset..)).unwrap_or_default();
        reply.data(count, |room| {
            let count = rest.len().min(room.len());
            room[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    pub(super) fn write(
        &mut self,
        fid: u32,
        offset: u64,
        data: &[u8],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let fid = self.fids.get_mut(fid)?;
        let count = if let Some(Open::NewXattr { size, value, .. }) = &mut fid.open {
            if offset != value.len() as u64 || data.len() > *size - value.len() {
                return Err(Errno::INVAL);
            }
            value.extend_from_slice(data);
            data.len()
        } else {
            let file = fid.file()?;
            rustix::io::retry_on_intr(|| rustix::io::pwrite(file, data, offset))?
        };
        reply.u32(count as u32);
        Ok(())
    }

    pub(super) fn fsync(&mut self, fid: u32, data_only: bool) -> Result<(), Errno> {
        let file = match &self.fids.get(fid)?.open {
            Some(Open::File { file, .. } | Open::Folder(file)) => file,
            _ => return Err(Errno::BADF),
        };
        if data_only { rustix::fs::fdatasync(file) } else { rustix::fs::fsync(file) }
    }

    /// Locks are kept by the guest's kernel, which grants one among its own programs before it asks here. The host's programs and
    /// other guests do not see them: the host's locks belong to an open file, and a guest's program that opens one file twice must not be
    /// locked out by itself.
    pub(super) fn lock(&mut self, fid: u32, reply: &mut Writer<'_>) -> Result<(), Errno> {
        self.fids.get(fid)?.file()?;
        reply.u8(lock::SUCCESS);
        Ok(())
    }

    /// Nobody else has a lock.
    pub(super) fn getlock(
        &mut self,
        fid: u32,
        (start, length): (u64, u64),
        process: u32,
        client: &[u8],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        self.fids.get(fid)?.file()?;
        reply.u8(lock::UNLOCK);
        reply.u64(start);
        reply.u64(length);
        reply.u32(process);
        reply.string(client);
        Ok(())
    }
}

/// Reads until the room is full or the file at its end, since a client takes less than it asked for to be the end.
fn read_full(file: &OwnedFd, room: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while done < room.len() {
        let Some(at) = offset.checked_add(done as u64) else { break };
        match rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut room[done..], at)) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}
