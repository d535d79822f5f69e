//! What root answers: requests of servers, their page faults, their ends.

use crate::blocks::Use;
use crate::devices;
use crate::life::Cause;
use crate::lines;
use crate::machine::Machine;
use crate::memory::Memory;
use crate::module::Modules;
use crate::rings::Rings;
use crate::server::{self, Server, State};
use crate::transports::Transports;
use core::fmt;
use proto::drivers;
use proto::items::{Items, cover};
use proto::kernel::{Event, PageFault};
use proto::place::PHYSICAL;
use proto::root::{Args, Devices, Found, Part, Request};
use proto::text::{Bytes, MAX};
use proto::{Message, Refusal};
use ukernel_abi::{Label, MapItem, Rights, ThreadId};
use vmm_abi::exit;
use vmm_abi::trace::RING_SIZE;

/// Most servers of a set.
pub const SERVERS: usize = 16;

/// What is to be done about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and no heap to put it into")]
pub enum Outcome {
    /// Nothing.
    None,
    /// Answer a request.
    Reply(Message),
    /// Answer a page fault: the thread goes on.
    Resume(Items),
    /// End the machine with this status.
    Exit(u8),
}

/// The state of root.
pub struct Root {
    pub(crate) modules: Modules,
    pub(crate) memory: Memory,
    pub(crate) transports: Transports,
    rings: Rings,
    pub(crate) servers: [Option<Server>; SERVERS],
}

/// There are [`SERVERS`] servers already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Root {
    pub(crate) fn new(modules: Modules) -> Self {
        let (memory, transports, rings) = (Memory::EMPTY, Transports::UNKNOWN, Rings::default());
        Self { modules, memory, transports, rings, servers: [const { None }; SERVERS] }
    }

    pub(crate) fn add(&mut self, server: Server) -> Result<(), Full> {
        let place = self.servers.iter_mut().find(|s| s.is_none()).ok_or(Full)?;
        *place = Some(server);
        Ok(())
    }

    /// Deals with a message from `from`: any thread of a server, or whoever else can send to root.
    pub fn handle(&mut self, machine: &mut impl Machine, from: ThreadId, message: &Message) -> Outcome {
        let Some(index) = self.index_of(from) else {
            // Not a server: nobody that root has anything for.
            return Outcome::None;
        };
        if drivers::Request::is(message.label()) {
            return self.drivers_request(machine, index, message);
        }
        if !message.label().is_kernel() {
            return match Request::try_from(message) {
                Ok(request) => self.request(machine, index, request),
                Err(_) => Outcome::Reply(Message::refused(Refusal::BadRequest)),
            };
        }
        match Event::try_from(message) {
            Ok(Event::PageFault(fault)) => self.page_fault(machine, index, from, &fault),
            Ok(Event::Exception(e)) => {
                let why = format_args!(
                    "exception {}, code {:#x}, at ip {:#x}, sp {:#x}",
                    e.vector, e.code, e.ip, e.sp
                );
                self.died(machine, index, from, why)
            }
            Ok(Event::Foreign(call)) => {
                self.died(machine, index, from, format_args!("made Linux system call {}", call.number))
            }
            Ok(Event::Interrupt(_) | Event::Preemption(_)) | Err(_) => Outcome::None,
        }
    }

    /// The µ-kernel could not map the items of an answer to `from`, which has its answer nevertheless: for
    /// want of kernel memory. A thread that waits for a page would fault again for ever.
    pub fn map_failed(&mut self, machine: &mut impl Machine, from: ThreadId, was_fault: bool) -> Outcome {
        match self.index_of(from) {
            Some(index) if was_fault => {
                self.died(machine, index, from, format_args!("its kernel memory is used up"))
            }
            Some(index) => {
                let name = self.name(index);
                let text = format_args!("{name}: memory could not be mapped: its kernel memory is used up");
                lines::line(text, &mut |bytes| machine.debug(bytes));
                Outcome::None
            }
            None => Outcome::None,
        }
    }

    fn request(&mut self, machine: &mut impl Machine, index: usize, request: Request) -> Outcome {
        match request {
            Request::Log(text) => {
                if let Some(server) = &mut self.servers[index] {
                    server.line.write(server.set.name, text.as_slice(), &mut |bytes| machine.debug(bytes));
                }
                Outcome::None
            }
            Request::Exit { status } => self.exit(machine, index, status),
            Request::Failed => {
                self.flush(machine);
                let name = self.name(index);
                self.ended(machine, index, Cause::Died, format_args!("server {name} failed"))
            }
            request => Outcome::Reply(Message::reply(self.answer(machine, index, request))),
        }
    }

    fn answer(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        request: Request,
    ) -> Result<Message, Refusal> {
        let server = self.servers[index].as_mut().ok_or(Refusal::BadRequest)?;
        match request {
            Request::Lookup { name } => self.lookup(index, name.as_str()).map(Message::from),
            Request::Module { name } => self.modules.describe(machine.kip(), &name).map(Message::from),
            Request::MapModule { name, offset, base } => {
                let items = self.modules.items(machine, &name, offset, base)?;
                Ok(with_items(items, |items| Part { next: offset + size_of_all(items) }.into()))
            }
            Request::Ram { log2, base } => {
                let (ram, item) = server.ram(&mut self.memory, machine, log2, base, Use::Ram)?;
                let ram = proto::root::Ram { phys: 0, ..ram };
                Ok(with_items([item].into_iter(), |_| ram.into()))
            }
            Request::Spare { log2, base } => self.spare_block(machine, index, log2, base),
            Request::Dma { .. } if !server.has_devices() => Err(Refusal::Denied),
            Request::Dma { log2, base } => {
                let (ram, item) = server.ram(&mut self.memory, machine, log2, base, Use::Dma)?;
                Ok(with_items([item].into_iter(), |_| ram.into()))
            }
            Request::Devices { skip } => {
                let all =
                    || devices::flexpages(&server.set).skip(usize::try_from(skip).unwrap_or(usize::MAX));
                let left = all().count();
                let items = all().map(|page| MapItem::map(page, 0));
                Ok(with_items(items, |items| Devices { more: (left - items.len()) as u64 }.into()))
            }
            Request::Info => {
                let spare = self.spare(machine, index)?;
                let server = self.servers[index].as_ref().ok_or(Refusal::BadRequest)?;
                Ok(server.info(spare).into())
            }
            Request::Args { offset } => Ok(args(server, offset).into()),
            Request::Trace { base } => {
                let phys = self.rings.take(machine, index)?;
                let items = cover(PHYSICAL + phys, base, RING_SIZE, Rights::RW);
                Ok(with_items(items, |_| Message::ok([])))
            }
            Request::Log(_) | Request::Exit { .. } | Request::Failed => Err(Refusal::BadRequest),
        }
    }

    /// Bytes of free memory that no server's budget needs, if it is server `index` that gets them.
    fn spare(&mut self, machine: &mut impl Machine, index: usize) -> Result<u64, Refusal> {
        if !self.servers[index].as_ref().is_some_and(|s| s.is_last) {
            return Ok(0);
        }
        let free = self.memory.free(machine)?;
        let budgets = self.servers.iter().flatten().map(Server::left);
        Ok(budgets.fold(free, |spare, left| spare.saturating_sub(left)))
    }

    fn spare_block(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        log2: u32,
        base: u64,
    ) -> Result<Message, Refusal> {
        let left = self.spare(machine, index)?.checked_sub(1 << log2).ok_or(Refusal::NoMemory)?;
        let phys = self.memory.take(machine, log2)?;
        let ram = proto::root::Ram { phys: 0, left };
        // Executable too: this memory is for programs, and their pager can pass on only rights that it has.
        Ok(with_items([server::item(phys, log2, base, Rights::RWX)].into_iter(), |_| ram.into()))
    }

    fn lookup(&self, asker: usize, name: &str) -> Result<Found, Refusal> {
        let found = self.servers.iter().flatten().find(|s| s.set.name == name).ok_or(Refusal::NotFound)?;
        let asker = self.servers[asker].as_ref().ok_or(Refusal::BadRequest)?;
        if asker.set.name != name && !asker.may_call(name) {
            return Err(Refusal::Denied);
        }
        match found.state {
            State::Runs(thread) => Ok(Found { thread }),
            State::Waits(_) => Err(Refusal::Again),
            State::GivenUp => Err(Refusal::NoDevice),
        }
    }

    fn exit(&mut self, machine: &mut impl Machine, index: usize, status: u64) -> Outcome {
        self.flush(machine);
        if self.servers[index].as_ref().is_some_and(|s| s.is_last) {
            return Outcome::Exit(status.min(exit::GUEST_MAX.into()) as u8);
        }
        let name = self.name(index);
        let text = format_args!("server {name} may not end the machine (status {status})");
        lines::line(text, &mut |bytes| machine.debug(bytes));
        Outcome::None
    }

    fn page_fault(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        from: ThreadId,
        fault: &PageFault,
    ) -> Outcome {
        let Some(server) = &mut self.servers[index] else { return Outcome::None };
        match server.fault(&mut self.memory, machine, fault) {
            Ok(items) => Outcome::Resume(items),
            Err(why) => {
                let what = match fault.access {
                    Rights::W => "write",
                    Rights::X => "execution",
                    _ => "read",
                };
                let why =
                    format_args!("page fault, {what} at {:#x}, ip {:#x}: {}", fault.address, fault.ip, why.0);
                self.died(machine, index, from, why)
            }
        }
    }

    /// A server is at its end.
    fn died(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        from: ThreadId,
        why: fmt::Arguments,
    ) -> Outcome {
        self.flush(machine);
        let name = self.name(index);
        let text = format_args!("server {name} died (thread {from:?}): {why}");
        self.ended(machine, index, Cause::Died, text)
    }

    /// Prints the lines that servers have begun.
    pub(crate) fn flush(&mut self, machine: &mut impl Machine) {
        for server in self.servers.iter_mut().flatten() {
            server.line.flush(server.set.name, &mut |bytes| machine.debug(bytes));
        }
    }

    pub(crate) fn index_of(&self, thread: ThreadId) -> Option<usize> {
        let of = |s: &Server| s.thread().is_some_and(|first| first.task() == thread.task());
        let is = |s: &Option<Server>| s.as_ref().is_some_and(of);
        self.servers.iter().position(is)
    }

    pub(crate) fn name(&self, index: usize) -> &'static str {
        self.servers[index].as_ref().map_or("?", |s| s.set.name)
    }
}

/// The message that `words` makes of the items that will go with it: as many of `items` as fit beside one
/// word, at most three.
pub(crate) fn with_items(
    items: impl Iterator<Item = MapItem>,
    words: impl FnOnce(&[MapItem]) -> Message,
) -> Message {
    let mut some = [MapItem { snd: ukernel_abi::Fpage::NIL, base: 0 }; 3];
    let mut count = 0;
    for (place, item) in some.iter_mut().zip(items) {
        *place = item;
        count += 1;
    }
    let mut message = words(&some[..count]);
    for item in &some[..count] {
        let _fits = message.push_item(*item);
    }
    message
}

fn size_of_all(items: &[MapItem]) -> u64 {
    items.iter().map(|item| item.snd.size()).sum()
}

fn args(server: &Server, offset: u64) -> Args {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let all = server.set.args().flat_map(|arg| arg.bytes().chain([0]));
    let mut bytes = [0; MAX];
    let mut len = 0;
    for (place, byte) in bytes.iter_mut().zip(all.skip(offset)) {
        *place = byte;
        len += 1;
    }
    Args { bytes: Bytes::split(&bytes[..len]).0 }
}

/// The message that resumes a thread: no words, and items that are appended by whoever sends it.
pub const RESUME: Message = Message::new(Label(0), []);

#[cfg(test)]
mod tests;
