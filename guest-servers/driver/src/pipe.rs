//! A queue, what is under way on it, and its memory from one reset to the next.

use crate::Broken;
use crate::memory::Memory;
use crate::queue::{self, Full, Part, Queue};
use crate::registers::Registers;
use crate::trace::{self, Event};
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
        trace::event(Event::DEVICE_REQUEST, named(self.index, head));
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
                return Ok(Some(done(self.index, &self.tickets, &used)));
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
        Ok(used.map(|used| done(self.index, &self.tickets, &used)))
    }
}

/// The request that the device has used.
fn done(index: u16, tickets: &[u16], used: &queue::Used) -> Used {
    trace::event(Event::DEVICE_DONE, named(index, used.head));
    let ticket = tickets.get(usize::from(used.head)).copied().unwrap_or_default();
    Used { ticket, written: used.written }
}

/// How a request is named in records.
fn named(index: u16, head: u16) -> u64 {
    u64::from(index) | u64::from(head) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock::{Machine, Request};
    use crate::queue::bytes;

    #[test]
    fn requests_are_recorded_with_queue_and_descriptor() {
        let machine = Machine::new(2, 0, &[], Box::new(|_: &mut Request| Some(0)));
        let mut transport = Transport::claim(machine.clone(), 2).unwrap();
        transport.negotiate(0).unwrap();
        let mut pipe = Pipe::new(0, machine.memory(bytes(8)));
        pipe.begin(&transport).unwrap();
        transport.start();
        let data = machine.memory(64);
        let part = Part::readable(data.phys(), 1);
        // Of a chain the last descriptor is taken first: the first request is descriptor 1, and 0 after it.
        pipe.add(7, &[part, part]).unwrap();
        pipe.add(8, &[part]).unwrap();
        let names = [1 << 32, 2 << 32];
        assert_eq!(trace::take(), names.map(|name| (Event::DEVICE_REQUEST, name)));
        pipe.kick(&transport);
        assert_eq!(pipe.take().unwrap().map(|used| used.ticket), Some(7));
        assert_eq!(pipe.poll().unwrap().map(|used| used.ticket), Some(8));
        assert_eq!(trace::take(), names.map(|name| (Event::DEVICE_DONE, name)));
    }
}
