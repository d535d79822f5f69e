//! The targets, and the table of them.
//!
//! A target is a function of bytes, and inputs that reach far into it. To add one: a module here, a line in the table, its name in
//! `tests/bounded.rs` and an entry point in `libfuzzer/`; then `cargo run -p fuzz -- corpus`.

mod analysis;
mod block;
mod bzimage;
mod console;
mod control;
mod core;
mod elf;
mod gdb;
mod inspect;
mod junit;
mod mmio;
mod net;
mod options;
mod p9;
mod p9fs;
mod profile;
mod rng;
mod set;
mod sites;
mod usernet;
mod vsock;

/// A named input.
pub type Seed = (&'static str, Vec<u8>);

/// A target.
pub struct Target {
    pub name: &'static str,
    /// Panics if something is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Seed>,
    /// How many mutations of the corpus the tests try: about a second's worth.
    pub runs: u64,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "mmio", run: mmio::run, seeds: mmio::seeds, runs: 4000 },
    Target { name: "block", run: block::run, seeds: block::seeds, runs: 4000 },
    Target { name: "rng", run: rng::run, seeds: rng::seeds, runs: 4000 },
    Target { name: "console", run: console::run, seeds: console::seeds, runs: 4000 },
    Target { name: "net", run: net::run, seeds: net::seeds, runs: 4000 },
    Target { name: "usernet", run: usernet::run, seeds: usernet::seeds, runs: 4000 },
    Target { name: "p9", run: p9::run, seeds: p9::seeds, runs: 4000 },
    Target { name: "p9fs", run: p9fs::run, seeds: p9fs::seeds, runs: 2000 },
    Target { name: "vsock", run: vsock::run, seeds: vsock::seeds, runs: 4000 },
    Target { name: "bzimage", run: bzimage::run, seeds: bzimage::seeds, runs: 1000 },
    Target { name: "elf", run: elf::run, seeds: elf::seeds, runs: 1000 },
    Target { name: "gdb", run: gdb::run, seeds: gdb::seeds, runs: 4000 },
    Target { name: "set", run: set::run, seeds: set::seeds, runs: 4000 },
    Target { name: "options", run: options::run, seeds: options::seeds, runs: 4000 },
    Target { name: "inspect", run: inspect::run, seeds: inspect::seeds, runs: 1000 },
    Target { name: "core", run: core::run, seeds: core::seeds, runs: 1000 },
    Target { name: "profile", run: profile::run, seeds: profile::seeds, runs: 4000 },
    Target { name: "sites", run: sites::run, seeds: sites::seeds, runs: 4000 },
    Target { name: "control", run: control::run, seeds: control::seeds, runs: 4000 },
    Target { name: "junit", run: junit::run, seeds: junit::seeds, runs: 4000 },
    Target { name: "analysis", run: analysis::run, seeds: analysis::seeds, runs: 2000 },
];

/// The target called `name`.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs the target called `name`, for an entry point.
///
/// # Panics
///
/// If there is none, or if the target finds something.
pub fn run(name: &str, bytes: &[u8]) {
    (find(name).expect("a target of that name").run)(bytes);
}
