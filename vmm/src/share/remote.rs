//! What the 9P device's model sees of a share whose server is another program: `--share tag=…,socket=PATH`.
//!
//! Messages of 9P say how long they are, so they can follow each other on a socket as they are. Those of a guest need not be as long as they say; the
//! server is sent none that are not, or it would take what follows for something else.

use devices::virtio::p9::{Backend, NoAnswer};
use p9fs::server::LARGEST_MESSAGE;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// Size, type and tag.
const HEADER: usize = 7;
const RLERROR: u8 = 7;
const EINVAL: u32 = 22;
/// A client begins: whatever was before is forgotten. `Tversion`, with the tag that it has to have, 8 KiB, and `9P2000.L`.
const BEGIN: &[u8; 21] = b"\x15\0\0\0\x64\xff\xff\x00\x20\0\0\x08\x009P2000.L";

/// The server, as long as it answers as it should: a file to read and write, which is what the jail lets this thread do.
pub struct RemoteServer(Option<File>);

impl RemoteServer {
    pub fn new(stream: UnixStream) -> Self {
        Self(Some(OwnedFd::from(stream).into()))
    }

    /// Has `message` answered. After an error nobody knows where the next reply begins, so it is the last.
    fn ask(&mut self, message: &[u8], reply: &mut [u8]) -> Result<usize, NoAnswer> {
        exchange(self.0.as_mut().ok_or(NoAnswer)?, message, reply).map_err(|error| {
            tracing::error!("--share: the server at its socket: {error}");
            self.0 = None;
            NoAnswer
        })
    }
}

fn exchange(stream: &mut File, message: &[u8], reply: &mut [u8]) -> io::Result<usize> {
    stream.write_all(message)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let length = u32::from_le_bytes(size) as usize;
    let place = reply.get_mut(..length).filter(|place| place.len() >= HEADER);
    let place = place.ok_or(io::Error::new(ErrorKind::InvalidData, "a reply for which there is no room"))?;
    place[..4].copy_from_slice(&size);
    stream.read_exact(&mut place[4..])?;
    Ok(length)
}

impl Backend for RemoteServer {
    fn largest(&self) -> usize {
        LARGEST_MESSAGE as usize
    }

    fn answer(&mut self, message: &[u8], reply: &mut [u8]) -> Result<usize, NoAnswer> {
        let Some(&[a, b, c, d, _, tag @ ..]) = message.first_chunk::<HEADER>() else { return Err(NoAnswer) };
        let size = u32::from_le_bytes([a, b, c, d]) as usize;
        match message.get(..size).filter(|message| message.len() >= HEADER) {
            Some(message) => self.ask(message, reply),
            None => malformed(tag, reply),
        }
    }

    fn reset(&mut self) {
        // One that is not there says so when it is asked for something.
        let _ = self.ask(BEGIN, &mut [0; 64]);
    }
}

fn malformed(tag: [u8; 2], reply: &mut [u8]) -> Result<usize, NoAnswer> {
    let length = HEADER as u32 + 4;
    let bytes = [&length.to_le_bytes()[..], &[RLERROR], &tag, &EINVAL.to_le_bytes()].concat();
    reply.get_mut(..bytes.len()).ok_or(NoAnswer)?.copy_from_slice(&bytes);
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A server that answers each message with a message of its own tag.
    fn server(replies: &'static [&'static [u8]]) -> (RemoteServer, thread::JoinHandle<Vec<Vec<u8>>>) {
        let (ours, mut its) = UnixStream::pair().unwrap();
        let serve = move || {
            let mut heard = Vec::new();
            for reply in replies {
                let mut message = vec![0; 4];
                its.read_exact(&mut message).unwrap();
                message
                    .resize(u32::from_le_bytes([message[0], message[1], message[2], message[3]]) as usize, 0);
                its.read_exact(&mut message[4..]).unwrap();
                heard.push(message);
                its.write_all(reply).unwrap();
            }
            heard
        };
        (RemoteServer::new(ours), thread::spawn(serve))
    }

    #[test]
    fn messages_and_replies_take_turns() {
        let (mut remote, server) = server(&[b"\x07\0\0\0\x65\xff\xff", b"\x08\0\0\0\x79\x01\x00x"]);
        let mut reply = [0; 64];
        remote.reset();
        let message = b"\x07\0\0\0\x78\x01\x00 and what nobody looks at";
        assert_eq!(remote.answer(message, &mut reply), Ok(8));
        assert_eq!(&reply[..8], b"\x08\0\0\0\x79\x01\x00x");
        assert_eq!(server.join().unwrap(), [BEGIN.to_vec(), message[..7].to_vec()]);
    }

    #[test]
    fn what_is_not_as_long_as_it_says_is_not_sent() {
        let (mut remote, _server) = server(&[]);
        let mut reply = [0; 64];
        for message in [b"\x08\0\0\0\x78\x01\x02", b"\x06\0\0\0\x78\x01\x02", b"\xff\xff\xff\xff\x78\x01\x02"]
        {
            assert_eq!(remote.answer(message, &mut reply), Ok(11));
            assert_eq!(&reply[..11], b"\x0b\0\0\0\x07\x01\x02\x16\0\0\0");
        }
        assert_eq!(remote.answer(b"\x06\0\0\0\x78\x01", &mut reply), Err(NoAnswer));
        assert_eq!(remote.answer(b"\x08\0\0\0\x78\x01\x02", &mut reply[..10]), Err(NoAnswer));
    }

    #[test]
    fn a_reply_that_does_not_fit_is_the_last() {
        let too_long: &[&[u8]] = &[b"\xff\xff\xff\xff\x79\x01\x00"];
        let too_short: &[&[u8]] = &[b"\x06\0\0\0\x79\x01\x00"];
        for replies in [too_long, too_short] {
            let (mut remote, server) = server(replies);
            let message = b"\x07\0\0\0\x78\x01\x00";
            assert_eq!(remote.answer(message, &mut [0; 64]), Err(NoAnswer));
            assert_eq!(remote.answer(message, &mut [0; 64]), Err(NoAnswer));
            server.join().unwrap();
        }
    }
}
