//! The part of `docs/performance.md` that is about starting.

use super::host::Start;
use super::lab::Counts;
use std::fmt::Write;
use std::time::Duration;

const HEAD: &str = "## Starting

From the VMM's start to the guest's first instructions, which write a byte to the UART: the same guest, 256 MiB, `ukvmm` with and without its jail
([jail.md](jail.md)) beside QEMU's `microvm` (Debian's package), which is made for the same purpose. The aims are what Firecracker promises: 8 ms of
processor time, and 5 MiB of memory besides the guest's.
";

/// The part, in Markdown. What stands in an array is in the order of the table's columns.
pub fn render(host: Option<&[Start; 3]>, lab: &Counts) -> String {
    let mut out = String::from(HEAD);
    out += "\n| what | `ukvmm` | without its jail | QEMU | QEMU to `ukvmm` | aim |\n|---|---:|---:|---:|---:|---:|\n";
    if let Some(starts) = host {
        let ms = |of: fn(&Start) -> Duration| starts.each_ref().map(|start| of(start).as_secs_f64() * 1e3);
        row(&mut out, "time: minimum", ms(|start| start.real.min), "ms", "");
        row(&mut out, "time: median", ms(|start| start.real.median), "ms", "");
        row(&mut out, "processor time: minimum", ms(|start| start.cpu.min), "ms", "8 ms");
        row(&mut out, "processor time: median", ms(|start| start.cpu.median), "ms", "8 ms");
        let mib = starts.each_ref().map(|start| start.memory as f64 / f64::from(1 << 20));
        row(&mut out, "resident memory without the guest's", mib, "MiB", "5 MiB");
    }
    row(&mut out, "instructions in the lab", lab.start.map(|ticks| ticks as f64 / 1e6), "million", "");
    row(&mut out, "an exit, in the lab", lab.exit, "instructions", "");
    out += match host {
        Some(_) => {
            "\nThe first five are of the KVM of the machine that wrote this page, one VMM after the other, 25 times. "
        }
        None => "\nThe machine that wrote this page has no KVM; so there are no times. ",
    };
    out += "What is counted in the lab is the same in every run, with all that the lab's kernel does for it: of starts the median of three; of exits the \
            mean of a thousand, in each of which the guest writes a register of the UART that does nothing.\n";
    out
}

// Writing to a String cannot fail.
fn row(out: &mut String, what: &str, [ours, unjailed, qemu]: [f64; 3], unit: &str, aim: &str) {
    let ratio = qemu / ours;
    let _ = writeln!(
        out,
        "| {what} | {ours:.1} {unit} | {unjailed:.1} {unit} | {qemu:.1} {unit} | {ratio:.1} | {aim} |"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::host::Times;

    #[test]
    fn each_figure_has_its_column() {
        let times = Times { min: Duration::from_millis(2), median: Duration::from_millis(3) };
        let start = |memory| Start { real: times, cpu: times, memory };
        let lab = Counts { start: [2_000_000, 1_000_000, 9_000_000], exit: [2500.0, 2250.5, 5000.0] };
        let text = render(Some(&[start(4 << 20), start(3 << 20), start(32 << 20)]), &lab);
        assert!(text.contains("| 4.0 MiB | 3.0 MiB | 32.0 MiB | 8.0 | 5 MiB |"), "{text}");
        assert!(text.contains("| 2.0 million | 1.0 million | 9.0 million | 4.5 |  |"), "{text}");
        assert!(
            text.contains("| 2500.0 instructions | 2250.5 instructions | 5000.0 instructions | 2.0 |  |"),
            "{text}"
        );
        let text = render(None, &lab);
        assert!(text.contains("no KVM") && !text.contains("MiB |"), "{text}");
    }
}
