//! `cargo xtask bochs`: a server set on an emulated CPU with PCID and AVX-512.

use super::build;
use crate::bochs;
use anyhow::Result;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    /// Server set
    #[arg(default_value = "conformance")]
    set: String,
    /// Model of the CPU (`bochs --help cpu`)
    #[arg(long, default_value = "corei7_skylake_x")]
    cpu: String,
    /// Limit in seconds of real time
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    #[command(flatten)]
    build: build::BuildArgs,
}

pub fn bochs(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    bochs::run(&args.set, &args.cpu, args.timeout).map(ExitCode::from)
}
