//! The gateway of user networks: frames of a guest, and what happens at the host's sockets meanwhile.
//!
//! The guest knows what it has been sent, so that a script's segments are near what is expected: else no connection would ever
//! get far. What arrives, on either side, must be the bytes that were sent, in their order, whatever is lost and repeated.

use super::Seed;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr, TcpOption, TcpPacket,
    TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use usernet::frame::{FRAME_MAX, Frame};
use usernet::gateway::Config;
use usernet::mock::{Mock, World};
use usernet::{Gateway, Offers, plan};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const STEPS_MAX: usize = 64;
const OFFERS: [Offers; 3] = [
    Offers { checksum: false, segments: false, mtu: 1500 },
    Offers { checksum: true, segments: true, mtu: 65520 },
    Offers { checksum: true, segments: false, mtu: 576 },
];
/// Flags of a script's segment.
const SYN: u8 = 1;
const ACK: u8 = 2;
const FIN: u8 = 4;
const RST: u8 = 8;
const OPTIONS: u8 = 16;
const OFF: u8 = 32;

/// The byte that belongs at a place of a stream.
fn pattern(at: u32) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 24) as u8
}

/// A connection as the guest knows it, by its own port.
#[derive(Clone, Copy, Default)]
struct Connection {
    isn: u32,
    /// What of ours has been acknowledged, and where theirs begins and has got to.
    acknowledged: u32,
    their_isn: u32,
    seen: u32,
}

struct Play<'a> {
    bytes: &'a [u8],
    world: World,
    gateway: Gateway<Mock>,
    now: Instant,
    offers: Offers,
    connections: HashMap<u16, Connection>,
    /// Where the guest's bytes begin on each stream of the host's.
    begins: Vec<Option<u32>>,
    /// How much each stream's peer has sent.
    sent: HashMap<usize, u32>,
}

pub fn run(bytes: &[u8]) {
    let world = World::default();
    let forwards = ["tcp::8080-:80", "udp::5000-:50"].map(|text| text.parse().expect("a forward")).to_vec();
    let gateway =
        Gateway::new(&Config { mac: MAC, forwards }, world.host()).expect("a host that has everything");
    let mut play = Play {
        bytes,
        world,
        gateway,
        now: Instant::now(),
        offers: OFFERS[0],
        connections: HashMap::new(),
        begins: Vec::new(),
        sent: HashMap::new(),
    };
    play.gateway.reset(OFFERS[0]);
    for _ in 0..STEPS_MAX {
        if play.bytes.is_empty() {
            break;
        }
        play.step();
    }
    while play.receive(FRAME_MAX) {}
    play.check();
}

impl Play<'_> {
    fn u8(&mut self) -> u8 {
        let (&first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    fn step(&mut self) {
        match self.u8() % 9 {
            0 => self.raw(),
            1 => self.segment(),
            2 => self.outside(),
            3 => {
                let hundredths = u64::from(self.u16());
                self.now += Duration::from_millis(hundredths * 10);
            }
            4 => {
                let (limit, count) = (usize::from(self.u16()), self.u8());
                for _ in 0..count {
                    if !self.receive(limit) {
                        break;
                    }
                }
            }
            5 => {
                let from = [127, 0, 0, self.u8()];
                let port = u16::from(self.u8()) + 1;
                self.world.arrives(0, (from, port).into());
            }
            6 => {
                let (index, size) = (usize::from(self.u8()), usize::from(self.u16()));
                let sockets = self.world.state().datagrams.len();
                self.world.datagram(index % sockets, (REMOTE, 7).into(), &vec![1; size]);
            }
            7 => self.datagram(),
            _ => {
                self.offers = OFFERS[usize::from(self.u8()) % OFFERS.len()];
                self.gateway.reset(self.offers);
                self.connections.clear();
            }
        }
        assert!(self.gateway.poll(self.now).is_ok());
        let (tcp, udp) = self.gateway.flows();
        assert!(tcp <= 512 && udp <= 256);
    }

    fn send(&mut self, frame: &[u8]) {
        self.gateway.send(frame, self.offers.checksum, self.now);
        let streams = self.world.state().streams.len();
        self.begins.resize(streams, None);
    }

    fn raw(&mut self) {
        let len = usize::from(self.u8()).min(self.bytes.len());
        let (frame, rest) = self.bytes.split_at(len);
        let frame = frame.to_vec();
        self.bytes = rest;
        let streams = self.begins.len();
        self.send(&frame);
        // A SYN that was written by hand: its bytes are not known.
        self.begins.truncate(streams);
        self.begins.resize(self.world.state().streams.len(), None);
    }

    fn segment(&mut self) {
        let (port, flags) = (u16::from(self.u8() % 4) + 77, self.u8());
        let (ahead, beyond) = (i32::from(self.u8() as i8), i32::from(self.u8() as i8));
        let (len, window) = (usize::from(self.u16() % 4096), self.u16());
        let off = |by: i32| if flags & OFF != 0 { by } else { 0 };
        let mut connection = self.connections.get(&port).copied().unwrap_or_default();
        let fresh = flags & SYN != 0 && flags & ACK == 0;
        if fresh {
            connection = Connection { isn: connection.isn.wrapping_add(100_000), ..Connection::default() };
            connection.acknowledged = connection.isn;
        }
        let seq = connection.acknowledged.wrapping_add_signed(off(ahead));
        let start = seq.wrapping_add((flags & SYN).into());
        let data: Vec<u8> = (0..len as u32).map(|n| pattern(start.wrapping_add(n))).collect();
        let frame = tcp(port, flags, seq, connection.seen.wrapping_add_signed(off(beyond)), window, &data);
        let streams = self.begins.len();
        self.send(&frame);
        if self.begins.len() > streams {
            self.begins[streams] = Some(start);
            self.connections.insert(port, connection);
        }
    }

    fn datagram(&mut self) {
        let (port, to, len) = (u16::from(self.u8()) + 1, self.u8(), usize::from(self.u8()));
        let destination = [REMOTE, plan::RESOLVER, plan::GATEWAY, Ipv4Addr::BROADCAST][usize::from(to) % 4];
        let udp = UdpRepr { src_port: port, dst_port: if to < 128 { 53 } else { 67 } };
        let mut packet = vec![0; 8 + len];
        let data = vec![2; len];
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut packet),
            &plan::GUEST.into(),
            &destination.into(),
            len,
            |place| place.copy_from_slice(&data),
            &ChecksumCapabilities::default(),
        );
        self.send(&frame(destination, IpProtocol::Udp, &packet));
    }

    /// Something happens at a stream of the host's.
    fn outside(&mut self) {
        let (index, what, value) = (usize::from(self.u8()), self.u8(), self.u16());
        let streams = self.world.state().streams.len();
        if streams == 0 {
            return;
        }
        let index = index % streams;
        match what % 6 {
            0 => self.world.ready(index),
            1 if !self.world.state().streams[index].ended => {
                let sent = self.sent.entry(index).or_default();
                let data: Vec<u8> = (*sent..*sent + u32::from(value)).map(pattern).collect();
                *sent += u32::from(value);
                self.world.sends(index, &data);
            }
            2 => self.world.ends(index),
            3 => self.world.breaks(index, ErrorKind::ConnectionReset),
            4 => self.world.state().streams[index].room = value.into(),
            _ => {
                self.world.state().streams[index].room = usize::MAX;
                self.world.ready(index);
            }
        }
    }

    fn receive(&mut self, limit: usize) -> bool {
        let mut got = None;
        let mut sink = |frame: &Frame<'_>| {
            assert!(frame.size() <= limit);
            assert!(frame.rest.segment == 0 || frame.rest.checksum.is_some());
            got = Some((frame.to_vec(), frame.rest.checksum.is_some()));
        };
        let more = self.gateway.receive(limit, self.now, &mut sink);
        assert_eq!(more, got.is_some());
        if let Some((frame, unfinished)) = got {
            self.look(&frame, unfinished);
        }
        more
    }

    /// The guest looks at what it has got.
    fn look(&mut self, frame: &[u8], unfinished: bool) {
        let ethernet = EthernetFrame::new_checked(frame).expect("a frame");
        if ethernet.ethertype() != EthernetProtocol::Ipv4 {
            return;
        }
        let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("a packet");
        assert!(ip.verify_checksum());
        if ip.next_header() != IpProtocol::Tcp {
            return;
        }
        let tcp = TcpPacket::new_checked(ip.payload()).expect("a segment");
        assert!(unfinished || tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        if ip.src_addr() != REMOTE {
            return;
        }
        let Some(connection) = self.connections.get_mut(&tcp.dst_port()) else { return };
        let seq = tcp.seq_number().0 as u32;
        if tcp.rst() {
            self.connections.remove(&tcp.dst_port());
            return;
        }
        if tcp.syn() {
            (connection.their_isn, connection.seen) = (seq, seq.wrapping_add(1));
        }
        connection.acknowledged = tcp.ack_number().0 as u32;
        let place = seq.wrapping_sub(connection.their_isn).wrapping_sub(1);
        for (n, &byte) in (0..).zip(tcp.payload()) {
            assert_eq!(byte, pattern(place + n), "a byte for the guest at the wrong place");
        }
        let end = seq.wrapping_add(tcp.segment_len() as u32);
        // It may lose what does not follow, or what it has no room for: this one does neither.
        if end.wrapping_sub(connection.seen) as i32 > 0 {
            assert!(seq.wrapping_sub(connection.seen) as i32 <= 0, "a gap in what the guest is sent");
            connection.seen = end;
        }
    }

    /// What has arrived at the host.
    fn check(&self) {
        for (stream, begin) in self.world.state().streams.iter().zip(&self.begins) {
            let Some(begin) = begin else { continue };
            for (n, &byte) in (0..).zip(&stream.outgoing) {
                assert_eq!(byte, pattern(begin.wrapping_add(n)), "a byte for the host at the wrong place");
            }
        }
    }
}

fn tcp(port: u16, flags: u8, seq: u32, ack: u32, window: u16, data: &[u8]) -> Vec<u8> {
    let options = if flags & OPTIONS != 0 { 8 } else { 0 };
    let mut packet = vec![0; 20 + options + data.len()];
    packet[20 + options..].copy_from_slice(data);
    let mut tcp = TcpPacket::new_unchecked(&mut packet);
    tcp.set_src_port(port);
    tcp.set_dst_port(80);
    tcp.set_seq_number(TcpSeqNumber(seq as i32));
    tcp.set_ack_number(TcpSeqNumber(ack as i32));
    tcp.set_header_len(20 + options as u8);
    tcp.set_syn(flags & SYN != 0);
    tcp.set_ack(flags & ACK != 0);
    tcp.set_fin(flags & FIN != 0);
    tcp.set_rst(flags & RST != 0);
    tcp.set_window_len(window);
    if options > 0 {
        let rest = TcpOption::MaxSegmentSize(window % 3000).emit(tcp.options_mut());
        TcpOption::NoOperation.emit(TcpOption::WindowScale((window % 17) as u8).emit(rest));
    }
    tcp.fill_checksum(&plan::GUEST.into(), &REMOTE.into());
    frame(REMOTE, IpProtocol::Tcp, &packet)
}

fn frame(destination: Ipv4Addr, protocol: IpProtocol, packet: &[u8]) -> Vec<u8> {
    let ip = Ipv4Repr {
        src_addr: plan::GUEST,
        dst_addr: destination,
        next_header: protocol,
        payload_len: packet.len(),
        hop_limit: 64,
    };
    let mut frame = vec![0; 34 + packet.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(EthernetAddress(MAC));
    ethernet.set_dst_addr(EthernetAddress(plan::GATEWAY_MAC));
    ethernet.set_ethertype(EthernetProtocol::Ipv4);
    ip.emit(&mut Ipv4Packet::new_unchecked(ethernet.payload_mut()), &ChecksumCapabilities::default());
    frame[34..].copy_from_slice(packet);
    frame
}

pub fn seeds() -> Vec<Seed> {
    let segment = |flags: u8, len: u16, window: u16| {
        [&[1, 0, flags, 0, 0][..], &len.to_le_bytes(), &window.to_le_bytes()].concat()
    };
    let outside = |what: u8, value: u16| [&[2, 0, what][..], &value.to_le_bytes()].concat();
    let receive = || vec![4, 0xff, 0xff, 20];
    let time = |centiseconds: u16| [&[3][..], &centiseconds.to_le_bytes()].concat();
    let connected =
        [segment(SYN | OPTIONS, 0, 1462), outside(0, 0), receive(), segment(ACK, 0, 20_000)].concat();
    let join = |parts: &[Vec<u8>]| parts.concat();
    let arp = {
        let mut frame = vec![0xff; 6];
        frame.extend(MAC);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(MAC);
        frame.extend([10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2]);
        [&[0, frame.len() as u8][..], &frame].concat()
    };
    let ends = join(&[segment(ACK | FIN, 0, 999), outside(2, 0), receive(), segment(ACK, 0, 999)]);
    vec![
        ("arp", join(&[arp, receive()])),
        (
            "conversation",
            join(&[connected.clone(), segment(ACK, 500, 9000), receive(), outside(1, 9000), receive(), ends]),
        ),
        (
            "segments",
            join(&[vec![8, 1], connected.clone(), outside(1, 65_000), receive(), segment(ACK, 0, 9000)]),
        ),
        (
            "full",
            join(&[
                connected.clone(),
                outside(4, 100),
                segment(ACK, 4000, 9),
                segment(ACK, 4000, 9),
                outside(5, 0),
                receive(),
            ]),
        ),
        (
            "shut",
            join(&[
                connected.clone(),
                segment(ACK, 0, 0),
                outside(1, 5000),
                receive(),
                time(30),
                receive(),
                segment(ACK, 0, 9000),
                receive(),
            ]),
        ),
        (
            "again",
            join(&[connected.clone(), outside(1, 5000), receive(), time(30), receive(), time(60), receive()]),
        ),
        (
            "off",
            join(&[
                connected.clone(),
                vec![1, 0, ACK | OFF, 10, 0, 100, 0, 9, 9],
                vec![1, 0, RST | OFF, 3, 0, 0, 0, 0, 0],
                receive(),
            ]),
        ),
        ("reset", join(&[connected.clone(), outside(3, 0), receive()])),
        ("guest-resets", join(&[connected, segment(RST, 0, 0), segment(SYN, 0, 9)])),
        ("arrives", join(&[vec![5, 1, 99], receive(), time(100), receive()])),
        (
            "datagrams",
            join(&[
                vec![7, 9, 0, 30],
                vec![6, 1, 100, 0],
                receive(),
                vec![6, 0, 10, 0],
                receive(),
                time(20_000),
            ]),
        ),
        ("dhcp", join(&[vec![7, 67, 130, 255], receive()])),
    ]
}
