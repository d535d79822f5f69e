//! The host's terminal: raw while the guest owns it, and always given back.
//!
//! Raw mode is left by [`restore`], which is safe to call at any time and more than once; the panic hook, every way out
//! of `main` and the signals that end us all lead there. Only SIGKILL does not.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

const STDIN: RawFd = libc::STDIN_FILENO;

/// The settings to go back to, while raw.
static SAVED: Mutex<Option<libc::termios>> = Mutex::new(None);
static RAW: AtomicBool = AtomicBool::new(false);

/// Whether `fd` is a terminal.
pub fn is_tty(fd: RawFd) -> bool {
    // SAFETY: isatty takes any number and touches no memory of ours.
    unsafe { libc::isatty(fd) == 1 }
}

/// Whether standard input's terminal is raw now: then a newline on it needs a carriage return.
pub fn is_raw() -> bool {
    RAW.load(Ordering::SeqCst)
}

/// Whether we are in the foreground of standard input's terminal. In the background, reading would stop us.
pub fn in_foreground() -> bool {
    // SAFETY: both calls take and return numbers only.
    unsafe { libc::tcgetpgrp(STDIN) == libc::getpgrp() }
}

/// Makes standard input raw: every key comes at once and as it is, nothing is echoed, output is not changed.
pub fn make_raw() -> io::Result<()> {
    let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    let current = get()?;
    let mut raw = current;
    // SAFETY: `raw` is a valid termios, which cfmakeraw changes in place.
    unsafe { libc::cfmakeraw(&mut raw) };
    set(&raw)?;
    // After a stop and continue the shell may have changed the settings; those from the first time count.
    saved.get_or_insert(current);
    RAW.store(true, Ordering::SeqCst);
    Ok(())
}

/// Gives the terminal back as it was.
pub fn restore() {
    let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(settings) = saved.take() {
        // A terminal that has gone away needs no settings.
        let _ = set(&settings);
        RAW.store(false, Ordering::SeqCst);
    }
}

/// The same for a handler of a signal, which must not wait: nothing if somebody is at it just now.
pub fn restore_if_free() {
    if let Ok(saved) = SAVED.try_lock()
        && let Some(settings) = &*saved
    {
        let _ = set(settings);
    }
}

fn get() -> io::Result<libc::termios> {
    // SAFETY: termios is made of integers, for which zero is valid.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: `settings` is a termios to be filled.
    match unsafe { libc::tcgetattr(STDIN, &mut settings) } {
        0 => Ok(settings),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set(settings: &libc::termios) -> io::Result<()> {
    // SAFETY: `settings` is a valid termios, which is only read.
    match unsafe { libc::tcsetattr(STDIN, libc::TCSANOW, settings) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Rows and columns of the terminal at the first of standard output, input and error that is one; zeros if none is.
pub fn window_size() -> (u16, u16) {
    for fd in [libc::STDOUT_FILENO, libc::STDIN_FILENO, libc::STDERR_FILENO] {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ fills a winsize, which `size` is.
        if unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &mut size) } == 0 {
            return (size.ws_row, size.ws_col);
        }
    }
    (0, 0)
}

/// Ends the process by `signal`, as if it had not been caught.
pub fn die_of(signal: i32) {
    // SAFETY: these change this process's signal state only; no handler of ours depends on it any more.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        // The call raise(3) names no process where the C library is musl, so the jail could not know whom it is for.
        libc::kill(libc::getpid(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}
