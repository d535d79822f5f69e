//! What is seen of a machine, and how keys change it.

use crate::panel::Lines;
use crate::{header, ipc, requests, threads};
use profile::live::window::Window;
use ratatui_crossterm::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Tables on the screen.
pub const PANELS: usize = 3;
/// Lines of a table without which it is no use beside others: its heading and two rows.
const LEAST: usize = 3;

#[derive(Default)]
pub struct View {
    /// The window that is shown, once there is one.
    window: Option<Box<Window>>,
    pub paused: bool,
    pub help: bool,
    threads: threads::Sort,
    requests: requests::Sort,
    /// The table that the arrows move in.
    focus: usize,
    /// The first row that is seen of each.
    first: [usize; PANELS],
    /// Rows that were seen of the one in focus.
    seen: usize,
}

/// What is to be seen in so many lines and columns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    pub header: Vec<String>,
    /// Those that there is room for.
    pub panels: Vec<Part>,
    pub footer: String,
}

/// A table, as far as it is seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    pub lines: Lines,
    pub has_focus: bool,
    /// Lines that it takes, with its heading.
    pub height: usize,
}

pub const HELP: [&str; 14] = [
    "q, Ctrl-C   quit",
    "h, ?        this help",
    "p, space    pause",
    "Tab         the next table: in a small",
    "            terminal the only one",
    "arrows      move in it (also Home, End,",
    "            Page Up, Page Down)",
    "c i f s n   sort threads by CPU, IPC,",
    "            faults, system calls, name",
    "o           sort system calls by time or",
    "            by number",
    "",
    "CPU is user mode and what the kernel did",
    "since the thread entered it.",
];

impl View {
    /// Another second is over.
    pub fn update(&mut self, window: Box<Window>) {
        if !self.paused || self.window.is_none() {
            self.window = Some(window);
        }
    }

    /// A key was pressed. False: it is the end.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return true;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return key.code != KeyCode::Char('c');
        }
        if std::mem::take(&mut self.help) {
            return key.code != KeyCode::Char('q');
        }
        match key.code {
            KeyCode::Char('q') => return false,
            KeyCode::Char('h' | '?') => self.help = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('c') => self.threads = threads::Sort::Cpu,
            KeyCode::Char('i') => self.threads = threads::Sort::Ipc,
            KeyCode::Char('f') => self.threads = threads::Sort::Faults,
            KeyCode::Char('s') => self.threads = threads::Sort::Calls,
            KeyCode::Char('n') => self.threads = threads::Sort::Name,
            KeyCode::Char('o') => {
                self.requests = match self.requests {
                    requests::Sort::Time => requests::Sort::Count,
                    requests::Sort::Count => requests::Sort::Time,
                }
            }
            KeyCode::Tab => self.focus = (self.focus + 1) % PANELS,
            KeyCode::BackTab => self.focus = (self.focus + PANELS - 1) % PANELS,
            code => self.scroll(code),
        }
        true
    }

    fn scroll(&mut self, code: KeyCode) {
        let page = self.seen.max(1);
        let first = &mut self.first[self.focus];
        *first = match code {
            KeyCode::Up => first.saturating_sub(1),
            KeyCode::Down => first.saturating_add(1),
            KeyCode::PageUp => first.saturating_sub(page),
            KeyCode::PageDown => first.saturating_add(page),
            KeyCode::Home => 0,
            // As far as there are rows, which is known when they are shown.
            KeyCode::End => usize::MAX,
            _ => *first,
        };
    }

    /// What is to be seen. What is scrolled too far is set right.
    pub fn page(&mut self, height: usize, width: usize) -> Page {
        let Some(window) = &self.window else {
            return Page { header: vec!["waiting for the first second".into()], ..Page::default() };
        };
        let mut header = header::lines(window, width);
        let all = [
            threads::panel(window, self.threads).lines(width),
            ipc::panel(window).lines(width),
            requests::panel(window, self.requests).lines(width),
        ];
        let rows = all.each_ref().map(|lines| lines.rows.len());
        // Where there is hardly any room, the tables matter more.
        header.truncate(height.saturating_sub(LEAST + 1).max(1));
        let heights = heights(height.saturating_sub(header.len() + 1), rows, self.focus);
        for (n, first) in self.first.iter_mut().enumerate() {
            *first = (*first).min(rows[n].saturating_sub(heights[n].saturating_sub(1).max(1)));
        }
        self.seen = heights[self.focus].saturating_sub(1);
        let part = |(n, lines): (usize, Lines)| Part {
            has_focus: n == self.focus,
            height: heights[n],
            lines: Lines {
                rows: lines.rows.into_iter().skip(self.first[n]).take(heights[n].saturating_sub(1)).collect(),
                ..lines
            },
        };
        let panels = all.into_iter().enumerate().map(part).filter(|part| part.height > 0).collect();
        Page { header, panels, footer: self.footer(rows[self.focus]) }
    }

    fn footer(&self, rows: usize) -> String {
        let state = if self.paused { "PAUSED" } else { "q quits, h helps" };
        let from = (self.first[self.focus] + 1).min(rows);
        let to = (self.first[self.focus] + self.seen).min(rows);
        format!("{state}  by {}  {from}–{to} of {rows}", self.threads.name())
    }
}

/// How many lines each table gets, with its heading, of `room`, if it has so many rows.
fn heights(room: usize, rows: [usize; PANELS], focus: usize) -> [usize; PANELS] {
    let mut heights = [0; PANELS];
    if room < PANELS * LEAST {
        heights[focus] = room;
        return heights;
    }
    heights = [LEAST; PANELS];
    let wanted = rows.map(|rows| rows + 1);
    for _ in PANELS * LEAST..room {
        // To the one with fewest of those that have not enough; what nobody needs, to the last.
        let poorest = (0..PANELS).filter(|n| heights[*n] < wanted[*n]).min_by_key(|n| heights[*n]);
        heights[poorest.unwrap_or(PANELS - 1)] += 1;
    }
    heights
}

#[cfg(test)]
mod tests;
