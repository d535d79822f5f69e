//! What a client can ask for.

use super::channel::Channel;
use super::entries::{Entries, Entry};
use super::error::Error;
use super::files::{File, SCRATCH_FID};
use super::kind::{self, HEADER, READ_HEADER, errno, open};
use super::session::{Failed, Session, split};
use super::wire::{Qid, Writer};
use alloc::vec::Vec;

/// What `stat` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes {
    pub qid: Qid,
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    pub links: u64,
    pub device: u64,
    /// Bytes.
    pub size: u64,
    pub block_size: u64,
    /// Of 512 bytes.
    pub blocks: u64,
    /// Seconds since 1970 and nanoseconds: of access, of change, of change of the attributes.
    pub times: [(u64, u64); 3],
}

impl<C: Channel> Session<C> {
    /// Opens a file or folder. Flags are those of [`open`], without `CREATE`.
    pub fn open(&mut self, path: &str, flags: u32) -> Result<File, Error> {
        let (index, fid) = self.files.free()?;
        self.repeat(|s| {
            s.walk(path, fid)?;
            s.open_fid(fid, flags)
        })?;
        self.opened(index, fid, path, flags)
    }

    /// Makes a file and opens it; one that is there is opened, unless the flags have `EXCLUSIVE`. If the driver is
    /// restarted meanwhile, nobody knows who made a file that is there then: it counts as made.
    pub fn create(&mut self, path: &str, flags: u32, mode: u32) -> Result<File, Error> {
        let (folder, name) = split(path)?;
        let (index, fid) = self.files.free()?;
        let before = self.restarts();
        self.repeat(|s| {
            s.walk(folder, fid)?;
            let mut flags = flags | open::CREATE;
            if s.restarts() != before {
                flags &= !open::EXCLUSIVE;
            }
            let write = |w: Writer<'_, C>| w.u32(fid).text(name).u32(flags).u32(mode).u32(0).finish();
            match s.request(kind::LCREATE, write) {
                Ok(answer) => Ok(answer.reader().qid().map(drop)?),
                Err(Failed::Error(Error::Refused(errno::EXISTS))) if flags & open::EXCLUSIVE == 0 => {
                    // Servers that always make a new one.
                    s.clunk(fid)?;
                    s.walk(path, fid)?;
                    s.open_fid(fid, flags & !open::CREATE)
                }
                Err(Failed::Error(error)) => {
                    s.clunk(fid)?;
                    Err(error.into())
                }
                Err(lost) => Err(lost),
            }
        })?;
        self.opened(index, fid, path, flags)
    }

    fn opened(&mut self, index: usize, fid: u32, path: &str, flags: u32) -> Result<File, Error> {
        match self.files.opened(index, path, flags) {
            Ok(file) => Ok(file),
            Err(error) => {
                self.repeat(|s| s.clunk(fid))?;
                Err(error)
            }
        }
    }

    /// The file is open no more.
    pub fn close(&mut self, file: File) -> Result<(), Error> {
        let fid = self.files.fid(file);
        if !self.files.remove(file) {
            return Ok(());
        }
        let fid = fid?;
        // Where the server has forgotten everything, it has forgotten this, too.
        self.repeat(|s| s.clunk(fid))
    }

    /// Reads from byte `offset` on; the number of bytes, 0 at the end.
    pub fn read(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let want = into.len().min(self.most());
        let count = self.repeat(|s| s.read_part(kind::READ, file, offset, want))?;
        self.channel.get(READ_HEADER, &mut into[..count]);
        Ok(count)
    }

    /// Writes from byte `offset` on; the number of bytes that were taken, which is not 0 unless there are none.
    pub fn write(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, Error> {
        let part = &bytes[..bytes.len().min(self.most())];
        self.repeat(|s| {
            let fid = s.files.fid(file)?;
            let part = &part[..part.len().min(s.most())];
            let write = |w: Writer<'_, C>| w.u32(fid).u64(offset).u32(part.len() as u32).bytes(part).finish();
            let count = s.request(kind::WRITE, write)?.reader().u32()? as usize;
            if count > part.len() || count == 0 && !part.is_empty() {
                return Err(Error::Garbled.into());
            }
            Ok(count)
        })
    }

    /// Everything that was written is on the host's disk.
    pub fn sync(&mut self, file: File) -> Result<(), Error> {
        self.repeat(|s| {
            let fid = s.files.fid(file)?;
            s.request(kind::FSYNC, |w| w.u32(fid).u32(0).finish()).map(drop)
        })
    }

    /// Cuts a file off, or makes it longer with zeros.
    pub fn set_size(&mut self, file: File, size: u64) -> Result<(), Error> {
        self.repeat(|s| {
            let fid = s.files.fid(file)?;
            let write = |w: Writer<'_, C>| {
                let w = w.u32(fid).u32(kind::SETATTR_SIZE).u32(0).u32(0).u32(0).u64(size);
                w.u64(0).u64(0).u64(0).u64(0).finish()
            };
            s.request(kind::SETATTR, write).map(drop)
        })
    }

    /// What is open.
    pub fn attributes(&mut self, file: File) -> Result<Attributes, Error> {
        self.repeat(|s| {
            let fid = s.files.fid(file)?;
            s.attributes_of(fid)
        })
    }

    /// What is at a path: of a symbolic link, the link.
    pub fn find(&mut self, path: &str) -> Result<Attributes, Error> {
        self.repeat(|s| {
            s.walk(path, SCRATCH_FID)?;
            let attributes = s.attributes_of(SCRATCH_FID);
            if !matches!(attributes, Err(Failed::Lost)) {
                s.clunk(SCRATCH_FID)?;
            }
            attributes
        })
    }

    fn attributes_of(&mut self, fid: u32) -> Result<Attributes, Failed> {
        let answer = self.request(kind::GETATTR, |w| w.u32(fid).u64(kind::GETATTR_BASIC).finish())?;
        let mut r = answer.reader();
        let _valid = r.u64()?;
        let (qid, mode, user, group) = (r.qid()?, r.u32()?, r.u32()?, r.u32()?);
        let (links, device, size) = (r.u64()?, r.u64()?, r.u64()?);
        let (block_size, blocks) = (r.u64()?, r.u64()?);
        let mut times = [(0, 0); 3];
        for (seconds, nanoseconds) in &mut times {
            (*seconds, *nanoseconds) = (r.u64()?, r.u64()?);
        }
        Ok(Attributes { qid, mode, user, group, links, device, size, block_size, blocks, times })
    }

    /// Hands the names of an open folder to `each`, from the cookie `from` on (0, or [`Entry::next`] of the entry
    /// before); false if there are no more.
    pub fn list(&mut self, folder: File, from: u64, mut each: impl FnMut(Entry<'_>)) -> Result<bool, Error> {
        let want = self.most();
        let count = self.repeat(|s| s.read_part(kind::READDIR, folder, from, want))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
        bytes.resize(count, 0);
        self.channel.get(READ_HEADER, &mut bytes);
        for entry in Entries::new(&bytes) {
            each(entry?);
        }
        Ok(count > 0)
    }

    /// What `READ` and `READDIR` have in common: the number of bytes in the answer.
    fn read_part(&mut self, kind: u8, file: File, offset: u64, want: usize) -> Result<usize, Failed> {
        let fid = self.files.fid(file)?;
        let want = want.min(self.most());
        let answer = self.request(kind, |w| w.u32(fid).u64(offset).u32(want as u32).finish())?;
        let count = answer.reader().u32()? as usize;
        if count > want || answer.total != READ_HEADER - HEADER + count {
            return Err(Error::Garbled.into());
        }
        Ok(count)
    }

    /// Makes a folder. Whether it was made by a request that was lost on the way, nobody knows: then one that is
    /// there counts as made.
    pub fn make_folder(&mut self, path: &str, mode: u32) -> Result<(), Error> {
        let (folder, name) = split(path)?;
        let write = |w: Writer<'_, C>| w.u32(SCRATCH_FID).text(name).u32(mode).u32(0).finish();
        self.change(folder, kind::MKDIR, errno::EXISTS, write)
    }

    /// Takes a name out of its folder; as for [`Self::make_folder`], if the request was lost, one that is not there
    /// counts as removed.
    pub fn remove(&mut self, path: &str, is_folder: bool) -> Result<(), Error> {
        let (folder, name) = split(path)?;
        let flags = if is_folder { kind::AT_REMOVEDIR } else { 0 };
        let write = |w: Writer<'_, C>| w.u32(SCRATCH_FID).text(name).u32(flags).finish();
        self.change(folder, kind::UNLINKAT, errno::NOT_FOUND, write)
    }

    /// A request that changes a folder; `done` is how the server refuses when it had been done before.
    fn change(
        &mut self,
        folder: &str,
        kind: u8,
        done: u32,
        write: impl Fn(Writer<'_, C>) -> Result<usize, Error>,
    ) -> Result<(), Error> {
        let before = self.restarts();
        self.repeat(|s| {
            s.walk(folder, SCRATCH_FID)?;
            let result = s.request(kind, &write).map(drop);
            if !matches!(result, Err(Failed::Lost)) {
                s.clunk(SCRATCH_FID)?;
            }
            match result {
                Err(Failed::Error(Error::Refused(errno))) if errno == done && s.restarts() != before => {
                    Ok(())
                }
                result => result,
            }
        })
    }
}
