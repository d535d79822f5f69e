//! Which message goes where.

use super::Server;
use crate::wire::{Request, Writer};
use rustix::io::Errno;

impl Server {
    pub(super) fn dispatch(&mut self, request: Request<'_>, reply: &mut Writer<'_>) -> Result<(), Errno> {
        match request {
            Request::Version { msize, version } => self.version(msize, version, reply),
            Request::Auth => Err(Errno::OPNOTSUPP),
            Request::Attach { fid, auth, name } => self.attach(fid, auth, name, reply),
            // Requests are answered in turn: the one to be given up has been answered.
            Request::Flush => Ok(()),
            Request::Walk { fid, new, names } => self.walk(fid, new, &names, reply),
            Request::Clunk { fid } => self.clunk(fid),
            Request::Remove { fid } => self.remove(fid),
            Request::Lopen { fid, flags } => self.lopen(fid, flags, reply),
            Request::Lcreate { fid, name, flags, mode } => self.lcreate(fid, name, flags, mode, reply),
            Request::Read { fid, offset, count } => self.read(fid, offset, count, reply),
            Request::Write { fid, offset, data } => self.write(fid, offset, data, reply),
            Request::Fsync { fid, data_only } => self.fsync(fid, data_only),
            Request::Lock { fid } => self.lock(fid, reply),
            Request::Getlock { fid, start, length, process, client } => {
                self.getlock(fid, (start, length), process, client, reply)
            }
            Request::Readdir { fid, offset, count } => self.readdir(fid, offset, count, reply),
            Request::Statfs { fid } => self.statfs(fid, reply),
            Request::Getattr { fid, mask } => self.getattr(fid, mask, reply),
            Request::Setattr { fid, change } => self.setattr(fid, &change),
            Request::Readlink { fid } => self.readlink(fid, reply),
            Request::Symlink { directory, name, target } => self.symlink(directory, name, target, reply),
            Request::Link { directory, fid, name } => self.link(directory, fid, name),
            Request::Mknod { directory, name, mode } => self.mknod(directory, name, mode, reply),
            Request::Mkdir { directory, name, mode } => self.mkdir(directory, name, mode, reply),
            Request::Rename { fid, directory, name } => self.rename(fid, directory, name),
            Request::Renameat { from, name, to, new } => self.renameat(from, name, to, new),
            Request::Unlinkat { directory, name, flags } => self.unlinkat(directory, name, flags),
            Request::Xattrwalk { fid, new, name } => self.xattrwalk(fid, new, name, reply),
            Request::Xattrcreate { fid, name, size, flags } => self.xattrcreate(fid, name, size, flags),
        }
    }
}
