//! The terminal: taken while a machine is watched, and given back however that ends.

use crate::draw::draw;
use crate::events::{self, Event};
use crate::link::{Link, LinkError};
use crate::view::View;
use profile::live::line::{End, Line};
use ratatui_core::terminal::Terminal;
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::cursor::{Hide, Show};
use ratatui_crossterm::crossterm::execute;
use ratatui_crossterm::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::io::{self, stdout};
use std::panic;

/// Why it is over.
#[derive(Debug)]
pub enum Over {
    /// The user has seen enough.
    Quit,
    Ended(End),
    /// We are to die of it.
    Signal(i32),
}

#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] io::Error),
}

/// Shows the machine until something ends that. The terminal is as it was, then.
pub fn run(link: Link) -> Result<Over, ScreenError> {
    let events = events::all(link)?;
    let screen = Screen::take()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    let mut view = View::default();
    let over = loop {
        terminal.draw(|frame| draw(&mut view, frame))?;
        match events.recv() {
            Ok(Event::Key(key)) => {
                if !view.key(key) {
                    break Over::Quit;
                }
            }
            Ok(Event::Resized) => {}
            Ok(Event::Said(line)) => match line? {
                Line::Window(window) => view.update(window),
                Line::End(end) => break Over::Ended(end),
                Line::Busy(busy) => return Err(LinkError::Busy(busy.clients).into()),
            },
            Ok(Event::Signal(signal)) => break Over::Signal(signal),
            Ok(Event::Hangup(error)) => return Err(error.into()),
            Err(_) => return Err(io::Error::other("nobody waits for its keys any more").into()),
        }
    };
    drop(screen);
    Ok(over)
}

/// The terminal is ours while this lives.
struct Screen;

impl Screen {
    fn take() -> io::Result<Self> {
        let default_hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            default_hook(info);
        }));
        enable_raw_mode()?;
        let this = Self;
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        Ok(this)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// A terminal that has gone need not be given back.
fn give_back() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
