//! `cargo xtask bench devices`
//!
//! - [`start`]: starting a machine, on this machine's KVM
//! - [`linux`]: disk and network of a stock Linux guest, in the lab

mod start;

use anyhow::Result;
use std::process::ExitCode;

pub fn devices() -> Result<ExitCode> {
    if let Some(s) = start::measure()? {
        for (n, s) in [("ukvmm", s.ukvmm), ("qemu", s.qemu)] {
            println!("{n} {:?} {:?} {}", s.time.min, s.time.median, s.memory);
        }
    }
    Ok(ExitCode::SUCCESS)
}
