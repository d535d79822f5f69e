//! Says on the terminal how far a report has come, if it takes long.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

/// Nobody wonders before that.
const QUIET: Duration = Duration::from_secs(1);
/// From one line to the next.
const PERIOD: Duration = Duration::from_millis(200);
/// How often a report reads the records: once to find them, once in their order.
const PASSES: u64 = 2;

/// A file of records. When a report has taken a second to read it, a line on the terminal says how far it is, until this is dropped.
pub struct Progress {
    file: File,
    size: u64,
    read: u64,
    begun: Instant,
    /// When the line was written, if one was.
    said: Option<Instant>,
    /// Where nobody looks, nothing is said.
    is_seen: bool,
}

impl Progress {
    pub fn new(file: File) -> Self {
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let is_seen = io::stderr().is_terminal();
        Self { file, size, read: 0, begun: Instant::now(), said: None, is_seen }
    }

    fn say(&mut self) {
        let is_due = match self.said {
            Some(said) => said.elapsed() >= PERIOD,
            None => self.begun.elapsed() >= QUIET,
        };
        if self.is_seen && is_due {
            self.said = Some(Instant::now());
            let line = line(self.read, self.size);
            // A terminal that has gone needs no line.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
        }
    }
}

fn line(read: u64, size: u64) -> String {
    let percent = (u128::from(read) * 100 / u128::from((size * PASSES).max(1))).min(100);
    format!("profile of {} MiB of records: {percent} %", size >> 20)
}

impl Read for Progress {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read += read as u64;
        self.say();
        Ok(read)
    }
}

impl Seek for Progress {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.said.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_the_file_and_counts() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut progress = Progress::new(file);
        progress.seek(SeekFrom::Start(4)).unwrap();
        let mut text = String::new();
        progress.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), progress.read, progress.size), ("456789", 6, 10));
        assert_eq!(line(10, 10), "profile of 0 MiB of records: 50 %");
        assert_eq!(line(900, 10), "profile of 0 MiB of records: 100 %");
        assert_eq!(line(0, 0), "profile of 0 MiB of records: 0 %");
    }
}
