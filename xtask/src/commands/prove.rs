//! `cargo xtask prove`: the kernel's algorithms under tools that try more than the tests themselves do.
//!
//! Loom goes through all orders in which CPUs can come to the kernel's lock. Miri interprets the tests of the core and finds what the
//! language does not define; the core has no unsafe code, so this is about what the compiler and the library make of it. Both build the
//! core anew in folders of their own: other flags, another compiler.

use crate::cargo::cargo;
use crate::{paths, setup};
use anyhow::Result;
use lab::process;
use std::process::{Command, ExitCode};

const CORE: &str = "ukernel-core";
/// Tests of the core that take Miri many minutes each: they go through much memory, word by word.
const TOO_LONG_FOR_MIRI: [&str; 2] = ["mem::", "ipc::strings::"];

pub fn prove() -> Result<ExitCode> {
    process::run(&mut loom())?;
    setup::for_miri()?;
    process::run(&mut miri())?;
    Ok(ExitCode::SUCCESS)
}

/// Tests the lock.
pub fn loom() -> Command {
    let mut command = cargo("test");
    command.args(["--package", CORE, "--test", "lock"]);
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "--cfg loom");
    command.env("CARGO_TARGET_DIR", paths::root().join("target/loom"));
    command
}

/// Tests the core in Miri, which has to be there.
pub fn miri() -> Command {
    let mut command = setup::nightly_cargo();
    command.args(["miri", "test", "--package", CORE, "--lib"]).current_dir(paths::root());
    // Threads of the tests live for ever, as those of a kernel may.
    command.env("MIRIFLAGS", "-Zmiri-ignore-leaks -Zmiri-disable-isolation");
    command.env("CARGO_TARGET_DIR", paths::root().join("target/miri")).arg("--");
    for name in TOO_LONG_FOR_MIRI {
        command.args(["--skip", name]);
    }
    command
}
