//! The part of `docs/performance.md` that is about the kernel's paths.

use super::paths::{
    BOOT_AIM, CODE_LINES_AIM, Counted, DATA_LINES_AIM, LINES_OF_OTHERS, STRING_AIM, TEXT_AIM, TEXT_OF_OTHERS,
    per_byte,
};
use crate::commands::bench::page::grouped;
use std::fmt::Write;

/// Everything that the part shows.
pub struct Figures<'a> {
    pub paths: Vec<Counted<'a>>,
    /// Instructions from the kernel's first to σ0's first, if they were counted.
    pub boot: Option<u64>,
    /// Bytes of the kernel's executable segments.
    pub text: u64,
}

const HEAD: &str = "## The kernel's paths

What the µ-kernel needs for what it is there for. Counted are instructions in kernel mode, with the SYSCALL that enters it; those of programs
are not. A debugger steps through one round of a loop (`guest-servers/bench`) in an emulated CPU; it has to find as many
instructions as the time stamp counter counts, there and in the lab under `ukvmm` on `kvm_amd`, or there are no figures. (Interrupts are not
compared with the lab, where KVM's own instructions count too.) A test fails when a figure grows.

";

/// The part, in Markdown. Writing to a String cannot fail.
pub fn render(figures: &Figures) -> String {
    let mut out = String::from(HEAD);
    out += "| path | instructions | aim | best known |\n|---|---:|---:|---|\n";
    for counted in &figures.paths {
        let path = counted.path;
        let aim = path.aim.map(|aim| format!("{aim}")).unwrap_or_default();
        let _ = writeln!(out, "| {} | {} | {aim} | {} |", path.what, counted.instructions(), path.best);
    }
    if let Some(figure) = per_byte(&figures.paths) {
        let _ = writeln!(
            out,
            "| a byte of a string beyond the 8th (a repeated MOVS is one instruction) | {figure:.4} | {STRING_AIM} | |"
        );
    }
    lines(&mut out, figures);
    let _ = writeln!(out, "\n### Size\n\n| what | figure | aim | others |\n|---|---:|---:|---|");
    let (text, aim) = (figures.text as f64 / 1024.0, TEXT_AIM >> 10);
    let _ = writeln!(out, "| code of the kernel | {text:.1} KiB | {aim} KiB | {TEXT_OF_OTHERS} |");
    if let Some(boot) = figures.boot {
        let (boot, aim) = (grouped(boot), grouped(BOOT_AIM));
        let _ = writeln!(out, "| instructions from the kernel's first to σ0's first | {boot} | {aim} | |");
    }
    out
}

fn lines(out: &mut String, figures: &Figures) {
    *out += "
### Cache lines

Lines of 64 bytes that a visit to the kernel touches: code, and data, stack and TCBs and what the processor itself reads for an interrupt included.

| path | visit | instructions | lines of code | pages of code | lines of data |
|---|---|---:|---:|---:|---:|
";
    for counted in &figures.paths {
        for (what, visit) in &counted.visits {
            let (instructions, pages) = (visit.instructions, visit.code_pages());
            let (code, data) = (visit.code_lines(), visit.data_lines());
            let path = counted.path.what;
            let _ = writeln!(out, "| {path} | {what} | {instructions} | {code} | {pages} | {data} |");
        }
    }
    let _ = writeln!(out, "| aim for the first three | | | {CODE_LINES_AIM} | 1 | {DATA_LINES_AIM} |");
    for (what, code, data) in LINES_OF_OTHERS {
        let _ = writeln!(out, "| {what} | | | {code} | | {data} |");
    }
}
