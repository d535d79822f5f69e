//! Segments: bytes ↔ meaning (RFC 9293 §3.1).

use super::seq::Seq;
use crate::frame::{self, ETHERNET, Frame, HEAD_MAX, IP, Offers, Rest};
use crate::packet::Ip;
use smoltcp::wire::{EthernetAddress, IpProtocol, TcpOption, TcpPacket, TcpSeqNumber};
use std::net::SocketAddrV4;

/// RFC 9293 §3.7.1: of somebody who does not say.
pub const MSS_DEFAULT: u16 = 536;
/// RFC 7323 §2.3: windows are no larger.
const SCALE_MAX: u8 = 14;

/// A segment that the guest has sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub seq: Seq,
    /// What it acknowledges.
    pub ack: Option<Seq>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    /// Not scaled.
    pub window: u16,
    /// The largest payload that it takes, 1 or more. Only of a SYN.
    pub mss: u16,
    /// Only of a SYN.
    pub scale: Option<u8>,
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    pub fn parse(ip: &Ip<'a>) -> Option<Self> {
        let tcp = TcpPacket::new_checked(ip.payload).ok()?;
        let (source, destination) = ip.addresses();
        if tcp.src_port() == 0 || tcp.dst_port() == 0 {
            return None;
        }
        if !(ip.trusted || tcp.verify_checksum(&source, &destination)) {
            return None;
        }
        let options = if tcp.syn() { tcp.options_summary().ok()? } else { Default::default() };
        Some(Self {
            source: SocketAddrV4::new(ip.source, tcp.src_port()),
            destination: SocketAddrV4::new(ip.destination, tcp.dst_port()),
            seq: Seq(tcp.seq_number().0 as u32),
            ack: tcp.ack().then(|| Seq(tcp.ack_number().0 as u32)),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            window: tcp.window_len(),
            mss: options.max_segment_size.filter(|&mss| mss > 0).unwrap_or(MSS_DEFAULT),
            scale: options.window_scale.map(|scale| scale.min(SCALE_MAX)),
            payload: tcp.payload(),
        })
    }

    /// How many sequence numbers it takes.
    pub fn length(&self) -> usize {
        self.payload.len() + usize::from(self.syn) + usize::from(self.fin)
    }
}

/// A segment for the guest, but for its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub seq: Seq,
    pub ack: Option<Seq>,
    pub syn: Option<Syn>,
    pub fin: bool,
    pub rst: bool,
    pub push: bool,
    pub window: u16,
}

/// What only a SYN says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Syn {
    pub mss: u16,
    pub scale: Option<u8>,
}

impl Head {
    /// RFC 9293 §3.10.7.1: the answer to a segment that belongs to no connection. A reset is not answered.
    pub fn refusal(of: &Segment<'_>) -> Option<Self> {
        (!of.rst).then(|| Self {
            source: of.destination,
            destination: of.source,
            seq: of.ack.unwrap_or(Seq(0)),
            ack: of.ack.is_none().then(|| of.seq + of.length()),
            syn: None,
            fin: false,
            rst: true,
            push: false,
            window: 0,
        })
    }

    /// Writes it into `head` and joins it with its payload, to be cut into segments of `mss` bytes by the driver if it is longer.
    pub fn write<'a>(
        &self,
        head: &'a mut [u8; HEAD_MAX],
        mac: EthernetAddress,
        payload: [&'a [u8]; 2],
        mss: u16,
        offers: Offers,
    ) -> Frame<'a> {
        let options = match self.syn {
            Some(Syn { scale: Some(_), .. }) => 8,
            Some(Syn { scale: None, .. }) => 4,
            None => 0,
        };
        let tcp_size = 20 + options;
        let size = payload[0].len() + payload[1].len();
        let ip = frame::ip(*self.source.ip(), *self.destination.ip(), IpProtocol::Tcp, tcp_size + size);
        let head = &mut head[..ETHERNET + IP + tcp_size];
        frame::write_ip(head, mac, &ip);
        self.write_tcp(&mut head[ETHERNET + IP..]);
        let checksum = frame::finish(head, &ip, payload, offers);
        let segment = if size > usize::from(mss) { mss } else { 0 };
        Frame {
            rest: Rest { checksum, segment, head: head.len() as u16 },
            parts: [head, payload[0], payload[1]],
        }
    }

    fn write_tcp(&self, bytes: &mut [u8]) {
        let size = bytes.len();
        let mut tcp = TcpPacket::new_unchecked(bytes);
        tcp.set_src_port(self.source.port());
        tcp.set_dst_port(self.destination.port());
        tcp.set_seq_number(TcpSeqNumber(self.seq.0 as i32));
        tcp.set_ack_number(TcpSeqNumber(self.ack.map_or(0, |ack| ack.0 as i32)));
        tcp.clear_flags();
        tcp.set_header_len(size as u8);
        tcp.set_ack(self.ack.is_some());
        tcp.set_syn(self.syn.is_some());
        tcp.set_fin(self.fin);
        tcp.set_rst(self.rst);
        tcp.set_psh(self.push);
        tcp.set_window_len(self.window);
        tcp.set_urgent_at(0);
        if let Some(Syn { mss, scale }) = self.syn {
            let mut options = TcpOption::MaxSegmentSize(mss).emit(tcp.options_mut());
            if let Some(scale) = scale {
                options = TcpOption::WindowScale(scale).emit(options);
                TcpOption::NoOperation.emit(options);
            }
        }
    }
}
