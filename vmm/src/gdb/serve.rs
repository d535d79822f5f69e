//! Waits for debuggers, for what they send, and for the machine, all at once; one debugger at a time.

use super::door::Door;
use super::framing::frame;
use super::session::{End, Session};
use crate::debug::debuggee::{Debuggee, Event};
use crate::debug::listen::Listener;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Serves debuggers, one after the other, until the machine has ended. `running` says whether it runs now; if it does not, the first
/// debugger finds it as it is.
pub fn serve(listener: &Listener, debuggee: &mut dyn Debuggee, mut running: bool) -> io::Result<()> {
    while serve_one(listener, debuggee, running)? == End::Left {
        running = true;
    }
    Ok(())
}

/// Waits for one debugger and serves it until it is gone, or the machine is.
pub fn serve_one(listener: &Listener, debuggee: &mut dyn Debuggee, running: bool) -> io::Result<End> {
    let door = Door::new(listener)?;
    let ready = debuggee.ready().try_clone_to_owned()?;
    match wait(&door, &ready, debuggee)? {
        Some(connection) => Conversation::new(connection, debuggee, running).hold(&door, &ready),
        None => Ok(End::Exited),
    }
}

/// Waits for a debugger; `None` if the machine ends before one comes.
fn wait(door: &Door<'_>, ready: &OwnedFd, debuggee: &mut dyn Debuggee) -> io::Result<Option<OwnedFd>> {
    loop {
        let mut waiting = [PollFd::new(door, PollFlags::IN), PollFd::new(ready, PollFlags::IN)];
        wait_for(&mut waiting, None)?;
        let [comes, happens] = waiting.map(|fd| !fd.revents().is_empty());
        if happens {
            match debuggee.event() {
                Some(Event::Exited(_)) => return Ok(None),
                // With nobody to look at it, it goes its way.
                Some(_) => debuggee.detach(),
                None => {}
            }
        }
        if comes && let Some(connection) = door.accept()? {
            return Ok(Some(connection));
        }
    }
}

fn wait_for(waiting: &mut [PollFd<'_>], limit: Option<&Timespec>) -> io::Result<()> {
    match poll(waiting, limit) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A session and its connection.
struct Conversation<'d> {
    /// `None` when it is gone.
    connection: Option<OwnedFd>,
    session: Session<'d>,
    /// What has come in and is not taken yet.
    inbox: Vec<u8>,
    /// The last one who came meanwhile. It is kept until another comes, so that it can read what it is told.
    told_off: Option<OwnedFd>,
    /// Nobody else can come: there is no room for their connections.
    full: bool,
}

impl<'d> Conversation<'d> {
    fn new(connection: OwnedFd, debuggee: &'d mut dyn Debuggee, running: bool) -> Self {
        tracing::debug!("a debugger has come");
        let session = Session::new(debuggee, running);
        Self { connection: Some(connection), session, inbox: Vec::new(), told_off: None, full: false }
    }

    fn hold(mut self, door: &Door<'_>, ready: &OwnedFd) -> io::Result<End> {
        loop {
            let taken = self.session.receive(&self.inbox);
            self.inbox.drain(..taken);
            self.write();
            if let Some(end) = self.session.end() {
                self.finish()?;
                tracing::debug!(?end, "the debugger is gone");
                return Ok(end);
            }
            // What was in the way of the inbox may be written now.
            if !self.inbox.is_empty() && self.session.takes() {
                continue;
            }
            self.wait(door, ready)?;
        }
    }

    /// Waits until there is something to do, and does what is not the session's.
    fn wait(&mut self, door: &Door<'_>, ready: &OwnedFd) -> io::Result<()> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, self.inbox.is_empty());
        wanted.set(PollFlags::OUT, !self.session.outbox().bytes().is_empty());
        // After the one who is leaving, the next may come in.
        let closed = self.full || self.connection.is_none();
        let comes = if closed { PollFlags::empty() } else { PollFlags::IN };
        let mut waiting = vec![PollFd::new(door, comes), PollFd::new(ready, PollFlags::IN)];
        waiting.extend(self.connection.as_ref().map(|connection| PollFd::new(connection, wanted)));
        wait_for(&mut waiting, None)?;
        let happened: Vec<PollFlags> = waiting.iter().map(PollFd::revents).collect();
        // The one who is there comes first: it may have left, to make room for the other.
        if !happened[0].is_empty() && happened.get(2).is_none_or(|said| said.is_empty()) {
            match door.accept() {
                Ok(other) => self.told_off = other.and_then(tell_off),
                Err(error) => {
                    tracing::warn!("a second debugger cannot even be told that there is one: {error}");
                    self.full = true;
                }
            }
        }
        if !happened[1].is_empty() {
            self.session.happened();
        }
        match happened.get(2) {
            Some(&flags) if flags.contains(PollFlags::IN) => self.read(),
            Some(&flags) if flags.intersects(PollFlags::HUP | PollFlags::ERR) => self.hang_up(),
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self) {
        let Some(connection) = &self.connection else { return };
        let mut bytes = [0; 0x1000];
        match recv(connection, &mut bytes[..], RecvFlags::empty()) {
            Ok((_, 0)) => self.hang_up(),
            Ok((_, count)) => self.inbox.extend(&bytes[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.hang_up(),
        }
    }

    fn write(&mut self) {
        let Some(connection) = &self.connection else { return };
        let out = self.session.outbox();
        while !out.bytes().is_empty() {
            match send(connection, out.bytes(), SendFlags::NOSIGNAL) {
                Ok(count) => out.sent(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.hang_up(),
            }
        }
    }

    fn hang_up(&mut self) {
        self.connection = None;
        self.inbox.clear();
        self.session.hang_up();
    }

    /// Sends what is left, and that this is the end, to whoever takes notice within a second. gdb may be about to send something: a connection
    /// that is closed before that is an error to it, one that ends is not.
    fn finish(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut ended = false;
        while let Some(connection) = &self.connection {
            let sending = !self.session.outbox().bytes().is_empty();
            if !sending && !ended {
                ended = true;
                let _ = shutdown(connection, Shutdown::Write);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
            let flags = if sending { PollFlags::OUT } else { PollFlags::IN };
            let mut waiting = [PollFd::new(connection, flags)];
            wait_for(&mut waiting, Some(&limit))?;
            match waiting[0].revents() {
                happened if happened.is_empty() => break,
                _ if sending => self.write(),
                _ => self.read(),
            }
            self.inbox.clear();
        }
        Ok(())
    }
}

/// How long a debugger has to take notice of the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells one who has come while another is there that it is so.
fn tell_off(other: OwnedFd) -> Option<OwnedFd> {
    let message = [b"+", &frame(b"E.another debugger is attached")[..]].concat();
    send(&other, &message, SendFlags::NOSIGNAL).ok()?;
    shutdown(&other, Shutdown::Write).ok()?;
    Some(other)
}
