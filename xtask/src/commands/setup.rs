//! `cargo xtask setup`

use crate::setup;
use anyhow::Result;
use std::process::ExitCode;

/// Installs what building, testing and the lab need.
pub fn setup() -> Result<ExitCode> {
    setup::for_build()?;
    setup::for_lint()?;
    let kernel = setup::for_lab()?;
    setup::for_stock()?;
    setup::for_debugging()?;
    eprintln!("everything is there; the lab's kernel is {}", kernel.lab.image.display());
    Ok(ExitCode::SUCCESS)
}
