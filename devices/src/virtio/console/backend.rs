//! The host's side of a console.

/// The host's side of a port. None of its calls waits. When it has something that it had not, be it bytes, room or somebody at the other end,
/// the device is told that the port's source is ready.
pub trait Port: Send {
    /// Takes as many of `bytes` as there is room for; their number. Where nobody is at the other end they may as well be thrown away.
    fn write(&mut self, bytes: &[u8]) -> usize;

    /// Reads into `into`; the number of bytes, 0 if there are none at the moment.
    fn read(&mut self, into: &mut [u8]) -> usize;

    /// Whether somebody is at the other end.
    fn is_open(&mut self) -> bool;

    /// A program of the guest's has opened the port, or closed it.
    fn guest_opened(&mut self, _open: bool) {}
}

/// A port.
pub struct PortSpec {
    /// By which the guest's programs find it. May be empty.
    pub name: String,
    /// The guest may use it as a terminal.
    pub is_console: bool,
    pub port: Box<dyn Port>,
}

/// The terminal's size in columns and rows, at any time.
pub type Size = Box<dyn Fn() -> (u16, u16) + Send>;
