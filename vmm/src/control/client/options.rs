//! The command line of `ukvmm ctl`.

use clap::{Args, Subcommand};
use std::ffi::OsString;

#[derive(Args, Debug)]
#[command(after_help = "Exit status: 0; 125 error, or the machine cannot do that now; 127 no such machine.")]
pub struct Ctl {
    /// The machine: its process, or its socket. Without this, the only one that runs
    #[arg(value_name = "PID|SOCKET")]
    pub machine: Option<OsString>,
    #[command(subcommand)]
    pub what: What,
}

#[derive(Subcommand, Debug)]
pub enum What {
    /// Say how the machine is
    Status(Form),
    /// Have all its virtual CPUs stand still
    Pause(Form),
    /// Have them go on
    Resume(Form),
    /// End it
    Stop(Stop),
    /// Type on the guest's console
    Keys(Keys),
    /// Print its figures, in Prometheus' text format
    Metrics,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct Form {
    /// Print the answer as the machine gives it
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct Stop {
    /// The machine's ukvmm ends with this status, 0 to 119
    #[arg(long, value_name = "N", conflicts_with = "signal")]
    pub status: Option<u64>,
    /// It ends as if this signal had come; without either option: TERM
    #[arg(long, value_name = "TERM|INT|HUP|QUIT")]
    pub signal: Option<String>,
    #[command(flatten)]
    pub form: Form,
}

#[derive(Args, Debug)]
pub struct Keys {
    /// Type this first, as it is
    #[arg(long, value_name = "TEXT", required_unless_present = "keys")]
    pub text: Option<String>,
    /// Keys by their names: enter, ctrl-c, up, f1, a, …
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    #[command(flatten)]
    pub form: Form,
}
