//! What other kernels take.

/// A call and its reply: instructions in kernel mode, as ours are counted.
pub struct RoundTrip {
    pub who: &'static str,
    pub message: &'static str,
    pub apart: u64,
    pub together: Option<u64>,
}

const fn round_trip(
    who: &'static str,
    message: &'static str,
    apart: u64,
    together: Option<u64>,
) -> RoundTrip {
    RoundTrip { who, message, apart, together }
}

/// seL4 of 2026-08 (1326364b), Fiasco.OC of 2026-06 (245fce53), NOVA of 2024-01 (8b6c28a0): gcc 12.2, QEMU 7.2.
pub const ROUND_TRIPS: [RoundTrip; 5] = [
    round_trip("NOVA", "1 word", 277, Some(257)),
    round_trip("seL4, fast path", "none", 424, Some(418)),
    round_trip("seL4, more than the fast path takes", "10 words", 886 + 808, None),
    round_trip("seL4, built without fast path", "none", 1501, Some(1495)),
    round_trip("Fiasco.OC, performance build", "none", 1063, Some(1043)),
];

/// Page faults, and what is nearest to an interrupt: who, what, what is counted, instructions.
pub const FAULTS: &[(&str, &str, &str, u64)] = &[
    ("seL4", "page fault to a handler 595, map 795, reply 660", "kernel", 595 + 795 + 660),
    ("seL4", "the same", "all", 2070),
    ("NOVA", "page fault to a handler 429, reply 135; nothing mapped", "kernel", 429 + 135),
    ("Linux 6.1, mitigations off", "SIGSEGV to a handler, mprotect, and back", "all", 9248),
    (
        "seL4",
        "signal to a waiting thread of higher priority in another address space (no interrupt)",
        "kernel",
        536,
    ),
];

/// An IPC in cycles.
pub struct Published {
    pub who: &'static str,
    pub cpu: &'static str,
    pub cycles: &'static str,
    /// Any two threads, by the kernel.
    pub full: bool,
    pub source: &'static str,
}

pub const SEMANTICS: [&str; 2] = ["full", "restricted"];

const fn full(who: &'static str, cpu: &'static str, cycles: &'static str, source: &'static str) -> Published {
    Published { who, cpu, cycles, full: true, source }
}

const fn restricted(who: &'static str, cpu: &'static str, cycles: &'static str) -> Published {
    Published { full: false, ..full(who, cpu, cycles, COLLECTED) }
}

/// Lectures on µ-kernels after Liedtke's papers have these side by side.
const COLLECTED: &str = "in the 1990s";
const SEL4BENCH: &str = "sel4bench-results, 2026-06, call / reply, no mitigation";
const COMPARED: &str = "trustworthy.systems, comparative performance of L4 kernels";

pub const CYCLES: [Published; 23] = [
    full("L4", "Alpha, 433 MHz", "45", COLLECTED),
    full("L4", "R4600, 100 MHz", "100", COLLECTED),
    full("L4", "Pentium, 166 MHz", "121", COLLECTED),
    full("L4", "486, 50 MHz", "250", COLLECTED),
    full("QNX", "486, 33 MHz", "1 254", COLLECTED),
    full("Mach", "R2000, 16.7 MHz", "1 584", COLLECTED),
    full("SRC RPC", "CVAX, 12.5 MHz", "2 900", COLLECTED),
    full("Mach", "486, 50 MHz", "5 750", COLLECTED),
    full("Amoeba", "68020, 15 MHz", "6 000", COLLECTED),
    full("Spin", "Alpha 21064, 133 MHz", "6 783", COLLECTED),
    full("Mach", "Alpha 21064, 133 MHz", "6 916", COLLECTED),
    restricted("Exo-tlrpc", "R2000, 116.7 MHz", "53"),
    restricted("Spring", "SPARC V8, 40 MHz", "220"),
    restricted("DP-Mach", "486, 66 MHz", "528"),
    restricted("LRPC", "CVAX, 12.5 MHz", "981"),
    full("L4Ka::Pistachio", "Opteron 242", "230", COMPARED),
    full("NOVA, 32 bits", "Core i7-920", "288", COMPARED),
    full("seL4, 32 bits", "Core i7-4770", "301", COMPARED),
    full("seL4", "Skylake", "722 / 578", SEL4BENCH),
    full("seL4", "Haswell", "554 / 411", SEL4BENCH),
    full("seL4 of 2025-04", "Skylake", "382 / 385", "sel4bench-results, call / reply, no mitigation"),
    full("L4Re (Fiasco.OC)", "Intel N100", "392", "l4re.org/perf, TSC cycles"),
    full("L4Re (Fiasco.OC)", "Xeon Platinum 8352S", "934", "l4re.org/perf, TSC cycles"),
];
