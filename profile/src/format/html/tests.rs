use super::*;
use crate::mock;

fn page() -> String {
    let mut out = Vec::new();
    write(&Report::new(mock::sample()).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_page_is_complete_in_itself() {
    let page = page();
    for outside in ["http:", "https:", "<script", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("cat &lt;a&amp;b&gt;") && !page.contains("<a&b>"));
    for part in [
        "getpid",
        "linux → block",
        "class=\"bar\"",
        "Distribution of the times of getpid",
        "7 → 8, linux: cat[7]",
        "own events",
        "Flame graph",
        "&lt;reply as &amp;Fn&gt;::run",
        "2000.000 MHz",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

/// Each element is closed, and in its place.
#[test]
fn a_page_is_well_formed() {
    let page = page();
    let mut open: Vec<&str> = Vec::new();
    let body = page.split_once("</style>").map(|(_, body)| body).unwrap();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
        if tag.starts_with('/') {
            // The head began before the style.
            assert_eq!(open.pop().unwrap_or(if name == "head" { "head" } else { "html" }), name);
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn bars_are_as_long_as_their_phases() {
    let page = page();
    let row = page.split("title=\"getpid\"").nth(1).unwrap().split("class=\"mean\"").next().unwrap();
    let widths: Vec<f64> =
        row.split("width:").skip(1).map(|part| part.split('%').next().unwrap().parse().unwrap()).collect();
    assert_eq!(widths.len(), 6);
    assert!((widths.iter().sum::<f64>() - 100.0).abs() < 0.1, "{widths:?}");
}
