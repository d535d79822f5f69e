//! What a user names as the other end of a port: found, opened, and what to wait for.

use super::descriptor::Descriptor;
use super::listener::Listener;
use super::options::{PortOptions, Target};
use super::readiness::Readiness;
use crate::rehearsal::Files;
use devices::virtio::console::{Port, PortSpec};
use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What went wrong with port `name`.
#[derive(Debug, thiserror::Error)]
#[error("--virtio-console name={name}: {what}: {source}")]
pub struct EndpointError {
    name: String,
    what: String,
    source: io::Error,
}

/// A port, ready for use.
pub struct Endpoint {
    name: String,
    port: Box<dyn Port>,
    source: OwnedFd,
    /// The file of a socket of ours.
    socket: Option<PathBuf>,
    /// For a pseudo-terminal: its other side, kept open, so that nobody who leaves takes it along.
    _kept: Option<OwnedFd>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Opens what `options` name.
    pub fn open(options: PortOptions, files: Files) -> Result<Self, EndpointError> {
        let PortOptions { name, target } = options;
        let what = match &target {
            Target::Path(path) => format!("opening {}", path.display()),
            Target::Listen(path) => format!("listening at {}", path.display()),
            Target::Pty => "making a pseudo-terminal".into(),
        };
        let opened = Readiness::new().and_then(|readiness| {
            let readiness = Arc::new(readiness);
            let source = readiness.source()?;
            let (port, kept) = match &target {
                Target::Path(path) => (open_path(path, &readiness, files)?, None),
                Target::Listen(path) => (Box::new(Listener::bind(path, readiness)?) as Box<dyn Port>, None),
                Target::Pty => open_pty(&name, &readiness)?,
            };
            Ok((port, source, kept))
        });
        match opened {
            Ok((port, source, _kept)) => {
                let socket = if let Target::Listen(path) = target { Some(path) } else { None };
                Ok(Self { name, port, source, socket, _kept })
            }
            Err(source) => Err(EndpointError { name, what, source }),
        }
    }

    /// What the guest calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file of the socket, if it is one that others connect to.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// The port for the device's model, and what it waits for.
    pub fn into_parts(self) -> (PortSpec, OwnedFd) {
        let port = Box::new(Kept { port: self.port, _kept: self._kept });
        (PortSpec { name: self.name, is_console: false, port }, self.source)
    }
}

/// A port with what has to stay open along with it.
struct Kept {
    port: Box<dyn Port>,
    _kept: Option<OwnedFd>,
}

impl Port for Kept {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.port.write(bytes)
    }
    fn read(&mut self, into: &mut [u8]) -> usize {
        self.port.read(into)
    }
    fn is_open(&mut self) -> bool {
        self.port.is_open()
    }
    fn guest_opened(&mut self, open: bool) {
        self.port.guest_opened(open);
    }
}

/// What is at `path`: somebody to connect to, something to read and write, or a file for output, which is made.
fn open_path(path: &Path, readiness: &Readiness, files: Files) -> io::Result<Box<dyn Port>> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => Some(metadata.file_type()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let (file, output_only) = match kind {
        Some(kind) if kind.is_socket() => {
            let stream = UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            (File::from(OwnedFd::from(stream)), false)
        }
        // A pipe opened for both directions waits for nobody. What the guest writes is for others, so it must not be read back.
        Some(kind) if kind.is_fifo() => (open(OpenOptions::new().read(true).write(true), path)?, true),
        Some(kind) if kind.is_char_device() => {
            (open(OpenOptions::new().read(true).write(true), path)?, false)
        }
        Some(kind) if kind.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        _ => (files.create(path)?, true),
    };
    readiness.add(&file, true)?;
    Ok(Box::new(Descriptor::new(file, output_only)))
}

fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// A new pseudo-terminal; the user is told where it is.
fn open_pty(name: &str, readiness: &Readiness) -> io::Result<(Box<dyn Port>, Option<OwnedFd>)> {
    let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: posix_openpt takes flags and returns a new descriptor or an error.
    let master = unsafe { libc::posix_openpt(flags) };
    check(master)?;
    // SAFETY: `master` has just been opened, so nobody else owns it.
    let master = unsafe { File::from_raw_fd(master) };
    // SAFETY: both take a descriptor, which is that of an open pseudo-terminal.
    check(unsafe { libc::grantpt(master.as_raw_fd()) } | unsafe { libc::unlockpt(master.as_raw_fd()) })?;
    let mut path = [0u8; 64];
    // SAFETY: the buffer is as long as it is said to be.
    let failed = unsafe { libc::ptsname_r(master.as_raw_fd(), path.as_mut_ptr().cast(), path.len()) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    let path = CStr::from_bytes_until_nul(&path).map_err(io::Error::other)?;
    let path = PathBuf::from(path.to_string_lossy().into_owned());
    let other = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&path)?;
    make_raw(&other)?;
    readiness.add(&master, true)?;
    tracing::warn!("the console's port {name} is at {}", path.display());
    Ok((Box::new(Descriptor::new(master, false)), Some(other.into())))
}

/// No echo and no line editing, unless whoever opens it wants that: it is a wire, not a terminal.
fn make_raw(terminal: &File) -> io::Result<()> {
    // SAFETY: termios is made of integers, for which zero is valid.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open and `settings` a termios, in all three calls.
    let failed = unsafe {
        let read = libc::tcgetattr(terminal.as_raw_fd(), &mut settings);
        libc::cfmakeraw(&mut settings);
        read | libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &settings)
    };
    if failed != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
