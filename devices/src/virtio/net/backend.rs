//! The network behind the device.

use super::request::Header;

/// What the other end can do without the driver having to.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Offloads {
    /// It completes checksums, and takes such as are said to be complete.
    pub checksum: bool,
    /// It cuts TCP over IPv4 into segments.
    pub tso4: bool,
    /// It cuts TCP over IPv6 into segments.
    pub tso6: bool,
}

/// What a driver has said that it takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Driver {
    pub offloads: Offloads,
    /// It has been told [`Backend::mtu`], and has room for frames of that size.
    pub mtu: bool,
}

/// A network. Whatever it cannot take or give now it drops or keeps, as networks do; nothing here waits.
pub trait Backend: Send {
    /// What it can do for the driver.
    fn offloads(&self) -> Offloads;

    /// The largest packet that its frames hold, if it wants the driver to know.
    fn mtu(&self) -> Option<u16>;

    /// A driver begins.
    fn start(&mut self, driver: Driver);

    /// The driver ends, and forgets what it had begun.
    fn stop(&mut self);

    /// Takes a frame of the driver's.
    fn send(&mut self, header: &Header, frame: &[u8]);

    /// Looks what has happened outside.
    fn poll(&mut self);

    /// Hands the next frame for the driver to `sink`, as pieces; it has `limit` bytes at most. False if there is none, or none so short.
    fn receive(&mut self, limit: usize, sink: Sink<'_>) -> bool;
}

/// Where a frame goes.
pub type Sink<'a> = &'a mut dyn FnMut(&Header, &[&[u8]]);
