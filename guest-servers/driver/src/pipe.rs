//! A queue, what is under way on it, and its memory from one reset to the next.

use crate::Broken;
use crate::memory::Memory;
use crate::queue::{Full, Part, Queue};
use crate::registers::Registers;
use crate::transport::Transport;
use alloc::vec::Vec;

/// A request that the device has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// As it was added with.
    pub ticket: u16,
    /// Bytes that the device says it has written: at most those that it could.
    pub written: u32,
}

enum State<M> {
    /// No device has it yet.
    Idle(M),
    Ready(Queue<M>),
    /// The device refused the queue, and its memory went with it.
    Refused,
}

/// One of a device's queues.
pub struct Pipe<M> {
    index: u16,
    state: State<M>,
    /// Of each descriptor that begins a chain.
    tickets: Vec<u16>,
}

impl<M: Memory> Pipe<M> {
    /// Queue `index`, which [`Pipe::begin`] puts into `memory`.
    pub const fn new(index: u16, memory: M) -> Self {
        Self { index, state: State::Idle(memory), tickets: Vec::new() }
    }

    /// After [`Transport::negotiate`]: sets the queue up, empty.
    pub fn begin<R: Registers>(&mut self, transport: &Transport<R>) -> Result<(), Broken> {
        match core::mem::replace(&mut self.state, State::Refused) {
            State::Idle(memory) => {
                let queue = transport.queue(self.index, memory)?;
                self.tickets = alloc::vec![0; queue.size().into()];
                self.state = State::Ready(queue);
            }
            State::Ready(mut queue) => {
                let done = transport.requeue(self.index, &mut queue);
                self.state = State::Ready(queue);
                done?;
            }
            State::Refused => return Err(Broken("it has refused a queue")),
        }
        Ok(())
    }

    /// Adds a request. The device sees it after [`Pipe::kick`].
    pub fn add(&mut self, ticket: u16, parts: &[Part]) -> Result<(), Full> {
        let State::Ready(queue) = &mut self.state else { return Err(Full) };
        let head = queue.add(parts)?;
        if let Some(place) = self.tickets.get_mut(usize::from(head)) {
            *place = ticket;
        }
        Ok(())
    }

    /// Shows the device what has been added.
    pub fn kick<R: Registers>(&mut self, transport: &Transport<R>) {
        if let State::Ready(queue) = &mut self.state
            && queue.publish()
        {
            transport.notify(self.index);
        }
    }

    /// The next request that the device has used. After `None` there will be an interrupt when there is another.
    pub fn take(&mut self) -> Result<Option<Used>, Broken> {
        let State::Ready(queue) = &mut self.state else { return Ok(None) };
        loop {
            if let Some(used) = queue.take()? {
                let ticket = self.tickets.get(usize::from(used.head)).copied().unwrap_or_default();
                return Ok(Some(Used { ticket, written: used.written }));
            }
            if !queue.listen() {
                return Ok(None);
            }
        }
    }

    /// As [`Pipe::take`], but there will be no interrupt.
    pub fn poll(&mut self) -> Result<Option<Used>, Broken> {
        let State::Ready(queue) = &mut self.state else { return Ok(None) };
        queue.ignore();
        let used = queue.take()?;
        Ok(used.map(|used| {
            let ticket = self.tickets.get(usize::from(used.head)).copied().unwrap_or_default();
            Used { ticket, written: used.written }
        }))
    }
}
