//! Why a row is slower: of each row of Figure 6 for which we need more instructions than Linux, who needs them, and for what.

use super::cells::{figure, head, row};
use super::rounds::{Breakdown, Profiles, is_call};
use super::run::Run;
use super::system::SYSTEMS;
use crate::commands::bench::results::{Measured, measured};
use profile::kind::Kind;
use profile::metric::kind_name;
use profile::phase::Phase;
use profile::rounds::Requests;

/// The system whose rounds are shown.
pub const KEY: &str = "l4-forwarded";
/// Requests that are named, those that took most first.
const REQUESTS: usize = 3;
/// Most that a sum may be off what was measured without a profile and not be said to be off.
const ERROR: f64 = 0.02;

/// A row that is slower than Linux'.
pub struct Slow<'a> {
    pub breakdown: &'a Breakdown,
    found: &'a Measured,
    pub to_linux: f64,
}

impl Slow<'_> {
    /// What the figures are of: an operation, or a round where the metric is of bytes.
    fn per(&self) -> f64 {
        if self.is_bytes() { 1.0 } else { self.breakdown.per }
    }

    fn is_bytes(&self) -> bool {
        self.found.unit == "ticks/byte"
    }

    /// What was measured without a profile, of the same.
    fn measured(&self) -> f64 {
        self.found.stats.median * if self.is_bytes() { self.breakdown.per } else { 1.0 }
    }

    fn sum(&self) -> f64 {
        self.breakdown.ticks.total() as f64 / self.per()
    }

    fn is_off(&self) -> bool {
        (self.sum() - self.measured()).abs() > ERROR * self.measured()
    }
}

/// The rows for which it needs more instructions than Linux for them, those first that need most more.
pub fn slow<'a>(runs: &'a [Run], profiles: &'a Profiles) -> Vec<Slow<'a>> {
    let of = |key: &str| runs.iter().find(|run| run.system.key == key);
    let (Some(linux), Some(run)) = (of(SYSTEMS[0].key), of(KEY)) else { return Vec::new() };
    let breakdowns = profiles.iter().filter(|(key, _)| *key == KEY).flat_map(|(_, breakdowns)| breakdowns);
    let slow = breakdowns.filter_map(|breakdown| {
        let (found, base) =
            (measured(&run.metrics, &breakdown.name)?, measured(&linux.metrics, &breakdown.name)?);
        let to_linux = found.stats.median / base.stats.median;
        (to_linux > 1.0).then_some(Slow { breakdown, found, to_linux })
    });
    let mut slow: Vec<_> = slow.collect();
    slow.sort_by(|one, other| other.to_linux.total_cmp(&one.to_linux));
    slow
}

const TEXT: &str = "### Why the slower rows are slower

Of each row above for which L4, forwarded, needs more instructions than Linux, where they are spent: the round in the middle of a profile ([profile.md](profile.md)) of the same suite with fewer
rounds, what measuring costs taken off. Of one operation; of bytes, a round of 1 MiB. `kernel` is the µ-kernel; `others` are the other servers, drivers and σ0 among them. Calls and faults are
those that ended in the round, of all its processes; a switch is a way from one address space to another. The last column has the requests that took most, from the program's way into the
kernel to its way out, without what they waited for others.

";

/// The section; nothing without a profile, or if nothing is slower.
pub fn render(slow: &[Slow]) -> String {
    if slow.is_empty() {
        return String::new();
    }
    let titles = [
        "what",
        "to Linux",
        "measured",
        "sum",
        "program",
        "kernel",
        "Linux server",
        "others",
        "calls",
        "faults",
        "switches",
        "most of it",
    ];
    let mut out = TEXT.to_owned() + &head(&titles, 1);
    for one in slow {
        out += &line(one);
    }
    out + &differences(slow)
}

fn line(slow: &Slow) -> String {
    let (breakdown, per) = (slow.breakdown, slow.per());
    let part = |ticks: u64| if ticks == 0 { String::new() } else { figure(ticks as f64 / per) };
    let count = |number: u64| match number as f64 / per {
        0.0 => String::new(),
        whole if whole.fract() == 0.0 => format!("{whole}"),
        broken => format!("{broken:.1}"),
    };
    let number = |wanted: fn(Kind) -> bool| {
        breakdown.requests.iter().filter(|(kind, _)| wanted(*kind)).map(|(_, requests)| requests.count).sum()
    };
    let ticks = &breakdown.ticks;
    row(&[
        breakdown.name.clone(),
        format!("{:.2}", slow.to_linux),
        figure(slow.measured()),
        figure(slow.sum()) + if slow.is_off() { " †" } else { "" },
        part(ticks.program),
        part(ticks.kernel),
        part(ticks.server),
        part(ticks.others + ticks.idle),
        count(number(is_call)),
        count(number(is_fault)),
        count(breakdown.switches),
        most(breakdown),
    ])
}

fn is_fault(kind: Kind) -> bool {
    matches!(kind, Kind::PageFault | Kind::Exception(_))
}

/// Instructions that requests took, but for those of others that they waited for.
fn own(requests: &Requests) -> u64 {
    requests.phases.total() - requests.phases.get(Phase::Waiting)
}

/// The requests that took most, as `3 × read: 1 000 each`.
fn most(breakdown: &Breakdown) -> String {
    let mut requests: Vec<_> =
        breakdown.requests.iter().filter(|(kind, _)| is_call(*kind) || is_fault(*kind)).collect();
    requests.sort_by_key(|(kind, requests)| (std::cmp::Reverse(own(requests)), *kind));
    let one = |(kind, requests): &&(Kind, Requests)| {
        let each = own(requests) as f64 / requests.count as f64;
        match requests.count {
            1 => format!("{}: {}", kind_name(*kind), figure(each)),
            count => format!("{count} × {}: {} each", kind_name(*kind), figure(each)),
        }
    };
    requests.iter().take(REQUESTS).map(one).collect::<Vec<_>>().join("; ")
}

/// What the profile does not bear out.
fn differences(slow: &[Slow]) -> String {
    let off = slow.iter().filter(|slow| slow.is_off());
    let off: Vec<_> = off
        .map(|slow| {
            format!("{} ({:+.1} %)", slow.breakdown.name, (slow.sum() / slow.measured() - 1.0) * 100.0)
        })
        .collect();
    if off.is_empty() {
        return format!(
            "\nAll sums are within {:.0} % of what was measured without a profile.\n",
            ERROR * 100.0
        );
    }
    format!(
        "\n† Sums that are more than {:.0} % off what was measured without a profile: {}. A round of the profile ends with the program's next system call behind it (so that of `trap` has \
         all of the handler and the way back in it), and the marks let other processes run at other times.\n",
        ERROR * 100.0,
        off.join(", ")
    )
}
