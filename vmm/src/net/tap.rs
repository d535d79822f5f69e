//! `--net tap,name=tap0`: frames of a network interface of the host (Linux, Documentation/networking/tuntap.rst).
//!
//! Its frames have the same header before them as those of the network device (`IFF_VNET_HDR`), so what is left to be done for a frame is left to
//! the host's kernel, or by it to the guest.

use devices::virtio::net::request::{FRAME_MAX, HEADER};
use devices::virtio::net::{Backend, Driver, Header, Offloads, Sink};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const DEVICE: &str = "/dev/net/tun";

/// Why there is no such interface.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    #[error("{DEVICE} does not exist: load the kernel's module tun (modprobe tun)")]
    NoDevice,
    #[error("no permission to open {DEVICE}; --net user needs none")]
    NoAccess,
    #[error(
        "no permission to use it. Let root make it for you: ip tuntap add {0} mode tap user $USER && ip link set {0} up; or use --net user"
    )]
    Forbidden(String),
    #[error("it is in use by somebody else")]
    Busy,
    #[error("it is no tap interface (a tap interface of one queue is needed)")]
    OtherKind,
    #[error("{what}: {source}")]
    Host { what: &'static str, source: io::Error },
}

/// A network interface of the host.
pub struct Tap {
    file: File,
    /// A frame that has come, with its header.
    buffer: Box<[u8]>,
    /// How much of the buffer it is, if there is one.
    held: Option<usize>,
    readable: bool,
}

impl Tap {
    /// Takes the interface `name`, which is made if it is not there and we may.
    pub fn open(name: &str) -> Result<Self, TapError> {
        let known = Path::new("/sys/class/net").join(name).exists();
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(DEVICE);
        let file = file.map_err(|source| match source.kind() {
            // ENXIO, ENODEV: the node is there, and no driver behind it.
            ErrorKind::NotFound => TapError::NoDevice,
            ErrorKind::PermissionDenied => TapError::NoAccess,
            _ if matches!(source.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)) => TapError::NoDevice,
            _ => TapError::Host { what: DEVICE, source },
        })?;
        attach(&file, name)?;
        if !known {
            tracing::warn!("network interface {name} was not there; it is made, and goes away with us");
        }
        let buffer = vec![0; HEADER + FRAME_MAX].into_boxed_slice();
        Ok(Self { file, buffer, held: None, readable: true })
    }

    /// What becomes readable when a frame has come.
    pub fn source(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }

    /// Sees to it that the buffer has a frame, if there is one.
    fn fetch(&mut self) -> Option<usize> {
        while self.held.is_none() && self.readable {
            match self.file.read(&mut self.buffer) {
                Ok(size) if size > HEADER => self.held = Some(size),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // EIO: the interface is down.
                    if error.kind() != ErrorKind::WouldBlock {
                        tracing::debug!(%error, "no frame from the tap interface");
                    }
                    self.readable = false;
                }
            }
        }
        self.held
    }

    fn set_offloads(&self, offloads: Offloads) {
        let bits = [
            (offloads.checksum, libc::TUN_F_CSUM),
            (offloads.tso4, libc::TUN_F_TSO4),
            (offloads.tso6, libc::TUN_F_TSO6),
        ];
        let bits = bits.iter().filter(|(on, _)| *on).fold(0, |bits, (_, bit)| bits | bit);
        // SAFETY: TUNSETOFFLOAD takes a number and touches no memory of ours; the file is open.
        let result = unsafe {
            libc::ioctl(self.file.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(bits))
        };
        if result < 0 {
            tracing::debug!(error = %io::Error::last_os_error(), "the tap interface keeps its offloads");
        }
    }
}

impl Backend for Tap {
    fn offloads(&self) -> Offloads {
        Offloads { checksum: true, tso4: true, tso6: true }
    }

    fn mtu(&self) -> Option<u16> {
        None
    }

    fn start(&mut self, driver: Driver) {
        self.set_offloads(driver.offloads);
    }

    fn stop(&mut self) {
        self.set_offloads(Offloads::default());
        self.held = None;
        self.readable = true;
    }

    fn send(&mut self, header: &Header, frame: &[u8]) {
        let header = header.to_bytes(0);
        // A network loses what it has no room for; and an interface that is down takes nothing.
        if let Err(error) = self.file.write_vectored(&[IoSlice::new(&header), IoSlice::new(frame)]) {
            tracing::debug!(%error, "the tap interface does not take a frame");
        }
    }

    fn poll(&mut self) {
        self.readable = true;
    }

    fn receive(&mut self, limit: usize, sink: Sink<'_>) -> bool {
        let Some(size) = self.fetch() else { return false };
        if size - HEADER > limit {
            return false;
        }
        self.held = None;
        let (head, frame) = self.buffer[..size].split_at(HEADER);
        let mut header = [0; HEADER];
        header.copy_from_slice(head);
        let all = Offloads { checksum: true, tso4: true, tso6: true };
        // What the host's kernel leaves to be done is among what it was told the driver takes.
        if let Ok(header) = Header::parse(&header, all) {
            sink(&header, &[frame]);
        }
        true
    }
}

/// Makes `file` the other end of the interface `name`.
fn attach(file: &File, name: &str) -> Result<(), TapError> {
    // SAFETY: `ifreq` is numbers, of which all may be zero.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last stays zero: the name is known to be shorter.
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which `request` is; the file is open.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &mut request) };
    check(result, "TUNSETIFF").map_err(|error| match error {
        TapError::Host { source, .. } => match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => TapError::Forbidden(name.into()),
            Some(libc::EBUSY) => TapError::Busy,
            Some(libc::EINVAL) => TapError::OtherKind,
            _ => TapError::Host { what: "TUNSETIFF", source },
        },
        other => other,
    })?;
    let size = HEADER as libc::c_int;
    // SAFETY: TUNSETVNETHDRSZ reads one `int`, which `size` is; the file is open.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ as _, &size) };
    check(result, "TUNSETVNETHDRSZ")
}

fn check(result: libc::c_int, what: &'static str) -> Result<(), TapError> {
    if result < 0 { Err(TapError::Host { what, source: io::Error::last_os_error() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
