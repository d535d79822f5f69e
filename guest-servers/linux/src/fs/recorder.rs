//! `/dev/trace`: a program's own events in a profile (`vmm_abi::trace`).
//!
//! What is written to it are pairs of 64-bit words: an event, 0 to 255, and an argument, whose meanings are the program's. Each becomes a record with the
//! thread that wrote it and the time at which this server read it. Without a profile all is checked as with one and then forgotten, so that a program
//! need not know whether there is one.

use super::context::FsContext;
use super::file::{FileOps, Io};
use super::vfs::Device;
use crate::buf::{Sink, Source};
use crate::bytes::u64_at;
use crate::errno::{Errno, Result};
use alloc::rc::Rc;

/// Bytes of an event and its argument.
const PAIR: usize = 16;
/// Pairs that are taken before others get their turn.
const TURN: usize = 256;

pub struct Recorder;

impl Device for Recorder {
    fn open(&self, _flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Ok(Rc::new(Self))
    }
}

impl FileOps for Recorder {
    /// There is nothing to read: records are the host's.
    fn read(&self, _io: &Io<'_>, _sink: &mut dyn Sink) -> Result<usize> {
        Ok(0)
    }

    /// Whole pairs only: EINVAL for what is none, or has an event that there cannot be.
    fn write(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        let mut done = 0;
        while source.remaining() > 0 && done < TURN * PAIR {
            match pair(source) {
                Ok((event, argument)) => io.caller.record(event, argument),
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
            done += PAIR;
        }
        Ok(done)
    }

    fn is_seekable(&self) -> bool {
        false
    }
}

fn pair(source: &mut dyn Source) -> Result<(u8, u64)> {
    if !source.remaining().is_multiple_of(PAIR) {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; PAIR];
    if source.take(&mut bytes)? != PAIR {
        return Err(Errno::EFAULT);
    }
    let event = u8::try_from(u64_at(&bytes, 0)).map_err(|_| Errno::EINVAL)?;
    Ok((event, u64_at(&bytes, 8)))
}
