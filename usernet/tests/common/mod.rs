//! A guest: smoltcp's TCP/IP stack on the other end of the gateway's frames.

// Not every test uses all of it.
#![allow(dead_code)]

pub mod script;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as GuestInstant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv4Address};
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use usernet::frame::{FRAME_MAX, Frame};
use usernet::{Gateway, Host, Offers, System, gateway, plan};

pub const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// However slow this machine is, this is enough.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn config(forwards: &[&str]) -> gateway::Config {
    let forwards = forwards.iter().map(|text| text.parse().unwrap()).collect();
    gateway::Config { mac: MAC, forwards }
}

/// The wire between both, which the guest sees as its network card.
pub struct Wire {
    to_guest: VecDeque<Vec<u8>>,
    from_guest: VecDeque<Vec<u8>>,
    offers: Offers,
    /// Of the next frames for the guest, so many are lost.
    pub lose: usize,
}

pub struct Taken(Vec<u8>);
pub struct Given<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::RxToken for Taken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Given<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl phy::Device for Wire {
    type RxToken<'a> = Taken;
    type TxToken<'a> = Given<'a>;

    fn receive(&mut self, _: GuestInstant) -> Option<(Taken, Given<'_>)> {
        let frame = self.to_guest.pop_front()?;
        Some((Taken(frame), Given(&mut self.from_guest)))
    }

    fn transmit(&mut self, _: GuestInstant) -> Option<Given<'_>> {
        (self.from_guest.len() < 64).then_some(Given(&mut self.from_guest))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = usize::from(self.offers.mtu) + 14;
        if self.offers.checksum {
            capabilities.checksum = ChecksumCapabilities::ignored();
            capabilities.checksum.ipv4 = phy::Checksum::Both;
        }
        capabilities
    }
}

pub struct Guest<H: Host> {
    pub gateway: Gateway<H>,
    pub wire: Wire,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    began: Instant,
}

impl<H: Host> Guest<H> {
    /// A guest that has its address already.
    pub fn new(mut gateway: Gateway<H>, offers: Offers) -> Self {
        gateway.reset(offers);
        let mut wire = Wire { to_guest: VecDeque::new(), from_guest: VecDeque::new(), offers, lose: 0 };
        let config = Config::new(HardwareAddress::Ethernet(EthernetAddress(MAC)));
        let mut interface = Interface::new(config, &mut wire, GuestInstant::ZERO);
        interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(plan::GUEST.into(), 24)).unwrap());
        interface.routes_mut().add_default_ipv4_route(plan::GATEWAY).unwrap();
        Self { gateway, wire, interface, sockets: SocketSet::new(Vec::new()), began: Instant::now() }
    }

    pub fn tcp(&mut self, buffer: usize) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        self.sockets.add(socket)
    }

    pub fn connect(&mut self, handle: SocketHandle, to: Ipv4Address, port: u16) {
        static PORT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(40000);
        let local = PORT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.connect(self.interface.context(), (to, port), local).unwrap();
    }

    pub fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Everything that can happen now. Whether anything did.
    pub fn step(&mut self) -> bool {
        self.step_at(Instant::now())
    }

    pub fn step_at(&mut self, now: Instant) -> bool {
        self.gateway.poll(now).unwrap();
        let time = GuestInstant::from_micros((now - self.began).as_micros() as i64);
        self.interface.poll(time, &mut self.wire, &mut self.sockets);
        let mut moved = false;
        while let Some(frame) = self.wire.from_guest.pop_front() {
            self.gateway.send(&frame, self.wire.offers.checksum, now);
            moved = true;
        }
        let wire = &mut self.wire;
        let mut sink = |frame: &Frame<'_>| {
            assert!(frame.rest.segment == 0, "this guest cannot cut segments");
            if wire.lose > 0 {
                wire.lose -= 1;
            } else {
                wire.to_guest.push_back(frame.to_vec());
            }
        };
        for _ in 0..16 {
            if !self.gateway.receive(FRAME_MAX, now, &mut sink) {
                break;
            }
            moved = true;
        }
        moved
    }
}

impl Guest<System> {
    pub fn real(forwards: &[&str], offers: Offers) -> Self {
        Self::new(Gateway::new(&config(forwards), System::new().unwrap()).unwrap(), offers)
    }

    /// Goes on until `done` says so.
    #[track_caller]
    pub fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            if !self.step() {
                self.wait();
            }
            assert!(Instant::now() < end, "nothing happens any more");
        }
    }

    /// Until the gateway has something to do, or the guest may.
    fn wait(&mut self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let host = self.gateway.host().as_fd();
        let short = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        poll(&mut [PollFd::new(&host, PollFlags::IN)], Some(&short)).unwrap();
    }
}
