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
/// Bytes that are taken at once. Then it is others' turn.
const BLOCK: usize = 128 * PAIR;

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

    /// Whole pairs only: EINVAL for what is none, or has an event that there cannot be. Of what is taken at once, all are recorded or none.
    fn write(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        if !source.remaining().is_multiple_of(PAIR) {
            return Err(Errno::EINVAL);
        }
        let mut block = [0; BLOCK];
        let wanted = source.remaining().min(BLOCK);
        let taken = source.take(&mut block[..wanted])?;
        let (pairs, _) = block[..taken].as_chunks::<PAIR>();
        if pairs.is_empty() && wanted > 0 {
            return Err(Errno::EFAULT);
        }
        if pairs.iter().any(|pair| u8::try_from(u64_at(pair, 0)).is_err()) {
            return Err(Errno::EINVAL);
        }
        for pair in pairs {
            io.caller.record(pair[0], u64_at(pair, 8));
        }
        Ok(size_of_val(pairs))
    }

    fn is_seekable(&self) -> bool {
        false
    }
}
