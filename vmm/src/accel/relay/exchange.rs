//! All connections of one end of the wire.

use super::credit::Credit;
use crate::accel::wire::{CHUNK, Frame, Sender, Step};
use rustix::net::{Shutdown, shutdown};
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Connections at once, at most: each takes two threads at both ends.
const CHANNELS_MAX: usize = 64;

/// Which end this is. Each gives numbers to the connections that come to it, and no number is given twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Outside,
    Inside,
}

pub struct Exchange {
    out: Arc<Sender>,
    table: Mutex<Table>,
    changed: Condvar,
}

struct Table {
    next: u32,
    channels: HashMap<u32, Channel>,
}

/// A connection, until both sides have said all.
struct Channel {
    /// What the other end says. `None`: it says no more.
    heard: Option<mpsc::Sender<Vec<u8>>>,
    credit: Arc<Credit>,
    /// Our side has said all.
    is_silent: bool,
    /// Our side has been told all.
    is_told: bool,
}

/// A connection that is known, and whose socket on our side is still to come.
pub struct Begun {
    number: u32,
    heard: Receiver<Vec<u8>>,
    credit: Arc<Credit>,
}

impl Exchange {
    /// Frames go to `out`; what comes back is for [`Self::hear`].
    pub fn new(out: Arc<Sender>, end: End) -> Arc<Self> {
        let next = if end == End::Outside { 0 } else { 1 };
        let table = Mutex::new(Table { next, channels: HashMap::new() });
        Arc::new(Self { out, table, changed: Condvar::new() })
    }

    /// Somebody has come to a door of ours: `socket` is joined to what is behind it at the other end. Where there are too many already, it is closed.
    pub fn open(self: &Arc<Self>, door: u8, socket: OwnedFd) {
        let number = {
            let mut table = self.table();
            if table.channels.len() >= CHANNELS_MAX {
                return tracing::debug!("--accel lab: there are {CHANNELS_MAX} connections already");
            }
            table.next += 2;
            table.next - 2
        };
        let begun = self.begin(number);
        self.say(number, Step::Open(door));
        self.join(begun, socket);
    }

    /// The other end has opened connection `number`; what it says is kept until [`Self::join`] or [`Self::refuse`].
    pub fn begin(&self, number: u32) -> Begun {
        let (sender, heard) = mpsc::channel();
        let credit = Arc::new(Credit::new());
        let (is_silent, is_told) = (false, false);
        let channel = Channel { heard: Some(sender), credit: credit.clone(), is_silent, is_told };
        self.table().channels.insert(number, channel);
        Begun { number, heard, credit }
    }

    /// Joins a connection to `socket`, which waits.
    pub fn join(self: &Arc<Self>, begun: Begun, socket: OwnedFd) {
        let Begun { number, heard, credit } = begun;
        let Ok(other) = socket.try_clone() else { return self.refuse(number) };
        let this = self.clone();
        thread::spawn(move || this.listen(number, &credit, File::from(socket)));
        let this = self.clone();
        thread::spawn(move || this.tell(number, heard, File::from(other)));
    }

    /// There is nobody on our side.
    pub fn refuse(&self, number: u32) {
        self.say(number, Step::Shut);
        self.change(number, |channel| (channel.is_silent, channel.is_told) = (true, true));
    }

    /// What the other end says of a connection that is open. One that is not is one that has just ended.
    pub fn hear(&self, number: u32, step: Step) {
        self.change(number, |channel| match step {
            Step::Open(_) => {}
            Step::Bytes(bytes) => {
                if let Some(heard) = &channel.heard {
                    // If nobody takes it any more, it is lost as in any connection.
                    let _ = heard.send(bytes);
                }
            }
            Step::Taken(count) => channel.credit.add(count as usize),
            Step::Shut => channel.heard = None,
        });
    }

    /// Our side's sockets have been closed: waits until what they have said has been sent, but not for ever.
    pub fn wait_for_silence(&self, limit: Duration) {
        self.wait(limit, |channel| !channel.is_silent);
    }

    /// The other end has gone: our side is told, for which it gets so long.
    pub fn end(&self, limit: Duration) {
        for channel in self.table().channels.values_mut() {
            channel.heard = None;
            channel.credit.end();
        }
        self.wait(limit, |channel| !channel.is_told);
    }

    fn wait(&self, limit: Duration, is_waited_for: impl Fn(&Channel) -> bool) {
        let any = |table: &mut Table| table.channels.values().any(&is_waited_for);
        drop(self.changed.wait_timeout_while(self.table(), limit, any));
    }

    /// Passes on what our side says.
    fn listen(&self, number: u32, credit: &Credit, mut socket: File) {
        let mut chunk = [0; CHUNK];
        while let Some(most) = credit.wait() {
            match socket.read(&mut chunk[..most.min(CHUNK)]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    credit.spend(count);
                    self.say(number, Step::Bytes(chunk[..count].to_vec()));
                }
            }
        }
        self.say(number, Step::Shut);
        self.change(number, |channel| channel.is_silent = true);
    }

    /// Tells our side what the other one says.
    fn tell(&self, number: u32, heard: Receiver<Vec<u8>>, mut socket: File) {
        let mut is_there = true;
        for bytes in heard {
            if is_there && socket.write_all(&bytes).is_err() {
                is_there = false;
                // It has gone, and says no more either.
                let _ = shutdown(&socket, Shutdown::Both);
            }
            self.say(number, Step::Taken(bytes.len() as u32));
        }
        // It may have gone.
        let _ = shutdown(&socket, Shutdown::Write);
        self.change(number, |channel| channel.is_told = true);
    }

    /// If the other end has gone, its reader says so.
    fn say(&self, number: u32, step: Step) {
        let _ = self.out.send(&Frame::Relay(number, step));
    }

    fn change(&self, number: u32, how: impl FnOnce(&mut Channel)) {
        let mut table = self.table();
        let Some(channel) = table.channels.get_mut(&number) else { return };
        how(channel);
        if channel.is_silent && channel.is_told {
            table.channels.remove(&number);
        }
        self.changed.notify_all();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    pub fn number(&self) -> u32 {
        self.number
    }
}

#[cfg(test)]
mod tests;
