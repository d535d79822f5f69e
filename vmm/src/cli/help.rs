//! What `ukvmm -h` and `ukvmm --help` say beside the flags themselves.

use super::Cli;
use clap::CommandFactory;
use clap::builder::Resettable;

/// Lines are no longer, however wide the terminal.
pub const COLUMNS: usize = 100;

pub const GUEST: &str = "Guest";
pub const MACHINE: &str = "Machine";
pub const DEVICES: &str = "Devices";
pub const INSIGHT: &str = "Debugging and profiling";
pub const GENERAL: &str = "General";

/// The flags that `-h` shows.
const USUAL: [&str; 11] =
    ["kernel", "servers", "memory", "cpus", "timeout", "disk", "net", "share", "gdb", "config", "verbose"];

pub const USAGE: &str = "ukvmm [FLAGS] [-- CMD…]\n       ukvmm COMMAND";

pub const SHORT_END: &str =
    "In the guest's terminal: Ctrl-A x leaves, Ctrl-A h helps. All flags: ukvmm --help";

pub const LONG_END: &str = "\
Examples:
  ukvmm                                                         a shell
  ukvmm -- /bin/ls -l                                           one program
  ukvmm --share tag=src,path=. --net user --timeout 60          with a folder and a network
  ukvmm --kernel build/guest.elf --servers linux -s -S          waits for gdb on port 1234
  ukvmm --kernel vmlinuz --initrd root.cpio --disk d.img,ro     a stock Linux
  UKVMM_CONFIG=my.toml ukvmm --memory 1G                        settings of a file, but for one
  ukvmm --config my.toml --dry-run                              what machine that would be

Exit status:
  0-119   the program's own; 0 after power-off or reboot of a stock kernel, and after Ctrl-A x
  120     the guest's kernel panicked
  121     triple fault
  124     --timeout
  125     wrong command line or settings, or an error of ukvmm
  126     no usable KVM; `ukvmm doctor` says more
  127     a file was not found
  128+n   ukvmm died of signal n

In the guest's terminal:
  Ctrl-A x leaves, Ctrl-A h helps, Ctrl-A Ctrl-A is a Ctrl-A";

pub const COMPLETIONS_END: &str = "\
Examples:
  ukvmm completions bash > ~/.local/share/bash-completion/completions/ukvmm
  ukvmm completions zsh > ~/.zfunc/_ukvmm
  ukvmm completions fish > ~/.config/fish/completions/ukvmm.fish";

/// The command line as clap knows it. Use this and not [`Cli::command`].
pub fn command() -> clap::Command {
    Cli::command().mut_args(|arg| {
        let is_usual =
            arg.get_long().is_none_or(|long| USUAL.contains(&long)) && arg.get_short() != Some('S');
        // Variables are for `settings` to read.
        arg.hide_short_help(!is_usual).env(Resettable::Reset)
    })
}
