//! The terminal, as a program and a typist see it.

use super::control::When;
use super::terminal::WindowSize;
use super::termios::{Key, SIZE};
use super::{Channel, ConsoleHost, Stream, Terminal, Termios};
use crate::errno::{Errno, Result};
use crate::fs::file::{FileOps, Io};
use crate::fs::poll::Events;
use crate::fs::tests::world::User;
use linux_raw_sys::general as raw;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Keeps what is printed and which signals are sent.
#[derive(Default)]
struct Host {
    printed: RefCell<Vec<u8>>,
    errors: RefCell<Vec<u8>>,
    signals: RefCell<Vec<(u32, u32)>>,
    now: Cell<u64>,
}

impl ConsoleHost for Host {
    fn write(&self, channel: Channel, bytes: &[u8]) {
        let to = if channel == Channel::Out { &self.printed } else { &self.errors };
        to.borrow_mut().extend(bytes);
    }
    fn signal_group(&self, group: u32, signal: u32) {
        self.signals.borrow_mut().push((group, signal));
    }
    fn now(&self) -> u64 {
        self.now.get()
    }
}

struct Desk {
    host: Rc<Host>,
    tty: Terminal,
    user: User,
}

impl Desk {
    fn new() -> Self {
        let host = Rc::new(Host::default());
        let tty = Terminal::new(host.clone(), WindowSize { rows: 24, columns: 80, ..Default::default() });
        let user = User::default();
        tty.take_control(&user, false).unwrap();
        Self { host, tty, user }
    }

    fn with(change: impl FnOnce(&mut Termios)) -> Self {
        let desk = Self::new();
        desk.set(change);
        desk
    }

    fn set(&self, change: impl FnOnce(&mut Termios)) {
        let mut modes = self.tty.modes();
        change(&mut modes);
        self.tty.set_modes(&self.user, modes, When::Now).unwrap();
    }

    fn type_(&self, keys: &str) {
        assert_eq!(self.tty.input(keys.as_bytes()), keys.len());
    }

    fn read_as(&self, len: usize, timed_out: bool) -> Result<String> {
        let mut bytes = vec![0; len];
        let n = self.tty.read(&Io { caller: &self.user, offset: 0, timed_out }, &mut &mut bytes[..])?;
        Ok(String::from_utf8(bytes[..n].to_vec()).unwrap())
    }

    fn read(&self, len: usize) -> Result<String> {
        self.read_as(len, false)
    }

    fn print(&self, text: &str) -> Result<usize> {
        self.tty.write(&Io { caller: &self.user, offset: 0, timed_out: false }, &mut text.as_bytes())
    }

    /// What has been printed since the last time.
    fn screen(&self) -> String {
        String::from_utf8(self.host.printed.take()).unwrap()
    }

    fn ready(&self) -> Events {
        self.tty.poll(&mut |_| {})
    }
}

#[test]
fn lines_come_whole_and_one_at_a_time() {
    let d = Desk::new();
    d.type_("hel");
    assert_eq!(d.read(100), Err(Errno::EAGAIN));
    assert!(!d.ready().contains(Events::IN));
    d.type_("lo\rnext\r");
    assert!(d.ready().contains(Events::IN));
    assert_eq!(d.tty.readable_bytes(), Ok(6));
    assert_eq!(d.read(3), Ok("hel".into()));
    assert_eq!(d.read(100), Ok("lo\n".into()));
    assert_eq!(d.read(100), Ok("next\n".into()));
    assert_eq!(d.read(100), Err(Errno::EAGAIN));
    assert_eq!(d.screen(), "hello\r\nnext\r\n");
}

#[test]
fn editing_a_line() {
    for (keys, line, screen) in [
        ("ab\x7fc\r", "ac\n", "ab\x08 \x08c\r\n"),
        ("\x7fx\r", "x\n", "x\r\n"),
        ("one two\x17three\r", "one three\n", "one two\x08 \x08\x08 \x08\x08 \x08three\r\n"),
        ("wrong\x15ok\r", "ok\n", "wrong\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08ok\r\n"),
        // A control character takes two columns, and a character of several bytes is one.
        ("\x01\x7fz\r", "z\n", "^A\x08 \x08\x08 \x08z\r\n"),
        ("é\x7fe\r", "e\n", "é\x08 \x08e\r\n"),
        ("日本\x7f\r", "日\n", "日本\x08 \x08\r\n"),
        // ^V takes the next one as it is.
        ("\x16\x03\r", "\x03\n", "^\x08^C\r\n"),
        // ^R shows the line again.
        ("abc\x12\r", "abc\n", "abc^R\r\nabc\r\n"),
        ("a\tb\x7f\x7fc\r", "ac\n", "a\tb\x08 \x08\x08\x08\x08\x08\x08\x08\x08c\r\n"),
    ] {
        let d = Desk::new();
        d.type_(keys);
        assert_eq!(d.read(100), Ok(line.into()), "{keys:?}");
        assert_eq!(d.screen(), screen, "{keys:?}");
    }
}

#[test]
fn end_of_file_is_a_line_of_its_own() {
    let d = Desk::new();
    d.type_("\x04");
    assert_eq!(d.read(10), Ok(String::new()));
    assert_eq!(d.read(10), Err(Errno::EAGAIN));
    d.type_("abc\x04");
    assert_eq!(d.read(10), Ok("abc".into()));
    assert_eq!(d.read(10), Err(Errno::EAGAIN));
    assert_eq!(d.screen(), "abc");
    d.tty.input_ended();
    assert_eq!(d.read(10), Ok(String::new()));
    assert_eq!(d.read(10), Ok(String::new()));
}

#[test]
fn keys_that_are_signals() {
    let d = Desk::new();
    d.type_("lost\x03\x1c\x1a");
    let signals = [raw::SIGINT, raw::SIGQUIT, raw::SIGTSTP].map(|s| (10, s));
    assert_eq!(*d.host.signals.borrow(), signals);
    assert_eq!(d.screen(), "lost^C^\\^Z");
    d.type_("kept\r");
    assert_eq!(d.read(10), Ok("kept\n".into()));
    d.set(|m| m.local &= !raw::ISIG);
    d.type_("\x03\r");
    assert_eq!(d.read(10), Ok("\x03\n".into()));
    assert_eq!(d.host.signals.borrow().len(), 3);
    // Nobody is in the foreground: nobody is hit.
    let d = Desk::new();
    d.tty.session_ended(10);
    d.host.signals.take();
    d.type_("\x03");
    assert!(d.host.signals.borrow().is_empty());
}

#[test]
fn raw_input_comes_byte_by_byte() {
    let d = Desk::with(|m| {
        m.local &= !(raw::ICANON | raw::ECHO | raw::ISIG | raw::IEXTEN);
        m.input &= !(raw::ICRNL | raw::IXON);
    });
    d.type_("a\r\x03\x7f\x11");
    assert_eq!(d.read(100), Ok("a\r\x03\x7f\x11".into()));
    assert_eq!(d.read(100), Err(Errno::EAGAIN));
    assert_eq!(d.screen(), "");
    // What does not fit waits outside.
    assert_eq!(d.tty.input(&[b'x'; 5000]), super::line::CAPACITY);
    assert_eq!(d.tty.input(b"y"), 0);
    assert_eq!(d.read(10_000).unwrap().len(), super::line::CAPACITY);
    assert_eq!(d.tty.input(b"y"), 1);
}

fn raw_with(min: u8, time: u8) -> Desk {
    Desk::with(|m| {
        m.local &= !(raw::ICANON | raw::ECHO);
        m.keys[Key::Min as usize] = min;
        m.keys[Key::Time as usize] = time;
    })
}

#[test]
fn min_and_time() {
    // Neither: never waits.
    let d = raw_with(0, 0);
    assert_eq!(d.read(5), Ok(String::new()));
    assert!(!d.ready().contains(Events::IN));
    d.type_("x");
    assert_eq!(d.read(5), Ok("x".into()));

    // Time alone: from the start of the read.
    let d = raw_with(0, 3);
    assert_eq!(d.read(5), Err(Errno::EAGAIN));
    assert_eq!(d.tty.read_deadline(1000), Some(300_001_000));
    assert_eq!(d.read_as(5, true), Ok(String::new()));

    // Min alone: as many as that, or as the reader has room for.
    let d = raw_with(3, 0);
    d.type_("ab");
    assert_eq!(d.read(5), Err(Errno::EAGAIN));
    assert_eq!(d.tty.read_deadline(0), None);
    assert_eq!(d.read(2), Ok("ab".into()));

    // Both: the time runs between bytes.
    let d = raw_with(3, 1);
    assert_eq!(d.tty.read_deadline(0), None);
    d.host.now.set(5_000);
    d.type_("a");
    assert_eq!(d.read(5), Err(Errno::EAGAIN));
    assert_eq!(d.tty.read_deadline(0), Some(100_005_000));
    assert_eq!(d.read_as(5, true), Ok("a".into()));
}

#[test]
fn what_was_typed_survives_a_change_of_mode() {
    let d = Desk::new();
    d.type_("half");
    d.set(|m| m.local &= !raw::ICANON);
    assert_eq!(d.read(10), Ok("half".into()));
    d.type_("raw");
    d.set(|m| m.local |= raw::ICANON);
    assert_eq!(d.read(10), Ok("raw".into()));
    d.type_("gone");
    d.tty.set_modes(&d.user, d.tty.modes(), When::Flushed).unwrap();
    d.type_("\r");
    assert_eq!(d.read(10), Ok("\n".into()));
}

#[test]
fn a_line_that_is_too_long_ends_all_the_same() {
    let d = Desk::new();
    d.type_(&"x".repeat(10_000));
    d.type_("\r");
    let line = d.read(20_000).unwrap();
    assert_eq!(line.len(), super::line::CAPACITY);
    assert!(line.ends_with("x\n"));
}

#[test]
fn output_is_processed() {
    let d = Desk::new();
    assert_eq!(d.print("a\nb\tc"), Ok(5));
    assert_eq!(d.screen(), "a\r\nb\tc");
    d.set(|m| m.output |= raw::XTABS);
    d.print("\rab\tc\n").unwrap();
    assert_eq!(d.screen(), "\rab      c\r\n");
    d.set(|m| m.output &= !raw::OPOST);
    d.print("a\nb").unwrap();
    assert_eq!(d.screen(), "a\nb");
    let long = "line\n".repeat(2000);
    d.set(|m| m.output = raw::OPOST | raw::ONLCR);
    assert_eq!(d.print(&long), Ok(long.len()));
    assert_eq!(d.screen(), long.replace('\n', "\r\n"));
}

#[test]
fn output_stops_and_goes_on() {
    let d = Desk::new();
    d.type_("\x13");
    assert_eq!(d.print("x"), Err(Errno::EAGAIN));
    assert!(!d.ready().contains(Events::OUT));
    d.type_("echo");
    assert_eq!(d.screen(), "");
    d.type_("\x11");
    assert_eq!(d.screen(), "echo");
    assert_eq!(d.print("x"), Ok(1));
    d.tty.flow(&d.user, raw::TCOOFF).unwrap();
    assert_eq!(d.print("x"), Err(Errno::EAGAIN));
    d.tty.flow(&d.user, raw::TCOON).unwrap();
    assert_eq!(d.print("x"), Ok(1));
}

#[test]
fn who_is_in_the_background_may_not_read() {
    let d = Desk::new();
    d.user.group.set(55);
    d.type_("x\r");
    assert_eq!(d.read(1), Err(Errno::ERESTARTSYS));
    assert_eq!(*d.user.signals.borrow(), [(55, raw::SIGTTIN)]);
    d.user.shuts_out.set(true);
    assert_eq!(d.read(1), Err(Errno::EIO));
    d.user.shuts_out.set(false);
    d.user.orphaned.set(true);
    assert_eq!(d.read(1), Err(Errno::EIO));
    d.user.orphaned.set(false);
    // Writing is allowed unless TOSTOP is set.
    assert_eq!(d.print("x"), Ok(1));
    d.user.group.set(10);
    d.set(|m| m.local |= raw::TOSTOP);
    d.user.group.set(55);
    d.user.signals.take();
    assert_eq!(d.print("x"), Err(Errno::ERESTARTSYS));
    assert_eq!(*d.user.signals.borrow(), [(55, raw::SIGTTOU)]);
    d.user.shuts_out.set(true);
    assert_eq!(d.print("x"), Ok(1));
    // Another session's business it is not.
    d.user.session.set(99);
    assert_eq!(d.read(1), Ok("x".into()));
}

#[test]
fn the_foreground_group() {
    let d = Desk::new();
    assert_eq!(d.tty.foreground(&d.user), Ok(10));
    d.tty.set_foreground(&d.user, 20).unwrap();
    // The caller is in the background now; a shell ignores SIGTTOU to take the terminal back.
    assert_eq!(d.tty.set_foreground(&d.user, 10), Err(Errno::ERESTARTSYS));
    d.user.shuts_out.set(true);
    d.tty.set_foreground(&d.user, 10).unwrap();
    assert_eq!(d.tty.session(&d.user), Ok(10));
    d.user.session.set(3);
    assert_eq!(d.tty.foreground(&d.user), Err(Errno::ENOTTY));
    assert_eq!(d.tty.set_foreground(&d.user, 3), Err(Errno::ENOTTY));
}

#[test]
fn one_session_at_a_time() {
    let d = Desk::new();
    d.user.session.set(30);
    assert_eq!(d.tty.take_control(&d.user, false), Err(Errno::EPERM));
    d.user.process.set(30);
    assert_eq!(d.tty.take_control(&d.user, false), Err(Errno::EPERM));
    d.tty.take_control(&d.user, true).unwrap();
    assert!(d.tty.controls(&d.user));
    d.tty.session_ended(10);
    assert!(d.tty.controls(&d.user));
    d.tty.give_up(&d.user).unwrap();
    assert!(!d.tty.controls(&d.user));
    assert_eq!(*d.host.signals.borrow(), [(10, raw::SIGHUP), (10, raw::SIGCONT)]);
    d.tty.offer_control(&d.user);
    assert!(d.tty.controls(&d.user));
}

#[test]
fn a_new_size_is_told() {
    let d = Desk::new();
    let size = WindowSize { rows: 50, columns: 100, width: 0, height: 0 };
    d.tty.resize(size);
    d.tty.resize(size);
    assert_eq!(d.tty.size(), size);
    assert_eq!(*d.host.signals.borrow(), [(10, raw::SIGWINCH)]);
}

#[test]
fn termios_has_linux_layout() {
    let bytes = Termios::default().to_bytes();
    // As `stty -g` of a new Linux terminal shows it: 4500 (with IUTF8), 5, bf, 8a3b.
    let words: Vec<u32> = bytes[..16].chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
    assert_eq!(words, [0x4500, 0x5, 0x4bf, 0x8a3b]);
    assert_eq!(&bytes[17..34], b"\x03\x1c\x7f\x15\x04\0\x01\0\x11\x13\x1a\0\x12\x0f\x17\x16\0");
    assert_eq!(Termios::from_bytes(&bytes[..SIZE].try_into().unwrap()), Termios::default());
}

fn stream() -> (Rc<Host>, Stream, User) {
    let host = Rc::new(Host::default());
    (host.clone(), Stream::new(host), User::default())
}

#[test]
fn streams_change_nothing() {
    let (host, stream, user) = stream();
    let io = Io { caller: &user, offset: 0, timed_out: false };
    let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let out = stream.end(Some(Channel::Out));
    let mut source = &all[..];
    while !source.is_empty() {
        out.write(&io, &mut source).unwrap();
    }
    assert_eq!(*host.printed.borrow(), all);
    stream.end(Some(Channel::Err)).write(&io, &mut &b"oops\n"[..]).unwrap();
    assert_eq!(*host.errors.borrow(), b"oops\n");

    let input = stream.end(None);
    assert_eq!(stream.input(&all), all.len());
    let mut read: Vec<u8> = Vec::new();
    while read.len() < all.len() {
        let mut bytes = [0; 777];
        let n = input.read(&io, &mut &mut bytes[..]).unwrap();
        read.extend(&bytes[..n]);
    }
    assert_eq!(read, all);
    assert_eq!(input.read(&io, &mut &mut [0; 1][..]), Err(Errno::EAGAIN));
    assert!(!input.poll(&mut |_| {}).contains(Events::IN));
    stream.input_ended();
    assert_eq!(input.read(&io, &mut &mut [0; 1][..]), Ok(0));
    assert!(input.poll(&mut |_| {}).contains(Events::HUP));
    assert!(input.terminal().is_none());
}

#[test]
fn a_stream_takes_no_more_input_than_it_holds() {
    let (_, stream, user) = stream();
    let much = vec![1; super::stream::CAPACITY + 5];
    assert_eq!(stream.input(&much), super::stream::CAPACITY);
    assert_eq!(stream.input(b"x"), 0);
    let io = Io { caller: &user, offset: 0, timed_out: false };
    assert_eq!(stream.end(None).read(&io, &mut &mut [0; 3][..]), Ok(3));
    assert_eq!(stream.input(b"wxyz"), 3);
}
