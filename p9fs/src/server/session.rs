//! Version, attach, walk, clunk.

use super::fids::{Fid, Open};
use super::{LARGEST_MESSAGE, SMALLEST_MESSAGE, Server, qids};
use crate::share::Name;
use crate::wire::{NO_FID, Qid, Writer};
use rustix::io::Errno;
use std::sync::Arc;

const DIALECT: &[u8] = b"9P2000.L";

impl Server {
    /// A client begins, or begins anew: all fids are let go.
    pub(super) fn version(
        &mut self,
        msize: u32,
        version: &[u8],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        self.reset();
        if msize < SMALLEST_MESSAGE {
            return Err(Errno::MSGSIZE);
        }
        self.msize = msize.min(LARGEST_MESSAGE);
        reply.u32(self.msize);
        reply.string(if version == DIALECT { DIALECT } else { b"unknown" });
        Ok(())
    }

    pub(super) fn attach(
        &mut self,
        fid: u32,
        auth: u32,
        name: &[u8],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        if auth != NO_FID {
            return Err(Errno::BADF);
        }
        // There is one folder, so it needs no name.
        if !matches!(name, b"" | b"/") {
            return Err(Errno::NOENT);
        }
        self.fids.check_free(fid)?;
        let root = Arc::clone(self.share.root());
        reply.qid(qids::of(&self.share, &root.stat()?));
        self.fids.put(fid, Fid::new(root));
        Ok(())
    }

    /// Goes from file to file as far as the names lead. The new fid is there only if that is all the way; an error is said only if it is not
    /// even one step.
    pub(super) fn walk(
        &mut self,
        fid: u32,
        new: u32,
        names: &[&[u8]],
        reply: &mut Writer<'_>,
    ) -> Result<(), Errno> {
        let start = self.fids.get(fid)?;
        if fid == new {
            // An open file stays the file that it is.
            if start.open.is_some() {
                return Err(Errno::BUSY);
            }
        } else {
            self.fids.check_free(new)?;
        }
        let mut node = Arc::clone(&start.node);
        let mut qids = Vec::with_capacity(names.len());
        for &name in names {
            match self.step(&node, name) {
                Ok((next, qid)) => {
                    node = next;
                    qids.push(qid);
                }
                Err(error) if qids.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        // What was reached may have been moved out of the folder shared while we went there.
        if !names.is_empty() {
            self.share.inside(&node)?;
        }
        reply.u16(qids.len() as u16);
        qids.iter().for_each(|&qid| reply.qid(qid));
        if qids.len() == names.len() && !reply.overflowed() {
            self.fids.put(new, Fid::new(node));
        }
        Ok(())
    }

    fn step(&self, node: &crate::share::Node, name: &[u8]) -> Result<(Arc<crate::share::Node>, Qid), Errno> {
        let next = match name {
            b".." => self.share.parent(node)?,
            _ => self.share.child(node, Name::new(name)?)?,
        };
        let qid = qids::of(&self.share, &next.stat()?);
        Ok((Arc::new(next), qid))
    }

    /// Lets a fid go. An extended attribute that was written through it is set now.
    pub(super) fn clunk(&mut self, fid: u32) -> Result<(), Errno> {
        let fid = self.fids.take(fid)?;
        match fid.open {
            Some(Open::NewXattr { name, size, flags, value }) if value.len() == size => {
                self.share.set_xattr(&fid.node, &name, &value, flags)
            }
            Some(Open::NewXattr { .. }) => Err(Errno::INVAL),
            _ => Ok(()),
        }
    }
}
