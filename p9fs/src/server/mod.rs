//! What each message does.
//!
//! A client numbers the files that it holds: these numbers are *fids*. It gets the first one, for the folder shared, by `attach`, and
//! others by walking from those it has.
//!
//! - [`fids`]: the table of them
//! - `dispatch`: which message goes where
//! - `session`: version, attach, walk, clunk
//! - `file`: open, create, read, write, fsync, lock
//! - `folder`: readdir, and making, renaming and removing
//! - `attributes`: getattr, setattr, statfs, extended attributes
//! - `qids`: which file a file is, for the client

mod attributes;
mod dispatch;
pub mod fids;
mod file;
mod folder;
mod qids;
mod session;

pub use fids::Limits;

use crate::share::Share;
use crate::wire::request::Frame;
use crate::wire::{LEAST_REPLY, Writer, kind};
use fids::Fids;
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// The largest message: what a client may agree on at most, in bytes. (Linux asks for 512,000 at most by virtio.)
pub const LARGEST_MESSAGE: u32 = 1 << 20;
/// The smallest that a client may agree on. Linux refuses less as well.
pub const SMALLEST_MESSAGE: u32 = 4096;

/// What came in is no request, or there is no room to say so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unframed {
    #[error("a request of {0} bytes has no header")]
    Request(usize),
    #[error("there is room for {0} bytes of a reply; even an error needs {LEAST_REPLY}")]
    Reply(usize),
}

/// Serves one client.
#[derive(Debug)]
pub struct Server {
    share: Share,
    fids: Fids,
    /// The largest message agreed upon.
    msize: u32,
    /// Where entries of folders are put.
    scratch: Vec<MaybeUninit<u8>>,
}

impl Server {
    pub fn new(share: Share, limits: Limits) -> Self {
        Server { share, fids: Fids::new(limits), msize: SMALLEST_MESSAGE, scratch: Vec::new() }
    }

    /// Answers one request. The reply is put into `reply`, and is as long as is returned; it is no longer than that and than what the
    /// client agreed on.
    pub fn answer(&mut self, request: &[u8], reply: &mut [u8]) -> Result<usize, Unframed> {
        let frame = Frame::parse(request).ok_or(Unframed::Request(request.len()))?;
        let room = reply.len().min(self.msize as usize);
        if room < LEAST_REPLY {
            return Err(Unframed::Reply(reply.len()));
        }
        let mut writer = Writer::new(&mut reply[..room]);
        let result = match frame.request() {
            _ if request.len() > self.msize as usize => Err(Errno::MSGSIZE),
            Ok(Some(request)) => self.dispatch(request, &mut writer),
            // What Linux takes for "use another message".
            Ok(None) => Err(Errno::OPNOTSUPP),
            Err(_) => Err(Errno::INVAL),
        };
        let error = match result {
            Ok(()) if writer.overflowed() => Errno::MSGSIZE,
            Ok(()) => {
                return writer.finish(frame.kind.wrapping_add(1), frame.tag).ok_or(Unframed::Reply(room));
            }
            Err(error) => error,
        };
        writer.restart();
        writer.u32(error.raw_os_error().unsigned_abs());
        writer.finish(kind::RLERROR, frame.tag).ok_or(Unframed::Reply(room))
    }

    /// Forgets the client: the next one begins anew.
    pub fn reset(&mut self) {
        self.fids.clear();
        self.msize = SMALLEST_MESSAGE;
    }
}

#[cfg(test)]
mod tests;
