//! Where debuggers come in: a listener whose connections do not wait.

use crate::debug::listen::Listener;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub struct Door<'a>(&'a Listener);

impl<'a> Door<'a> {
    pub fn new(listener: &'a Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => listener.set_nonblocking(true)?,
            Listener::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(Self(listener))
    }

    /// The next connection; `None` if nobody is there any more.
    pub fn accept(&self) -> io::Result<Option<OwnedFd>> {
        let accepted = match self.0 {
            Listener::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                // Packets are small and each is waited for.
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(stream.into())
            }),
            Listener::Unix(listener) => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                Ok(stream.into())
            }),
        };
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if has_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Door<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Whether it is because the one who has come has gone. (A socket whose other end is closed takes no options.)
fn has_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected, WouldBlock,
    };
    matches!(
        error.kind(),
        WouldBlock | ConnectionAborted | ConnectionReset | Interrupted | NotConnected | InvalidInput
    )
}
