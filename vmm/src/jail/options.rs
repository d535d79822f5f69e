//! How the jail is turned off.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Jail")]
pub struct JailOptions {
    /// Run without the jail: no seccomp, no Landlock, all privileges kept (docs/jail.md)
    #[arg(long)]
    pub no_sandbox: bool,
}
