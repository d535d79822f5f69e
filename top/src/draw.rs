//! Puts a view on a terminal.

use crate::view::{HELP, Page, Part, View};
use ratatui_core::layout::Rect;
use ratatui_core::style::{Modifier, Style};
use ratatui_core::terminal::Frame;
use ratatui_core::text::Line;

pub fn draw(view: &mut View, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut lines = Lines { frame, area, next: 0 };
    if view.help {
        HELP.into_iter().for_each(|line| lines.put(line, Style::new()));
        return;
    }
    let Page { header, panels, footer } = view.page(area.height.into(), area.width.into());
    for (n, line) in header.iter().enumerate() {
        let style = if n == 0 { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        lines.put(line, style);
    }
    for Part { lines: part, has_focus, height } in &panels {
        let weight = if *has_focus { Modifier::BOLD } else { Modifier::DIM };
        lines.put(&part.heading, Style::new().add_modifier(Modifier::REVERSED | weight));
        part.rows.iter().for_each(|row| lines.put(row, Style::new()));
        lines.skip(height.saturating_sub(part.rows.len() + 1));
    }
    lines.put(&footer, Style::new().add_modifier(Modifier::DIM));
}

/// A terminal, line by line.
struct Lines<'a, 'b> {
    frame: &'a mut Frame<'b>,
    area: Rect,
    next: u16,
}

impl Lines<'_, '_> {
    /// Writes a line, if there is room; its style is that of the whole line.
    fn put(&mut self, text: &str, style: Style) {
        if self.next < self.area.height {
            let place = Rect { y: self.area.y + self.next, height: 1, ..self.area };
            self.frame.buffer_mut().set_style(place, style);
            self.frame.render_widget(Line::styled(text, style), place);
        }
        self.skip(1);
    }

    fn skip(&mut self, lines: usize) {
        self.next = self.next.saturating_add(u16::try_from(lines).unwrap_or(u16::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ratatui_core::backend::TestBackend;
    use ratatui_core::terminal::Terminal;
    use ratatui_crossterm::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    /// What a terminal of this size shows.
    fn screen(view: &mut View, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(view, frame)).unwrap();
        let cells = terminal.backend().buffer().content();
        let row =
            |row: &[ratatui_core::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
        cells.chunks(width.into()).map(|cells| row(cells).trim_end().to_string()).collect()
    }

    fn view() -> View {
        let mut view = View::default();
        view.update(Box::new(sample::window()));
        view
    }

    #[test]
    fn a_terminal_of_the_usual_size() {
        let expected = "\
ukvmm 4711  up 1:02:05  --servers linux --live -- cat /disk
vCPU 0  guest  35.0 % (user 25.0 %, kernel 15.0 %)  host   5.0 %  idle  60.0 %
VM exits 934/s: I/O port 900, MMIO 34.0
records 35 000/s, none dropped, measuring 3.0 %
THREAD                      TASK STATE            CPU    IPC/s  FAULT/s   CALL/s
linux                          5 receives      25.0 %    3 000        –        –
linux: cat[7]                 10 in read       12.5 %        –     20.0    2 000
block                          6 receives       2.5 %    1 000        –        –
console                        3 receives       0.0 %        –        –        –
CLIENT → SERVER                                       CALL/s      MEAN       MAX
linux: cat[7] → linux                                  2 020   5.00 µs  25.00 µs
linux → block                                          1 000   5.00 µs  25.00 µs
SYSTEM CALL               CALL/s    TIME       p50       p90       p99       MAX
read                       1 000  10.0 %    100 µs    200 µs    300 µs   1000 µs
getpid                     1 000   0.1 %   1.00 µs   2.00 µs   3.00 µs  10.00 µs
page fault                  20.0   0.0 %   2.50 µs   5.00 µs   7.50 µs  25.00 µs







q quits, h helps  by CPU  1–4 of 4";
        let screen = screen(&mut view(), 80, 24);
        assert_eq!(screen.join("\n"), expected);
    }

    #[test]
    fn every_size_can_be_drawn() {
        for (width, height) in [(1, 1), (2, 40), (40, 24), (40, 5), (300, 3), (80, 1), (500, 200)] {
            let screen = screen(&mut view(), width, height);
            assert!(screen[0].starts_with('u') || width < 3, "{screen:?}");
        }
        let narrow = screen(&mut view(), 40, 24);
        assert_eq!(narrow[1], "vCPU 0: guest 35 %, host 5 %, idle 60 %");
        assert_eq!(narrow[4], "THREAD             CPU    IPC/s   CALL/s");
        assert_eq!(narrow[6], "linux: cat[7]   12.5 %        –    2 000");
    }

    #[test]
    fn help_is_shown_instead() {
        let mut view = view();
        view.key(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::NONE));
        assert_eq!(screen(&mut view, 40, 20)[..HELP.len()], HELP.map(str::to_string));
    }
}
