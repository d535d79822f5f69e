//! The section of the page.

use super::super::cells::{head, row};
use super::super::system::SYSTEMS;
use super::Modelled;
use cache::hierarchy::{Level, Shapes};
use cache::model::Miss;
use cache::side::Side;
use cache::view::{Rounds, View};

/// The paper's count: lines of 32 bytes that getpid's way through L4Linux touches besides Linux' own, L4's IPC included; of 512 that the Pentium's first caches have.
const PAPER_LINES: usize = 45;
const PAPER_CACHE: usize = 512;
const GETPID: &str = "getpid";

/// Everything but the program.
const SYSTEM: [Side; 3] = [Side::Server, Side::Kernel, Side::Host];

const TEXT: &str = "## The memory system

What Chen and Bershad did with Ultrix and Mach (SOSP '93): the addresses of all instructions and data of a round, traced in the lab, are fed to a model of caches ([cache.md](cache.md)). Five rounds of each metric: the first begins with empty caches, and the later ones show what does not fit.
*User* is the program that measures (with its partner, and with the trampoline if there is one in it), *system* the kernel, the servers and, if there were exits, the host.
";

/// The section: of each processor its name, its caches, and what they make of the systems.
pub fn render(processors: &[(&str, Shapes, Vec<Modelled<'_>>)]) -> String {
    let mut out = TEXT.to_owned();
    if let Some((_, _, systems)) = processors.first() {
        out += &working_set(systems);
    }
    for (name, shapes, systems) in processors {
        out += &misses(name, shapes, systems);
    }
    out
}

/// The lines of a metric on each system, metric by metric.
fn each<'a>(systems: &'a [Modelled<'_>]) -> impl Iterator<Item = (&'a str, &'static str, &'a View)> {
    let names = systems.first().into_iter().flat_map(|first| first.metrics.iter().map(|(name, _)| *name));
    names.flat_map(move |name| {
        systems.iter().filter_map(move |modelled| {
            let (_, view) = modelled.metrics.iter().find(|(other, _)| *other == name)?;
            Some((name, modelled.system.title, view))
        })
    })
}

fn working_set(systems: &[Modelled<'_>]) -> String {
    let mut out = "\n### Working sets\n\nCache lines that one round touches. A line that program and system both touch is counted for both.\n\n".to_owned();
    let mut titles = vec!["what".to_owned(), "system".to_owned()];
    for kind in ["code", "data"] {
        titles.extend(["program", "server", "kernel"].map(|side| format!("{kind}, {side}")));
    }
    titles.extend(["all, 64 bytes", "system, 64 bytes", "system, 32 bytes"].map(str::to_owned));
    out += &head(&titles, 2);
    for (name, title, View { lines: [wide, narrow], .. }) in each(systems) {
        let mut cells = vec![name.to_owned(), title.to_owned()];
        let sides = [Side::Program, Side::Server, Side::Kernel];
        cells.extend(sides.map(|side| wide.code(side).to_string()));
        cells.extend(sides.map(|side| wide.data(side).to_string()));
        cells.extend(
            [wide.sum(&Side::ALL), wide.sum(&SYSTEM), narrow.sum(&SYSTEM)].map(|sum| sum.to_string()),
        );
        out += &row(&cells);
    }
    out + &beside_the_paper(systems)
}

/// The paper's claim, and what it is here.
fn beside_the_paper(systems: &[Modelled<'_>]) -> String {
    let narrow = |modelled: &Modelled<'_>| {
        let (_, view) = modelled.metrics.iter().find(|(name, _)| *name == GETPID)?;
        Some(view.lines[1].sum(&SYSTEM))
    };
    let Some(linux) = systems.iter().find(|modelled| modelled.system.key == SYSTEMS[0].key) else {
        return String::new();
    };
    let mut out = format!(
        "\nThe paper says that getpid on L4Linux touches {PAPER_LINES} lines of 32 bytes that it does not touch on Linux, L4's IPC included: {} % of the Pentium's first caches.",
        percent(PAPER_LINES)
    );
    let Some(base) = narrow(linux) else { return String::new() };
    for modelled in systems.iter().filter(|modelled| !modelled.system.is_linux()) {
        let Some(lines) = narrow(modelled) else { continue };
        out += &format!(
            " {}: {lines} lines of the system, {} %; beside Linux' {base} that is {:+}.",
            modelled.system.title,
            percent(lines),
            lines as i64 - base as i64
        );
    }
    out + "\n"
}

fn percent(lines: usize) -> usize {
    (lines * 100 + PAPER_CACHE / 2) / PAPER_CACHE
}

fn misses(name: &str, shapes: &Shapes, systems: &[Modelled<'_>]) -> String {
    let sizes = Level::ALL.map(|level| format!("{} {}", level.name(), shapes.of(level))).join(", ");
    let mut out = format!(
        "\n### Misses: {name}\n\n{sizes} (size, ways, bytes of a line). Misses per 1000 instructions of the round; L2's are in the last columns alone, the kinds of misses are those of both first caches.\n\n"
    );
    out += &head(
        &[
            "what",
            "system",
            "first round: i, user",
            "i, system",
            "d, user",
            "d, system",
            "later: i, user",
            "i, system",
            "d, user",
            "d, system",
            "of these compulsory",
            "capacity",
            "conflict",
            "L2: first round",
            "later",
        ],
        2,
    );
    for (name, title, View { cold, warm, .. }) in each(systems) {
        let mut cells = vec![name.to_owned(), title.to_owned()];
        cells.extend(split(cold).chain(split(warm)).map(per_thousand));
        let first = |miss| sum(warm, &[Level::L1i, Level::L1d], &Side::ALL, &[miss]);
        cells.extend(KINDS.map(first).map(per_thousand));
        cells.extend([cold, warm].map(|rounds| per_thousand(sum(rounds, &[Level::L2], &Side::ALL, &KINDS))));
        out += &row(&cells);
    }
    out
}

const KINDS: [Miss; 3] = [Miss::Compulsory, Miss::Capacity, Miss::Conflict];

/// By instructions and data, user and system.
fn split(rounds: &Rounds) -> impl Iterator<Item = f64> {
    let sides: [&[Side]; 2] = [&[Side::Program], &SYSTEM];
    [Level::L1i, Level::L1d]
        .into_iter()
        .flat_map(move |level| sides.into_iter().map(move |sides| sum(rounds, &[level], sides, &KINDS)))
}

/// Misses per instruction.
fn sum(rounds: &Rounds, levels: &[Level], sides: &[Side], kinds: &[Miss]) -> f64 {
    let mut misses = 0.0;
    for &level in levels {
        for &side in sides {
            misses += kinds.iter().map(|&kind| rounds.misses(level, side, kind)).sum::<f64>();
        }
    }
    misses / rounds.instructions().max(1.0)
}

fn per_thousand(misses: f64) -> String {
    format!("{:.1}", misses * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::trace::MAGIC;
    use cache::view;

    /// Two rounds of a program that executes one instruction in a line of its own, and one of the kernel's.
    fn sample() -> View {
        let round = [4_u64 << 56, 1 << 48, 1 << 60 | 1 << 48 | 4096];
        let words = [&round[..], &round, &[5 << 56]].concat();
        let bytes: Vec<u8> =
            MAGIC.into_iter().chain(words.iter().flat_map(|word| word.to_le_bytes())).collect();
        view::views(&bytes[..], &Shapes::EPYC).unwrap().remove(0)
    }

    #[test]
    fn working_sets_stand_beside_the_papers() {
        let systems: Vec<_> = [&SYSTEMS[0], &SYSTEMS[3]]
            .map(|system| Modelled { system, metrics: vec![(GETPID, sample())] })
            .into();
        let text = render(&[("EPYC", Shapes::EPYC, systems)]);
        assert!(text.contains("| getpid | L4, forwarded | 1 | 0 | 1 | 0 | 0 | 0 | 2 | 1 | 1 |\n"), "{text}");
        assert!(text.contains("touches 45 lines of 32 bytes"), "{text}");
        assert!(text.contains("9 % of the Pentium's"), "{text}");
        assert!(
            text.contains("L4, forwarded: 1 lines of the system, 0 %; beside Linux' 1 that is +0."),
            "{text}"
        );
        let row = "| getpid | L4, forwarded | 500.0 | 500.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 | 1000.0 | 0.0 |\n";
        assert!(text.contains(row), "{text}");
    }
}
