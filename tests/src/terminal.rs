//! Runs a command on a pseudo-terminal and converses with it.
//!
//! The terminal is in its ordinary mode when the command starts; `ukvmm` puts it into raw mode itself.

use crate::process::End;
use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A program on a terminal of its own.
pub struct Session {
    child: Child,
    terminal: Pty,
    output: Receiver<Vec<u8>>,
    /// All that the program has printed.
    said: Vec<u8>,
    /// What of it `expect` has gone past.
    seen: usize,
    patience: Duration,
}

impl Session {
    /// Starts a command. Every later step may take `patience`.
    pub fn start(
        command: std::process::Command,
        rows: u16,
        cols: u16,
        patience: Duration,
    ) -> Result<Self, String> {
        let error = |what: &str, e: &dyn std::fmt::Display| format!("cannot {what}: {e}");
        let (pty, pts) = open().map_err(|e| error("open a pseudo-terminal", &e))?;
        pty.resize(Size::new(rows, cols)).map_err(|e| error("set the terminal's size", &e))?;
        let reading = pty.as_fd().try_clone_to_owned().map_err(|e| error("use the terminal", &e))?;
        let child = Command::from(command).spawn(pts).map_err(|e| error("start the program", &e))?;
        let output = reader(reading);
        Ok(Self { child, terminal: pty, output, said: vec![], seen: 0, patience })
    }

    /// Types something.
    pub fn send(&mut self, keys: &str) -> Result<(), String> {
        self.terminal
            .write_all(keys.as_bytes())
            .map_err(|e| self.explain(&format!("cannot type {keys:?}: {e}")))
    }

    /// Changes the terminal's size, as a window that is dragged does.
    pub fn resize(&self, rows: u16, cols: u16) -> Result<(), String> {
        self.terminal.resize(Size::new(rows, cols)).map_err(|e| self.explain(&format!("cannot resize: {e}")))
    }

    /// Whether the program has printed `text` at any time.
    pub fn has_shown(&self, text: &str) -> bool {
        self.said.windows(text.len()).any(|w| w == text.as_bytes())
    }

    /// Waits until the program has printed `text` after what was last expected.
    pub fn expect(&mut self, text: &str) -> Result<(), String> {
        let deadline = Instant::now() + self.patience;
        loop {
            let unseen = &self.said[self.seen..];
            if let Some(at) = unseen.windows(text.len()).position(|w| w == text.as_bytes()) {
                self.seen += at + text.len();
                return Ok(());
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.said.extend(bytes),
                Err(RecvTimeoutError::Timeout) => return Err(self.explain(&format!("{text:?} did not come"))),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.explain(&format!("the program ended before {text:?} came")));
                }
            }
        }
    }

    /// Waits for the program's end and returns it.
    pub fn end(&mut self) -> Result<End, String> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            self.said.extend(self.output.try_iter().flatten());
            if let Some(status) = self.child.try_wait().map_err(|e| e.to_string())? {
                return Ok(status.into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(self.explain("the program did not end"))
    }

    /// Waits for the program's end, which has to be this status.
    pub fn ends_with(&mut self, status: i32) -> Result<(), String> {
        match self.end()? {
            End::Exited(actual) if actual == status => Ok(()),
            end => Err(self.explain(&format!("{end}, expected exit status {status}"))),
        }
    }

    fn explain(&self, what: &str) -> String {
        format!(
            "{what}\nthe terminal showed, `|` where it was last as expected:\n    {}|{}",
            self.show(0..self.seen),
            { self.show(self.seen..self.said.len()) }
        )
    }

    fn show(&self, range: std::ops::Range<usize>) -> String {
        String::from_utf8_lossy(&self.said[range]).escape_debug().to_string().replace("\\n", "\\n\n    ")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
                // It may have ended by itself meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
            drop(self.child.wait());
        }
    }
}

/// Reads the terminal until the program has closed it (which reads as an error).
fn reader(terminal: OwnedFd) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    let mut terminal = std::fs::File::from(terminal);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = terminal.read(&mut buffer) {
            if sender.send(buffer[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Session {
        let mut command = std::process::Command::new("busybox");
        command.args(["sh"]).env("PS1", "> ").env("HOME", "/");
        Session::start(command, 33, 77, Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn converses() {
        let mut shell = shell();
        shell.expect("> ").unwrap();
        shell.send("stty size\r").unwrap();
        shell.expect("\r\n33 77\r\n").unwrap();
        shell.send("sleep 100\r").unwrap();
        shell.expect("sleep 100\r\n").unwrap();
        thread::sleep(Duration::from_millis(100));
        shell.send("\x03").unwrap();
        shell.expect("> ").unwrap();
        shell.send("exit 5\r").unwrap();
        shell.ends_with(5).unwrap();
    }

    #[test]
    fn what_does_not_come_is_an_error_that_shows_what_did() {
        let mut shell = shell();
        shell.patience = Duration::from_millis(300);
        shell.send("echo hel''lo\r").unwrap();
        shell.expect("hello").unwrap();
        let error = shell.expect("goodbye").unwrap_err();
        assert!(error.contains("hello"), "{error}");
    }
}
