//! A connection to a program of the host.

use devices::virtio::vsock::{Stream, Transfer};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::os::unix::net::UnixStream;

/// The connection. Its socket does not wait.
pub struct HostStream {
    id: u64,
    socket: UnixStream,
    /// The program waits to be told that it is connected.
    greeted: bool,
}

impl HostStream {
    /// `greeted`: the program has asked for it.
    pub fn new(id: u64, socket: UnixStream, greeted: bool) -> Self {
        Self { id, socket, greeted }
    }
}

fn transfer(result: Result<usize, Errno>) -> Transfer {
    match result {
        Ok(0) => Transfer::Closed,
        Ok(count) => Transfer::Done(count),
        Err(Errno::AGAIN) => Transfer::Blocked,
        Err(_) => Transfer::Closed,
    }
}

impl Stream for HostStream {
    fn id(&self) -> u64 {
        self.id
    }

    fn read(&mut self, into: &mut [u8]) -> Transfer {
        let socket = &self.socket;
        let receive = || rustix::net::recv(socket, &mut *into, RecvFlags::DONTWAIT).map(|(count, _)| count);
        transfer(rustix::io::retry_on_intr(receive))
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        // A program that has gone is no reason to die.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        transfer(rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, bytes, flags)))
    }

    fn accepted(&mut self, port: u32) {
        if self.greeted {
            // The first thing that is sent: it has room.
            self.write(format!("OK {port}\n").as_bytes());
        }
    }

    fn finish(&mut self) {
        // If it has gone already, so much the better.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }
}
