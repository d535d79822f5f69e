//! A guest that does what a script says, before a host that does so too.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};
use usernet::frame::{FRAME_MAX, Frame};
use usernet::mock::{Mock, World};
use usernet::{Gateway, Offers, plan};

pub const ISN: i32 = 1000;
pub const GUEST: SocketAddrV4 = SocketAddrV4::new(plan::GUEST, 5555);
pub const REMOTE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 80);

/// A segment, either way. Sequence numbers are counted from where each side began.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seg {
    pub seq: i64,
    pub ack: Option<i64>,
    /// Any of `SFRP`.
    pub flags: &'static str,
    pub window: u16,
    pub mss: Option<u16>,
    pub scale: Option<u8>,
    pub data: Vec<u8>,
    /// So many bytes of payload to a segment, if it is to be cut.
    pub cut: u16,
}

pub struct Script {
    pub world: World,
    pub gateway: Gateway<Mock>,
    pub now: Instant,
    pub guest: SocketAddrV4,
    pub remote: SocketAddrV4,
    /// Where the gateway's sequence numbers begin, once it has said so.
    pub isn: Option<i32>,
}

impl Script {
    pub fn new(forwards: &[&str], offers: Offers) -> Self {
        let world = World::default();
        let mut gateway = Gateway::new(&super::config(forwards), world.host()).unwrap();
        gateway.reset(offers);
        Self { world, gateway, now: Instant::now(), guest: GUEST, remote: REMOTE, isn: None }
    }

    /// A connection that stands: by a SYN with an MSS of 1000 and a scale of 2, and a window of `window` bytes.
    pub fn connected(offers: Offers, window: u16) -> Self {
        let mut script = Self::new(&[], offers);
        script.syn();
        script.world.ready(0);
        let answer = script.expect("SYN|ACK");
        assert_eq!((answer.flags, answer.ack), ("S", Some(1)));
        script.send(Seg { seq: 1, ack: Some(1), window: window / 4, ..Seg::default() });
        script.silence();
        script
    }

    pub fn syn(&mut self) {
        self.send(Seg { flags: "S", window: 60000, mss: Some(1000), scale: Some(2), ..Seg::default() });
    }

    /// The guest sends.
    pub fn send(&mut self, seg: Seg) {
        let frame = self.frame(&seg);
        self.gateway.send(&frame, false, self.now);
    }

    pub fn frame(&self, seg: &Seg) -> Vec<u8> {
        let control = match seg.flags {
            "S" => TcpControl::Syn,
            "F" => TcpControl::Fin,
            "R" => TcpControl::Rst,
            "P" => TcpControl::Psh,
            _ => TcpControl::None,
        };
        let tcp = TcpRepr {
            src_port: self.guest.port(),
            dst_port: self.remote.port(),
            control,
            seq_number: TcpSeqNumber(ISN.wrapping_add(seg.seq as i32)),
            ack_number: seg.ack.map(|ack| TcpSeqNumber(self.isn.unwrap_or(0).wrapping_add(ack as i32))),
            window_len: seg.window,
            window_scale: seg.scale,
            max_seg_size: seg.mss,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &seg.data,
        };
        let (source, destination) = (*self.guest.ip(), *self.remote.ip());
        let mut packet = vec![0; tcp.buffer_len()];
        tcp.emit(
            &mut TcpPacket::new_unchecked(&mut packet),
            &source.into(),
            &destination.into(),
            &ChecksumCapabilities::default(),
        );
        ip_frame(source, destination, IpProtocol::Tcp, &packet)
    }

    /// What the guest gets next.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        self.receive_up_to(FRAME_MAX).map(|(frame, _)| frame)
    }

    /// With how it is to be cut.
    pub fn receive_up_to(&mut self, limit: usize) -> Option<(Vec<u8>, u16)> {
        self.gateway.poll(self.now).unwrap();
        let mut got = None;
        let mut sink = |frame: &Frame<'_>| {
            assert!(got.is_none(), "two frames at once");
            assert!(frame.size() <= limit);
            got = Some((frame.to_vec(), frame.rest.segment));
        };
        let more = self.gateway.receive(limit, self.now, &mut sink);
        assert_eq!(more, got.is_some());
        got
    }

    /// The next segment of the connection; `what` is expected.
    #[track_caller]
    pub fn expect(&mut self, what: &str) -> Seg {
        let (frame, cut) =
            self.receive_up_to(FRAME_MAX).unwrap_or_else(|| panic!("nothing comes, in place of {what}"));
        Seg { cut, ..self.segment(&frame) }
    }

    /// Nothing comes.
    #[track_caller]
    pub fn silence(&mut self) {
        if let Some(frame) = self.receive() {
            panic!("unexpected: {:?}", self.segment(&frame));
        }
    }

    /// So much time passes.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn segment(&mut self, frame: &[u8]) -> Seg {
        let ethernet = EthernetFrame::new_checked(frame).unwrap();
        assert_eq!(ethernet.dst_addr(), EthernetAddress(super::MAC));
        let ip = Ipv4Packet::new_checked(ethernet.payload()).unwrap();
        assert!(ip.verify_checksum());
        assert_eq!((ip.src_addr(), ip.dst_addr()), (*self.remote.ip(), *self.guest.ip()));
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert!(tcp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        assert_eq!(tcp.dst_port(), self.guest.port());
        self.remote.set_port(tcp.src_port());
        let options = tcp.options_summary().unwrap();
        if tcp.syn() {
            self.isn = Some(tcp.seq_number().0);
        }
        let isn = self.isn.unwrap_or(0);
        let flags = match (tcp.syn(), tcp.fin(), tcp.rst(), tcp.psh()) {
            (true, false, false, false) => "S",
            (false, true, false, false) => "F",
            (false, false, true, false) => "R",
            (false, false, false, true) => "P",
            (false, false, false, false) => "",
            _ => panic!("odd flags: {tcp}"),
        };
        Seg {
            seq: tcp.seq_number().0.wrapping_sub(isn).into(),
            ack: tcp.ack().then(|| tcp.ack_number().0.wrapping_sub(ISN).into()),
            flags,
            window: tcp.window_len(),
            mss: options.max_segment_size,
            scale: options.window_scale,
            data: tcp.payload().to_vec(),
            cut: 0,
        }
    }
}

pub fn ip_frame(source: Ipv4Addr, destination: Ipv4Addr, protocol: IpProtocol, packet: &[u8]) -> Vec<u8> {
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: packet.len(),
        hop_limit: 64,
    };
    let mut frame = vec![0; 14 + 20 + packet.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(EthernetAddress(super::MAC));
    ethernet.set_dst_addr(EthernetAddress(plan::GATEWAY_MAC));
    ethernet.set_ethertype(EthernetProtocol::Ipv4);
    ip.emit(&mut Ipv4Packet::new_unchecked(ethernet.payload_mut()), &ChecksumCapabilities::default());
    frame[34..].copy_from_slice(packet);
    frame
}

pub fn udp_frame(source: SocketAddrV4, destination: SocketAddrV4, data: &[u8]) -> Vec<u8> {
    let udp = UdpRepr { src_port: source.port(), dst_port: destination.port() };
    let mut packet = vec![0; 8 + data.len()];
    udp.emit(
        &mut UdpPacket::new_unchecked(&mut packet),
        &(*source.ip()).into(),
        &(*destination.ip()).into(),
        data.len(),
        |place| place.copy_from_slice(data),
        &ChecksumCapabilities::default(),
    );
    ip_frame(*source.ip(), *destination.ip(), IpProtocol::Udp, &packet)
}
