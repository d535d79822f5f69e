//! UDP: a socket of the host for every pair of ends, so that the host's kernel lets only those answer who were asked.
//!
//! A datagram for the guest stays in its socket until the guest has room for it; the socket's buffer is the only one. What
//! does not fit the network's MTU is dropped: there are no fragments here.

use crate::forward::Forward;
use crate::frame::{self, ETHERNET, Frame, IP, PACKET_MAX, UDP};
use crate::gateway::{Shared, Turn};
use crate::host::{Datagrams, Host, Token};
use crate::packet::Udp;
use crate::{icmp, plan};
use slab::Slab;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

/// Flows at a time; if there are more, the one that was silent longest makes way.
const FLOWS_MAX: usize = 256;
/// A flow ends after so long a silence: RFC 4787 §4.3 wants 2 minutes at least.
const SILENT: Duration = Duration::from_secs(180);
const HEADERS: usize = ETHERNET + IP + UDP;
/// Datagrams that are looked at in one turn, if they all are of no use.
const LOOKS: usize = 16;

type Ends = (SocketAddrV4, SocketAddrV4);

/// How the other end is reached.
enum Way<D> {
    Socket(D),
    /// By the socket of a forward: it was the other end who began.
    Forward {
        number: u32,
        peer: SocketAddr,
    },
}

struct Flow<D> {
    guest: SocketAddrV4,
    /// As the guest sees it.
    remote: SocketAddrV4,
    way: Way<D>,
    active: Instant,
    queued: bool,
}

struct Entry<D> {
    socket: D,
    forward: Forward,
    queued: bool,
}

pub struct Table<H: Host> {
    flows: Slab<Flow<H::Datagrams>>,
    by_ends: HashMap<Ends, u32>,
    forwards: Vec<Entry<H::Datagrams>>,
    buffer: Box<[u8]>,
}

/// What a socket has for the guest.
enum Look {
    /// So many bytes are in the buffer.
    Datagram(usize, SocketAddr),
    /// It is not worth a frame.
    Useless,
    Nothing,
    NoRoom,
    /// Nobody is there who would take what the guest sent.
    Refused,
}

impl<H: Host> Table<H> {
    pub fn new() -> Self {
        Self {
            flows: Slab::new(),
            by_ends: HashMap::new(),
            forwards: Vec::new(),
            buffer: vec![0; PACKET_MAX].into_boxed_slice(),
        }
    }

    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Opens a socket for `forward`. The address that it has.
    pub fn listen(&mut self, host: &mut H, forward: Forward) -> io::Result<SocketAddr> {
        let token = Token::UdpForward(self.forwards.len() as u32);
        let (socket, address) = host.bind(forward.host, token)?;
        self.forwards.push(Entry { socket, forward: Forward { host: address, ..forward }, queued: false });
        Ok(address)
    }

    /// A datagram has come from the guest.
    pub fn on_datagram(&mut self, datagram: &Udp<'_>, shared: &mut Shared<H>, now: Instant) {
        let ends = (datagram.source, datagram.destination);
        let slot = match self.by_ends.get(&ends) {
            Some(&slot) => slot,
            None => match self.open(ends, shared, now) {
                Some(slot) => slot,
                None => return,
            },
        };
        let flow = &mut self.flows[slot as usize];
        flow.active = now;
        let result = match &flow.way {
            Way::Socket(socket) => socket.send(datagram.payload),
            Way::Forward { number, peer } => {
                self.forwards[*number as usize].socket.send_to(datagram.payload, *peer)
            }
        };
        match result {
            // An earlier one was refused; this one has not been sent.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => refused(ends, shared),
            // A network that has no room for a datagram loses it.
            Err(error) => tracing::debug!(to = %ends.1, %error, "cannot send a datagram"),
            Ok(()) => {}
        }
    }

    fn open(&mut self, ends: Ends, shared: &mut Shared<H>, now: Instant) -> Option<u32> {
        let to = plan::outside(ends.1, || shared.host.resolver());
        let Some(to) = to else {
            if plan::is_ours(*ends.1.ip()) {
                refused(ends, shared);
            }
            return None;
        };
        self.make_way();
        let slot = self.flows.vacant_key() as u32;
        match shared.host.open(to, Token::Udp(slot)) {
            Ok(socket) => Some(self.insert(ends, Way::Socket(socket), shared, now)),
            Err(error) => {
                tracing::debug!(%to, %error, "cannot open a UDP socket");
                None
            }
        }
    }

    fn insert(&mut self, ends: Ends, way: Way<H::Datagrams>, shared: &mut Shared<H>, now: Instant) -> u32 {
        let flow = Flow { guest: ends.0, remote: ends.1, way, active: now, queued: false };
        let slot = self.flows.insert(flow) as u32;
        self.by_ends.insert(ends, slot);
        shared.arm(now + SILENT);
        slot
    }

    fn make_way(&mut self) {
        if self.flows.len() >= FLOWS_MAX
            && let Some((slot, _)) = self.flows.iter().min_by_key(|(_, flow)| flow.active)
        {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        let flow = self.flows.remove(slot);
        self.by_ends.remove(&(flow.guest, flow.remote));
    }

    /// Something can be read.
    pub fn on_event(&mut self, slot: u32, shared: &mut Shared<H>) {
        if let Some(flow) = self.flows.get_mut(slot as usize)
            && !std::mem::replace(&mut flow.queued, true)
        {
            shared.queue(Token::Udp(slot));
        }
    }

    /// Something can be read at a forward.
    pub fn on_arrival(&mut self, number: u32, shared: &mut Shared<H>) {
        if let Some(entry) = self.forwards.get_mut(number as usize)
            && !std::mem::replace(&mut entry.queued, true)
        {
            shared.queue(Token::UdpForward(number));
        }
    }

    /// Ends flows that have been silent.
    pub fn on_time(&mut self, shared: &mut Shared<H>, now: Instant) {
        let silent: Vec<usize> =
            self.flows.iter().filter(|(_, flow)| now >= flow.active + SILENT).map(|(slot, _)| slot).collect();
        silent.into_iter().for_each(|slot| self.remove(slot));
        if let Some(oldest) = self.flows.iter().map(|(_, flow)| flow.active).min() {
            shared.arm(oldest + SILENT);
        }
    }

    /// Hands the next datagram of a flow to `sink`, if it has one.
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
        let Way::Socket(socket) = &flow.way else { return Turn::Passed };
        let turn = match look(socket, &mut self.buffer, shared.offers.mtu, limit) {
            Look::Nothing => return Turn::Passed,
            Look::Datagram(size, _) => {
                flow.active = now;
                hand_over(&self.buffer[..size], (flow.guest, flow.remote), shared, sink);
                Turn::Sent
            }
            Look::Refused => {
                refused((flow.guest, flow.remote), shared);
                Turn::Passed
            }
            Look::NoRoom => Turn::NoRoom,
            Look::Useless => Turn::Passed,
        };
        self.on_event(slot, shared);
        turn
    }

    /// The same for a forward, whose datagrams make flows.
    pub fn emit_arrival(
        &mut self,
        number: u32,
        limit: usize,
        shared: &mut Shared<H>,
        now: Instant,
        sink: &mut dyn FnMut(&Frame<'_>),
    ) -> Turn {
        let Some(entry) = self.forwards.get_mut(number as usize) else { return Turn::Passed };
        entry.queued = false;
        let guest = entry.forward.guest;
        let look = look(&entry.socket, &mut self.buffer, shared.offers.mtu, limit);
        if matches!(look, Look::Nothing) {
            return Turn::Passed;
        }
        self.on_arrival(number, shared);
        let (size, peer) = match look {
            Look::Datagram(size, peer) => (size, peer),
            Look::NoRoom => return Turn::NoRoom,
            Look::Useless | Look::Refused | Look::Nothing => return Turn::Passed,
        };
        let ends = (guest, plan::inside(peer));
        let way = Way::Forward { number, peer };
        match self.by_ends.get(&ends) {
            Some(&slot) => {
                let flow = &mut self.flows[slot as usize];
                flow.active = now;
                flow.way = way;
            }
            None => {
                self.make_way();
                self.insert(ends, way, shared, now);
            }
        }
        hand_over(&self.buffer[..size], ends, shared, sink);
        Turn::Sent
    }
}

/// Takes the next datagram that the guest can have into `buffer`.
fn look(socket: &impl Datagrams, buffer: &mut [u8], mtu: u16, limit: usize) -> Look {
    let largest = usize::from(mtu) - IP - UDP;
    for _ in 0..LOOKS {
        if limit < HEADERS + largest {
            match socket.next_size() {
                Ok(size) if size <= largest && HEADERS + size > limit => return Look::NoRoom,
                _ => {}
            }
        }
        match socket.receive(&mut buffer[..largest + 1]) {
            Ok((size, from)) if size <= largest => return Look::Datagram(size, from),
            Ok((_, from)) => tracing::debug!(%from, mtu, "a datagram is larger than the network's MTU"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Look::Nothing,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Look::Refused,
            Err(error) => tracing::debug!(%error, "cannot receive a datagram"),
        }
    }
    Look::Useless
}

fn hand_over<H: Host>(payload: &[u8], ends: Ends, shared: &Shared<H>, sink: &mut dyn FnMut(&Frame<'_>)) {
    let mut head = [0; HEADERS];
    let mac = shared.neighbours.mac(*ends.0.ip());
    sink(&frame::udp(&mut head, mac, ends.1, ends.0, payload, shared.offers));
}

fn refused<H: Host>(ends: Ends, shared: &mut Shared<H>) {
    let mac = shared.neighbours.mac(*ends.0.ip());
    shared.answer(icmp::port_unreachable(mac, ends.0, ends.1));
}
