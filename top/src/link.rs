//! A connection to a machine, over which it says a line a second. It may say anything.

use profile::live::line::{LINE_MAX, Line, LineError};
use profile::live::window::Window;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long a machine may say nothing: it says something every second.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("it says a line of more than {LINE_MAX} bytes")]
    TooLong,
    #[error("it serves {0} others, and no more")]
    Busy(u64),
    #[error("it says nothing for {} seconds", PATIENCE.as_secs())]
    Silent,
    #[error("the machine has gone without a word: it was killed, or we were too slow for it")]
    Gone,
    #[error("the machine cannot be heard: {0}")]
    Read(io::Error),
}

#[derive(Debug)]
pub struct Link {
    input: BufReader<UnixStream>,
}

impl Link {
    pub fn new(stream: UnixStream) -> Self {
        Self { input: BufReader::new(stream) }
    }

    /// What it says next.
    pub fn next_line(&mut self) -> Result<Line, LinkError> {
        // A socket can always be told this.
        let _ = self.input.get_ref().set_read_timeout(Some(PATIENCE));
        let mut line = Vec::new();
        let read = (&mut self.input).take(LINE_MAX as u64 + 1).read_until(b'\n', &mut line);
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(LinkError::Silent);
            }
            Err(error) => return Err(LinkError::Read(error)),
            Ok(_) => {}
        }
        match line.last() {
            Some(b'\n') => {}
            _ if line.len() > LINE_MAX => return Err(LinkError::TooLong),
            _ => return Err(LinkError::Gone),
        }
        match Line::parse(&line)? {
            Line::Busy(busy) => Err(LinkError::Busy(busy.clients)),
            line => Ok(line),
        }
    }

    /// The first window.
    pub fn first_window(&mut self) -> Result<Box<Window>, LinkError> {
        match self.next_line()? {
            Line::Window(window) => Ok(window),
            _ => Err(LinkError::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use std::io::Write;
    use std::thread;

    /// What is understood of these bytes, which somebody says and then leaves.
    fn heard(bytes: Vec<u8>) -> Result<Line, String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let writer = thread::spawn(move || drop(theirs.write_all(&bytes)));
        let heard = Link::new(ours).next_line().map_err(|error| error.to_string());
        writer.join().unwrap();
        heard
    }

    #[test]
    fn a_line_is_heard() {
        assert_eq!(heard(sample::line()), Ok(Line::Window(Box::new(sample::window()))));
    }

    #[test]
    fn nonsense_is_an_error() {
        let long = [b"{\"format\":1,\"x\":\"".as_slice(), &vec![b'x'; LINE_MAX]].concat();
        let deep =
            [b"{\"format\":1,\"kind\":\"window\",\"x\":".as_slice(), &vec![b'['; 10_000], b"\n"].concat();
        for (said, heard_as) in [
            (b"".to_vec(), "gone without a word"),
            (b"{\"format\":1".to_vec(), "gone without a word"),
            (long, "a line of more than"),
            (b"GET / HTTP/1.1\r\n".to_vec(), "no line of `ukvmm --live`"),
            (b"\xff\xfe\n".to_vec(), "no line of"),
            (deep, "no line of"),
            (b"{\"format\":2,\"kind\":\"window\"}\n".to_vec(), "version 2 of the format"),
            (b"{\"format\":1,\"kind\":\"other\"}\n".to_vec(), "no line of"),
            (b"{\"format\":1,\"kind\":\"window\",\"records\":-1}\n".to_vec(), "no line of"),
            (b"{\"format\":1,\"kind\":\"busy\",\"clients\":8}\n".to_vec(), "it serves 8 others"),
        ] {
            let error = heard(said).unwrap_err();
            assert!(error.contains(heard_as), "{heard_as}: {error}");
        }
        let newer = heard(b"{\"format\":1,\"kind\":\"end\",\"status\":3,\"more\":[]}\n".to_vec());
        assert!(matches!(newer, Ok(Line::End(end)) if end.status == Some(3)));
    }
}
