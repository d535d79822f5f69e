//! The least of a debugger: packets of GDB's remote protocol, and their answers.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// More than anything takes that is to be waited for.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Remote(UnixStream);

impl Remote {
    /// Connects as soon as somebody listens at `path`.
    pub fn connect(path: &Path) -> Self {
        let began = Instant::now();
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) => assert!(began.elapsed() < LIMIT, "{}: {error}", path.display()),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, body: &str) {
        let sum = body.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
        self.0.write_all(format!("${body}#{sum:02x}").as_bytes()).unwrap();
    }

    /// The next packet, acknowledged; `None` when the connection is closed.
    pub fn receive(&mut self) -> Option<String> {
        let mut body = String::new();
        let mut inside = false;
        loop {
            match self.byte()? {
                b'$' => inside = true,
                b'#' if inside => break,
                byte if inside => body.push(byte.into()),
                _ => {}
            }
        }
        self.byte()?;
        self.byte()?;
        let _ = self.0.write_all(b"+");
        Some(body)
    }

    pub fn ask(&mut self, body: &str) -> String {
        self.send(body);
        self.receive().expect(body)
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(1) => Some(byte[0]),
            Ok(_) => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}
