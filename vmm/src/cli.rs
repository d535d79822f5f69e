//! The command line.
//!
//! A flag needs a line here (or in a struct of its own that is flattened into [`Run`]), with a `help_heading`, and nothing else: [`crate::settings`] finds
//! its variable and its key in a settings file by itself.

use crate::evidence::options::EvidenceOptions;
use crate::jail::options::JailOptions;
use cache::hierarchy::Shapes;
use cache::shape::Shape;
use clap::{Args, Parser, Subcommand, ValueEnum};
use profile::format::Format;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub mod help;

pub use help::command;

/// Runs a guest on KVM: a µ-kernel, its servers, and unmodified Linux programs on top; or a stock Linux kernel
#[derive(Parser, Debug)]
#[command(
    name = "ukvmm",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = help::COLUMNS,
    override_usage = help::USAGE,
    after_help = help::SHORT_END,
    after_long_help = help::LONG_END
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub log: Log,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say which KVM this is, what works on it, and how to get what is missing
    Doctor,
    /// Open the core of a guest that has died (`--core`) in gdb, or $GDB
    GdbCore(GdbCore),
    /// Show what a profile tells of a run (`--profile FILE`, as it was recorded)
    Report(Report),
    /// Show what caches make of a trace of memory accesses
    Trace(Trace),
    /// Watch a machine that runs with `--live`: its threads, IPC and system calls, a second at a time
    Top(Top),
    /// Ask a machine that runs with `--control` how it is, and tell it what to do
    Ctl(crate::control::client::options::Ctl),
    /// Print what a shell has to know to complete a command line
    Completions(Completions),
    /// Print a page of the manual: `ukvmm man | man -l -`
    Man(Manual),
}

#[derive(Args, Debug)]
pub struct GdbCore {
    /// Speak GDB's protocol on standard input and output, for `target extended-remote | ukvmm gdb-core --stdio CORE`
    #[arg(long)]
    pub stdio: bool,
    /// The guest's kernel, if it is not where it was or beside the core
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    pub core: PathBuf,
    /// Arguments for gdb
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, conflicts_with = "stdio", value_name = "ARG")]
    pub arguments: Vec<OsString>,
}

#[derive(Args, Debug)]
pub struct Report {
    /// How to show it; without this as FILE's extension says (.txt .jsonl .hlog .json .folded .html), or as a table
    #[arg(long, value_name = "table|jsonl|hdr|perfetto|folded|html")]
    pub format: Option<Format>,
    /// Where to write it, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The profile
    #[arg(value_name = "PROFILE")]
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Trace {
    /// The trace, as `cargo xtask bench cache` leaves it
    #[arg(long, value_name = "FILE")]
    pub cache: PathBuf,
    /// First cache of instructions
    #[arg(long, value_name = "SIZE:WAYS:LINE", default_value_t = Shapes::EPYC.l1i)]
    pub l1i: Shape,
    /// First cache of data
    #[arg(long, value_name = "SIZE:WAYS:LINE", default_value_t = Shapes::EPYC.l1d)]
    pub l1d: Shape,
    /// The cache behind both
    #[arg(long, value_name = "SIZE:WAYS:LINE", default_value_t = Shapes::EPYC.l2)]
    pub l2: Shape,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Keys: q quits, h helps. Exit status: 0, also when the machine has ended; 125 error, 127 no such machine."
)]
pub struct Top {
    /// Print one second's figures as text, and end
    #[arg(long, conflicts_with = "batch")]
    pub once: bool,
    /// Print the figures of so many seconds as text. (Where standard output is no terminal, text is printed until the machine ends)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// The machine: its process, or its socket. Without this, the only one that runs
    #[arg(value_name = "PID|SOCKET")]
    pub machine: Option<OsString>,
}

#[derive(Args, Debug)]
#[command(after_help = help::COMPLETIONS_END)]
pub struct Completions {
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub struct Manual {
    /// The command that it is about, if not `ukvmm` itself
    pub command: Option<String>,
    /// Write all pages into this folder: ukvmm.1, ukvmm-report.1, …
    #[arg(short, long, value_name = "FOLDER", conflicts_with = "command")]
    pub output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Run {
    /// Kernel to run: ukvmm's own, or a stock Linux
    ///
    /// A Linux is a vmlinuz, or a vmlinux with a PVH entry. Without this flag, ukvmm's own is looked for beside the program and in share/ukvmm, and the server
    /// set is `linux` if none is named.
    #[arg(long, value_name = "FILE", help_heading = help::GUEST)]
    pub kernel: Option<PathBuf>,
    /// Server set: a name or a file
    ///
    /// A name is looked up as images/servers/NAME.toml beside the kernel, then in the current folder. What has a slash in it or ends in .toml is a file.
    #[arg(long, value_name = "NAME|FILE", help_heading = help::GUEST)]
    pub servers: Option<PathBuf>,
    /// Root file system (cpio): the stock kernel's, or in place of the server set's own
    #[arg(long, value_name = "FILE", help_heading = help::GUEST)]
    pub initrd: Option<PathBuf>,
    /// Command line of the kernel
    ///
    /// A stock kernel gets it behind `console=ttyS0 panic=-1 reboot=panic_warm`.
    #[arg(long, value_name = "STRING", default_value = "", hide_default_value = true, help_heading = help::GUEST)]
    pub cmdline: String,
    /// Set a variable in the program's environment; may be given often
    #[arg(long, value_name = "NAME=VALUE", help_heading = help::GUEST)]
    pub env: Vec<OsString>,
    /// Program to run, and its arguments; without it, a shell
    #[arg(last = true, value_name = "CMD", help_heading = help::GUEST)]
    pub program: Vec<OsString>,

    /// Memory of the guest
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = crate::size::parse, help_heading = help::MACHINE)]
    pub memory: u64,
    /// Number of virtual CPUs, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = help::MACHINE)]
    pub cpus: u32,
    /// Stop the guest after so long, with status 124
    ///
    /// Decimals are fine. Time in a debugger counts.
    #[arg(long, value_name = "SECONDS", value_parser = timeout, help_heading = help::MACHINE)]
    pub timeout: Option<Duration>,

    /// A disk: a file or block device; may be given often
    ///
    /// ro: nothing is written. serial=TEXT: what the guest is told when it asks which disk it is. direct: past this machine's page cache. io=uring or
    /// io=threads: how it is read and written, if not as fits best (io=auto).
    #[arg(long, value_name = "FILE[,ro][,serial=TEXT][,direct][,io=HOW]", help_heading = help::DEVICES)]
    pub disk: Vec<OsString>,
    /// A network: the guest's own (user) or an interface of this machine (tap); may be given often
    ///
    /// user[,hostfwd=tcp:127.0.0.1:8080-:80]…[,mtu=N][,mac=…]: for which no rights are needed; hostfwd lets programs of this machine connect to the
    /// guest. tap,name=NAME[,mac=…]: an interface that is there already. socket,path=PATH[,mac=…]: a program that listens there, as QEMU's stream sockets.
    #[arg(long, value_name = "TYPE[,KEY=VALUE]", help_heading = help::DEVICES)]
    pub net: Vec<OsString>,
    /// A folder that the guest sees, by 9P; read-only with ",ro"; may be given often
    #[arg(long, value_name = "tag=NAME,path=FOLDER[,ro]", help_heading = help::DEVICES)]
    pub share: Vec<OsString>,
    /// Sockets between programs of the guest and of this machine
    #[arg(long, value_name = "cid=N,path=SOCKET", help_heading = help::DEVICES)]
    pub vsock: Option<OsString>,
    /// A source of random bytes
    #[arg(long, help_heading = help::DEVICES)]
    pub rng: bool,
    /// A virtio console on standard input and output; with items, a further port of it
    ///
    /// May be given often. path=FILE: bytes go to this file; with listen, the path is a socket's, to which others connect. pty: a pseudo-terminal,
    /// whose name is told.
    #[arg(
        long,
        value_name = "name=TEXT,path=FILE[,listen]|pty",
        num_args = 0..=1,
        default_missing_value = "",
        help_heading = help::DEVICES
    )]
    pub virtio_console: Vec<OsString>,
    /// A 16550 UART (COM1) on standard input and output, for guests without the console device
    ///
    /// Stock kernels always have it.
    #[arg(long, help_heading = help::DEVICES)]
    pub uart: bool,

    /// Let GDB come to a TCP port or a socket
    ///
    /// A port is one of this machine alone if no address is given; port 0 is one that is free, which is told. With ",wait=on" the guest starts when a
    /// debugger says so. ",as=NAME" is what to call it when that is told.
    #[arg(long, value_name = "tcp:[ADDRESS:]PORT|unix:PATH[,wait=on|off]", help_heading = help::INSIGHT)]
    pub gdb: Option<OsString>,
    /// Short for --gdb tcp:1234
    #[arg(short = 's', conflicts_with = "gdb", help_heading = help::INSIGHT)]
    pub gdb_default: bool,
    /// Do not start the guest before the debugger says so; with --gdb or -s
    #[arg(short = 'S', help_heading = help::INSIGHT)]
    pub stopped: bool,
    /// Should the guest die, write its core to this file, which must not exist; see `ukvmm gdb-core`
    #[arg(long, value_name = "FILE", help_heading = help::INSIGHT)]
    pub core: Option<PathBuf>,
    /// Record what the machine does and how long it takes, into this file
    ///
    /// It is written when the guest has ended; "-" is standard output. The format is the extension's (.txt .jsonl .hlog .json .folded .svg .html) or
    /// the one named (table, jsonl, hdr, perfetto, folded, flamegraph, html, raw), else raw; see `ukvmm report`. hz: samples a second of where it is,
    /// for folded (usually 997), flamegraph (997), html (97) and raw.
    #[arg(long, allow_hyphen_values = true, value_name = "FILE[,format=NAME][,hz=N]", help_heading = help::INSIGHT)]
    pub profile: Option<OsString>,
    /// Let `ukvmm top` watch the machine; with a path, by a socket there, which others may use too
    #[arg(
        long,
        value_name = "SOCKET",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = help::INSIGHT
    )]
    pub live: Option<OsString>,
    /// Print the Linux system calls of all programs, or at the end a summary of the missing ones
    #[arg(
        long,
        value_name = "all|summary",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        hide_possible_values = true,
        help_heading = help::INSIGHT
    )]
    pub strace: Option<Strace>,
    #[command(flatten)]
    pub evidence: EvidenceOptions,
    #[command(flatten)]
    pub control: crate::control::options::ControlOptions,

    /// Print the machine that would be built, and start nothing; as text or as JSON
    ///
    /// Ends with 0, or with the message and status that the run would have ended with before it began. Nothing is left behind: no socket, and no file that the run would write.
    #[arg(
        long,
        value_name = "text|json",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        hide_possible_values = true,
        help_heading = help::GENERAL
    )]
    pub dry_run: Option<Form>,

    #[command(flatten)]
    pub jail: JailOptions,
    #[command(flatten)]
    pub accel: crate::accel::options::AccelOptions,
}

/// What subcommands have too.
#[derive(Args, Debug)]
#[command(next_help_heading = help::GENERAL)]
pub struct Log {
    /// Take settings from a file; every long flag is a key (memory = "1G"), and a variable too (UKVMM_MEMORY=1G)
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Say more (-v what is done, -vv details, -vvv everything)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Form of our own messages on standard error
    #[arg(
        long,
        value_name = "text|json",
        default_value = "text",
        global = true,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub log_format: LogFormat,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    Text,
    Json,
}

/// Of what is printed for people or for programs.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Text,
    Json,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strace {
    All,
    Summary,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("a timeout must be longer than 0 seconds, and finite".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["ukvmm"], args].concat())
    }

    #[test]
    fn a_full_line() {
        let line =
            ["--kernel", "k", "--servers", "linux", "--memory", "1G", "--timeout", "0.5", "--strace=summary"];
        let rest = ["--env", "A=b", "-vv", "--log-format", "json", "--", "/bin/ls", "-l", "--kernel"];
        let cli = parse(&[&line[..], &rest[..]].concat()).unwrap();
        assert_eq!(cli.run.memory, 1 << 30);
        assert_eq!(cli.run.timeout, Some(Duration::from_millis(500)));
        assert_eq!(cli.run.strace, Some(Strace::Summary));
        assert_eq!(cli.run.program, ["/bin/ls", "-l", "--kernel"]);
        assert_eq!((cli.log.verbose, cli.log.log_format), (2, LogFormat::Json));
    }

    #[test]
    fn strace_takes_its_value_only_by_an_equals_sign() {
        assert_eq!(parse(&["--kernel", "k", "--strace"]).unwrap().run.strace, Some(Strace::All));
        assert!(parse(&["--kernel", "k", "--strace", "summary"]).is_err());
    }

    #[test]
    fn mistakes_are_refused() {
        for args in [
            &["--kernel"][..],
            &["--kernel", "k", "ls"],
            &["--kernel", "k", "--memory", "lots"],
            &["--kernel", "k", "--timeout", "0"],
            &["--kernel", "k", "--timeout", "-1"],
            &["--kernel", "k", "--timeout", "inf"],
            &["--kernel", "k", "--timeout", "NaN"],
            &["--kernel", "k", "--cpus", "x"],
            &["--kernel", "k", "-s", "--gdb", "tcp:1"],
            &["--kernel", "k", "doctor"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
        assert!(parse(&["--kernel", "k", "--profile", "-,format=html"]).is_ok());
        assert!(matches!(parse(&["doctor", "-v"]).unwrap().command, Some(Command::Doctor)));
    }

    #[test]
    fn what_follows_a_core_is_gdb_s() {
        let parse = |args: &[&str]| parse(&[&["gdb-core"], args].concat());
        let Some(Command::GdbCore(command)) = parse(&["c", "-batch", "-ex", "bt"]).unwrap().command else {
            panic!("another command")
        };
        assert_eq!((command.core, command.stdio, command.kernel), ("c".into(), false, None));
        assert_eq!(command.arguments, ["-batch", "-ex", "bt"]);
        let Some(Command::GdbCore(command)) = parse(&["--stdio", "--kernel", "k", "c"]).unwrap().command
        else {
            panic!("another command")
        };
        assert_eq!((command.stdio, command.kernel), (true, Some("k".into())));
        for args in [&[][..], &["--stdio"], &["--stdio", "c", "-batch"]] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn a_report_needs_a_profile_and_knows_its_formats() {
        let Some(Command::Report(report)) =
            parse(&["report", "p", "--format", "html", "-o", "x"]).unwrap().command
        else {
            panic!("another command")
        };
        assert_eq!((report.file, report.format), ("p".into(), Some(Format::Html)));
        assert_eq!(report.output, Some("x".into()));
        let error = parse(&["report", "p", "--format", "xml"]).unwrap_err().to_string();
        assert!(error.contains("known: table, jsonl"), "{error}");
        assert!(parse(&["report"]).is_err());
    }

    #[test]
    fn caches_have_a_shape() {
        let Some(Command::Trace(trace)) =
            parse(&["trace", "--cache", "t", "--l1d", "8K:2:32"]).unwrap().command
        else {
            panic!("another command")
        };
        assert_eq!((trace.l1i, trace.l1d), (Shapes::EPYC.l1i, Shapes::PENTIUM.l1d));
        let error = parse(&["trace", "--cache", "t", "--l2", "8K"]).unwrap_err().to_string();
        assert!(error.contains("not SIZE:WAYS:LINE"), "{error}");
        assert!(parse(&["trace"]).is_err());
    }
}
