//! The end that the user has started: runs the lab, and stands for the terminal, the signals and the files of this host.

use super::doors::Doors;
use super::plan::Plan;
use super::relay::Exchange;
use super::relay::exchange::End;
use super::wire::{CHUNK, Frame, Sender, Start, Step};
use super::{AccelError, host};
use crate::ending::Status;
use crate::terminal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether QEMU has made a socket.
const NAP: Duration = Duration::from_millis(10);
/// How long that may take.
const SOCKET_LIMIT: Duration = Duration::from_secs(60);
/// Between a signal that `ukvmm` is told of and the lab's end by force.
const GRACE: Duration = Duration::from_secs(20);
/// What programs that are connected may take to hear the last of what is said to them.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// The program runs.
    started: Mutex<bool>,
    start: Condvar,
    /// The lab is to be ended at once.
    over: AtomicBool,
    /// The signal that we were ended by, or 0.
    signal: AtomicI32,
    control: Mutex<Option<Arc<Sender>>>,
}

/// Runs the lab to its end.
pub fn run(plan: &Plan) -> Result<Status, AccelError> {
    let shared = Arc::new(Shared::default());
    catch_signals(shared.clone())?;
    let start = start(plan);
    let receiver = {
        let (shared, start, path) = (shared.clone(), start.clone(), plan.job.sockets[1].clone());
        let doors = plan.doors.clone();
        thread::spawn(move || shared.control(&path, start, &doors))
    };
    {
        let (shared, path) = (shared.clone(), plan.job.sockets[0].clone());
        let is_terminal = start.terminals[0];
        // Reading may last for ever, so nobody waits for this one.
        thread::spawn(move || shared.input(&path, is_terminal));
    }
    let mut streams = Streams { shared: &shared, is_terminal: start.terminals[0] };
    let begin = Instant::now();
    let outcome = plan.lab.run(&plan.job, &mut streams);
    shared.over.store(true, Ordering::SeqCst);
    terminal::restore();
    let received = receiver.join().unwrap_or(Ok(()));
    let signal = shared.signal.load(Ordering::SeqCst);
    let was_cut = plan.job.limit.is_some_and(|limit| begin.elapsed() >= limit);
    if !was_cut {
        // It is of use only to find out why the lab failed, of which the error has the end.
        drop(fs::remove_dir_all(&plan.lab.home));
    }
    match outcome {
        _ if signal != 0 => Ok(Status::Signal(signal)),
        Err(error) => Err(AccelError::Lab(format!("{error:#}"))),
        Ok(outcome) => {
            received?;
            Ok(status(outcome.status))
        }
    }
}

/// As a shell has it: what is above 128 is a signal.
fn status(code: u8) -> Status {
    if code > 128 { Status::Signal(i32::from(code) - 128) } else { Status::Exit(code) }
}

fn start(plan: &Plan) -> Start {
    // In the background of its terminal, reading would stop us.
    let input = io::stdin().is_terminal() && terminal::in_foreground();
    let terminals = [input, io::stdout().is_terminal(), io::stderr().is_terminal()];
    let (ways_out, outputs) = (plan.doors.ways_out(), plan.outputs.clone());
    Start { terminals, size: terminal::window_size(), ways_out, outputs }
}

impl Shared {
    fn has_started(&self) -> bool {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_start(&self) {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.start.wait_while(started, |started| !*started));
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The other end of a port, once QEMU has made it; `None` if the lab is over.
    fn connect(&self, path: &Path) -> Option<UnixStream> {
        let deadline = Instant::now() + SOCKET_LIMIT;
        while !self.is_over() && Instant::now() < deadline {
            match UnixStream::connect(path) {
                Ok(stream) => return Some(stream),
                Err(_) => thread::sleep(NAP),
            }
        }
        None
    }

    /// Tells the inside what it has to know, and receives what it sends, to the lab's end.
    fn control(&self, path: &Path, start: Start, doors: &Doors) -> Result<(), AccelError> {
        let Some(stream) = self.connect(path) else { return Ok(()) };
        let cannot = "speaking to the lab";
        let outputs = start.outputs.clone();
        let sender = Arc::new(Sender::new(stream.try_clone().map_err(host(cannot))?));
        sender.send(&Frame::Start(start)).map_err(host(cannot))?;
        *self.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        let exchange = Exchange::new(sender, End::Outside);
        doors.open(&exchange)?;
        let received = receive(stream, &outputs, doors, &exchange);
        exchange.end(FAREWELL);
        received
    }

    /// Passes on standard input.
    fn input(&self, path: &Path, is_terminal: bool) {
        let Some(mut stream) = self.connect(path) else { return };
        if is_terminal {
            // Until then, Ctrl-C is ours.
            self.wait_for_start();
        }
        // In the background of its terminal, reading would stop us.
        if (is_terminal || !io::stdin().is_terminal()) && pass_on(&mut stream).is_err() {
            return;
        }
        // Whether it was heard shows in what comes back.
        drop(Frame::End.write(&mut stream));
        // What is written to a socket that is closed may be lost: it stays open for as long as the lab runs.
        while !self.is_over() {
            thread::sleep(GRACE);
        }
    }

    fn tell(&self, frame: &Frame) {
        if let Some(sender) = &*self.control.lock().unwrap_or_else(PoisonError::into_inner) {
            // The lab may be at its end.
            drop(sender.send(frame));
        }
    }

    /// We are to end: the inside is told, and if there is none, or it does not, the lab is.
    fn end(self: &Arc<Self>, signal: i32) {
        let is_first = self.signal.swap(signal, Ordering::SeqCst) == 0;
        if !is_first || !self.has_started() {
            return self.over.store(true, Ordering::SeqCst);
        }
        self.tell(&Frame::Signal(signal as u8));
        let this = self.clone();
        thread::spawn(move || {
            thread::sleep(GRACE);
            this.over.store(true, Ordering::SeqCst);
        });
    }
}

fn catch_signals(shared: Arc<Shared>) -> Result<(), AccelError> {
    let caught = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH];
    let mut signals = Signals::new(caught).map_err(host("catching signals"))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGWINCH => {
                    let (rows, columns) = terminal::window_size();
                    shared.tell(&Frame::Resize(rows, columns));
                }
                signal => shared.end(signal),
            }
        }
    });
    Ok(())
}

/// Passes on standard input, to its end. An error is the lab's.
fn pass_on(stream: &mut UnixStream) -> io::Result<()> {
    let mut chunk = [0; CHUNK];
    loop {
        match io::stdin().read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => Frame::Input(chunk[..count].to_vec()).write(stream)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // EIO: the terminal has gone away.
            Err(_) => return Ok(()),
        }
    }
}

/// Hears the inside. Of the files that come, those are written that were asked for, and no others.
fn receive(
    mut stream: impl Read,
    outputs: &[PathBuf],
    doors: &Doors,
    exchange: &Arc<Exchange>,
) -> Result<(), AccelError> {
    let mut open: Option<(PathBuf, File)> = None;
    // An end in the middle of a frame is the lab's, which has its own message.
    while let Ok(Some(frame)) = Frame::read(&mut stream) {
        match frame {
            Frame::File(path) => {
                let is_wanted = outputs.iter().any(|output| path.starts_with(output));
                let is_plain = lab::absolute(&path).is_ok_and(|absolute| absolute == path);
                open = (is_wanted && is_plain).then(|| create(path)).transpose()?;
            }
            Frame::Data(bytes) => {
                if let Some((path, file)) = &mut open {
                    file.write_all(&bytes).map_err(host(format!("writing {}", path.display())))?;
                }
            }
            Frame::Zeros(count) => {
                if let Some((path, file)) = &mut open {
                    skip(file, count).map_err(host(format!("writing {}", path.display())))?;
                }
            }
            Frame::Relay(number, Step::Open(door)) => doors.let_out(number, door, exchange),
            Frame::Relay(number, step) => exchange.hear(number, step),
            _ => {}
        }
    }
    Ok(())
}

/// Leaves a hole, which is read as zeros.
fn skip(file: &mut File, count: u64) -> io::Result<()> {
    let end = file.stream_position()?.checked_add(count).ok_or(io::ErrorKind::FileTooLarge)?;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end)).map(drop)
}

fn create(path: PathBuf) -> Result<(PathBuf, File), AccelError> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let opened = made.and_then(|()| OpenOptions::new().create(true).write(true).truncate(true).open(&path));
    match opened {
        Ok(file) => Ok((path, file)),
        Err(error) => Err(host(format!("writing {}", path.display()))(error)),
    }
}

/// Where the lab's output goes.
struct Streams<'a> {
    shared: &'a Arc<Shared>,
    is_terminal: bool,
}

impl lab::Sink for Streams<'_> {
    fn stdout(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            // Nobody reads it: as a program would that writes to such a pipe.
            self.shared.signal.store(SIGPIPE, Ordering::SeqCst);
            self.shared.over.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn stderr(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        // That nobody reads it is no reason to stop.
        drop(io::stderr().lock().write_all(bytes));
        Ok(())
    }

    fn started(&mut self) {
        if self.is_terminal
            && let Err(error) = terminal::make_raw()
        {
            tracing::warn!(%error, "cannot make the terminal raw");
        }
        *self.shared.started.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.start.notify_all();
    }

    fn is_over(&self) -> bool {
        self.shared.is_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let outputs = [path("crash"), path("core")];
        let mut bytes = Vec::new();
        for name in ["crash/a/b", "core", "other", "crash/../evil"] {
            Frame::File(path(name)).write(&mut bytes).unwrap();
            Frame::Data(vec![1; 3]).write(&mut bytes).unwrap();
            Frame::Zeros(2).write(&mut bytes).unwrap();
            Frame::Data(vec![2]).write(&mut bytes).unwrap();
            Frame::Zeros(1).write(&mut bytes).unwrap();
        }
        let exchange = Exchange::new(Arc::new(Sender::new(io::sink())), End::Outside);
        receive(bytes.as_slice(), &outputs, &Doors::default(), &exchange).unwrap();
        for name in ["crash/a/b", "core"] {
            assert_eq!(fs::read(path(name)).unwrap(), [1, 1, 1, 0, 0, 2, 0]);
        }
        assert!(!path("other").exists() && !path("evil").exists());
    }

    #[test]
    fn an_end_by_signal_is_passed_on() {
        assert_eq!(status(7), Status::Exit(7));
        assert_eq!(status(128 + 15), Status::Signal(15));
    }
}
