use super::*;
use crate::sample;

fn key(view: &mut View, code: KeyCode) -> bool {
    view.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn keys(view: &mut View, keys: &str) {
    keys.chars().for_each(|letter| assert!(key(view, KeyCode::Char(letter)), "{letter}"));
}

fn view() -> View {
    let mut view = View::default();
    view.update(Box::new(sample::window()));
    view
}

fn names(part: &Part) -> Vec<&str> {
    part.lines.rows.iter().map(|row| row.split("  ").next().unwrap_or(row)).collect()
}

#[test]
fn every_table_has_its_part_and_no_line_is_too_long() {
    for height in 0..40 {
        for width in 1..120 {
            let page = view().page(height, width);
            let lines: usize = page.panels.iter().map(|part| part.height).sum();
            assert!(page.header.len() + lines < height.max(3), "{height}x{width}");
            let all = page.header.iter().chain(page.panels.iter().flat_map(|part| &part.lines.rows));
            assert!(all.into_iter().all(|line| line.chars().count() <= width), "{height}x{width}");
        }
    }
    let page = view().page(24, 80);
    let shown: Vec<_> = page.panels.iter().map(|part| (part.lines.rows.len(), part.has_focus)).collect();
    assert_eq!(shown, [(4, true), (2, false), (3, false)]);
    let page = view().page(10, 40);
    assert_eq!(
        (page.panels.len(), names(&page.panels[0])),
        (1, vec!["linux", "linux: cat[7]", "block", "console"])
    );
}

#[test]
fn keys_sort_and_move() {
    let mut view = view();
    keys(&mut view, "s");
    assert_eq!(names(&view.page(24, 80).panels[0])[0], "linux: cat[7]");
    assert_eq!(names(&view.page(24, 80).panels[2])[0], "read");
    keys(&mut view, "no");
    assert_eq!(names(&view.page(24, 80).panels[0])[0], "block");
    assert!(view.page(24, 80).footer.ends_with("by name  1–4 of 4"));
    // Two rows of four.
    let rows = |view: &mut View| view.page(7, 80).panels[0].lines.rows.len();
    assert_eq!(rows(&mut view), 2);
    key(&mut view, KeyCode::Down);
    assert_eq!(names(&view.page(7, 80).panels[0])[0], "console");
    key(&mut view, KeyCode::End);
    assert_eq!(names(&view.page(7, 80).panels[0]), ["linux", "linux: cat[7]"]);
    assert!(view.page(7, 80).footer.ends_with("3–4 of 4"));
    key(&mut view, KeyCode::PageUp);
    assert_eq!(names(&view.page(7, 80).panels[0])[0], "block");
    key(&mut view, KeyCode::Tab);
    let page = view.page(7, 80);
    assert!(page.panels[0].lines.heading.starts_with("CLIENT → SERVER"));
    key(&mut view, KeyCode::BackTab);
    assert!(view.page(7, 80).panels[0].lines.heading.starts_with("THREAD"));
}

#[test]
fn a_pause_holds_what_is_seen() {
    let mut view = view();
    keys(&mut view, "p");
    let before = view.page(24, 80);
    view.update(Box::default());
    assert_eq!(view.page(24, 80), before);
    assert!(before.footer.starts_with("PAUSED"));
    keys(&mut view, "p");
    view.update(Box::default());
    assert_ne!(view.page(24, 80), before);
}

#[test]
fn it_ends_when_it_is_told_to() {
    let mut view = View::default();
    assert!(view.page(24, 80).header[0].contains("waiting"));
    keys(&mut view, "h");
    assert!(view.help);
    keys(&mut view, "x");
    assert!(!view.help);
    keys(&mut view, "?");
    assert!(!key(&mut view, KeyCode::Char('q')));
    assert!(!key(&mut view, KeyCode::Char('q')));
    assert!(!view.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert!(view.key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL)));
    assert!(HELP.iter().all(|line| line.chars().count() <= 40), "a narrow terminal shows all of it");
}
