//! All connections, and where new ones come from: a SYN of the guest, or somebody who connects to the host.

use super::buffer::Pool;
use super::flow::{Fate, Flow};
use super::outward::Emission;
use super::segment::{Head, Segment};
use crate::forward::Forward;
use crate::frame::{Frame, HEAD_MAX};
use crate::gateway::{Shared, Turn};
use crate::host::{Event, Host, Token};
use crate::plan;
use slab::Slab;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

/// Connections at a time. Each has a socket, and a process has 1024 files unless somebody says otherwise.
const FLOWS_MAX: usize = 512;
/// Buffers of all connections: 64 MiB.
const BUFFERS_MAX: usize = 256;
/// If there are as many connections as there may be, one that has been silent for so long makes way.
const SILENT: Duration = Duration::from_secs(300);
/// Connections that are taken from outside at a time, so that the guest's own frames get their turn.
const ACCEPTED_AT_ONCE: usize = 64;
/// Where ports begin that nobody has chosen (RFC 6335 §6).
const DYNAMIC_PORTS: u16 = 49152;

/// The guest's end and the other, as the guest sees it.
type Ends = (SocketAddrV4, SocketAddrV4);

struct Listener<L> {
    listener: L,
    /// With the address that it really has.
    forward: Forward,
}

pub struct Table<H: Host> {
    flows: Slab<Flow<H::Stream>>,
    by_ends: HashMap<Ends, u32>,
    pool: Pool,
    listeners: Vec<Listener<H::Listener>>,
    isn: u32,
}

impl<H: Host> Table<H> {
    pub fn new() -> Self {
        Self {
            flows: Slab::new(),
            by_ends: HashMap::new(),
            pool: Pool::new(BUFFERS_MAX),
            listeners: Vec::new(),
            isn: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Starts to listen for `forward`. The address that it has.
    pub fn listen(&mut self, host: &mut H, forward: Forward) -> std::io::Result<SocketAddr> {
        let token = Token::TcpForward(self.listeners.len() as u32);
        let (listener, address) = host.listen(forward.host, token)?;
        self.listeners.push(Listener { listener, forward: Forward { host: address, ..forward } });
        Ok(address)
    }

    /// A segment has come from the guest.
    pub fn on_segment(&mut self, segment: &Segment<'_>, shared: &mut Shared<H>, now: Instant) {
        let ends = (segment.source, segment.destination);
        if let Some(&slot) = self.by_ends.get(&ends) {
            let fate = self.flows[slot as usize].on_segment(segment, now, &mut self.pool);
            self.settle(slot, fate, shared);
            return;
        }
        let asks = segment.syn && segment.ack.is_none() && !segment.rst;
        if asks && self.open(segment, shared, now) {
            return;
        }
        if let Some(head) = Head::refusal(segment) {
            answer(&head, shared);
        }
    }

    /// The guest wants a connection. False if it cannot have it.
    fn open(&mut self, syn: &Segment<'_>, shared: &mut Shared<H>, now: Instant) -> bool {
        let Some(to) = plan::outside(syn.destination, || shared.host.resolver()) else { return false };
        if !self.make_way(shared, now) {
            tracing::debug!(%to, "refused: {FLOWS_MAX} connections are open");
            return false;
        }
        let slot = self.flows.vacant_key() as u32;
        match shared.host.connect(to, Token::Tcp(slot)) {
            Ok(stream) => {
                let isn = self.next_isn();
                let flow = Flow::outgoing(syn, stream, isn, now);
                self.insert(flow);
                true
            }
            Err(error) => {
                tracing::debug!(%to, %error, "cannot connect");
                false
            }
        }
    }

    /// Something has happened at a socket.
    pub fn on_event(&mut self, slot: u32, event: Event, shared: &mut Shared<H>) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let fate = flow.on_event(event, &mut self.pool);
        self.settle(slot, fate, shared);
    }

    /// Somebody has connected to the host.
    pub fn on_arrival(&mut self, number: u32, shared: &mut Shared<H>, now: Instant) {
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(entry) = self.listeners.get(number as usize) else { return };
            let guest = entry.forward.guest;
            let slot = self.flows.vacant_key() as u32;
            let (stream, peer) = match shared.host.accept(&entry.listener, Token::Tcp(slot)) {
                Ok(accepted) => accepted,
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) =>
                {
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::debug!(at = %entry.forward, %error, "cannot accept a connection");
                    return;
                }
            };
            let remote = self.free_end(guest, plan::inside(peer));
            let (Some(remote), true) = (remote, self.make_way(shared, now)) else {
                // Dropping the stream resets it.
                tracing::debug!(%peer, "refused: {FLOWS_MAX} connections are open");
                continue;
            };
            let isn = self.next_isn();
            let slot = self.insert(Flow::incoming(guest, remote, stream, isn, now));
            self.settle(slot, Fate::Lives, shared);
        }
        // There may be more, and nobody says so again.
        shared.queue(Token::TcpForward(number));
    }

    /// `remote`, or another port of it if the guest has a connection with that one.
    fn free_end(&self, guest: SocketAddrV4, remote: SocketAddrV4) -> Option<SocketAddrV4> {
        let others = (DYNAMIC_PORTS..=u16::MAX).map(|port| SocketAddrV4::new(*remote.ip(), port));
        [remote].into_iter().chain(others).find(|&remote| !self.by_ends.contains_key(&(guest, remote)))
    }

    fn insert(&mut self, flow: Flow<H::Stream>) -> u32 {
        let ends = (flow.guest, flow.remote);
        let slot = self.flows.insert(flow) as u32;
        self.by_ends.insert(ends, slot);
        slot
    }

    /// Makes sure that one more connection is allowed.
    fn make_way(&mut self, shared: &mut Shared<H>, now: Instant) -> bool {
        if self.flows.len() < FLOWS_MAX {
            return true;
        }
        let silent = self.flows.iter().min_by_key(|(_, flow)| flow.active());
        let Some((slot, _)) = silent.filter(|(_, flow)| now >= flow.active() + SILENT) else { return false };
        let fate = self.flows[slot].reset();
        self.settle(slot as u32, fate, shared);
        true
    }

    /// Deadlines may have passed.
    pub fn on_time(&mut self, shared: &mut Shared<H>, now: Instant) {
        let slots: Vec<usize> =
            self.flows.iter().filter(|(_, flow)| flow.deadline().is_some()).map(|(slot, _)| slot).collect();
        for slot in slots {
            let fate = self.flows[slot].on_time(now);
            self.settle(slot as u32, fate, shared);
        }
    }

    /// Hands the next segment of a flow to `sink`, if it has one. `limit`: room for a frame.
    pub fn emit(
        &mut self,
        slot: u32,
        limit: usize,
        shared: &mut Shared<H>,
        now: Instant,
        sink: &mut dyn FnMut(&Frame<'_>),
    ) -> Turn {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return Turn::Passed };
        flow.queued = false;
        match flow.emit(limit, shared.offers, now, &mut self.pool) {
            Emission::Segment { head, offset, size } => {
                let mac = shared.neighbours.mac(*flow.guest.ip());
                let mut bytes = [0; HEAD_MAX];
                let mss = flow.mss(shared.offers);
                sink(&head.write(&mut bytes, mac, flow.payload(offset, size), mss, shared.offers));
                self.settle(slot, Fate::Lives, shared);
                return Turn::Sent;
            }
            Emission::NoRoom => {
                self.settle(slot, Fate::Lives, shared);
                return Turn::NoRoom;
            }
            Emission::Nothing => {
                if let Some(deadline) = flow.deadline() {
                    shared.arm(deadline);
                }
                self.wake_the_waiting(shared);
            }
            Emission::Ends(fate) => self.settle(slot, fate, shared),
        }
        Turn::Passed
    }

    /// Puts a flow that lives in line, and buries one that does not.
    fn settle(&mut self, slot: u32, fate: Fate, shared: &mut Shared<H>) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        if fate == Fate::Lives {
            if let Some(deadline) = flow.deadline() {
                shared.arm(deadline);
            }
            if !std::mem::replace(&mut flow.queued, true) {
                shared.queue(Token::Tcp(slot));
            }
            return;
        }
        if let Fate::Reset(head) = fate {
            answer(&head, shared);
        }
        let mut flow = self.flows.remove(slot as usize);
        self.by_ends.remove(&(flow.guest, flow.remote));
        flow.release(&mut self.pool);
        self.wake_the_waiting(shared);
    }

    /// There is a buffer again for those who went without.
    fn wake_the_waiting(&mut self, shared: &mut Shared<H>) {
        if !self.pool.is_awaited() {
            return;
        }
        for (slot, flow) in self.flows.iter_mut() {
            if !std::mem::replace(&mut flow.queued, true) {
                shared.queue(Token::Tcp(slot as u32));
            }
        }
    }

    /// RFC 9293 §3.4.1 wants them to be hard to guess for others. Here is nobody else.
    fn next_isn(&mut self) -> u32 {
        self.isn = self.isn.wrapping_add(0x9e37_79b9);
        self.isn
    }
}

fn answer<H: Host>(head: &Head, shared: &mut Shared<H>) {
    let mut bytes = [0; HEAD_MAX];
    let mac = shared.neighbours.mac(*head.destination.ip());
    let whole = crate::Offers { checksum: false, ..shared.offers };
    let frame = head.write(&mut bytes, mac, [&[], &[]], u16::MAX, whole).to_vec();
    shared.answer(frame);
}
