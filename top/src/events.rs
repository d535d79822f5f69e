//! Whatever happens: keys, lines of the machine, signals; each waited for by a thread of its own.

use crate::link::{Link, LinkError};
use profile::live::line::Line;
use ratatui_crossterm::crossterm::event::{self, KeyEvent};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub enum Event {
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// The terminal has gone.
    Hangup(io::Error),
    Said(Result<Line, LinkError>),
    Signal(i32),
}

/// Waits for everything from now on. The threads end with the process.
pub fn all(link: Link) -> io::Result<Receiver<Event>> {
    let (sender, receiver) = channel();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    let (lines, caught) = (sender.clone(), sender.clone());
    start("keys", move || keys(&sender))?;
    start("lines", move || said(link, &lines))?;
    start("signals", move || {
        for signal in signals.forever() {
            let _ = caught.send(Event::Signal(signal));
        }
    })?;
    Ok(receiver)
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop)
}

fn keys(sender: &Sender<Event>) {
    loop {
        let event = match event::read() {
            Ok(event::Event::Key(key)) => Event::Key(key),
            Ok(event::Event::Resize(..)) => Event::Resized,
            Ok(_) => continue,
            Err(error) => {
                let _ = sender.send(Event::Hangup(error));
                return;
            }
        };
        if sender.send(event).is_err() {
            return;
        }
    }
}

fn said(mut link: Link, sender: &Sender<Event>) {
    loop {
        let line = link.next_line();
        let is_last = !matches!(line, Ok(Line::Window(_)));
        if sender.send(Event::Said(line)).is_err() || is_last {
            return;
        }
    }
}
