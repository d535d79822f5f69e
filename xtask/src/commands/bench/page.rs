//! The part of `docs/performance.md` that is about booting.

use super::boot::Figures;
use super::host::Times;
use std::fmt::Write;
use std::time::Duration;

/// The part, in Markdown.
pub fn render(figures: &Figures) -> String {
    let mut out = String::from(HEAD);
    lab(&mut out, figures);
    host(&mut out, figures);
    sizes(&mut out, figures);
    out
}

const HEAD: &str = "## Booting

What it takes to boot the L4 system (`--servers linux`) and to run a Linux program on it.

";

/// A line of a table. Writing to a String cannot fail.
fn row(out: &mut String, what: &str, value: impl std::fmt::Display, aim: &str) {
    let _ = writeln!(out, "| {what} | {value} | {aim} |");
}

fn lab(out: &mut String, figures: &Figures) {
    let ticks = figures.ticks;
    *out += "### In the lab

One tick is one instruction: of the guest, of KVM or of `ukvmm`, whatever the guest waits for. Counted from the first
`KVM_RUN`; the same in every run.

| until | ticks | aim |
|---|---:|---:|
";
    row(
        out,
        "the first instruction of the first Linux program",
        grouped(ticks.first_instruction),
        "below 5 000 000",
    );
    row(out, "the first byte that it prints", grouped(ticks.first_byte), "below 5 000 000");
    row(out, "the machine's end", grouped(ticks.end), "");
}

fn host(out: &mut String, figures: &Figures) {
    let Some(host) = &figures.host else {
        *out += "\n### On a machine's own KVM\n\nNot measured: the machine that wrote this page has none.\n";
        return;
    };
    *out += "
### On a machine's own KVM

Of the machine that wrote this page: times differ from machine to machine.

| what | figure | aim |
|---|---:|---:|
";
    row(
        out,
        "`ukvmm … -- /bin/busybox true`, start to exit: minimum",
        ms(host.true_program.min),
        "below 250 ms",
    );
    row(out, "the same: median", ms(host.true_program.median), "");
    row(out, "the tests' shell script, in the guest: median", ms(host.script_guest.median), "");
    row(out, "the same script and busybox on Linux: median", ms(host.script_host.median), "");
    row(out, "guest to Linux", format!("{:.1}", ratio(host.script_guest, host.script_host)), "");
    row(
        out,
        "pages of guest memory that hold data, at the first byte printed",
        mib(host.memory.guest),
        "below 16 MiB",
    );
    row(out, "resident memory of `ukvmm` itself, then", mib(host.memory.ukvmm), "below 5 MiB");
}

fn sizes(out: &mut String, figures: &Figures) {
    *out += "\n### Sizes\n\n| what | figure |\n|---|---:|\n";
    let _ = writeln!(out, "| code of the kernel | {:.1} KiB |", figures.kernel_text as f64 / 1024.0);
    *out += "\n| lines of | code | tests |\n|---|---:|---:|\n";
    for (area, lines) in &figures.lines {
        let _ = writeln!(out, "| {area} | {} | {} |", lines.code, lines.tests);
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

fn ratio(one: Times, other: Times) -> f64 {
    one.median.as_secs_f64() / other.median.as_secs_f64()
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    profile::format::units::grouped(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1234567), "1 234 567");
    }
}
