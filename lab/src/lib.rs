//! The lab: a stock Debian kernel with `kvm_amd`, on a CPU that QEMU emulates.
//!
//! QEMU's TCG emulates AMD's SVM, so that a KVM of the ordinary kind is to be had on any machine. With `-icount
//! shift=0` its time stamp counter counts instructions, and everything that differs from run to run (clocks, random
//! numbers, address layout) is fixed: the same command line gives the same figures to the digit. That is so with one CPU; a guest with
//! more gets a lab with more, which run side by side and by the host's clock.
//!
//! Two programs have one: `cargo xtask lab`, which installs what it takes, and `ukvmm --accel lab`, which finds it or says what is missing.
//!
//! - [`Lab`], [`kernel`]: what a lab is made of
//! - [`Job`]: what is to be run there
//! - [`image`]: the lab's root file system, with the files that a job names at the same paths as here
//! - [`qemu`]: the machine, and following its output
//! - [`profile`]: brings back what `--profile` asks for
//! - [`symbols`]: what has no place in the lab as it is, since it is large
//! - [`archive`], [`process`]: root file systems in the making; other programs
//! - `init.sh`: the lab's first program; `hold.c`: keeps a virtual machine there

#![forbid(unsafe_code)]

pub mod archive;
mod image;
mod job;
pub mod kernel;
mod path;
pub mod process;
pub mod profile;
mod qemu;
mod run;
mod symbols;

pub use job::{Disk, Job, Outcome, Sink};
pub use kernel::Kernel;
pub use path::absolute;
pub use qemu::{FIRST_SOCKET, QEMU};
pub use run::Lab;
