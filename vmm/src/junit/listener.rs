//! The guest's output → lines, with the times at which they came.
//!
//! Each of its streams is read by itself: a line of the kernel's must not tear one of a test's. All that is printed is kept as well, the last of it, to be shown beside the results.

use super::reader::Reader;
use super::suite::Suite;
use crate::evidence::ears::Mouth;
use crate::evidence::ring::Ring;
use std::time::Duration;

/// Bytes of each stream that are kept.
const KEPT: usize = 1 << 20;
/// Bytes of a line; what is longer is cut.
const LINE_MAX: usize = 16 << 10;

#[derive(Default)]
struct Lines {
    reader: Reader,
    /// The line that has not ended yet.
    line: Vec<u8>,
}

impl Lines {
    fn hear(&mut self, bytes: &[u8], at: Duration) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < piece.len() {
                self.reader.line(&String::from_utf8_lossy(&self.line), at);
                self.line.clear();
            }
        }
    }

    fn finish(mut self, at: Duration) -> Vec<Suite> {
        if !self.line.is_empty() {
            self.reader.cut_off(&String::from_utf8_lossy(&self.line), at);
        }
        self.reader.finish()
    }
}

/// Reads the guest's streams.
pub struct Listener {
    /// Standard output, standard error, the debug port.
    streams: [Lines; 3],
    out: Ring,
    err: Ring,
}

impl Default for Listener {
    fn default() -> Self {
        Self { streams: Default::default(), out: Ring::new(KEPT), err: Ring::new(KEPT) }
    }
}

impl Listener {
    pub fn hear(&mut self, mouth: Mouth, bytes: &[u8], at: Duration) {
        self.streams[mouth as usize].hear(bytes, at);
        match mouth {
            Mouth::Out => self.out.push(bytes),
            Mouth::Err | Mouth::Debug => self.err.push(bytes),
        }
    }

    /// What the tests came to, and what was printed on standard output and standard error.
    pub fn finish(self, at: Duration) -> (Vec<Suite>, String, String) {
        let suites = self.streams.into_iter().flat_map(|lines| lines.finish(at)).collect();
        let text = |ring: Ring| String::from_utf8_lossy(&ring.content()).into_owned();
        (suites, text(self.out), text(self.err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces_and_streams_do_not_mix() {
        let mut listener = Listener::default();
        let at = Duration::from_secs(1);
        listener.hear(Mouth::Out, b"1..2\nok ", at);
        listener.hear(Mouth::Debug, b"a warning\n", at);
        listener.hear(Mouth::Out, b"1 a\r\nok 2 b\n", at);
        let (suites, out, err) = listener.finish(at);
        assert!(suites.len() == 1 && suites[0].passed() && suites[0].cases.len() == 2, "{suites:?}");
        assert_eq!((out.as_str(), err.as_str()), ("1..2\nok 1 a\r\nok 2 b\n", "a warning\n"));
    }

    #[test]
    fn a_line_that_never_ends_is_cut() {
        let mut listener = Listener::default();
        for _ in 0..100 {
            listener.hear(Mouth::Out, &[b'x'; 1 << 12], Duration::ZERO);
        }
        assert_eq!(listener.streams[0].line.len(), LINE_MAX);
    }
}
