//! Pages in a browser, as wide as a telephone and as a desk's screen: nothing may stand out at the right, and no chart may be empty.
//!
//! The browser is Chromium, if it is there. It is too large to be installed for this; `cargo xtask test` says so if it is missing.

use super::report;
use crate::setup;
use lab::process;
use std::fs;
use std::process::Command;

/// In pixels.
const WIDTHS: [u32; 3] = [360, 768, 1280];
/// Charts' pictures are at least so wide.
const LEAST: u32 = 150;

/// Puts the pages side by side into frames of these widths and says of each frame what is wrong.
const JUDGE: &str = r#"
addEventListener("load", () => {
    const wrong = [];
    for (const frame of document.querySelectorAll("iframe")) {
        const page = frame.contentDocument, width = frame.clientWidth, name = frame.title;
        if (page.documentElement.scrollWidth > width)
            wrong.push(`${name}: ${page.documentElement.scrollWidth} wide in ${width}`);
        const charts = [...page.querySelectorAll("svg, .bar")];
        if (charts.length == 0)
            wrong.push(`${name}: no charts`);
        for (const chart of charts)
            if (chart.getBoundingClientRect().width < LEAST || chart.children.length == 0)
                wrong.push(`${name}: a chart is ${chart.getBoundingClientRect().width} wide, with ${chart.children.length} parts`);
    }
    document.title = wrong.join("; ") || "good";
});
"#;

/// What Chromium finds wrong in these pages, or "good".
fn judge(pages: &[(&str, &str)]) -> String {
    let frame = |(name, page): &(&str, &str), width: &u32| {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        format!(
            "<iframe title=\"{name} at {width}\" width=\"{width}\" height=\"800\" frameborder=\"0\" srcdoc=\"{page}\"></iframe>\n"
        )
    };
    let frames: String =
        pages.iter().flat_map(|page| WIDTHS.iter().map(move |width| frame(page, width))).collect();
    let script = JUDGE.replace("LEAST", &LEAST.to_string());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pages.html");
    fs::write(&path, format!("<!doctype html><title>not judged</title><script>{script}</script>{frames}"))
        .unwrap();
    let mut chromium = Command::new("timeout");
    chromium.args([
        "--kill-after=5",
        "120",
        setup::CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
    ]);
    chromium.arg(format!("--user-data-dir={}", folder.path().join("profile").display())).arg(&path);
    let document = process::text(&mut chromium).unwrap();
    let title = document.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.expect("a document has a title").0.to_owned()
}

#[test]
fn pages_in_chromium() {
    if let Err(error) = setup::chromium() {
        eprintln!("SKIPPED: {error:#}");
        return;
    }
    let mut profile = Vec::new();
    profile::report::write(profile::mock::sample(), profile::format::Format::Html, &mut profile).unwrap();
    let (report, profile) = (report(), String::from_utf8(profile).unwrap());
    assert_eq!(judge(&[("report", &report), ("profile", &profile)]), "good");
    // It can be found wrong.
    let wide = report.replace("</h1>", "</h1><div style=\"width:2000px\">x</div>");
    assert!(judge(&[("wide", &wide)]).contains("wide at 360: 20"));
}
