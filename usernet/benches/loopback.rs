//! How fast bytes cross the gateway: both directions, to a socket of this machine's loopback interface.
//!
//! The guest's side is as short as can be: it makes segments of 64 KiB out of nothing, and acknowledges without looking at
//! what it gets but for one copy, as into the memory of a guest. So what is measured is the gateway and the host's sockets.
//!
//!     cargo bench --package usernet

use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber,
};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::thread;
use std::time::Instant;
use usernet::frame::{FRAME_MAX, Frame};
use usernet::gateway::Config;
use usernet::{Gateway, Offers, System, plan};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const PORT: u16 = 40000;
const SEGMENT: usize = 64000;
const TOTAL: usize = 4 << 30;
/// Segments that are sent before it is looked what has come.
const BATCH: usize = 16;

/// The least of a TCP.
struct Guest {
    gateway: Gateway<System>,
    port: u16,
    seq: u32,
    expected: u32,
    acknowledged: u32,
    window: usize,
    frame: Vec<u8>,
    memory: Vec<u8>,
}

impl Guest {
    fn send(&mut self, control: TcpControl, size: usize) {
        let tcp = TcpRepr {
            src_port: PORT,
            dst_port: self.port,
            control,
            seq_number: TcpSeqNumber(self.seq as i32),
            ack_number: (control != TcpControl::Syn).then_some(TcpSeqNumber(self.expected as i32)),
            window_len: 0xffff,
            window_scale: (control == TcpControl::Syn).then_some(7),
            max_seg_size: (control == TcpControl::Syn).then_some(65000),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let ip = Ipv4Repr {
            src_addr: plan::GUEST,
            dst_addr: plan::GATEWAY,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len() + size,
            hop_limit: 64,
        };
        let head = 14 + 20 + tcp.buffer_len();
        let frame = &mut self.frame[..head + size];
        let mut ethernet = EthernetFrame::new_unchecked(&mut *frame);
        ethernet.set_src_addr(EthernetAddress(MAC));
        ethernet.set_dst_addr(EthernetAddress(plan::GATEWAY_MAC));
        ethernet.set_ethertype(EthernetProtocol::Ipv4);
        ip.emit(&mut Ipv4Packet::new_unchecked(ethernet.payload_mut()), &Default::default());
        let mut packet = TcpPacket::new_unchecked(&mut frame[34..head]);
        tcp.emit(
            &mut packet,
            &plan::GUEST.into(),
            &plan::GATEWAY.into(),
            &smoltcp::phy::ChecksumCapabilities::ignored(),
        );
        self.gateway.send(frame, true, Instant::now());
        self.seq = self.seq.wrapping_add((size + control.len()) as u32);
    }

    /// Takes all frames that there are; bytes of payload, and whether the other side has ended.
    fn receive(&mut self) -> (usize, bool) {
        let (mut bytes, mut ended) = (0, false);
        let now = Instant::now();
        loop {
            let (mut expected, mut acknowledged, mut window) =
                (self.expected, self.acknowledged, self.window);
            let memory = &mut self.memory;
            let mut sink = |frame: &Frame<'_>| {
                let mut at = 0;
                for part in frame.parts {
                    memory[at..at + part.len()].copy_from_slice(part);
                    at += part.len();
                }
                let tcp = TcpPacket::new_unchecked(&memory[34..at]);
                acknowledged = tcp.ack_number().0 as u32;
                window = usize::from(tcp.window_len()) << if tcp.syn() { 0 } else { 7 };
                let size = tcp.payload().len();
                let start = (tcp.seq_number().0 as u32).wrapping_add(u32::from(tcp.syn()));
                expected = start.wrapping_add(size as u32 + u32::from(tcp.fin()));
                ended |= tcp.fin();
                bytes += size;
            };
            let more = self.gateway.receive(FRAME_MAX, now, &mut sink);
            (self.expected, self.acknowledged, self.window) = (expected, acknowledged, window);
            if !more {
                return (bytes, ended);
            }
        }
    }

    fn wait(&self) {
        use rustix::event::{PollFd, PollFlags, poll};
        poll(&mut [PollFd::new(&self.gateway.host().as_fd(), PollFlags::IN)], None).unwrap();
    }

    fn connected(port: u16) -> Self {
        let config = Config { mac: MAC, forwards: Vec::new() };
        let mut gateway = Gateway::new(&config, System::new().unwrap()).unwrap();
        gateway.reset(Offers { checksum: true, segments: true, mtu: 65520 });
        let frame = vec![0; FRAME_MAX];
        let memory = vec![0; FRAME_MAX];
        let mut guest =
            Self { gateway, port, seq: 1, expected: 0, acknowledged: 0, window: 0, frame, memory };
        guest.send(TcpControl::Syn, 0);
        while guest.expected == 0 {
            guest.wait();
            guest.gateway.poll(Instant::now()).unwrap();
            guest.receive();
        }
        guest.send(TcpControl::None, 0);
        guest
    }
}

/// The guest sends.
fn upload(listener: &TcpListener, port: u16) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = listener.accept().unwrap().0;
            let mut buffer = vec![0; 256 << 10];
            while stream.read(&mut buffer).unwrap() > 0 {}
        });
        let mut guest = Guest::connected(port);
        let mut sent = 0;
        while sent < TOTAL {
            let mut idle = true;
            for _ in 0..BATCH {
                let outstanding = guest.seq.wrapping_sub(guest.acknowledged) as usize;
                let size = SEGMENT.min(TOTAL - sent).min(guest.window.saturating_sub(outstanding));
                if size < SEGMENT.min(TOTAL - sent) || size == 0 {
                    break;
                }
                guest.send(TcpControl::Psh, size);
                sent += size;
                idle = false;
            }
            if idle {
                guest.wait();
            }
            guest.gateway.poll(Instant::now()).unwrap();
            guest.receive();
        }
        guest.send(TcpControl::Fin, 0);
    });
}

/// The guest receives.
fn download(listener: &TcpListener, port: u16) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = listener.accept().unwrap().0;
            let block = vec![1; 256 << 10];
            for _ in 0..TOTAL / block.len() {
                stream.write_all(&block).unwrap();
            }
        });
        let mut guest = Guest::connected(port);
        let mut total = 0;
        loop {
            let (bytes, ended) = guest.receive();
            total += bytes;
            if bytes > 0 {
                guest.send(TcpControl::None, 0);
            } else if !ended {
                guest.wait();
            }
            if ended {
                break;
            }
            guest.gateway.poll(Instant::now()).unwrap();
        }
        assert_eq!(total, TOTAL);
    });
}

fn main() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    for (name, run) in [("guest to host", upload as fn(&TcpListener, u16)), ("host to guest", download)] {
        let start = Instant::now();
        run(&listener, port);
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {:.0} MB/s", TOTAL as f64 / 1e6 / seconds);
    }
}
