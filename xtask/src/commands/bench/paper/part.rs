//! The part of `docs/paper.md` that compares L4 and Linux.

use super::boots;
use super::cells::aligned;
use super::figure5::{self, Figure5};
use super::ipc::{self, Ours};
use super::report::charts;
use super::{Measured, anchors, breakdown, figure6, table2, tables45};
use crate::commands::bench::committed::Table;
use std::io::{self, Write};

const HEAD: &str = "Linux programs on the L4 system, beside the same programs on a stock Linux kernel, as in Härtig, Hohmuth, Liedtke, Schönberg, Wolter: *The Performance of µ-Kernel-Based
Systems*, SOSP '97.

## What is measured

The suite in `tests/programs/paper`: static programs in C, the same files in the same root file system on every system. Systems are booted by `ukvmm` with one CPU and 256 MiB, in the
lab ([lab.md](lab.md)), whose CPU is QEMU's `EPYC`:

| system | |
|---|---|
| Linux, mitigations off | Debian 12's kernel for cloud machines, `mitigations=off` |
| Linux, default | the same with its own defaults |
| Linux, lean | the same, `mitigations=off init_on_alloc=0 randomize_kstack_offset=off` |
| L4, forwarded | `--servers linux`: the µ-kernel makes a system call a message to the Linux server |
| L4, trampoline | `--servers linux-trampoline`: the µ-kernel reflects a system call to a trampoline in the program, which sends the message |

A round is what lies between two readings of the time stamp counter with an LFENCE on either side. What two readings cost with nothing between (the least of 1000) is taken off each round: `subtracted`. The first ten rounds of a
metric are not counted. Shown are the least, the median, the quartiles, and how many rounds there were (n).

**What a figure says, and what not.** A tick is an instruction, of the guest or of KVM for it, in kernel mode or not, whichever it is: MOV, SYSCALL, a write to CR3. Each iteration of
a repeated string instruction is one, too. So these figures are the same in every run and on every machine, and say how much is done. They do not say how long it takes: caches, TLBs, branch
prediction and what entering a kernel, changing address spaces or leaving the guest cost have no part in them. A µ-kernel's way makes more of these expensive steps than Linux', and less of
ordinary instructions; who needs fewer instructions here may need more cycles.

**To do it again:** `cargo xtask bench paper`. The raw results are then in `build/paper`, a file a system; `cargo xtask bench compare OLD NEW` compares two of them. `--only GROUP` and `--quick` are for a look in between, and write no page; `--again` makes the page of the results that are there.
The same with charts, for a browser, is `build/paper/report.html`.
A stock kernel whose boot does not come to its end is booted again, with another word on its command line: the lab's CPU has a bug that Linux does not survive ([lab.md](lab.md)). The result's first line says which boot it was.
";

/// All that the page is made of.
pub struct All<'a> {
    pub measured: &'a Measured,
    /// What the kernel's paths take.
    pub paths: &'a Table,
    pub figure5: &'a [Figure5],
}

/// A section of the page.
pub struct Section {
    pub text: String,
    pub charts: Charts,
}

/// Writes a section's charts as HTML.
pub type Charts = fn(&All<'_>, &mut dyn Write) -> io::Result<()>;

/// The part, in Markdown.
pub fn render(all: &All<'_>) -> String {
    let sections: Vec<_> = sections(all).into_iter().map(|section| section.text).collect();
    aligned(&(sections.join("\n\n") + "\n"))
}

/// The sections that there are figures for.
pub fn sections(all: &All<'_>) -> Vec<Section> {
    let All { measured, paths, figure5 } = *all;
    let Measured { runs, native, boots, profiles, alike } = measured;
    let native = native.as_ref();
    let sections: [(String, Charts); 10] = [
        (HEAD.to_owned(), charts::none),
        (table2::render(runs).unwrap_or_default(), charts::getpid),
        (figure5::render(figure5), charts::parts),
        (figure6::render(runs), charts::programs),
        (breakdown::render(&breakdown::slow(runs, profiles)), charts::slower),
        (ipc::render(&Ours { paths, native, runs }), charts::round_trips),
        (tables45::render(native, runs), charts::natives),
        (boots::render(boots), charts::none),
        (anchors::render(runs, alike.as_ref()), charts::none),
        (figure6::every_figure(runs), charts::distributions),
    ];
    let sections =
        sections.into_iter().map(|(text, charts)| Section { text: text.trim().to_owned(), charts });
    sections.filter(|section| !section.text.is_empty()).collect()
}
