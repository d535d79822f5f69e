//! Input: editing a line, special characters, and what can be read.
//!
//! Works on bytes as they come from the keyboard and says what to echo and which signal a key means; who gets the signal is the
//! terminal's business. The reference is Linux's `drivers/tty/n_tty.c` and POSIX, General Terminal Interface.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::termios::{Key, Termios};
use linux_raw_sys::general as raw;

/// Bytes that wait to be read, at most (Linux: `N_TTY_BUF_SIZE`).
pub const CAPACITY: usize = 4096;

const TAB: u8 = b'\t';
const TAB_WIDTH: usize = 8;

/// What a byte of input leads to, besides what it adds to the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    None,
    Signal(u32),
    /// Output stops (^S) or goes on (^Q).
    Stop,
    Start,
}

/// The input side of a terminal.
#[derive(Default, Debug)]
pub struct Line {
    /// The line that is being edited.
    edit: Vec<u8>,
    /// What can be read.
    ready: VecDeque<u8>,
    /// In canonical mode: lengths of the lines in `ready`. An empty one is an end of file.
    lines: VecDeque<usize>,
    /// The next byte is taken as it is (^V).
    literal: bool,
    /// Column of the cursor where the line being edited began.
    start_column: usize,
}

impl Line {
    /// Takes a byte. `echo` gets what is to be shown; `column` is where the cursor is now.
    pub fn input(&mut self, byte: u8, modes: &Termios, column: usize, echo: &mut Vec<u8>) -> Action {
        let byte = if modes.has_input(raw::ISTRIP) { byte & 0x7f } else { byte };
        if self.edit.is_empty() {
            self.start_column = column;
        }
        if self.literal {
            self.literal = false;
            self.add(byte, modes, echo);
            return Action::None;
        }
        if let Some(action) = self.flow_or_signal(byte, modes, echo) {
            return action;
        }
        let byte = match byte {
            b'\r' if modes.has_input(raw::IGNCR) => return Action::None,
            b'\r' if modes.has_input(raw::ICRNL) => b'\n',
            b'\n' if modes.has_input(raw::INLCR) => b'\r',
            other => other,
        };
        if modes.is_canonical() {
            self.canonical(byte, modes, echo);
        } else {
            self.raw(byte, modes, echo);
        }
        Action::None
    }

    fn flow_or_signal(&mut self, byte: u8, modes: &Termios, echo: &mut Vec<u8>) -> Option<Action> {
        if modes.has_input(raw::IXON) {
            if modes.is_key(byte, Key::Start) {
                return Some(Action::Start);
            }
            if modes.is_key(byte, Key::Stop) {
                return Some(Action::Stop);
            }
        }
        if !modes.has_local(raw::ISIG) {
            return None;
        }
        let keys = [(Key::Intr, raw::SIGINT), (Key::Quit, raw::SIGQUIT), (Key::Susp, raw::SIGTSTP)];
        let (_, signal) = keys.into_iter().find(|&(key, _)| modes.is_key(byte, key))?;
        if !modes.has_local(raw::NOFLSH) {
            self.flush();
        }
        if modes.has_local(raw::ECHO) {
            show(byte, modes, echo);
        }
        Some(Action::Signal(signal))
    }

    fn raw(&mut self, byte: u8, modes: &Termios, echo: &mut Vec<u8>) {
        if self.ready.len() >= CAPACITY {
            return;
        }
        self.ready.push_back(byte);
        if modes.has_local(raw::ECHO) {
            show(byte, modes, echo);
        }
    }

    fn canonical(&mut self, byte: u8, modes: &Termios, echo: &mut Vec<u8>) {
        let extended = modes.has_local(raw::IEXTEN);
        if modes.is_key(byte, Key::Erase) {
            self.erase(modes, echo, 1);
        } else if modes.is_key(byte, Key::Kill) {
            self.kill(modes, echo);
        } else if extended && modes.is_key(byte, Key::WordErase) {
            let len = self.last_word();
            self.erase(modes, echo, len);
        } else if extended && modes.is_key(byte, Key::Reprint) {
            self.reprint(byte, modes, echo);
        } else if extended && modes.is_key(byte, Key::Literal) {
            self.literal = true;
            if modes.has_local(raw::ECHO) && modes.has_local(raw::ECHOCTL) {
                echo.extend_from_slice(b"^\x08");
            }
        } else if modes.is_key(byte, Key::Eof) {
            self.finish();
        } else if byte == b'\n' {
            if modes.has_local(raw::ECHO) || modes.has_local(raw::ECHONL) {
                echo.push(b'\n');
            }
            self.edit.push(byte);
            self.finish();
        } else if modes.is_key(byte, Key::Eol) || extended && modes.is_key(byte, Key::Eol2) {
            self.add(byte, modes, echo);
            self.finish();
        } else {
            self.add(byte, modes, echo);
        }
    }

    fn add(&mut self, byte: u8, modes: &Termios, echo: &mut Vec<u8>) {
        if !modes.is_canonical() {
            return self.raw(byte, modes, echo);
        }
        // The last place is kept for the end of the line.
        if self.edit.len() + self.ready.len() + 1 >= CAPACITY {
            if modes.has_input(raw::IMAXBEL) {
                echo.push(0x07);
            }
            return;
        }
        self.edit.push(byte);
        if modes.has_local(raw::ECHO) {
            show(byte, modes, echo);
        }
    }

    fn finish(&mut self) {
        self.lines.push_back(self.edit.len());
        self.ready.extend(self.edit.drain(..));
    }

    /// Removes `count` characters from the end of the line.
    fn erase(&mut self, modes: &Termios, echo: &mut Vec<u8>, count: usize) {
        for _ in 0..count {
            let before = self.width(modes);
            let Some(byte) = self.edit.pop() else { return };
            if modes.has_input(raw::IUTF8) && byte & 0xc0 == 0x80 {
                while self.edit.last().is_some_and(|b| b & 0xc0 == 0x80) {
                    self.edit.pop();
                }
                self.edit.pop();
            }
            if !modes.has_local(raw::ECHO) {
                continue;
            }
            if modes.has_local(raw::ECHOE) {
                // A tab takes back more than one column, and leaves nothing to wipe out.
                let wipe: &[u8] = if byte == TAB { b"\x08" } else { b"\x08 \x08" };
                for _ in 0..before - self.width(modes) {
                    echo.extend_from_slice(wipe);
                }
            } else {
                show(modes.key(Key::Erase), modes, echo);
            }
        }
    }

    fn kill(&mut self, modes: &Termios, echo: &mut Vec<u8>) {
        let visual = [raw::ECHOKE, raw::ECHOE, raw::ECHOK].into_iter().all(|flag| modes.has_local(flag));
        if !modes.has_local(raw::ECHO) || visual {
            self.erase(modes, echo, self.edit.len());
            return;
        }
        self.edit.clear();
        show(modes.key(Key::Kill), modes, echo);
        if modes.has_local(raw::ECHOK) {
            echo.push(b'\n');
        }
    }

    /// Characters in the last word and the blanks behind it.
    fn last_word(&self) -> usize {
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
        let blanks = self.edit.iter().rev().take_while(|b| !is_word(b)).count();
        let word = self.edit.iter().rev().skip(blanks).take_while(|b| is_word(b));
        // A multi-byte character is one to erase.
        blanks + word.filter(|b| *b & 0xc0 != 0x80).count()
    }

    fn reprint(&self, byte: u8, modes: &Termios, echo: &mut Vec<u8>) {
        if !modes.has_local(raw::ECHO) {
            return;
        }
        show(byte, modes, echo);
        echo.push(b'\n');
        for &b in &self.edit {
            show(b, modes, echo);
        }
    }

    /// Columns that the line being edited takes on the screen.
    fn width(&self, modes: &Termios) -> usize {
        let start = self.start_column;
        let end = self.edit.iter().fold(start, |column, &b| match b {
            TAB => (column / TAB_WIDTH + 1) * TAB_WIDTH,
            _ if is_control(b) => column + if modes.has_local(raw::ECHOCTL) { 2 } else { 0 },
            _ if modes.has_input(raw::IUTF8) && b & 0xc0 == 0x80 => column,
            _ => column + 1,
        });
        end - start
    }

    /// Throws all input away.
    pub fn flush(&mut self) {
        self.edit.clear();
        self.ready.clear();
        self.lines.clear();
        self.literal = false;
    }

    /// The mode has changed between canonical and not: what was typed so far can be read now.
    pub fn change_mode(&mut self) {
        self.ready.extend(self.edit.drain(..));
        self.lines.clear();
        self.literal = false;
        if !self.ready.is_empty() {
            self.lines.push_back(self.ready.len());
        }
    }

    /// Bytes that can be read at once.
    pub fn available(&self, canonical: bool) -> usize {
        if canonical { self.lines.front().copied().unwrap_or(0) } else { self.ready.len() }
    }

    /// Bytes that there is room for.
    pub fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.ready.len() + self.edit.len())
    }

    /// Whether a canonical read would not wait.
    pub fn has_line(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Takes what a read gets: a line or the rest of one, or (not canonical) whatever there is. At most `limit` bytes.
    pub fn take(&mut self, canonical: bool, limit: usize) -> Vec<u8> {
        let n = self.available(canonical).min(limit);
        if canonical && let Some(len) = self.lines.front_mut() {
            *len -= n;
            if *len == 0 {
                self.lines.pop_front();
            }
        }
        self.ready.drain(..n).collect()
    }

    /// Puts back what [`take`](Self::take) gave and the reader could not be given.
    pub fn put_back(&mut self, canonical: bool, bytes: &[u8]) {
        for &b in bytes.iter().rev() {
            self.ready.push_front(b);
        }
        if canonical && !bytes.is_empty() {
            self.lines.push_front(bytes.len());
        }
    }
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// Echoes a byte, control characters as ^X.
fn show(byte: u8, modes: &Termios, echo: &mut Vec<u8>) {
    if is_control(byte) && byte != TAB && byte != b'\n' && modes.has_local(raw::ECHOCTL) {
        echo.extend_from_slice(&[b'^', byte ^ 0x40]);
    } else {
        echo.push(byte);
    }
}
