//! The doors' sockets in the lab.

use super::{FOLDER, socket};
use crate::accel::relay::Exchange;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often it is looked whether `ukvmm` listens.
const NAP: Duration = Duration::from_millis(10);

/// What the threads of this side share.
pub struct Doors {
    exchange: Arc<Exchange>,
    /// `ukvmm` has ended.
    over: AtomicBool,
}

impl Doors {
    /// Makes the sockets of those doors that lead out, which are the first so many.
    pub fn new(exchange: Arc<Exchange>, ways_out: u8) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(FOLDER)?;
        let this = Arc::new(Self { exchange, over: AtomicBool::new(false) });
        for door in 0..ways_out {
            let listener = UnixListener::bind(socket(door))?;
            let this = this.clone();
            thread::spawn(move || this.lead_out(door, &listener));
        }
        Ok(this)
    }

    fn lead_out(&self, door: u8, listener: &UnixListener) {
        for stream in listener.incoming().flatten() {
            self.exchange.open(door, stream.into());
        }
    }

    /// Somebody has come to `door` outside, by connection `number`: is led to `ukvmm`, which may not listen yet.
    pub fn let_in(self: &Arc<Self>, number: u32, door: u8) {
        let (this, begun) = (self.clone(), self.exchange.begin(number));
        thread::spawn(move || match this.knock(&socket(door)) {
            Some(stream) => this.exchange.join(begun, stream.into()),
            None => this.exchange.refuse(number),
        });
    }

    fn knock(&self, door: &Path) -> Option<UnixStream> {
        while !self.over.load(Ordering::SeqCst) {
            match UnixStream::connect(door) {
                Ok(stream) => return Some(stream),
                Err(_) => thread::sleep(NAP),
            }
        }
        None
    }

    /// `ukvmm` has ended: waits until its last words are on their way.
    pub fn close(&self, limit: Duration) {
        self.over.store(true, Ordering::SeqCst);
        self.exchange.wait_for_silence(limit);
    }
}
