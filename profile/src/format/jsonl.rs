//! JSON lines, for programs: first an object about the run, then one for each metric, then one for each of programs' own events.
//!
//! A metric's figures are in the form of seL4's benchmark history (`sel4bench-results`, README): `[min, q1, median, mean, q3, max, stddev, n]`.

use crate::metric::{Key, Metric};
use crate::phase::Phase;
use crate::report::Report;
use crate::stats::Distribution;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", run(report))?;
    for (key, metric) in &report.summary.metrics {
        writeln!(out, "{}", line(report, key, metric))?;
    }
    for (count, event, thread) in report.summary.marks(&report.names) {
        writeln!(out, "{}", json!({ "kind": "event", "name": thread, "event": event, "count": count }))?;
    }
    Ok(())
}

/// About the run.
fn run(report: &Report) -> Value {
    let (outcome, counts) = (&report.outcome, &report.outcome.counts);
    let cpus: Vec<_> = report
        .summary
        .cpus
        .iter()
        .map(|(cpu, time)| {
            json!({ "cpu": cpu, "user": time.user, "kernel": time.kernel, "idle": time.idle, "outside": time.outside })
        })
        .collect();
    let costs: BTreeMap<_, _> =
        outcome.costs.iter().map(|(who, cost)| (who, [cost.before, cost.behind])).collect();
    json!({
        "kind": "run",
        "ukvmm": report.header.ukvmm,
        "command": report.header.command,
        "started_ns": report.header.started_ns,
        "unit": report.clock.unit(),
        "tsc_khz": report.header.tsc_khz,
        "ticks": counts.ticks(),
        "records": counts.records,
        "missing": outcome.missing,
        "gaps": report.summary.gaps,
        "discarded": counts.in_gaps,
        "broken": counts.broken,
        "strange": counts.strange,
        "late": outcome.late,
        "cost": costs,
        "cpus": cpus,
        "certificate": report.certificate(),
        "clock": report.trailer.as_ref().map(|trailer| &trailer.certificate),
    })
}

fn line(report: &Report, key: &Key, metric: &Metric) -> Value {
    let mut line = json!({
        "kind": key.section().key(),
        "name": key.name(&report.names, metric.last),
        "unit": report.clock.unit(),
        "total": figures(&metric.total),
        "sum": metric.total.sum() as f64,
        "subtracted": metric.cost as f64,
        "fast": metric.fast,
        "unanswered": metric.unanswered,
    });
    let phases = Phase::ALL.into_iter().filter_map(|phase| Some((phase, metric.phase(phase)?)));
    let phases: serde_json::Map<_, _> =
        phases.map(|(phase, distribution)| (phase.name().to_string(), figures(distribution))).collect();
    if !phases.is_empty() {
        line["phases"] = Value::Object(phases);
    }
    line
}

/// `[min, q1, median, mean, q3, max, stddev, n]`.
fn figures(of: &Distribution) -> Value {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    json!([
        of.min(),
        of.quantile(0.25),
        of.quantile(0.5),
        tenth(of.mean()),
        of.quantile(0.75),
        of.max(),
        tenth(of.deviation()),
        of.count()
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock;

    #[test]
    fn a_line_is_an_object() {
        let mut out = Vec::new();
        write(&Report::new(mock::sample()).unwrap(), &mut out).unwrap();
        let lines: Vec<Value> =
            str::from_utf8(&out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["kind"], &lines[0]["missing"]), (&json!("run"), &json!(0)));
        assert_eq!(
            (&lines[0]["cost"]["linux"], &lines[0]["cost"]["kernel, exit"]),
            (&json!([0, 5]), &json!([3, 0]))
        );
        let getpid = lines.iter().find(|line| line["name"] == "getpid").unwrap();
        assert_eq!(getpid["total"], json!([1062, 1062, 1062, 1062.0, 1062, 1062, 0.0, 20]));
        assert_eq!(getpid["phases"]["server"], json!([295, 295, 295, 295.0, 295, 295, 0.0, 20]));
        assert_eq!(
            (&getpid["kind"], &getpid["fast"], &getpid["subtracted"]),
            (&json!("linux"), &json!(20), &json!(760.0))
        );
        let sections: std::collections::BTreeSet<_> =
            lines.iter().filter_map(|line| line["kind"].as_str()).collect();
        assert!(sections.into_iter().eq([
            "between-events",
            "device",
            "event",
            "fault",
            "interrupt",
            "ipc",
            "linux",
            "run",
            "vm-exit"
        ]));
        let event = json!({ "kind": "event", "name": "linux: cat[7]", "event": 8, "count": 1 });
        assert!(lines.contains(&event));
    }
}
