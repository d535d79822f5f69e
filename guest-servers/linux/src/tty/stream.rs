//! The console that is no terminal: bytes as they are, in and out.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::{Channel, ConsoleHost};
use crate::buf::{Sink, Source};
use crate::errno::{Errno, Result};
use crate::exec::WaitQueue;
use crate::fs::file::{FileOps, Io};
use crate::fs::poll::Events;

/// Bytes of input that wait to be read, at most.
pub const CAPACITY: usize = 1 << 20;
const BLOCK: usize = 4096;

/// A handle to the host's standard streams; a clone is the same.
#[derive(Clone)]
pub struct Stream(Rc<Inner>);

struct Inner {
    host: Rc<dyn ConsoleHost>,
    input: RefCell<VecDeque<u8>>,
    ended: Cell<bool>,
    readable: WaitQueue,
}

impl Stream {
    pub fn new(host: Rc<dyn ConsoleHost>) -> Self {
        Self(Rc::new(Inner {
            host,
            input: RefCell::default(),
            ended: Cell::new(false),
            readable: WaitQueue::new(),
        }))
    }

    /// Bytes of input. Returns how many were taken; when there is room again, the host's `input_wanted` is called.
    pub fn input(&self, bytes: &[u8]) -> usize {
        let mut input = self.0.input.borrow_mut();
        let n = bytes.len().min(CAPACITY - input.len());
        input.extend(&bytes[..n]);
        drop(input);
        self.0.readable.wake_all();
        n
    }

    /// There will be no more input.
    pub fn input_ended(&self) {
        self.0.ended.set(true);
        self.0.readable.wake_all();
    }

    /// What a descriptor of this stream works with: standard input, output or error.
    pub fn end(&self, channel: Option<Channel>) -> Rc<dyn FileOps> {
        Rc::new(End { stream: self.clone(), channel })
    }

    fn read(&self, sink: &mut dyn Sink) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let n = sink.remaining().min(BLOCK);
        let bytes: Vec<u8> = {
            let mut input = self.0.input.borrow_mut();
            if input.is_empty() {
                return if self.0.ended.get() { Ok(0) } else { Err(Errno::EAGAIN) };
            }
            let n = n.min(input.len());
            input.drain(..n).collect()
        };
        // Nothing is borrowed while the program's memory is written, which may fault.
        let result = sink.put(&bytes);
        let given = *result.as_ref().unwrap_or(&0);
        let mut input = self.0.input.borrow_mut();
        for &byte in bytes[given..].iter().rev() {
            input.push_front(byte);
        }
        drop(input);
        self.0.host.input_wanted();
        result
    }

    fn write(&self, channel: Channel, source: &mut dyn Source) -> Result<usize> {
        let mut block = [0; BLOCK];
        let n = source.take(&mut block)?;
        self.0.host.write(channel, &block[..n]);
        Ok(n)
    }
}

/// An open end of the stream.
struct End {
    stream: Stream,
    /// `None`: standard input.
    channel: Option<Channel>,
}

impl FileOps for End {
    fn read(&self, _io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        self.stream.read(sink)
    }

    fn write(&self, _io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        match self.channel {
            Some(channel) => self.stream.write(channel, source),
            None => Err(Errno::EBADF),
        }
    }

    fn poll(&self, queue: &mut dyn FnMut(&WaitQueue)) -> Events {
        if self.channel.is_some() {
            return Events::WRITABLE;
        }
        queue(&self.stream.0.readable);
        let mut events = Events::empty();
        if !self.stream.0.input.borrow().is_empty() {
            events |= Events::READABLE;
        }
        if self.stream.0.ended.get() {
            events |= Events::HUP;
        }
        events
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn readable_bytes(&self) -> Result<usize> {
        Ok(self.stream.0.input.borrow().len())
    }
}
