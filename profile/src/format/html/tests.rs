use super::*;
use crate::mock;

fn page() -> String {
    let mut out = Vec::new();
    write(&Report::new(mock::sample()).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_page_is_well_formed_and_complete_in_itself() {
    let page = self::page();
    assert_eq!(page::fault(&page), None);
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

#[test]
fn bars_are_as_long_as_their_phases() {
    let page = page();
    let row = page.split("title=\"getpid\"").nth(1).unwrap().split("class=\"mean\"").next().unwrap();
    let widths: Vec<f64> =
        row.split("width:").skip(1).map(|part| part.split('%').next().unwrap().parse().unwrap()).collect();
    assert_eq!(widths.len(), 6);
    assert!((widths.iter().sum::<f64>() - 100.0).abs() < 0.1, "{widths:?}");
}
