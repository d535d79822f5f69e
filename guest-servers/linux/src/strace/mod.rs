//! System calls as text on the log, as strace(1) prints them, and the list of what is missing.
//!
//! What is printed is the [`Mode`]'s to say; if that is nothing, nothing is counted either. A line is printed when its call returns: arguments that
//! the call reads are decoded when it is made, those that it writes when it is done ([`decode`]).

mod decode;

use crate::errno::Errno;
use crate::machine::Machine;
use crate::mm::PAGE;
use crate::process::Pid;
use crate::process::exit::shell_status;
use crate::signal::info::{Detail, SigInfo};
use crate::signal::set::Signal;
use crate::syscall::args::Arg;
use crate::syscall::{Ctx, Entry, SysResult};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use ukernel_abi::MapItem;
use vmm_abi::linux;

/// What is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    Off,
    /// Every call.
    Calls,
    /// At the end: how often each call was made, and what is missing.
    Summary,
}

impl Mode {
    /// From the server's arguments: `--strace`, `--strace=summary`.
    pub fn from_options<'a>(options: impl IntoIterator<Item = &'a str>) -> Self {
        options.into_iter().fold(Self::Off, |mode, option| match option {
            "--strace" => Self::Calls,
            "--strace=summary" => Self::Summary,
            _ => mode,
        })
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    calls: u64,
    errors: u64,
}

/// A call whose end has not been seen yet.
struct Open {
    /// `None`: to be decoded at the end.
    args: Vec<Option<String>>,
    kinds: &'static [Arg],
}

pub struct Trace {
    mode: Cell<Mode>,
    machine: Rc<dyn Machine>,
    counts: RefCell<BTreeMap<u64, Count>>,
    /// Calls that do not exist here, by number; and everything else of that kind.
    missing_calls: RefCell<BTreeMap<u64, u64>>,
    missing: RefCell<BTreeMap<Cow<'static, str>, u64>>,
    open: RefCell<BTreeMap<Pid, Open>>,
    /// Page faults answered, and pages mapped by the answers.
    faults: Cell<(u64, u64)>,
}

/// Kinds of missing things that are told apart; more are counted as one.
const MISSING_MAX: usize = 256;
/// In place of a number, for calls beyond those. (It is none: numbers have 32 bits.)
const OTHERS: u64 = u64::MAX;

impl Trace {
    pub fn new(mode: Mode, machine: Rc<dyn Machine>) -> Self {
        Self {
            mode: Cell::new(mode),
            machine,
            counts: RefCell::default(),
            missing_calls: RefCell::default(),
            missing: RefCell::default(),
            open: RefCell::default(),
            faults: Cell::default(),
        }
    }

    /// Whether every call has to be told of: with [`Trace::enter`] and [`Trace::leave`].
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode.get() != Mode::Off
    }

    fn prints(&self) -> bool {
        self.mode.get() == Mode::Calls
    }

    /// A call has been made.
    #[inline]
    pub fn enter(&self, c: &Ctx, nr: u64, entry: Option<&'static Entry>) {
        if self.prints() {
            self.open(c, nr, entry);
        }
    }

    #[inline(never)]
    fn open(&self, c: &Ctx, nr: u64, entry: Option<&'static Entry>) {
        let kinds = entry.map_or(&[Arg::Hex; 6][..], |e| e.args);
        let args = (0..kinds.len()).map(|i| decode::before(c, kinds, i)).collect();
        // Calls that do not return are printed now.
        if matches!(linux::name(nr), Some("exit" | "exit_group")) {
            self.print(c.thread.tid, &line(nr, args, "?"));
            return;
        }
        self.open.borrow_mut().insert(c.thread.tid, Open { args, kinds });
    }

    /// A call has ended.
    #[inline]
    pub fn leave(&self, c: &Ctx, nr: u64, result: &SysResult) {
        if self.is_on() {
            self.close(c, nr, result);
        }
    }

    #[inline(never)]
    fn close(&self, c: &Ctx, nr: u64, result: &SysResult) {
        {
            let mut counts = self.counts.borrow_mut();
            let count = counts.entry(nr).or_default();
            count.calls += 1;
            count.errors += result.is_err() as u64;
        }
        let Some(open) = self.open.borrow_mut().remove(&c.thread.tid) else { return };
        let args = open
            .args
            .into_iter()
            .enumerate()
            .map(|(i, done)| Some(done.unwrap_or_else(|| decode::after(c, open.kinds, i, result))));
        let args = args.collect();
        self.print(c.thread.tid, &line(nr, args, &value(nr, result)));
    }

    /// A signal is delivered.
    pub fn signal(&self, pid: Pid, info: &SigInfo) {
        if !self.prints() {
            return;
        }
        let detail = match info.detail {
            Detail::None => String::new(),
            Detail::Sender { pid, uid } => format!(", si_pid={pid}, si_uid={uid}"),
            Detail::Value { pid, uid, value } => format!(", si_pid={pid}, si_uid={uid}, si_value={value:#x}"),
            Detail::Child { pid, uid, status, .. } => {
                format!(", si_pid={pid}, si_uid={uid}, si_status={status}")
            }
            Detail::Fault { addr } => format!(", si_addr={addr:#x}"),
        };
        self.print(pid, &format!("--- {} {{si_code={}{detail}}} ---", info.signal, info.code));
    }

    /// A process has ended.
    pub fn exited(&self, pid: Pid, status: u32) {
        self.open.borrow_mut().remove(&pid);
        if !self.prints() {
            return;
        }
        let text = match Signal::new((status & 0x7f) as u64) {
            Some(signal) => format!("+++ killed by {signal} +++"),
            None => format!("+++ exited with {} +++", shell_status(status)),
        };
        self.print(pid, &text);
    }

    /// A page fault is answered with these items.
    pub fn page_fault(&self, items: &[MapItem]) {
        let (faults, pages) = self.faults.get();
        let mapped: u64 = items.iter().map(|i| i.snd.size() / PAGE).sum();
        self.faults.set((faults + 1, pages + mapped));
    }

    /// A call that does not exist here was made.
    pub fn missing(&self, nr: u64) {
        if !self.is_on() {
            return;
        }
        let mut missing = self.missing_calls.borrow_mut();
        if let Some(count) = missing.get_mut(&nr) {
            *count += 1;
            return;
        }
        let nr = if missing.len() >= MISSING_MAX { OTHERS } else { nr };
        *missing.entry(nr).or_default() += 1;
    }

    /// A flag or operation that does not exist here was asked for.
    pub fn missing_flag(&self, c: &Ctx, what: &'static str) {
        if !self.is_on() {
            return;
        }
        let nr = c.thread.call.get().map_or(u64::MAX, |call| call.nr);
        let name = linux::name(nr).unwrap_or("?");
        self.count_missing(Cow::Owned(format!("{name}: {what}")));
    }

    fn count_missing(&self, name: Cow<'static, str>) {
        let mut missing = self.missing.borrow_mut();
        let name = if missing.len() >= MISSING_MAX { Cow::Borrowed("others") } else { name };
        *missing.entry(name).or_default() += 1;
    }

    /// What was missing, with how often it was asked for.
    pub fn missing_counts(&self) -> Vec<(String, u64)> {
        let name = |nr| match linux::name(nr) {
            Some(name) => name.to_string(),
            None if nr == OTHERS => "other system calls".to_string(),
            None => format!("system call {nr}"),
        };
        let mut counts: Vec<_> = self.missing_calls.borrow().iter().map(|(nr, n)| (name(*nr), *n)).collect();
        counts.extend(self.missing.borrow().iter().map(|(name, n)| (name.to_string(), *n)));
        counts
    }

    /// Prints the summary, if one is wanted.
    pub fn summary(&self) {
        if self.mode.get() == Mode::Off {
            return;
        }
        if self.mode.get() == Mode::Summary {
            self.machine.log("     calls    errors  system call");
            let mut counts: Vec<(u64, Count)> =
                self.counts.borrow().iter().map(|(nr, c)| (*nr, *c)).collect();
            counts.sort_by_key(|(_, c)| core::cmp::Reverse(c.calls));
            for (nr, count) in counts {
                self.machine.log(&format!("{:10}{:10}  {}", count.calls, count.errors, call_name(nr)));
            }
            let (faults, pages) = self.faults.get();
            self.machine.log(&format!("{faults} page faults, {pages} pages mapped"));
        }
        for (name, n) in self.missing_counts() {
            self.machine.log(&format!("not implemented: {name} ({n} times)"));
        }
    }

    fn print(&self, pid: Pid, text: &str) {
        self.machine.log(&format!("[pid {pid}] {text}"));
    }
}

fn call_name(nr: u64) -> Cow<'static, str> {
    match linux::name(nr) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("syscall_{nr:#x}")),
    }
}

fn line(nr: u64, args: Vec<Option<String>>, value: &str) -> String {
    let args: Vec<String> = args.into_iter().flatten().collect();
    format!("{}({}) = {value}", call_name(nr), args.join(", "))
}

/// The result, as strace prints it.
fn value(nr: u64, result: &SysResult) -> String {
    let is_address = matches!(linux::name(nr), Some("mmap" | "brk" | "mremap"));
    match result {
        Ok(value) if is_address => format!("{value:#x}"),
        Ok(value) => format!("{}", *value as i64),
        Err(e) if e.is_restart() => format!("? {e}"),
        Err(e) => format!("-1 {e}{}", explanation(*e)),
    }
}

/// The text of the errors that are met most.
fn explanation(e: Errno) -> &'static str {
    match e {
        Errno::ENOENT => " (No such file or directory)",
        Errno::EBADF => " (Bad file descriptor)",
        Errno::EACCES => " (Permission denied)",
        Errno::EINVAL => " (Invalid argument)",
        Errno::ENOSYS => " (Function not implemented)",
        Errno::ENOTTY => " (Inappropriate ioctl for device)",
        Errno::ECHILD => " (No child processes)",
        Errno::EFAULT => " (Bad address)",
        Errno::EEXIST => " (File exists)",
        Errno::ENOMEM => " (Cannot allocate memory)",
        Errno::EAGAIN => " (Resource temporarily unavailable)",
        _ => "",
    }
}
