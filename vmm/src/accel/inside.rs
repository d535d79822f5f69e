//! The end that is in the lab: starts `ukvmm`, and gives it what it would have outside: streams that are terminals where they are, signals, an
//! end of input. When it has ended, sends back what it has written.
//!
//! If the outside goes away, so does everything here: the lab is switched off when its program has ended.

use super::doors::inside::Doors;
use super::relay::Exchange;
use super::relay::exchange::End;
use super::wire::{CHUNK, Frame, Sender, Start, Step};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use vmm_abi::exit;

/// Set in the lab, and nowhere else.
pub const VARIABLE: &str = "UKVMM_INSIDE_THE_LAB";
/// Names of the sockets outside, in the order of their ports.
pub const INPUT: &str = "input";
pub const CONTROL: &str = "control";
const BUSYBOX: &str = "/lab/busybox";
/// How often it is looked whether somebody has come to a port.
const NAP: Duration = Duration::from_millis(5);
/// What the last words of `ukvmm` may take on their way.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs the command line behind our own name, if this is the lab.
pub fn run() -> Option<ExitCode> {
    std::env::var_os(VARIABLE)?;
    Some(match inside() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("ukvmm: error: in the lab: {error}");
            ExitCode::from(exit::VMM)
        }
    })
}

fn inside() -> io::Result<u8> {
    let input = port(0)?;
    let mut control = port(1)?;
    let start = match first_frame(&mut control)? {
        Frame::Start(start) => start,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let out = Arc::new(Sender::new(control.try_clone()?));
    let exchange = Exchange::new(out.clone(), End::Inside);
    let doors = Doors::new(exchange.clone(), start.ways_out)?;
    let terminal = start.terminals.contains(&true).then(|| Terminal::open(&start)).transpose()?.map(Arc::new);
    let (mut child, stdin) = spawn(&start, terminal.as_deref())?;
    let output = terminal.as_ref().map(|terminal| terminal.copy(start.terminals[1])).transpose()?;
    thread::spawn(move || feed(input, stdin));
    let ears = Ears { pid: child.id(), terminal: terminal.clone(), exchange, doors: doors.clone() };
    thread::spawn(move || ears.obey(control));
    let status = child.wait()?;
    // Its side is closed when the last of its descriptors is.
    if let Some(output) = output {
        drop(output.join());
    }
    doors.close(FAREWELL);
    for path in &start.outputs {
        send(path, &out)?;
    }
    let died = status.signal().map(|signal| 128 + signal);
    Ok(status.code().or(died).and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::VMM))
}

/// Port `n` of those that the job has made.
fn port(n: usize) -> io::Result<File> {
    let path = format!("/dev/vport0p{}", lab::FIRST_SOCKET + n);
    OpenOptions::new().read(true).write(true).open(path)
}

/// Before the outside has come, a port looks as if it had gone.
fn first_frame(port: &mut File) -> io::Result<Frame> {
    loop {
        match Frame::read(port)? {
            Some(frame) => return Ok(frame),
            None => thread::sleep(NAP),
        }
    }
}

/// Starts `ukvmm`; with the writing end of its standard input if that is no terminal.
fn spawn(start: &Start, terminal: Option<&Terminal>) -> io::Result<(Child, Sink)> {
    let program = std::env::current_exe()?;
    // With a terminal, it is the first of a session that has it.
    let mut command = match terminal {
        Some(_) => {
            let mut command = Command::new(BUSYBOX);
            command.args(["setsid", "-c"]).arg(&program);
            command
        }
        None => Command::new(&program),
    };
    command.args(std::env::args_os().skip(1)).env_remove(VARIABLE);
    let side = |is_terminal: bool| terminal.filter(|_| is_terminal).map(Terminal::side).transpose();
    let mut sink = Sink::Terminal(terminal.map(Terminal::main).transpose()?);
    match side(start.terminals[0])? {
        Some(side) => command.stdin(side),
        None => {
            let (reader, writer) = io::pipe()?;
            sink = Sink::Pipe(Some(writer));
            command.stdin(reader)
        }
    };
    if let Some(side) = side(start.terminals[1])? {
        command.stdout(side);
    }
    if let Some(side) = side(start.terminals[2])? {
        command.stderr(side);
    }
    Ok((command.spawn()?, sink))
}

/// Where standard input goes.
enum Sink {
    Pipe(Option<PipeWriter>),
    Terminal(Option<File>),
}

/// Passes on standard input, to its end.
fn feed(mut port: File, mut sink: Sink) {
    // Before the outside has come, a port looks as if it had gone: it says something about input in any case.
    let mut frame = first_frame(&mut port).ok();
    while let Some(Frame::Input(bytes)) = frame {
        let written = match &mut sink {
            Sink::Pipe(Some(pipe)) => pipe.write_all(&bytes),
            Sink::Terminal(Some(terminal)) => terminal.write_all(&bytes),
            _ => Ok(()),
        };
        if written.is_err() {
            // Nobody reads it any more; the outside goes on writing.
            sink = Sink::Pipe(None);
        }
        frame = Frame::read(&mut port).ok().flatten();
    }
}

/// Who hears what the outside says.
struct Ears {
    /// The process of `ukvmm`.
    pid: u32,
    terminal: Option<Arc<Terminal>>,
    exchange: Arc<Exchange>,
    doors: Arc<Doors>,
}

impl Ears {
    /// Does what the outside says, until it goes away: then `ukvmm` ends.
    fn obey(&self, mut control: File) {
        loop {
            match Frame::read(&mut control) {
                Ok(Some(Frame::Resize(rows, columns))) => {
                    if let Some(terminal) = &self.terminal {
                        drop(terminal.resize((rows, columns)));
                    }
                }
                Ok(Some(Frame::Signal(number))) => self.signal(named(number)),
                Ok(Some(Frame::Relay(number, Step::Open(door)))) => self.doors.let_in(number, door),
                Ok(Some(Frame::Relay(number, step))) => self.exchange.hear(number, step),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return self.signal(Signal::TERM),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid as i32) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, signal);
        }
    }
}

fn named(number: u8) -> Signal {
    let known = [Signal::INT, Signal::HUP, Signal::QUIT];
    known.into_iter().find(|signal| signal.as_raw() == i32::from(number)).unwrap_or(Signal::TERM)
}

/// A pseudo-terminal in place of the one outside.
struct Terminal {
    main: OwnedFd,
    side: PathBuf,
}

impl Terminal {
    fn open(start: &Start) -> io::Result<Self> {
        let folder = Path::new("/dev/pts");
        std::fs::create_dir_all(folder)?;
        let mounted = Command::new(BUSYBOX).args(["mount", "-t", "devpts", "devpts"]).arg(folder).status()?;
        if !mounted.success() {
            return Err(io::Error::other("there are no pseudo-terminals"));
        }
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&main)?;
        unlockpt(&main)?;
        let side = ptsname(&main, Vec::new())?;
        let side = PathBuf::from(side.to_string_lossy().into_owned());
        let terminal = Self { main, side };
        terminal.resize(start.size)?;
        Ok(terminal)
    }

    fn resize(&self, (rows, columns): (u16, u16)) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.main, size)?)
    }

    fn main(&self) -> io::Result<File> {
        Ok(self.main.try_clone()?.into())
    }

    /// The side for the program.
    fn side(&self) -> io::Result<Stdio> {
        use std::os::unix::fs::OpenOptionsExt;
        let noctty = libc::O_NOCTTY;
        Ok(OpenOptions::new().read(true).write(true).custom_flags(noctty).open(&self.side)?.into())
    }

    /// Passes on what is written to it, to our standard output or error, until nobody has its other side open.
    fn copy(&self, to_output: bool) -> io::Result<thread::JoinHandle<()>> {
        let mut main = self.main()?;
        Ok(thread::spawn(move || {
            let mut chunk = [0; CHUNK];
            // EIO: nobody has it.
            while let Ok(count @ 1..) = main.read(&mut chunk) {
                let written = match to_output {
                    true => io::stdout().write_all(&chunk[..count]).and_then(|()| io::stdout().flush()),
                    false => io::stderr().write_all(&chunk[..count]),
                };
                if written.is_err() {
                    return;
                }
            }
        }))
    }
}

/// Sends a file, or all that are in a folder.
fn send(path: &Path, out: &Sender) -> io::Result<()> {
    if path.is_dir() {
        let mut entries = path.read_dir()?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        return entries.iter().try_for_each(|entry| send(&entry.path(), out));
    }
    if !path.is_file() {
        return Ok(());
    }
    out.send(&Frame::File(path.into()))?;
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    // A core is as large as the guest's memory, most of which has never been touched.
    let mut zeros = 0;
    loop {
        let count = file.read(&mut chunk)?;
        let bytes = &chunk[..count];
        if count > 0 && bytes.iter().all(|&byte| byte == 0) {
            zeros += count as u64;
            continue;
        }
        if zeros > 0 {
            out.send(&Frame::Zeros(std::mem::take(&mut zeros)))?;
        }
        if count == 0 {
            return Ok(());
        }
        out.send(&Frame::Data(bytes.to_vec()))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_folder_is_sent_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("b")).unwrap();
        std::fs::write(path("b/c"), [vec![7; CHUNK], vec![0; 2 * CHUNK], vec![7], vec![0; CHUNK]].concat())
            .unwrap();
        std::fs::write(path("a"), "").unwrap();
        let (mut received, wire) = UnixStream::pair().unwrap();
        let out = Sender::new(wire);
        send(folder.path(), &out).unwrap();
        send(&path("absent"), &out).unwrap();
        drop(out);
        let expected = [
            Frame::File(path("a")),
            Frame::File(path("b/c")),
            Frame::Data(vec![7; CHUNK]),
            Frame::Zeros(2 * CHUNK as u64),
            Frame::Data([vec![7], vec![0; CHUNK - 1]].concat()),
            Frame::Zeros(1),
        ];
        for frame in expected {
            assert_eq!(Frame::read(&mut received).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut received).unwrap(), None);
    }

    #[test]
    fn signals_have_their_names() {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
            assert_eq!(named(signal.as_raw() as u8), signal);
        }
    }
}
