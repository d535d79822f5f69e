//! What a machine lacks, and how it gets it.
//!
//! A machine is expected to have Rust (by rustup), gcc, and Debian's apt. Everything else is installed here, and
//! said before it is done. Where that may not be done, the commands to do it by hand are the error's text.

mod apt;
mod kernel;
mod rust;
mod tool;
mod vmlinux;

use anyhow::Result;
use lab::process;
use std::path::PathBuf;
use std::process::Command;

pub use kernel::{Kernel, guests, kernel};

/// What [`busybox`] is the path of.
pub const BUSYBOX: &str = "/bin/busybox";

/// The browser in which tests look at pages.
pub const CHROMIUM: &str = "chromium";

/// What the build needs: gcc, the guest's target, and the programs that go into the root file system.
pub fn for_build() -> Result<()> {
    anyhow::ensure!(
        process::succeeds(Command::new("gcc").arg("--version")),
        "gcc is missing; by hand: apt-get install gcc libc6-dev"
    );
    rust::target(crate::cargo::GUEST_TARGET)?;
    rust::target(crate::cargo::HOST_TARGET)?;
    apt::install(&[apt::BUSYBOX])
}

/// What the lab needs besides: QEMU and a kernel.
pub fn for_lab() -> Result<Kernel> {
    apt::install(&[apt::BUSYBOX, apt::QEMU])?;
    kernel()
}

/// The kernels that are guests in the lab.
pub fn for_stock() -> Result<()> {
    apt::install(&[apt::BUSYBOX])?;
    kernel::fetch_guests()
}

/// What the tests of the debugger's stub need besides.
pub fn for_debugging() -> Result<()> {
    apt::install(&[apt::GDB])
}

/// Whether the browser is there. Some hundreds of megabytes are too much to install for a test.
pub fn chromium() -> Result<()> {
    anyhow::ensure!(
        process::succeeds(Command::new(CHROMIUM).arg("--version")),
        "there is no {CHROMIUM}, which is not installed for this alone; by hand: apt-get install chromium"
    );
    Ok(())
}

/// The program that makes the book.
pub fn mdbook() -> Result<PathBuf> {
    tool::MDBOOK.path()
}

/// The program that makes the Debian package.
pub fn for_deb() -> Result<PathBuf> {
    tool::CARGO_DEB.path()
}

/// What `cargo xtask bochs` needs besides.
pub fn for_bochs() -> Result<()> {
    apt::install(&[apt::BOCHS])
}

/// Nightly Rust with Miri. Nothing else needs it.
pub fn for_miri() -> Result<()> {
    rust::miri()
}

/// `cargo` of nightly Rust.
pub fn nightly_cargo() -> Command {
    rust::nightly_cargo()
}

/// What `cargo xtask test` needs besides.
pub fn for_lint() -> Result<()> {
    rust::component("rustfmt")?;
    rust::component("clippy")
}
