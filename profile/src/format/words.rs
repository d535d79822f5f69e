//! What a report says about itself, in sentences: what was measured, what measuring cost, what is missing, how good the clock was.

use super::units::{count, percent, time};
use crate::metric::kind_name;
use crate::names::harmless;
use crate::report::Report;

/// The command line of the run.
pub fn command(report: &Report) -> String {
    harmless(&report.header.command.join(" "), 4096)
}

/// How much there is.
pub fn extent(report: &Report) -> String {
    let counts = &report.outcome.counts;
    let time = report.clock.micros(counts.ticks() as f64).map(|micros| format!(" ({})", time(micros)));
    format!(
        "{} records in {} {}{}",
        count(counts.records.into()),
        count(counts.ticks().into()),
        report.clock.unit(),
        time.unwrap_or_default()
    )
}

/// The paragraphs at the end.
pub fn about(report: &Report) -> Vec<String> {
    let paragraphs = [Some(measuring(report)), missing(report), unreturned(report)];
    paragraphs.into_iter().flatten().chain([report.certificate()]).collect()
}

/// What measuring cost.
fn measuring(report: &Report) -> String {
    let unit = report.clock.unit();
    let costs: Vec<String> =
        report.outcome.costs.iter().map(|(who, cost)| format!("{who}: {}", cost.total())).collect();
    if costs.is_empty() {
        return "What measuring cost is not known: there are no records of calibration. Nothing was taken off.".into();
    }
    let (ticks, cost) = report.summary.measured();
    let whole = u128::from(report.outcome.counts.ticks());
    format!(
        "A record costs so many {unit}: {}. {} of the time of all requests was measuring; it is taken off everywhere in this report, but for the time that a request \
         waits, and that of CPUs and threads. Of the whole run it was {}.",
        costs.join("; "),
        percent(cost, ticks),
        percent(report.outcome.counts.measuring.into(), whole),
    )
}

/// What was left out.
fn missing(report: &Report) -> Option<String> {
    let (outcome, counts) = (&report.outcome, &report.outcome.counts);
    let mut parts = Vec::new();
    let mut say = |number: u64, what: String| {
        if number > 0 {
            parts.push(format!("{what}: {}", count(number.into())));
        }
    };
    say(outcome.missing, "records that are missing".into());
    let ticks = format!(
        "gaps in which nothing is certain ({} {} altogether)",
        count(counts.gap_ticks.into()),
        report.clock.unit()
    );
    say(report.summary.gaps, ticks);
    say(counts.in_gaps, "requests that were discarded because they went on when a gap began".into());
    say(counts.broken, "requests whose end is missing".into());
    say(counts.strange, "records that cannot be where they are".into());
    say(outcome.late, "records that came too late to be put where they belong".into());
    say(counts.nested, "exceptions and interrupts of the kernel itself".into());
    (!parts.is_empty()).then(|| format!("Left out: {}.", parts.join("; ")))
}

/// What did not come back.
fn unreturned(report: &Report) -> Option<String> {
    let counts = &report.outcome.counts.unreturned.0;
    let parts: Vec<String> = counts
        .iter()
        .map(|(kind, number)| format!("{} ({})", kind_name(*kind), count((*number).into())))
        .collect();
    (!parts.is_empty())
        .then(|| format!("Did not return before their thread, or the guest, ended: {}.", parts.join(", ")))
}
