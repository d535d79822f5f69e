//! The console: a terminal with a line discipline, or plain streams.
//!
//! Which of the two depends on the host. If `ukvmm`'s standard input is a terminal, programs get one too: what they
//! see is Linux's `N_TTY`. If not, descriptors 0, 1 and 2 are streams that change no byte, so that output is that of the same
//! program on the host.
//!
//! Input is pushed in from outside ([`Terminal::input`], [`Stream::input`]); output goes to a [`ConsoleHost`].
//!
//! - [`termios`]: modes and special characters
//! - [`line`]: editing a line, and what can be read
//! - [`output`]: what becomes of the bytes that programs write
//! - [`terminal`]: the terminal: reading, writing, who may
//! - [`control`]: the terminal's ioctls and job control
//! - [`stream`]: the console that is no terminal
//! - [`console`]: which of them descriptors 0, 1, 2 and the files in `/dev` are

pub mod console;
pub mod control;
pub mod line;
pub mod output;
pub mod stream;
pub mod terminal;
pub mod termios;

pub use console::Console;
pub use stream::Stream;
pub use terminal::Terminal;
pub use termios::Termios;

/// Where output goes. The numbers are the host's file descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    Out = 1,
    Err = 2,
}

/// What the console needs of the world.
pub trait ConsoleHost {
    /// Prints bytes, all of them.
    fn write(&self, channel: Channel, bytes: &[u8]);
    /// Sends a signal to a process group, because of a key or a change of size.
    fn signal_group(&self, group: u32, signal: u32);
    /// Monotonic time in nanoseconds.
    fn now(&self) -> u64;
    /// A program has read: there may be room for input that [`Console::input`] did not take.
    fn input_wanted(&self) {}
}

#[cfg(test)]
mod tests;
