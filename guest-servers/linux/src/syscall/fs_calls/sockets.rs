//! Pairs of sockets, and what programs do with them beside reading and writing. Every other call on sockets does not exist here: there is no network.

use super::open::insert_pair;
use super::transfer::length;
use super::{Files, only};
use crate::errno::{Errno, Result};
use crate::fs::socket::{self, Kind};
use crate::fs::{File, FileKind};
use crate::syscall::args::Arg::{Fd, FdPair, Hex, In, Out, Ptr, Uint};
use crate::syscall::{Ctx, Entry, SysResult};
use alloc::boxed::Box;
use alloc::rc::Rc;
use linux_raw_sys::general::{__NR_recvfrom, __NR_sendto, __NR_socketpair, O_CLOEXEC, O_NONBLOCK};
use linux_raw_sys::net::{AF_UNIX, MSG_DONTWAIT, SOCK_SEQPACKET, SOCK_STREAM};

/// Where the flags begin in the argument that has the type, too (`linux/net.h`).
const TYPE_MASK: u32 = 0xf;

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_socketpair, "socketpair", &[Uint, Hex, Uint, FdPair], socketpair)
        .partial("AF_UNIX, SOCK_STREAM and SOCK_SEQPACKET only"),
    Entry::wait(__NR_sendto, "sendto", &[Fd, In, Uint, Hex, Ptr, Uint], |c| {
        Box::pin(async move { sendto(&c).await })
    })
    .partial("of the flags MSG_DONTWAIT only"),
    Entry::wait(__NR_recvfrom, "recvfrom", &[Fd, Out, Uint, Hex, Ptr, Ptr], |c| {
        Box::pin(async move { recvfrom(&c).await })
    })
    .partial("of the flags MSG_DONTWAIT only"),
];

fn socketpair(c: &Ctx) -> SysResult {
    let (family, kind, protocol) = (c.uint(0), c.uint(1), c.uint(2));
    // SOCK_CLOEXEC and SOCK_NONBLOCK are the O_ flags.
    let flags = kind & !TYPE_MASK;
    only(flags, O_CLOEXEC | O_NONBLOCK)?;
    if family != AF_UNIX {
        return Err(Errno::EAFNOSUPPORT);
    }
    // PF_UNIX is accepted as the protocol, too (`net/unix/af_unix.c`).
    if protocol != 0 && protocol != AF_UNIX {
        return Err(Errno::EPROTONOSUPPORT);
    }
    let kind = match kind & TYPE_MASK {
        SOCK_STREAM => Kind::Stream,
        SOCK_SEQPACKET => Kind::Messages,
        _ => return Err(Errno::ESOCKTNOSUPPORT),
    };
    let files = Files::of(c);
    let (first, second) = socket::pair(&files.ctx(), kind, flags)?;
    insert_pair(&files, first, second, flags & O_CLOEXEC != 0, c.args[3])
}

/// The socket in argument 0.
fn socket_of(c: &Ctx) -> Result<Rc<File>> {
    let file = c.proc.files().get_open(c.int(0))?;
    if file.kind() == FileKind::Socket { Ok(file) } else { Err(Errno::ENOTSOCK) }
}

/// Whether the call may wait.
fn waits(c: &Ctx) -> Result<bool> {
    let flags = c.uint(3);
    if flags & !MSG_DONTWAIT == 0 { Ok(flags == 0) } else { Err(Errno::EOPNOTSUPP) }
}

async fn sendto(c: &Ctx) -> SysResult {
    let (file, waits) = (socket_of(c)?, waits(c)?);
    if c.args[4] != 0 {
        return Err(Errno::EISCONN);
    }
    let mut from = c.user().slice(c.args[1], length(c)?);
    let n = if waits { file.write(c, &mut from, None).await? } else { file.try_write(c, &mut from, None)? };
    Ok(n as u64)
}

async fn recvfrom(c: &Ctx) -> SysResult {
    let (file, waits) = (socket_of(c)?, waits(c)?);
    let mut to = c.user().slice(c.args[1], length(c)?);
    let n = if waits { file.read(c, &mut to, None).await? } else { file.try_read(c, &mut to, None, false)? };
    if c.args[4] != 0 {
        // The other one has no name: its address has no bytes.
        c.user().write(c.args[5], &0u32.to_le_bytes())?;
    }
    Ok(n as u64)
}
