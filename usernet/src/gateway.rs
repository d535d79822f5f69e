//! Where a frame of the guest goes, and whose turn it is to send one.
//!
//! Frames for the guest are asked for ([`Gateway::receive`]) by whoever has room for one, and flows take turns. What the
//! gateway itself has to say is short, comes first, and is dropped if there is too much of it, as any network does.

use crate::forward::{Forward, Protocol};
use crate::frame::{Frame, Offers};
use crate::host::{Event, Host, Token};
use crate::packet::{self, Ip, Packet};
use crate::tcp::{self, Segment};
use crate::{arp, dhcp, icmp, plan, udp};
use smoltcp::wire::{ArpRepr, EthernetAddress, IpProtocol};
use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

/// Short frames that wait for the guest, at most.
const ANSWERS_MAX: usize = 256;
/// Turns after which somebody else than the flows may do something, so that none of them can keep the caller for ever.
const TURNS_MAX: usize = 1024;

/// What a network is to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The guest's hardware address.
    pub mac: [u8; 6],
    pub forwards: Vec<Forward>,
}

/// It was to be listened at `forward`.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {} {}: {source}", forward.protocol, forward.host)]
pub struct ListenError {
    pub forward: Forward,
    pub source: io::Error,
}

/// The network.
pub struct Gateway<H: Host> {
    shared: Shared<H>,
    tcp: tcp::Table<H>,
    udp: udp::Table<H>,
    events: Vec<Event>,
    forwards: Vec<Forward>,
}

impl<H: Host> Gateway<H> {
    /// Opens what `config` forwards.
    pub fn new(config: &Config, mut host: H) -> Result<Self, ListenError> {
        let (mut tcp, mut udp) = (tcp::Table::new(), udp::Table::new());
        let mut forwards = Vec::new();
        for &forward in &config.forwards {
            let address = match forward.protocol {
                Protocol::Tcp => tcp.listen(&mut host, forward),
                Protocol::Udp => udp.listen(&mut host, forward),
            };
            let host = address.map_err(|source| ListenError { forward, source })?;
            forwards.push(Forward { host, ..forward });
        }
        let shared = Shared {
            host,
            offers: Offers::default(),
            neighbours: Neighbours::new(EthernetAddress(config.mac)),
            answers: VecDeque::new(),
            line: VecDeque::new(),
            wake: None,
        };
        Ok(Self { shared, tcp, udp, events: Vec::new(), forwards })
    }

    /// What is forwarded, with the ports that the host has chosen.
    pub fn forwards(&self) -> &[Forward] {
        &self.forwards
    }

    pub fn host(&self) -> &H {
        &self.shared.host
    }

    /// TCP connections and UDP flows that there are.
    pub fn flows(&self) -> (usize, usize) {
        (self.tcp.len(), self.udp.len())
    }

    /// A driver begins that can do this. What was on its way to the one before is lost, as on any network, but connections live on: a guest whose
    /// driver was restarted goes on with them, and one that was itself restarted refuses what it does not know.
    pub fn reset(&mut self, offers: Offers) {
        let mtu = offers.mtu.max(576);
        self.shared.offers = Offers { segments: offers.segments && offers.checksum, mtu, ..offers };
        self.shared.answers.clear();
    }

    /// Takes a frame from the guest. `trusted`: the driver has left the checksum of TCP or UDP to us.
    pub fn send(&mut self, frame: &[u8], trusted: bool, now: Instant) {
        match packet::parse(frame, trusted) {
            Some(Packet::Arp(request)) => self.on_arp(&request),
            Some(Packet::Ip(ip)) => self.on_ip(&ip, now),
            None => {}
        }
    }

    fn on_arp(&mut self, request: &ArpRepr) {
        let ArpRepr::EthernetIpv4 { source_hardware_addr, source_protocol_addr, .. } = *request else {
            return;
        };
        if !source_hardware_addr.is_unicast() {
            return;
        }
        self.shared.neighbours.learn(source_protocol_addr, source_hardware_addr);
        if let Some(reply) = arp::answer(request) {
            self.shared.answer(reply);
        }
    }

    fn on_ip(&mut self, ip: &Ip<'_>, now: Instant) {
        // A guest that asks for an address has none, and may ask everybody.
        if ip.protocol == IpProtocol::Udp
            && let Some(udp) = ip.udp()
            && udp.destination.port() == dhcp::SERVER_PORT
            && (ip.destination == plan::GATEWAY || ip.destination.is_broadcast())
        {
            if let Some(reply) = dhcp::answer(udp.payload, self.shared.offers) {
                self.shared.answer(reply);
            }
            return;
        }
        if !plan::is_guest(ip.source) {
            return;
        }
        self.shared.neighbours.learn(ip.source, ip.mac);
        match ip.protocol {
            IpProtocol::Tcp => {
                if let Some(segment) = Segment::parse(ip) {
                    self.tcp.on_segment(&segment, &mut self.shared, now);
                }
            }
            IpProtocol::Udp => {
                if let Some(datagram) = ip.udp() {
                    self.udp.on_datagram(&datagram, &mut self.shared, now);
                }
            }
            IpProtocol::Icmp => {
                if let Some(reply) = icmp::answer(ip) {
                    self.shared.answer(reply);
                }
            }
            _ => {}
        }
    }

    /// Looks what has happened at the sockets of the host, and whether it is time for something.
    pub fn poll(&mut self, now: Instant) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        let result = self.shared.host.events(&mut events);
        for event in events.drain(..) {
            match event.token {
                Token::Tcp(slot) => self.tcp.on_event(slot, event, &mut self.shared),
                Token::Udp(slot) => self.udp.on_event(slot, &mut self.shared),
                Token::TcpForward(number) => self.tcp.on_arrival(number, &mut self.shared, now),
                Token::UdpForward(number) => self.udp.on_arrival(number, &mut self.shared),
            }
        }
        self.events = events;
        if self.shared.wake.is_some_and(|wake| wake <= now) {
            self.shared.wake = None;
            self.tcp.on_time(&mut self.shared, now);
            self.udp.on_time(&mut self.shared, now);
        }
        result
    }

    /// Hands the next frame for the guest to `sink`; false if there is none. `limit`: it may have so many bytes. Nothing
    /// that is left out because it is longer is lost, except for what `limit` never is large enough for.
    pub fn receive(&mut self, limit: usize, now: Instant, sink: &mut dyn FnMut(&Frame<'_>)) -> bool {
        if let Some(frame) = self.shared.answers.front() {
            if frame.len() > limit {
                return false;
            }
            sink(&Frame::whole(frame));
            self.shared.answers.pop_front();
            return true;
        }
        let mut without_room = 0;
        for _ in 0..TURNS_MAX {
            if without_room == self.shared.line.len() {
                return false;
            }
            let Some(token) = self.shared.line.pop_front() else { return false };
            let turn = match token {
                Token::Tcp(slot) => self.tcp.emit(slot, limit, &mut self.shared, now, sink),
                Token::Udp(slot) => self.udp.emit(slot, limit, &mut self.shared, now, sink),
                Token::UdpForward(number) => {
                    self.udp.emit_arrival(number, limit, &mut self.shared, now, sink)
                }
                Token::TcpForward(number) => {
                    self.tcp.on_arrival(number, &mut self.shared, now);
                    Turn::Passed
                }
            };
            match turn {
                Turn::Sent => return true,
                Turn::NoRoom => without_room += 1,
                Turn::Passed => without_room = 0,
            }
            // Somebody's end may be the guest's to know.
            if !self.shared.answers.is_empty() {
                return self.receive(limit, now, sink);
            }
        }
        self.shared.arm(now);
        false
    }
}

/// What has come of a turn.
pub enum Turn {
    Sent,
    /// There was nothing for the guest.
    Passed,
    /// There is something, and it needs more room. Who has it is in line again.
    NoRoom,
}

/// What all protocols need.
pub struct Shared<H> {
    pub host: H,
    pub offers: Offers,
    pub neighbours: Neighbours,
    answers: VecDeque<Vec<u8>>,
    /// Who may have something for the guest, each once.
    line: VecDeque<Token>,
    /// When the host is going to wake us.
    wake: Option<Instant>,
}

impl<H: Host> Shared<H> {
    /// Somebody may have something for the guest, and is not in line yet.
    pub fn queue(&mut self, token: Token) {
        self.line.push_back(token);
    }

    /// A short frame for the guest.
    pub fn answer(&mut self, frame: Vec<u8>) {
        if self.answers.len() < ANSWERS_MAX {
            self.answers.push_back(frame);
        }
    }

    /// [`Gateway::poll`] is to look at deadlines at this time, or before.
    pub fn arm(&mut self, at: Instant) {
        if self.wake.is_none_or(|wake| at < wake) {
            self.wake = Some(at);
            self.host.wake_at(at);
        }
    }
}

/// Hardware addresses of the guest's network; a guest may have several, say if it is a bridge.
pub struct Neighbours {
    by_last_byte: Box<[Option<EthernetAddress>; 256]>,
    default: EthernetAddress,
}

impl Neighbours {
    fn new(default: EthernetAddress) -> Self {
        Self { by_last_byte: Box::new([None; 256]), default }
    }

    fn learn(&mut self, ip: Ipv4Addr, mac: EthernetAddress) {
        if plan::is_guest(ip) {
            self.by_last_byte[usize::from(ip.octets()[3])] = Some(mac);
        }
    }

    pub fn mac(&self, ip: Ipv4Addr) -> EthernetAddress {
        self.by_last_byte[usize::from(ip.octets()[3])].unwrap_or(self.default)
    }
}
