//! System calls by which the host does the work of devices. What they are about: [`super::calls`].

use super::calls::{Bits, Call, Is, any, only};

/// A disk's: by io_uring, which was made before and does nothing but these things too, or by threads.
pub(super) const DISK: &[Call] = &[
    any(libc::SYS_io_uring_enter),
    any(libc::SYS_pread64),
    any(libc::SYS_pwrite64),
    any(libc::SYS_preadv),
    any(libc::SYS_pwritev),
    any(libc::SYS_preadv2),
    any(libc::SYS_pwritev2),
    any(libc::SYS_fsync),
    any(libc::SYS_fdatasync),
    any(libc::SYS_fallocate),
    only(libc::SYS_ioctl, &[Is(1, BLKDISCARD)]),
    only(libc::SYS_ioctl, &[Is(1, BLKZEROOUT)]),
];

/// Linux, `include/uapi/linux/fs.h`.
const BLKDISCARD: u32 = 0x1277;
const BLKZEROOUT: u32 = 0x127f;

/// An interface of the host: a driver says what it can do without when it begins.
pub(super) const TAP: &[Call] = &[only(libc::SYS_ioctl, &[Is(1, libc::TUNSETOFFLOAD as u32)])];

/// What a socket's type has besides the type: SOCK_NONBLOCK, SOCK_CLOEXEC.
const TYPE: u32 = 0xf;
const STREAM: u32 = libc::SOCK_STREAM as u32;
const DATAGRAM: u32 = libc::SOCK_DGRAM as u32;

/// The gateway's: it goes out into the internet for the guest, by TCP and UDP.
pub(super) const USER_NET: &[Call] = &[
    only(libc::SYS_socket, &[Is(0, libc::AF_INET as u32), Bits(1, TYPE, STREAM), Is(2, 0)]),
    only(libc::SYS_socket, &[Is(0, libc::AF_INET as u32), Bits(1, TYPE, DATAGRAM), Is(2, 0)]),
    only(libc::SYS_socket, &[Is(0, libc::AF_INET6 as u32), Bits(1, TYPE, STREAM), Is(2, 0)]),
    only(libc::SYS_socket, &[Is(0, libc::AF_INET6 as u32), Bits(1, TYPE, DATAGRAM), Is(2, 0)]),
    any(libc::SYS_connect),
    only(libc::SYS_setsockopt, &[Is(1, libc::SOL_SOCKET as u32), Is(2, libc::SO_LINGER as u32)]),
];

/// A guest's program connects to one of the host, by its socket.
pub(super) const VSOCK: &[Call] = &[
    only(libc::SYS_socket, &[Is(0, libc::AF_UNIX as u32), Bits(1, TYPE, STREAM), Is(2, 0)]),
    any(libc::SYS_connect),
];

/// The server of 9P, which opens files by descriptors of folders.
pub(super) const SHARE_READ: &[Call] = &[
    any(libc::SYS_openat),
    any(libc::SYS_openat2),
    any(libc::SYS_statx),
    any(libc::SYS_newfstatat),
    any(libc::SYS_fstatfs),
    any(libc::SYS_readlinkat),
    any(libc::SYS_getdents64),
    any(libc::SYS_pread64),
    any(libc::SYS_fgetxattr),
    any(libc::SYS_flistxattr),
    any(libc::SYS_fsync),
    any(libc::SYS_fdatasync),
    only(libc::SYS_fcntl, &[Is(1, libc::F_GETFL as u32)]),
    only(libc::SYS_fcntl, &[Is(1, libc::F_DUPFD_CLOEXEC as u32)]),
];
pub(super) const SHARE_WRITE: &[Call] = &[
    any(libc::SYS_pwrite64),
    any(libc::SYS_ftruncate),
    any(libc::SYS_mkdirat),
    any(libc::SYS_mknodat),
    any(libc::SYS_symlinkat),
    any(libc::SYS_linkat),
    any(libc::SYS_renameat),
    any(libc::SYS_renameat2),
    any(libc::SYS_unlinkat),
    any(libc::SYS_fchmod),
    any(libc::SYS_fchmodat),
    any(libc::SYS_fchown),
    any(libc::SYS_fchownat),
    any(libc::SYS_utimensat),
    any(libc::SYS_fsetxattr),
    any(libc::SYS_fremovexattr),
];
