//! The guest's output on the host's standard output and error.
//!
//! Called by the vCPU's thread, which waits while a pipe is full. When nobody reads standard output any more, the machine
//! stops and we die of SIGPIPE, as a program would that writes to such a pipe: the guest cannot be told. Standard error
//! that nobody reads is no reason to stop.

use crate::ending::Request;
use crate::events::Mailbox;
use crate::evidence::ears::{Ears, Mouth};
use devices::console::{Channel, Output};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes that have gone through the guest's console, of whatever kind it is.
#[derive(Default, Debug)]
pub struct Traffic {
    pub from_guest: AtomicU64,
    pub to_guest: AtomicU64,
    /// Who wants to know what the guest prints.
    pub ears: Arc<Ears>,
}

/// Both streams, unbuffered.
pub struct Streams {
    out: Stream,
    err: Stream,
    mailbox: Mailbox,
    traffic: Arc<Traffic>,
    /// Standard output has failed and the machine is about to stop.
    failed: bool,
}

impl Streams {
    pub fn new(mailbox: Mailbox, traffic: Arc<Traffic>) -> Self {
        Self {
            out: Stream::new(libc::STDOUT_FILENO),
            err: Stream::new(libc::STDERR_FILENO),
            mailbox,
            traffic,
            failed: false,
        }
    }
}

impl Output for Streams {
    fn write(&mut self, channel: Channel, bytes: &[u8]) {
        self.traffic.from_guest.fetch_add(bytes.len() as u64, Relaxed);
        self.traffic.ears.hear(if channel == Channel::Out { Mouth::Out } else { Mouth::Err }, bytes);
        match channel {
            Channel::Err => {
                if let Err(error) = self.err.write_all(bytes) {
                    tracing::debug!(%error, "the guest's output on standard error is lost");
                }
            }
            Channel::Out if self.failed => {}
            Channel::Out => {
                if let Err(error) = self.out.write_all(bytes) {
                    self.failed = true;
                    self.mailbox.request(match error.kind() {
                        ErrorKind::BrokenPipe => Request::Signal(libc::SIGPIPE),
                        _ => Request::Output(format!(
                            "cannot write the guest's output to standard output: {error}"
                        )),
                    });
                }
            }
        }
    }
}

/// A file descriptor of the process's.
struct Stream(ManuallyDrop<File>);

impl Stream {
    fn new(fd: RawFd) -> Self {
        // SAFETY: standard output and error are open for as long as the process lives (the Rust runtime opens /dev/null
        // for those that are closed at its start), and `ManuallyDrop` keeps this from closing them.
        Self(ManuallyDrop::new(unsafe { File::from_raw_fd(fd) }))
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                // Whoever shares the pipe or terminal with us has made it non-blocking.
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.wait()?,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: `poll` is one pollfd.
        let ready = unsafe { libc::poll(&mut poll, 1, -1) };
        match io::Error::last_os_error() {
            e if ready < 0 && e.kind() != ErrorKind::Interrupted => Err(e),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_full_non_blocking_stream_is_waited_for() {
        let (mut near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        let writer = std::thread::spawn(move || {
            let mut stream = Stream::new(far.as_raw_fd());
            stream.write_all(&vec![b'x'; 4 << 20])
        });
        let mut all = Vec::new();
        near.read_to_end(&mut all).unwrap();
        writer.join().unwrap().unwrap();
        assert_eq!(all.len(), 4 << 20);
    }

    #[test]
    fn a_closed_one_is_an_error() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(near);
        let error = Stream::new(far.as_raw_fd()).write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}
