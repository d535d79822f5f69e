//! Which of lmbench's programs are run, with which arguments, and what each prints.
//!
//! They print on standard error, by `src/lib_timing.c` of lmbench 3:
//!
//! | who | what | printed by |
//! |---|---|---|
//! | most `lat_*` | `Simple syscall: 0.3270 microseconds` | `micro` |
//! | `lat_mmap` | `8.388608 166`: millions of bytes, microseconds | `micromb` |
//! | `lat_ctx` | an empty line, `"size=0k ovr=2.36`, `2 4.04`: processes, microseconds a switch | its own `main` |
//! | `bw_pipe`, `bw_unix` | `Pipe bandwidth: 1320.90 MB/sec` | `mb` |
//! | other `bw_*` | `8.39 2583.00`: millions of bytes, millions of bytes a second | `bandwidth`, `adjusted_bandwidth` |
//!
//! A figure is the median of as many measurements as `-N` says: one, where a program takes a second or two for each whatever `ENOUGH` says. A program whose measurement fails often prints nothing at all, and ends with 0.

/// A program with its arguments.
#[derive(Debug)]
pub struct Row {
    pub title: &'static str,
    pub program: &'static str,
    pub arguments: &'static str,
    prints: Prints,
    /// The same on Debian's Linux 6.1 without mitigations, measured elsewhere with static programs.
    pub elsewhere: Option<f64>,
}

/// What a program prints.
#[derive(Clone, Copy, Debug)]
enum Prints {
    /// A text, a colon, a number, and this word.
    Labelled(&'static str, Unit),
    /// Two numbers, of which the second is the figure.
    Pair(Unit),
}

/// What a figure is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Microseconds,
    /// Millions of bytes in a second.
    Rate,
}

const MICRO: Prints = Prints::Labelled("microseconds", Unit::Microseconds);
const MB: Prints = Prints::Labelled("MB/sec", Unit::Rate);
const TIME: Prints = Prints::Pair(Unit::Microseconds);
const RATE: Prints = Prints::Pair(Unit::Rate);

/// The file of 8 MiB that is read and mapped.
macro_rules! data {
    () => {
        "/tmp/lmbench.data"
    };
}

const fn row(
    title: &'static str,
    program: &'static str,
    arguments: &'static str,
    prints: Prints,
    elsewhere: Option<f64>,
) -> Row {
    Row { title, program, arguments, prints, elsewhere }
}

#[rustfmt::skip]
pub const ROWS: [Row; 30] = [
    row("getppid", "lat_syscall", "-N 3 null", MICRO, Some(0.327)),
    row("write a byte to /dev/null", "lat_syscall", "-N 3 write", MICRO, Some(0.586)),
    row("read a byte from /dev/zero", "lat_syscall", "-N 3 read", MICRO, Some(0.664)),
    row("stat", "lat_syscall", concat!("-N 3 stat ", data!()), MICRO, Some(3.569)),
    row("fstat", "lat_syscall", concat!("-N 3 fstat ", data!()), MICRO, Some(2.726)),
    row("open and close", "lat_syscall", concat!("-N 3 open ", data!()), MICRO, Some(6.167)),
    row("select, 10 files", "lat_select", "-N 3 -n 10 file", MICRO, Some(1.512)),
    row("select, 100 files", "lat_select", "-N 3 -n 100 file", MICRO, Some(9.685)),
    row("signal handler: install", "lat_sig", "-N 3 install", MICRO, Some(0.557)),
    row("signal handler: called", "lat_sig", "-N 3 catch", MICRO, Some(2.842)),
    row("protection fault", "lat_sig", concat!("-N 3 prot ", data!()), MICRO, Some(0.660)),
    row("pipe round trip", "lat_pipe", "-N 1", MICRO, Some(12.763)),
    row("Unix socket round trip", "lat_unix", "-N 3", MICRO, Some(17.022)),
    row("semaphore", "lat_sem", "-N 1", MICRO, Some(2.504)),
    row("file lock", "lat_fcntl", "-N 3", MICRO, Some(9.114)),
    row("2 processes, a switch", "lat_ctx", "-N 3 -s 0 2", TIME, Some(4.04)),
    row("8 processes, a switch", "lat_ctx", "-N 3 -s 0 8", TIME, Some(4.05)),
    row("fork and exit", "lat_proc", "-N 3 fork", MICRO, Some(226.520)),
    row("fork and exec", "lat_proc", "-N 3 exec", MICRO, Some(562.889)),
    row("fork and /bin/sh", "lat_proc", "-N 3 shell", MICRO, Some(1118.9)),
    row("mmap of 8 MiB", "lat_mmap", concat!("-N 3 8m ", data!()), TIME, Some(166.0)),
    row("page fault of a file", "lat_pagefault", concat!("-N 3 ", data!()), MICRO, Some(1.054)),
    row("pipe", "bw_pipe", "-N 1 -m 65536 -M 2m", MB, Some(1320.9)),
    row("Unix socket", "bw_unix", "-N 1", MB, Some(1297.4)),
    row("file re-read, 8 MiB", "bw_file_rd", concat!("-N 3 8m io_only ", data!()), RATE, Some(2583.0)),
    row("mmap re-read, 8 MiB", "bw_mmap_rd", concat!("-N 3 8m mmap_only ", data!()), RATE, Some(7738.0)),
    row("open, mmap, read, 8 MiB", "bw_mmap_rd", concat!("-N 3 8m open2close ", data!()), RATE, Some(2575.0)),
    row("memory: read 1 MiB", "bw_mem", "-N 3 1m rd", RATE, None),
    row("memory: write 1 MiB", "bw_mem", "-N 3 1m wr", RATE, None),
    row("memory: copy 1 MiB", "bw_mem", "-N 3 1m cp", RATE, None),
];

impl Row {
    pub fn unit(&self) -> Unit {
        match self.prints {
            Prints::Labelled(_, unit) | Prints::Pair(unit) => unit,
        }
    }

    /// The figure among the lines that the program has printed.
    pub fn figure(&self, lines: &[String]) -> Option<f64> {
        let found = lines.iter().find_map(|line| match self.prints {
            Prints::Labelled(word, _) => line.rsplit_once(": ")?.1.strip_suffix(word)?.trim().parse().ok(),
            Prints::Pair(_) => {
                let (first, second) = line.split_once(' ')?;
                first.parse::<f64>().ok().and_then(|_| second.parse().ok())
            }
        });
        found.filter(|figure: &f64| figure.is_finite() && *figure > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(title: &str, lines: &[&str]) -> Option<f64> {
        let lines: Vec<_> = lines.iter().map(|&line| line.to_owned()).collect();
        ROWS.iter().find(|row| row.title == title).unwrap().figure(&lines)
    }

    #[test]
    fn what_each_program_prints_is_read() {
        assert_eq!(figure("getppid", &["Simple syscall: 0.3270 microseconds"]), Some(0.327));
        let path = "Pagefaults on /tmp/a: b: 1.0540 microseconds";
        assert_eq!(figure("page fault of a file", &[path]), Some(1.054));
        assert_eq!(figure("mmap of 8 MiB", &["8.388608 166"]), Some(166.0));
        assert_eq!(figure("2 processes, a switch", &["", "\"size=0k ovr=2.36", "2 4.04"]), Some(4.04));
        assert_eq!(figure("pipe", &["Pipe bandwidth: 1320.90 MB/sec"]), Some(1320.9));
        assert_eq!(figure("file re-read, 8 MiB", &["8.39 2583.00"]), Some(2583.0));
    }

    #[test]
    fn anything_else_is_no_figure() {
        for lines in [
            &[][..],
            &["Simple syscall: -1"],
            &["Simple syscall: x microseconds"],
            &["Simple syscall: 0.0000 microseconds"],
            &["Simple syscall: inf microseconds"],
            &["Simple syscall: NaN microseconds"],
            &["Simple syscall: 0.3 nanoseconds"],
            &["microseconds", ": microseconds"],
        ] {
            assert_eq!(figure("getppid", lines), None, "{lines:?}");
        }
        for lines in [&["2"][..], &["2 x"], &["x 2"], &["2 3 4"], &["2 -3.0"]] {
            assert_eq!(figure("2 processes, a switch", lines), None, "{lines:?}");
        }
    }

    #[test]
    fn no_two_rows_are_the_same() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..at].iter().all(|other| other.title != row.title), "{}", row.title);
        }
    }
}
