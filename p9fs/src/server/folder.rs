//! Readdir, and making, renaming and removing.

use super::fids::Open;
use super::{Server, qids};
use crate::share::file::Existing;
use crate::share::{Name, folder};
use crate::wire::{Writer, flags};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

/// Bytes of an entry besides its name: `qid[13] offset[8] type[1] name[s]`.
const ENTRY: usize = 13 + 8 + 1 + 2;

impl Server {
    pub(super) fn readdir(
        &mut self,
        fid: u32,
        offset: u64,
        count: u32,
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let fid = self.fids.get(fid)?;
        let Some(Open::Folder(open)) = &fid.open else { return Err(Errno::BADF) };
        let (share, scratch) = (&self.share, &mut self.scratch);
        let device = fid.node.identity().device;
        let root = share.root().identity();
        let is_root = fid.node.identity() == root;
        reply.data(count, |room| {
            let (mut used, mut tight) = (0, false);
            folder::list(open, offset, room.len(), scratch, |entry| {
                let size = ENTRY + entry.name.len();
                let Some(place) = room.get_mut(used..used + size) else {
                    tight = used == 0;
                    return false;
                };
                // What is above the folder shared is not shared, its number included.
                let above = is_root && entry.name == b"..";
                let inode = if above { root.inode } else { entry.inode };
                let qid = qids::of_entry(share, device, inode, entry.kind);
                place[0] = qid.kind;
                place[1..5].copy_from_slice(&qid.version.to_le_bytes());
                place[5..13].copy_from_slice(&qid.path.to_le_bytes());
                place[13..21].copy_from_slice(&entry.next.to_le_bytes());
                place[21] = entry.number;
                place[22..24].copy_from_slice(&(entry.name.len() as u16).to_le_bytes());
                place[24..].copy_from_slice(entry.name);
                used += size;
                true
            })?;
            // An empty reply would be the end of the folder.
            if tight { Err(Errno::INVAL) } else { Ok(used) }
        })
    }

    pub(super) fn mkdir(
        &mut self,
        directory: u32,
        name: &[u8],
        mode: u32,
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let made = self.share.make_folder(self.fids.node(directory)?, Name::new(name)?, mode)?;
        reply.qid(qids::of(&self.share, &made.stat()?));
        Ok(())
    }

    pub(super) fn symlink(
        &mut self,
        directory: u32,
        name: &[u8],
        target: &[u8],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let made = self.share.make_symlink(self.fids.node(directory)?, Name::new(name)?, target)?;
        reply.qid(qids::of(&self.share, &made.stat()?));
        Ok(())
    }

    /// Regular files alone: a device would be the host's, and a FIFO or socket in a shared folder would not connect guest and host but make
    /// the host's programs wait.
    pub(super) fn mknod(
        &mut self,
        directory: u32,
        name: &[u8],
        mode: u32,
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        self.share.writable()?;
        if FileType::from_raw_mode(mode) != FileType::RegularFile {
            return Err(Errno::PERM);
        }
        let folder = self.fids.node(directory)?;
        let (node, _) =
            self.share.create(folder, Name::new(name)?, OFlags::WRONLY, mode, Existing::Refuse)?;
        reply.qid(qids::of(&self.share, &node.stat()?));
        Ok(())
    }

    pub(super) fn link(&mut self, directory: u32, fid: u32, name: &[u8]) -> Result<(), Errno> {
        self.share.link(self.fids.node(fid)?, self.fids.node(directory)?, Name::new(name)?)
    }

    pub(super) fn rename(&mut self, fid: u32, directory: u32, name: &[u8]) -> Result<(), Errno> {
        self.share.rename_node(self.fids.node(fid)?, self.fids.node(directory)?, Name::new(name)?)
    }

    pub(super) fn renameat(&mut self, from: u32, name: &[u8], to: u32, new: &[u8]) -> Result<(), Errno> {
        let (from, to) = (self.fids.node(from)?, self.fids.node(to)?);
        self.share.rename(from, Name::new(name)?, to, Name::new(new)?)
    }

    pub(super) fn unlinkat(&mut self, directory: u32, name: &[u8], bits: u32) -> Result<(), Errno> {
        if bits & !flags::REMOVE_DIRECTORY != 0 {
            return Err(Errno::INVAL);
        }
        self.share.remove(self.fids.node(directory)?, Name::new(name)?, bits != 0)
    }

    /// Removes the file that a fid stands for. The fid is let go in any case.
    pub(super) fn remove(&mut self, fid: u32) -> Result<(), Errno> {
        let fid = self.fids.take(fid)?;
        self.share.remove_node(&fid.node)
    }
}
