use super::*;
use crate::commands::bench::committed::{Counts, Table};
use crate::commands::bench::paper::rounds::{Breakdown, Profiles, Ticks};
use crate::commands::bench::paper::run::Run;
use crate::commands::bench::paper::{Measured, figure5};
use crate::commands::bench::results::{self, Metrics};
use profile::kind::Kind;
use profile::phase::{Phase, Phases};
use profile::rounds::Requests;

mod browser;

/// Metrics, and what they took in instructions.
const METRICS: [(&str, u32); 6] = [
    ("getpid", 310),
    ("getppid", 326),
    ("write to /dev/null", 575),
    ("/bin/sh process", 888_567),
    ("pipe round trip", 10_401),
    ("first touch, a page", 3_133),
];
const NATIVE: [(&str, u32); 5] = [
    ("call and reply, 7 words", 192),
    ("call and reply, 7 words, same address space", 190),
    ("L4 pipe round trip", 700),
    ("fault", 1500),
    ("trap", 900),
];

/// What is slow on our systems.
const SLOW: &str = "pipe round trip";

fn metrics(all: &[(&str, u32)], times: f64, slow: f64) -> Metrics {
    let line = |(name, ticks): &(&str, u32)| {
        let median = f64::from(*ticks) * if *name == SLOW { slow } else { times };
        let [min, q1, q3, max] = [0.9, 0.95, 1.1, 40.0].map(|part| median * part);
        format!(
            "{{\"name\":\"{name}\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":5,\"stats\":[{min},{q1},{median},{median},{q3},{max},1,200]}}\n"
        )
    };
    results::parse(&all.iter().map(line).collect::<String>()).unwrap()
}

/// A getpid whose parts are `ticks` together, and a slower row.
fn profiles() -> Profiles {
    let mut phases = Phases::default();
    let parts = [Phase::Entry, Phase::IpcOut, Phase::Dispatch, Phase::Server, Phase::Reply, Phase::Exit];
    parts.into_iter().zip([30, 30, 100, 10, 50, 24]).for_each(|(phase, ticks)| phases.add(phase, ticks));
    let getpid = Breakdown {
        name: "getpid".into(),
        per: 1.0,
        rounds: 200,
        ticks: Ticks { program: 4, server: 126, kernel: 118, ..Ticks::default() },
        switches: 2,
        requests: vec![(Kind::Linux(39), Requests { count: 1, phases })],
    };
    let pipe = Breakdown { name: SLOW.into(), ..getpid.clone() };
    vec![("l4-forwarded", vec![getpid, pipe])]
}

/// The page of a run that was only thought up.
fn report() -> String {
    let times = [1.0, 1.1, 0.95, 0.8, 2.5];
    let runs: Vec<Run> = SYSTEMS
        .iter()
        .zip(times)
        .map(|(system, times)| Run {
            system,
            metrics: metrics(&METRICS, times, if system.is_linux() { times } else { 2.0 }),
        })
        .collect();
    let (native, boots, profiles) = (Some(metrics(&NATIVE, 1.0, 1.0)), vec![], profiles());
    let measured = Measured { runs, native, boots, profiles, alike: None };
    let figure5 = figure5::take_apart(&measured.runs, &measured.profiles).unwrap();
    let paths = ["call", "call-within", "page-fault", "interrupt"];
    let paths: Table = paths.map(|key| (key.to_owned(), Counts::instructions(119))).into();
    let all = All { measured: &measured, paths: &paths, figure5: &figure5 };
    let mut out = Vec::new();
    render(&all, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_report_is_well_formed_and_complete_in_itself() {
    assert_eq!(page::fault(&report()), None);
}

#[test]
fn a_report_has_every_metric_in_charts_and_tables() {
    let report = report();
    for (metric, _) in METRICS {
        assert!(report.contains(&format!("<h3>{metric}</h3>")), "{metric}: how it is distributed");
        assert!(report.contains(&format!("<td class=\"text\">{metric}</td>")), "{metric}: a row of figures");
        assert!(report.contains(&format!("<span class=\"name\" title=\"{metric}\">")), "{metric}: bars");
    }
    for system in &SYSTEMS {
        let boxes = format!("aria-label=\"{}: ", system.title);
        assert!(report.matches(&boxes).count() >= METRICS.len(), "{}", system.title);
    }
    for part in [
        "Table 2",
        "Figure 5",
        "Figure 6",
        "Why the slower rows",
        "IPC",
        "Table 4",
        "Table 5",
        "Every figure",
    ] {
        assert!(report.contains(&format!(">{part}")), "{part}");
    }
}

#[test]
fn who_loses_is_shown_as_who_wins_is() {
    let report = report();
    assert!(report.contains("<b>0.80 ×</b>") && report.contains("<b>2.50 ×</b>"), "getpid");
    assert!(report.contains("<b>5 of 6</b>") && report.contains("<b>0 of 6</b>"), "rows");
    assert!(report.contains("<span class=\"mean\">0.80 · 2.50</span>"), "a row of Figure 6");
}
