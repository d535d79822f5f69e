//! `--net socket,path=PATH`: frames go to another program and come from there, over a socket.
//!
//! In front of each there is its length, in four bytes, the first one the highest: so do QEMU (`-netdev stream`) and passt.

use devices::virtio::net::request::FRAME_MAX;
use devices::virtio::net::{Backend, Driver, Header, Offloads, Sink};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Bytes of a length.
const LENGTH: usize = 4;
/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
/// Bytes that wait to be written at most. What comes when there are more is lost, as on any network.
const WAITING_MAX: usize = 256 << 10;

/// Frames on a socket, which does not wait.
pub struct Frames {
    /// A file to read and write: the jail lets every thread do that, and not everything that is done with sockets.
    socket: File,
    /// What has come, and is not taken yet.
    heard: Vec<u8>,
    /// What is still to be written.
    waiting: Vec<u8>,
    chunk: Box<[u8]>,
    is_there: bool,
}

impl Frames {
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = File::from(OwnedFd::from(socket));
        let (heard, waiting, chunk) = (Vec::new(), Vec::new(), vec![0; CHUNK].into_boxed_slice());
        Ok(Self { socket, heard, waiting, chunk, is_there: true })
    }

    /// Connects to who listens at `path`.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::new(UnixStream::connect(path)?)
    }

    /// What becomes readable when a frame has come.
    pub fn source(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// To wait for.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The other end has not gone.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// Whether something is still to be written.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends the frame that these pieces are.
    pub fn send(&mut self, pieces: &[&[u8]]) {
        self.flush();
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.waiting.len() + LENGTH + length > WAITING_MAX {
            return tracing::debug!("a frame of {length} bytes is lost: its socket takes no more");
        }
        self.waiting.extend((length as u32).to_be_bytes());
        pieces.iter().for_each(|piece| self.waiting.extend_from_slice(piece));
        self.flush();
    }

    /// Writes what the socket takes.
    pub fn flush(&mut self) {
        while self.is_there && !self.waiting.is_empty() {
            match self.socket.write(&self.waiting) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => self.leave(error),
            }
        }
    }

    /// The length of the frame that is there, if there is one. It has come whole.
    fn fetch(&mut self) -> Option<usize> {
        while self.is_there {
            if let Some(length) = self.heard.first_chunk::<LENGTH>() {
                let length = u32::from_be_bytes(*length) as usize;
                if length > FRAME_MAX {
                    self.leave("a frame of more than 64 KiB");
                } else if self.heard.len() >= LENGTH + length {
                    return Some(length);
                }
            }
            match self.socket.read(&mut self.chunk) {
                Ok(0) => self.leave("the other end has gone"),
                Ok(count) => self.heard.extend_from_slice(&self.chunk[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => self.leave(error),
            }
        }
        None
    }

    /// Hands the next frame to `take` if there is one of `limit` bytes at most; a longer one stays.
    pub fn receive(&mut self, limit: usize, take: impl FnOnce(&[u8])) -> bool {
        let Some(length) = self.fetch().filter(|&length| length <= limit) else { return false };
        take(&self.heard[LENGTH..LENGTH + length]);
        self.heard.drain(..LENGTH + length);
        true
    }

    fn leave(&mut self, why: impl std::fmt::Display) {
        tracing::debug!("no frames come or go any more: {why}");
        self.is_there = false;
    }
}

impl Backend for Frames {
    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    fn mtu(&self) -> Option<u16> {
        None
    }

    fn start(&mut self, _: Driver) {}

    fn stop(&mut self) {}

    fn send(&mut self, _: &Header, frame: &[u8]) {
        Frames::send(self, &[frame]);
    }

    fn poll(&mut self) {
        self.flush();
    }

    fn receive(&mut self, limit: usize, sink: Sink<'_>) -> bool {
        Frames::receive(self, limit, |frame| sink(&Header::default(), &[frame]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Frames, UnixStream) {
        let (ours, its) = UnixStream::pair().unwrap();
        (Frames::new(ours).unwrap(), its)
    }

    fn next(frames: &mut Frames, limit: usize) -> Option<Vec<u8>> {
        let mut frame = None;
        frames.receive(limit, |bytes| frame = Some(bytes.to_vec()));
        frame
    }

    #[test]
    fn frames_have_their_lengths_in_front() {
        let (mut frames, mut other) = pair();
        frames.send(&[b"ab", b"c"]);
        let mut bytes = [0; 7];
        other.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0\x03abc");
        other.write_all(b"\0\0\0\x02xy\0\0\0\x03z").unwrap();
        assert_eq!(next(&mut frames, 1), None, "there is no room for it");
        assert_eq!(next(&mut frames, 2).unwrap(), b"xy");
        assert_eq!(next(&mut frames, 99), None, "it has not come whole");
        other.write_all(b"zz").unwrap();
        assert_eq!(next(&mut frames, 99).unwrap(), b"zzz");
    }

    #[test]
    fn what_nobody_takes_is_lost_in_the_end_and_nothing_is_torn() {
        let (mut frames, mut other) = pair();
        for _ in 0..2000 {
            frames.send(&[&[7; 1000]]);
        }
        assert!(frames.has_waiting() && frames.waiting.len() <= WAITING_MAX);
        other.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        while frames.has_waiting() {
            // It ends where nothing more has come yet.
            drop(other.read_to_end(&mut heard));
            frames.flush();
        }
        drop(other.read_to_end(&mut heard));
        assert!(heard.chunks(1004).all(|frame| frame.len() == 1004 && frame.starts_with(&[0, 0, 3, 232, 7])));
    }

    #[test]
    fn who_has_gone_or_talks_nonsense_is_left() {
        let (mut frames, other) = pair();
        drop(other);
        assert!(next(&mut frames, 99).is_none() && !frames.is_there());
        frames.send(&[b"x"]);
        let (mut frames, mut other) = pair();
        other.write_all(b"\xff\xff\xff\xff").unwrap();
        assert!(next(&mut frames, 99).is_none() && !frames.is_there());
    }
}
