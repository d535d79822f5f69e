//! What a program of the host says before it is connected: `CONNECT 1234` and a newline.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;

const WORD: &[u8] = b"CONNECT ";
/// Bytes of the longest line, without its newline.
const LONGEST: usize = WORD.len() + 10;

/// A program that has not said all of it.
pub struct Greeting {
    stream: UnixStream,
    line: Vec<u8>,
}

/// How far it is.
pub enum Heard {
    /// The program wants this port.
    All(UnixStream, u32),
    Part(Greeting),
    /// Something else, or it has gone.
    Nonsense,
}

impl Greeting {
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, line: Vec::new() }
    }

    /// Hears what there is.
    pub fn hear(mut self) -> Heard {
        loop {
            // One at a time: what comes behind the line is for the guest.
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(1) if byte == *b"\n" => {
                    return match port(&self.line) {
                        Some(port) => Heard::All(self.stream, port),
                        None => Heard::Nonsense,
                    };
                }
                Ok(1) if self.line.len() < LONGEST => self.line.extend(byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Part(self),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return Heard::Nonsense,
            }
        }
    }
}

/// What is said to come to `port`.
pub fn line(port: u32) -> Vec<u8> {
    [WORD, port.to_string().as_bytes(), b"\n"].concat()
}

fn port(line: &[u8]) -> Option<u32> {
    let number = std::str::from_utf8(line.strip_prefix(WORD)?).ok()?;
    // A sign would be taken too.
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn ports_are_numbers() {
        assert_eq!(port(b"CONNECT 22"), Some(22));
        assert_eq!(port(b"CONNECT 4294967295"), Some(u32::MAX));
        for line in ["CONNECT 4294967296", "CONNECT ", "CONNECT +1", "CONNECT 1 ", "connect 1", "CONNECT", ""]
        {
            assert_eq!(port(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn it_may_come_in_pieces_and_nothing_behind_it_is_lost() {
        let (mut program, ours) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        program.write_all(b"CONN").unwrap();
        let Heard::Part(greeting) = Greeting::new(ours).hear() else { panic!("not all of it") };
        program.write_all(b"ECT 7\nmore").unwrap();
        let Heard::All(mut stream, 7) = greeting.hear() else { panic!("all of it") };
        let mut more = [0; 4];
        stream.read_exact(&mut more).unwrap();
        assert_eq!(&more, b"more");
    }

    #[test]
    fn a_line_that_does_not_end_is_nonsense() {
        let (mut program, ours) = UnixStream::pair().unwrap();
        program.write_all(&[b'C'; 100]).unwrap();
        assert!(matches!(Greeting::new(ours).hear(), Heard::Nonsense));
        let (program, ours) = UnixStream::pair().unwrap();
        drop(program);
        assert!(matches!(Greeting::new(ours).hear(), Heard::Nonsense));
    }
}
