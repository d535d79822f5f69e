//! The flag `--accel`.

use clap::{Args, ValueEnum};

/// Where the machine runs.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accel {
    /// On this host's KVM
    Kvm,
    /// On a stock Linux with KVM, on a CPU that QEMU emulates: slow, and figures mean nothing
    Lab,
    /// On KVM if it is usable, else in the lab, which is said
    Auto,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Where it runs")]
pub struct AccelOptions {
    /// What runs the machine
    #[arg(long, value_name = "kvm|lab|auto", default_value = "kvm", hide_possible_values = true)]
    pub accel: Accel,
}
