//! `cargo xtask book`: the pages of `docs/` as a book, `build/book/index.html`.
//!
//! That links lead somewhere and that every page has its place is tested without it (`xtask/tests/docs`); here mdBook has
//! to be content, too: a warning of its is an error.

use crate::{paths, setup};
use anyhow::{Context, Result, ensure};
use lab::process;
use std::process::{Command, ExitCode, Stdio};

/// Installs what is missing, and makes the book.
pub fn book() -> Result<ExitCode> {
    let mdbook = setup::mdbook()?;
    make(&mdbook)?;
    eprintln!("{}", paths::build().join("book/index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// Makes the book with the program `mdbook`.
pub fn make(mdbook: &std::path::Path) -> Result<()> {
    let folder = paths::absolute(&paths::build())?.join("book");
    let mut command = Command::new(mdbook);
    command.arg("build").arg(paths::root()).arg("--dest-dir").arg(&folder).stdin(Stdio::null());
    // Of the environment only mdBook's own variables would matter: they change its configuration.
    command.env("RUST_LOG", "warn");
    let output = command.output().with_context(|| format!("cannot start {}", process::show(&command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.trim().is_empty(), "mdBook is not content:\n{}", said.trim());
    Ok(())
}
