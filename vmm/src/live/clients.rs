//! Programs that watch. None of them is waited for: one that does not read is let go when its next line comes and the last one is not out yet.

use profile::live::line::{Busy, Line};
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// Clients at a time.
pub const CLIENTS: usize = 8;

#[derive(Default)]
pub struct Clients {
    all: Vec<Client>,
    /// The last line, which whoever comes is told at once.
    last: Vec<u8>,
}

struct Client {
    stream: UnixStream,
    /// What of the last line is not out yet.
    rest: Vec<u8>,
}

impl Clients {
    /// Says `line` to all.
    pub fn tell(&mut self, line: &Line) {
        self.last = line.to_bytes();
        self.all.retain_mut(|client| client.flush().is_ok() && client.tell(&self.last).is_ok());
    }

    /// Lets in those that have come, and goes on writing to those that were slow.
    pub fn attend(&mut self, listener: &UnixListener) {
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let mut client = Client { stream, rest: Vec::new() };
            if self.all.len() >= CLIENTS {
                let _ = client.tell(&Line::Busy(Busy { clients: CLIENTS as u64 }).to_bytes());
            } else if client.tell(&self.last).is_ok() {
                self.all.push(client);
            }
        }
        self.all.retain_mut(|client| client.flush().is_ok());
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Client {
    /// Says a line. An error if it has gone, or has not read the one before.
    fn tell(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.rest.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.rest.extend_from_slice(line);
        self.flush()
    }

    /// Writes what is not out yet, as far as that goes.
    fn flush(&mut self) -> io::Result<()> {
        while !self.rest.is_empty() {
            match self.stream.write(&self.rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.rest.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::bind;
    use profile::live::line::End;
    use std::io::{BufRead, BufReader, Read};

    fn line(length: usize) -> Line {
        Line::End(End { message: Some("x".repeat(length)), ..End::default() })
    }

    fn read(stream: &UnixStream) -> Line {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        Line::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn who_does_not_read_is_let_go_and_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = bind(&path).unwrap();
        let mut clients = Clients::default();
        let (quick, slow) = (UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap());
        clients.attend(&listener);
        clients.tell(&line(1));
        assert_eq!((clients.len(), read(&quick)), (2, line(1)));
        // More than a socket takes.
        let mut quick = BufReader::new(quick);
        for _ in 0..2 {
            clients.tell(&line(1 << 20));
            let mut bytes = vec![0; line(1 << 20).to_bytes().len()];
            for part in bytes.chunks_mut(1 << 10) {
                clients.attend(&listener);
                quick.read_exact(part).unwrap();
            }
            assert_eq!(Line::parse(&bytes).unwrap(), line(1 << 20));
        }
        assert_eq!(clients.len(), 1);
        drop(slow);
        // Who comes later hears the last one at once.
        let late = UnixStream::connect(&path).unwrap();
        clients.tell(&line(2));
        clients.attend(&listener);
        assert_eq!(read(&late), line(2));
        drop((quick, late));
        clients.tell(&line(3));
        assert!(clients.is_empty());
    }

    #[test]
    fn there_are_no_more_than_can_be_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = bind(&path).unwrap();
        let mut clients = Clients::default();
        let all: Vec<_> = (0..CLIENTS + 1).map(|_| UnixStream::connect(&path).unwrap()).collect();
        clients.attend(&listener);
        assert_eq!(clients.len(), CLIENTS);
        assert_eq!(read(&all[CLIENTS]), Line::Busy(Busy { clients: CLIENTS as u64 }));
        drop(all);
        clients.tell(&line(1));
        assert!(clients.is_empty());
    }
}
