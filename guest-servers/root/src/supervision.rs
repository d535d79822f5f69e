//! Ends of servers, and what drivers and their clients ask for (`proto::drivers`).
//!
//! A server whose set says `restart = "always"` is started again when it has died, is stuck, or was killed: its task is deleted, then its devices are
//! reset, so that none of them touches any memory any more, and then there is a new task with fresh data, which the name service knows from
//! then on. What it does not find out from its own devices it begins with nothing; its clients notice that the thread they knew is gone, and
//! look it up again.

use crate::blocks::{self, Use};
use crate::life::{Cause, Then};
use crate::lines;
use crate::machine::Machine;
use crate::server::{self, State, is_restarted};
use crate::service::{Outcome, Root, with_items};
use crate::watchdog::Look;
use core::fmt;
use proto::drivers::{Region, Request, Shared, Virtio};
use proto::{Message, Name, Refusal};
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Fpage, MapItem, Rights, ThreadId};
use vmm_abi::exit;

impl Root {
    /// The end of server `index`, which `text` is about.
    pub(crate) fn ended(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        cause: Cause,
        text: fmt::Arguments,
    ) -> Outcome {
        lines::line(text, &mut |bytes| machine.debug(bytes));
        match &self.servers[index] {
            Some(server) if is_restarted(&server.set) => {
                self.end_task(machine, index);
                self.follow(machine, index, cause);
                Outcome::None
            }
            _ => Outcome::Exit(exit::KERNEL_PANIC),
        }
    }

    /// Deletes a server's task and takes its devices away from it.
    fn end_task(&mut self, machine: &mut impl Machine, index: usize) {
        let Some(server) = &mut self.servers[index] else { return };
        let name = server.set.name;
        if let Some(thread) = server.thread()
            && let Err(status) = machine.delete(thread)
        {
            let text = format_args!("server {name}: its task cannot be deleted: {status:?}");
            lines::line(text, &mut |bytes| machine.debug(bytes));
        }
        server.state = State::GivenUp;
        if let Some(device) = self.transports.reset(machine, server.set.devices()) {
            let text = format_args!("server {name}: device {device} does not reset");
            lines::line(text, &mut |bytes| machine.debug(bytes));
        }
        server.forget();
    }

    /// Does what follows the end of a server.
    fn follow(&mut self, machine: &mut impl Machine, index: usize, cause: Cause) {
        let Some(server) = &mut self.servers[index] else { return };
        match server.life.end(cause, machine.now()) {
            Then::Start => self.start_again(machine, index),
            Then::StartAt(at) => server.state = State::Waits(at),
            Then::GiveUp => {
                let text = format_args!("server {} dies each time; it is given up", server.set.name);
                lines::line(text, &mut |bytes| machine.debug(bytes));
            }
        }
    }

    fn start_again(&mut self, machine: &mut impl Machine, index: usize) {
        let Some(server) = &mut self.servers[index] else { return };
        if let Err(why) = server.start(&mut self.memory, machine) {
            let text = format_args!("server {} cannot be started again: {why:?}", server.set.name);
            lines::line(text, &mut |bytes| machine.debug(bytes));
            server.state = State::GivenUp;
        }
    }

    /// When [`Root::tick`] is to be called (µs), if nothing comes before.
    pub fn deadline(&self) -> Option<u64> {
        let of = |server: &server::Server| match server.state {
            State::Runs(_) => server.watchdog.deadline(),
            State::Waits(until) => Some(until),
            State::GivenUp => None,
        };
        self.servers.iter().flatten().filter_map(of).min()
    }

    /// Does what is due: starts servers that wait, looks at those that work.
    pub fn tick(&mut self, machine: &mut impl Machine) {
        let now = machine.now();
        for index in 0..self.servers.len() {
            let Some(server) = &mut self.servers[index] else { continue };
            match server.state {
                State::Waits(until) if until <= now => self.start_again(machine, index),
                State::Runs(thread) if server.watchdog.deadline().is_some_and(|at| at <= now) => {
                    self.look(machine, index, thread);
                }
                _ => {}
            }
        }
    }

    fn look(&mut self, machine: &mut impl Machine, index: usize, thread: ThreadId) {
        let Some(server) = &mut self.servers[index] else { return };
        let Some(note) = server.note(machine) else { return server.watchdog.end() };
        match server.watchdog.look(note, machine.now()) {
            Look::Alive => {}
            Look::Idle => {
                server.set_watched(machine, false);
                // If it has begun to work just now it may not have seen that.
                if let Some(note) = server.note(machine).filter(|note| note.away) {
                    server.set_watched(machine, true);
                    server.watchdog.begin(note, machine.now());
                }
            }
            Look::Stuck => {
                self.flush(machine);
                let name = self.name(index);
                let text = format_args!("server {name} is stuck (thread {thread:?})");
                // It has a watchdog, so it is started again, and the machine goes on.
                let _goes_on = self.ended(machine, index, Cause::Died, text);
            }
        }
    }

    /// Deals with a request of `proto::drivers`.
    pub(crate) fn drivers_request(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        message: &Message,
    ) -> Outcome {
        match Request::try_from(message) {
            Ok(Request::Watch) => {
                self.watch(machine, index);
                Outcome::None
            }
            Ok(Request::Kill { name }) => {
                Outcome::Reply(Message::reply(self.kill(machine, index, &name).map(|()| Message::ok([]))))
            }
            Ok(request) => Outcome::Reply(Message::reply(self.drivers_answer(machine, index, request))),
            Err(malformed) => Outcome::Reply(Message::refused(malformed.into())),
        }
    }

    fn drivers_answer(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        request: Request,
    ) -> Result<Message, Refusal> {
        match request {
            Request::Virtio { index: which, base } => self.virtio(machine, index, which, base),
            Request::Share { log2, base, with } => self.share(machine, index, log2, base, &with),
            Request::Region { client, id, base } => self.region(index, client, id, base),
            Request::Beat { base } => self.beat(machine, index, base),
            Request::Kill { .. } | Request::Watch => Err(Refusal::BadRequest),
        }
    }

    fn virtio(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        which: u64,
        base: u64,
    ) -> Result<Message, Refusal> {
        let server = self.servers[index].as_ref().ok_or(Refusal::BadRequest)?;
        let which = usize::try_from(which).map_err(|_| Refusal::NotFound)?;
        let device = server.set.devices().nth(which).ok_or(Refusal::NotFound)?;
        let found = self.transports.find(machine, device)?;
        let (offset, size) = found.extent();
        let line = found.transport.line;
        let virtio = Virtio { offset, size, line, device: found.id };
        let registers = server::item(found.page(), PAGE.trailing_zeros(), base, Rights::RW);
        let items = [registers, MapItem::map(Fpage::irqs(line, 0), 0)];
        Ok(with_items(items.into_iter(), |_| virtio.into()))
    }

    fn share(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        log2: u32,
        base: u64,
        with: &Name,
    ) -> Result<Message, Refusal> {
        let is = |s: &Option<server::Server>| s.as_ref().is_some_and(|s| s.set.name == with.as_str());
        let other = self.servers.iter().position(is).ok_or(Refusal::NotFound)?;
        let server = self.servers[index].as_mut().ok_or(Refusal::BadRequest)?;
        if !server.may_call(with.as_str()) {
            return Err(Refusal::Denied);
        }
        let (ram, item) = server.ram(&mut self.memory, machine, log2, base, Use::Region(other as u8))?;
        let shared = Shared { id: blocks::region_name(ram.phys) };
        Ok(with_items([item].into_iter(), |_| shared.into()))
    }

    fn region(&self, index: usize, client: ThreadId, id: u64, base: u64) -> Result<Message, Refusal> {
        let owner = self.index_of(client).and_then(|owner| self.servers[owner].as_ref());
        let (phys, log2) = owner.and_then(|o| o.region(id, index as u8)).ok_or(Refusal::NotFound)?;
        let item = server::item(phys, log2, base, Rights::RW);
        Ok(with_items([item].into_iter(), |_| Region { phys, log2: log2.into() }.into()))
    }

    fn beat(&mut self, machine: &mut impl Machine, index: usize, base: u64) -> Result<Message, Refusal> {
        let server = self.servers[index].as_mut().ok_or(Refusal::BadRequest)?;
        if !server.watchdog.is_there() {
            return Err(Refusal::NotFound);
        }
        let phys = server.take_beat(&mut self.memory, machine)?;
        let item: MapItem = server::item(phys, PAGE.trailing_zeros(), base, Rights::RW);
        Ok(with_items([item].into_iter(), |_| Message::ok([])))
    }

    fn watch(&mut self, machine: &mut impl Machine, index: usize) {
        let Some(server) = &mut self.servers[index] else { return };
        if let Some(note) = server.note(machine) {
            server.set_watched(machine, true);
            server.watchdog.begin(note, machine.now());
        }
    }

    /// Starts the server `name` again, if server `index` may have that done.
    fn kill(&mut self, machine: &mut impl Machine, index: usize, name: &Name) -> Result<(), Refusal> {
        let killer = self.servers[index].as_ref().ok_or(Refusal::BadRequest)?;
        if !killer.may_kill(name.as_str()) {
            return Err(Refusal::Denied);
        }
        let is = |s: &Option<server::Server>| s.as_ref().is_some_and(|s| s.set.name == name.as_str());
        let victim = self.servers.iter().position(is).ok_or(Refusal::NotFound)?;
        if !self.servers[victim].as_ref().is_some_and(|s| is_restarted(&s.set)) {
            return Err(Refusal::Denied);
        }
        self.end_task(machine, victim);
        self.follow(machine, victim, Cause::Killed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
