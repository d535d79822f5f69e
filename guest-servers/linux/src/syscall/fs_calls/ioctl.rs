//! ioctl: terminals, and what else there is no call for.

use super::disk_ioctl::disk_ioctl;
use crate::errno::{Errno, Result};
use crate::fs::File;
use crate::process::Pid;
use crate::syscall::args::Arg::{Enum, Fd, Ptr};
use crate::syscall::{Ctx, Entry, SysResult};
use crate::tty::control::When;
use crate::tty::terminal::WindowSize;
use crate::tty::termios::{SIZE, SIZE2};
use crate::tty::{Terminal, Termios};
use linux_raw_sys::general::{__NR_ioctl, O_NONBLOCK};
use linux_raw_sys::ioctl::*;

const REQUESTS: &[(u64, &str)] = &[
    (TCGETS as u64, "TCGETS"),
    (TCSETS as u64, "TCSETS"),
    (TCSETSW as u64, "TCSETSW"),
    (TCSETSF as u64, "TCSETSF"),
    (TIOCGWINSZ as u64, "TIOCGWINSZ"),
    (TIOCSWINSZ as u64, "TIOCSWINSZ"),
    (TIOCGPGRP as u64, "TIOCGPGRP"),
    (TIOCSPGRP as u64, "TIOCSPGRP"),
    (TIOCSCTTY as u64, "TIOCSCTTY"),
    (BLKGETSIZE as u64, "BLKGETSIZE"),
    (BLKGETSIZE64 as u64, "BLKGETSIZE64"),
    (BLKSSZGET as u64, "BLKSSZGET"),
    (BLKROGET as u64, "BLKROGET"),
    (BLKFLSBUF as u64, "BLKFLSBUF"),
    (FIONREAD as u64, "FIONREAD"),
    (FIONBIO as u64, "FIONBIO"),
];

pub const CALLS: &[Entry] = &[Entry::sync(__NR_ioctl, "ioctl", &[Fd, Enum(REQUESTS), Ptr], ioctl)
    .partial("terminals (modes, size, job control, flushing), disks (sizes, BLKROGET, BLKFLSBUF), FIONREAD, FIONBIO, FIOCLEX, FIONCLEX")];

/// Bytes of `struct winsize`: four shorts.
const WINSIZE: usize = 8;

fn ioctl(c: &Ctx) -> SysResult {
    let table = c.proc.files();
    let (fd, request, arg) = (c.int(0), c.uint(1), c.args[2]);
    let file = table.get_open(fd)?;
    match request {
        FIOCLEX => table.set_close_on_exec(fd, true).map(|()| 0),
        FIONCLEX => table.set_close_on_exec(fd, false).map(|()| 0),
        FIONBIO => set_nonblocking(c, &file, arg),
        FIONREAD => {
            let bytes = readable(&file)?;
            c.user().write_u32(arg, bytes).map(|()| 0)
        }
        _ => match (file.ops().terminal(), file.ops().disk()) {
            (Some(terminal), _) => terminal_ioctl(c, terminal, request, arg),
            (None, Some(disk)) => disk_ioctl(c, disk, request, arg),
            (None, None) => Err(Errno::ENOTTY),
        },
    }
}

fn set_nonblocking(c: &Ctx, file: &File, arg: u64) -> SysResult {
    let on = c.user().read_u32(arg)? != 0;
    let flags = file.flags() & !O_NONBLOCK;
    file.set_flags(if on { flags | O_NONBLOCK } else { flags });
    Ok(0)
}

/// Of a file with positions: what lies behind the present one.
fn readable(file: &File) -> Result<u32> {
    let bytes = file.ops().readable_bytes()? as u64;
    let bytes = if file.ops().is_seekable() { bytes.saturating_sub(file.offset()) } else { bytes };
    Ok(u32::try_from(bytes).unwrap_or(i32::MAX as u32))
}

fn terminal_ioctl(c: &Ctx, terminal: &Terminal, request: u32, arg: u64) -> SysResult {
    let user = c.user();
    match request {
        TCGETS => user.write(arg, &terminal.modes().to_bytes()[..SIZE])?,
        TCGETS2 => user.write(arg, &terminal.modes().to_bytes())?,
        TCSETS => set_modes(c, terminal, arg, When::Now)?,
        TCSETSW => set_modes(c, terminal, arg, When::Drained)?,
        TCSETSF => set_modes(c, terminal, arg, When::Flushed)?,
        TCSETS2 => set_modes2(c, terminal, arg, When::Now)?,
        TCSETSW2 => set_modes2(c, terminal, arg, When::Drained)?,
        TCSETSF2 => set_modes2(c, terminal, arg, When::Flushed)?,
        TIOCGWINSZ => user.write(arg, &size_to_bytes(terminal.size()))?,
        TIOCSWINSZ => terminal.resize(size_from_bytes(user.read_array(arg)?)),
        TIOCGPGRP => user.write_u32(arg, terminal.foreground(c)?)?,
        TIOCSPGRP => set_foreground(c, terminal, user.read_u32(arg)?)?,
        TIOCGSID => user.write_u32(arg, terminal.session(c)?)?,
        TIOCSCTTY => terminal.take_control(c, arg == 1 && c.proc.credentials.borrow().is_root())?,
        TIOCNOTTY => terminal.give_up(c)?,
        TCFLSH => terminal.flush_queue(c, arg as u32)?,
        TCXONC => terminal.flow(c, arg as u32)?,
        // A break, or waiting until output is sent: it is.
        TCSBRK | TCSBRKP => {}
        TIOCOUTQ => user.write_u32(arg, 0)?,
        // The line discipline's number, and no modem lines.
        TIOCGETD => user.write_u32(arg, 0)?,
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

fn set_modes(c: &Ctx, terminal: &Terminal, at: u64, when: When) -> Result<()> {
    terminal.set_modes(c, Termios::from_bytes(&c.user().read_array(at)?), when)
}

fn set_modes2(c: &Ctx, terminal: &Terminal, at: u64, when: When) -> Result<()> {
    let bytes: [u8; SIZE2] = c.user().read_array(at)?;
    let mut modes = [0; SIZE];
    modes.copy_from_slice(&bytes[..SIZE]);
    terminal.set_modes(c, Termios::from_bytes(&modes), when)
}

/// TIOCSPGRP: only a group of the caller's own session can be put in the foreground.
fn set_foreground(c: &Ctx, terminal: &Terminal, group: u32) -> Result<()> {
    let group_id = Pid::try_from(group).map_err(|_| Errno::EINVAL)?;
    if !terminal.controls(c) {
        return Err(Errno::ENOTTY);
    }
    let members = c.server.processes.group(group_id);
    let first = members.first().ok_or(Errno::ESRCH)?;
    if first.sid.get() != c.proc.sid.get() {
        return Err(Errno::EPERM);
    }
    terminal.set_foreground(c, group)
}

fn size_to_bytes(size: WindowSize) -> [u8; WINSIZE] {
    let mut bytes = [0; WINSIZE];
    for (at, value) in bytes.chunks_exact_mut(2).zip([size.rows, size.columns, size.width, size.height]) {
        at.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

fn size_from_bytes(bytes: [u8; WINSIZE]) -> WindowSize {
    let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    WindowSize { rows: short(0), columns: short(2), width: short(4), height: short(6) }
}
