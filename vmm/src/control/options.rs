//! The option.

use crate::cli::help;
use clap::Args;
use std::ffi::OsString;

#[derive(Args, Clone, Default, Debug)]
pub struct ControlOptions {
    /// Let `ukvmm ctl`, curl and other programs of this user control the machine, by HTTP over a socket
    ///
    /// Without a path it is where `ukvmm ctl` finds it.
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, default_missing_value = "", help_heading = help::INSIGHT)]
    pub control: Option<OsString>,
}
