//! What a command says while it runs, for several to read.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

/// Output beyond this many bytes is not kept: a guest gone mad must not fill the machine's memory.
const LIMIT: usize = 64 << 20;
const CHUNK: usize = 64 << 10;

/// What a command has said so far, as others read it too.
#[derive(Clone)]
pub struct Stream(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Stream {
    /// Reads to the end, in a thread of its own.
    pub fn collect(mut from: impl Read + Send + 'static) -> Self {
        let stream = Self(Arc::default());
        let to = stream.clone();
        thread::spawn(move || {
            let mut chunk = vec![0; CHUNK];
            loop {
                // An error ends the output as the end of file does; the status tells the rest.
                let length = from.read(&mut chunk).unwrap_or(0);
                to.add(&chunk[..length]);
                if length == 0 {
                    break;
                }
            }
        });
        stream
    }

    /// Nothing means the end.
    fn add(&self, bytes: &[u8]) {
        let mut said = self.lock();
        let room = LIMIT - said.bytes.len();
        said.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        said.is_over |= bytes.is_empty();
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.0.lock().expect("nobody panics with it")
    }

    pub fn length(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Waits until `find` finds something in what was said from `start` on; `None` if the stream or the time is over before.
    pub fn wait<T>(
        &self,
        start: usize,
        deadline: Instant,
        mut find: impl FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let mut said = self.lock();
        loop {
            let found = said.bytes.get(start..).and_then(&mut find);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || said.is_over || left.is_zero() {
                return found;
            }
            said = self.0.1.wait_timeout(said, left).expect("nobody panics with it").0;
        }
    }

    /// All of it, when it is over.
    pub fn whole(&self) -> Vec<u8> {
        let mut said = self.lock();
        while !said.is_over {
            said = self.0.1.wait(said).expect("nobody panics with it");
        }
        std::mem::take(&mut said.bytes)
    }
}
