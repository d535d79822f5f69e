//! The part of `docs/paper.md` that compares L4 and Linux.

use super::boots::{self, Boots};
use super::run::Run;
use super::{anchors, figure6, table2, tables45};
use crate::commands::bench::results::Metrics;

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

**To do it again:** `cargo xtask bench paper`. The raw results are then in `build/paper`, a file a system; `cargo xtask bench compare OLD NEW` compares two of them. `--only GROUP` and `--quick` are for a look in between, and write no page.
A stock kernel whose boot does not come to its end is booted again, with another word on its command line: the lab's CPU has a bug that Linux does not survive ([lab.md](lab.md)). The result's first line says which boot it was.
";

/// The part, in Markdown.
pub fn render(runs: &[Run], native: Option<&Metrics>, boots: &Boots, alike: Option<&Metrics>) -> String {
    let sections = [
        HEAD.to_owned(),
        table2::render(runs).unwrap_or_default(),
        figure6::render(runs),
        tables45::render(native, runs),
        boots::render(boots),
        anchors::render(runs, alike),
        figure6::every_figure(runs),
    ];
    let sections: Vec<_> =
        sections.iter().map(|section| section.trim()).filter(|section| !section.is_empty()).collect();
    sections.join("\n\n") + "\n"
}
