//! The section of the page.

use super::super::cells::{figure, head, row};
use super::super::system::SYSTEMS;
use super::Events;
use super::cost::{self, Cost, Range};
use super::cycles::{self, Verdict};
use super::event::Event;
use super::metric::Metric;

const TEXT: &str = "## Expensive events, and modelled cycles

Every metric once more, a few rounds of it, taken apart: a plugin of the lab's QEMU counts the instructions of a round by their bytes. They are as many as the time stamp counter says, or the page would not have been written. Figures are means of an operation.

**Modelled cycles** are what the events of a path cost and what its other instructions cost, from the least to the most that is published of processors since 2013. They are no measurement: what misses of caches and mispredicted branches (Linux' return thunks against them count as the
instructions that they are) cost has no part but as it is in the costs. Two paths are compared on one processor, whichever it is, by what the one has more of: the verdict is that of all costs within their ranges, *undecided* if it depends on them.
The verdict is that of the modelled cycles. A path that wins by instructions and loses by modelled cycles loses.
";

const COSTS: &str = "\n### What is counted, and what it costs\n\nCycles. Accesses to ports, HLT, CPUID and hypercalls cost what the exit to the host costs that they make. The lab's CPU is no Intel, so a kernel that judges by that needs no page table isolation; it has no PCID.\n\n";

/// The section; nothing if nothing was taken apart.
pub fn render(all: &[Events]) -> String {
    let Some((base, others)) = all.split_first().filter(|(base, _)| base.system.key == SYSTEMS[0].key) else {
        return String::new();
    };
    let mut out = TEXT.to_owned();
    for events in others {
        out += &verdicts(events, base);
    }
    out + &every_event(all) + COSTS + &costs()
}

/// A system beside the first one.
fn verdicts(events: &Events, base: &Events) -> String {
    let (name, linux) = (events.system.title, base.system.title);
    let mut out = format!("\n### {name}, beside {linux}\n\n");
    let titles =
        ["what", "instructions", linux, "by these", "modelled cycles", linux, "difference", "verdict"];
    out += &head(&titles, 1);
    let mut reversed = Vec::new();
    for (one, other) in pairs(events, base) {
        let more = cycles::difference(one, other);
        let [by_instructions, verdict] =
            [both(one.instructions() - other.instructions()), more].map(Verdict::of);
        if (by_instructions, verdict) == (Verdict::Wins, Verdict::Loses) {
            reversed.push(one.name.as_str());
        }
        out += &row(&[
            one.name.clone(),
            number(one.instructions()),
            number(other.instructions()),
            by_instructions.word().to_owned(),
            range(cycles::of(one)),
            range(cycles::of(other)),
            range(more),
            verdict.word().to_owned(),
        ]);
    }
    let reversed = if reversed.is_empty() { "nothing".to_owned() } else { reversed.join(", ") };
    out + &format!("\nWins by instructions and loses by modelled cycles: {reversed}.\n")
}

fn both(value: f64) -> Range {
    Range::new(value, value)
}

/// The metrics that both have.
fn pairs<'a>(one: &'a Events, other: &'a Events) -> impl Iterator<Item = (&'a Metric, &'a Metric)> {
    let find = |name: &str| other.metrics.iter().find(|metric| metric.name == name);
    one.metrics.iter().filter_map(move |metric| Some((metric, find(&metric.name)?)))
}

/// The events of every path, those of which there are any.
fn every_event(all: &[Events]) -> String {
    let metrics = || all.iter().flat_map(|events| events.metrics.iter());
    let seen: Vec<_> =
        Event::ALL.into_iter().filter(|&event| metrics().any(|metric| metric.event(event) > 0.0)).collect();
    let mut titles = vec!["what", "system", "instructions"];
    titles.extend(seen.iter().map(|event| event.title()));
    let mut out = "\n### Events\n\n".to_owned() + &head(&titles, 2);
    for Metric { name, .. } in all.first().iter().flat_map(|events| &events.metrics) {
        for events in all {
            let Some(metric) = events.metrics.iter().find(|metric| metric.name == *name) else { continue };
            let mut cells = vec![name.clone(), events.system.title.to_owned(), number(metric.instructions())];
            cells.extend(seen.iter().map(|&event| count(metric.event(event))));
            out += &row(&cells);
        }
    }
    out
}

fn costs() -> String {
    let mut out = head(&["what", "cycles", "by"], 3);
    let line = |what: &str, Cost { cycles: Range { low, high }, source }: &Cost| {
        let digits = usize::from(*high < 10.0) * 2;
        row(&[what, &format!("{low:.digits$}–{high:.digits$}"), source])
    };
    for event in Event::ALL {
        out += &line(event.title(), &cost::of(event));
    }
    out + &line("every other instruction", &cost::ORDINARY)
}

/// A number that may be negative.
fn number(value: f64) -> String {
    if value < 0.0 { format!("−{}", figure(-value)) } else { figure(value) }
}

fn range(Range { low, high }: Range) -> String {
    format!("{} … {}", number(low), number(high))
}

/// How often something happens: whole as a rule.
fn count(times: f64) -> String {
    match times {
        0.0 => String::new(),
        times if times < 0.01 => format!("{times:.1e}"),
        times if (times - times.round()).abs() < 0.005 => figure(times.round()).replace(".00", ""),
        times => format!("{times:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!((number(-1234.4), number(0.256)), ("−1 234".into(), "0.26".into()));
        assert_eq!((count(0.0), count(2.0), count(1.5)), (String::new(), "2".into(), "1.50".into()));
        assert_eq!((count(1e-5), count(1200.001)), ("1.0e-5".into(), "1 200".into()));
    }

    #[test]
    fn every_cost_is_on_the_page_with_its_source() {
        let text = costs();
        assert_eq!(text.lines().count(), Event::ALL.len() + 3);
        assert!(text.contains("| CR3 write | 176–247 | with the first misses"), "{text}");
        assert!(text.contains("| every other instruction | 0.32–1.02 | seL4"), "{text}");
        assert_eq!(render(&[]), "");
    }
}
