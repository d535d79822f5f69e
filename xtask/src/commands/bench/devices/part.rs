//! The part of `docs/performance.md` that is about devices.

use super::linux::{Linux, Measured};
use anyhow::{Context, Result};
use std::fmt::Write;

/// What is shown of the loads: name, text, and what a figure is per.
const LOADS: [(&str, &str); 8] = [
    ("read-4k-1", "disk: reads of 4 KiB, one at a time"),
    ("write-4k-1", "disk: writes of 4 KiB, one at a time"),
    ("read-4k-16", "disk: reads of 4 KiB, 16 at a time"),
    ("write-4k-16", "disk: writes of 4 KiB, 16 at a time"),
    ("read-1m", "disk: reads of 1 MiB, two at a time"),
    ("write-1m", "disk: writes of 1 MiB, two at a time"),
    ("download", "network: to the guest, TCP through the user-mode network"),
    ("upload", "network: from the guest, the same"),
];

const HEAD: &str = "## Devices

`ukvmm` beside QEMU 7.2's `microvm` (Debian's package), which is made for the same purpose.
";

/// The part, in Markdown.
pub fn render(linux: &Linux) -> Result<String> {
    let mut out = String::from(HEAD);
    loads(&mut out, linux)?;
    Ok(out)
}

// Writing to a String cannot fail.
fn loads(out: &mut String, linux: &Linux) -> Result<()> {
    *out += "
### Disk and network of a stock Linux guest

In the lab, where all that is done is counted: instructions of the guest, of KVM, of the VMM and of the host's kernel, on one CPU. The disk is a
file in the host's memory, used with O_DIRECT; QEMU has its defaults. Requests a second are those of a CPU that does 10⁹ such instructions in a
second and nothing at the same time.

| load | `ukvmm` | QEMU | instructions, QEMU to `ukvmm` |
|---|---:|---:|---:|
";
    for (name, what) in LOADS {
        let find = |loads: &super::linux::Loads| {
            loads.get(name).copied().with_context(|| format!("no measurement {name:?}"))
        };
        let (ours, theirs) = (find(&linux.ukvmm)?, find(&linux.qemu)?);
        let ratio = theirs.ticks as f64 / ours.ticks as f64;
        let _ = writeln!(out, "| {what} | {} | {} | {ratio:.2} |", rate(name, ours), rate(name, theirs));
    }
    Ok(())
}

/// Requests or megabytes a second.
fn rate(name: &str, Measured { count, ticks }: Measured) -> String {
    let a_second = count as f64 * 1e9 / ticks as f64;
    match name {
        "download" | "upload" => format!("{:.0} MB/s", a_second / 1e6),
        "read-1m" | "write-1m" => format!("{:.0} MB/s", a_second * f64::from(1 << 20) / 1e6),
        _ => format!("{a_second:.0} IOPS"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_their_units() {
        let half = Measured { count: 500, ticks: 1_000_000 };
        assert_eq!(rate("read-4k-1", half), "500000 IOPS");
        assert_eq!(rate("read-1m", Measured { count: 1, ticks: 1_000_000 }), "1049 MB/s");
        assert_eq!(rate("upload", Measured { count: 2_000_000, ticks: 1_000_000_000 }), "2 MB/s");
    }
}
