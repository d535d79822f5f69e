//! Pairs of sockets. Every other call on sockets does not exist here: there is no network.

use super::open::insert_pair;
use super::{Files, only};
use crate::errno::Errno;
use crate::fs::socket::{self, Kind};
use crate::syscall::args::Arg::{FdPair, Hex, Uint};
use crate::syscall::{Ctx, Entry, SysResult};
use linux_raw_sys::general::{__NR_socketpair, O_CLOEXEC, O_NONBLOCK};
use linux_raw_sys::net::{AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM};

/// Where the flags begin in the argument that has the type, too (`linux/net.h`).
const TYPE_MASK: u32 = 0xf;

pub const CALLS: &[Entry] =
    &[Entry::sync(__NR_socketpair, "socketpair", &[Uint, Hex, Uint, FdPair], socketpair).partial(
        "AF_UNIX, SOCK_STREAM and SOCK_SEQPACKET only; for read, write and poll, not for send and recv",
    )];

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
