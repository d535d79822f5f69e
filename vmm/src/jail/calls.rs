//! Which system calls a kind of thread may make, and with which arguments.
//!
//! Lists are by purpose. [`of`] puts those together that a kind needs, and adds what follows from its files ([`super::needs`]): a thread without files has no
//! call that opens one. Both C libraries are catered for; where glibc and musl differ, each uses but one of two calls here.
//!
//! Arguments are checked where a call could do more than what it is there for: memory is never executable, signals go to ourselves alone, ioctls and
//! sockets are listed one by one. What an argument points to cannot be checked, so `clone3`, whose flags are in memory, is answered as by
//! a Linux that lacks it ([`super::filter`]): C libraries then use `clone`.

use super::device_calls as devices;
use super::{Access, Kind, Need};
use kvm_bindings as kvm;
use libc::c_long;
use vmm_sys_util::ioctl::{_IOC_NONE, _IOC_READ, _IOC_WRITE, ioctl_expr};

/// What is asked of an argument; its lower half, which is all that the kernel looks at in those that are checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// It is this.
    Is(u8, u32),
    /// It has these bits (the last) of those (the second).
    Bits(u8, u32, u32),
    /// It is the number of our process.
    OurProcess(u8),
}

/// A call that is allowed, if all checks say so. Several of one number are alternatives.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub number: c_long,
    pub checks: &'static [Check],
}

/// Without a look at arguments.
pub const fn any(number: c_long) -> Call {
    Call { number, checks: &[] }
}

pub const fn only(number: c_long, checks: &'static [Check]) -> Call {
    Call { number, checks }
}

pub use Check::{Bits, Is, OurProcess};

const EXEC: u32 = libc::PROT_EXEC as u32;
const THREAD: u32 = (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND) as u32;

/// What every thread does: memory, locks, time, reading and writing what is open, and its end. The terminal is given back by whichever
/// thread panics.
const ALL: &[Call] = &[
    any(libc::SYS_read),
    any(libc::SYS_write),
    any(libc::SYS_readv),
    any(libc::SYS_writev),
    any(libc::SYS_close),
    any(libc::SYS_lseek),
    any(libc::SYS_fstat),
    // Rust's library asks whether what it closes is open, in builds with assertions.
    only(libc::SYS_fcntl, &[Is(1, libc::F_GETFD as u32)]),
    // musl says once more what it has said when it opened.
    only(libc::SYS_fcntl, &[Is(1, libc::F_SETFD as u32)]),
    any(libc::SYS_poll),
    any(libc::SYS_ppoll),
    any(libc::SYS_futex),
    any(libc::SYS_sched_yield),
    any(libc::SYS_clock_gettime),
    any(libc::SYS_clock_nanosleep),
    any(libc::SYS_nanosleep),
    any(libc::SYS_restart_syscall),
    any(libc::SYS_getrandom),
    any(libc::SYS_getpid),
    any(libc::SYS_gettid),
    any(libc::SYS_getcpu),
    any(libc::SYS_brk),
    any(libc::SYS_munmap),
    any(libc::SYS_mremap),
    any(libc::SYS_madvise),
    only(libc::SYS_mmap, &[Bits(2, EXEC, 0)]),
    only(libc::SYS_mprotect, &[Bits(2, EXEC, 0)]),
    any(libc::SYS_rt_sigprocmask),
    any(libc::SYS_rt_sigreturn),
    any(libc::SYS_sigaltstack),
    // How a fault of ours, and abort(3), come to their end.
    only(libc::SYS_rt_sigaction, &[Is(0, libc::SIGSEGV as u32)]),
    only(libc::SYS_rt_sigaction, &[Is(0, libc::SIGBUS as u32)]),
    only(libc::SYS_rt_sigaction, &[Is(0, libc::SIGABRT as u32)]),
    only(libc::SYS_tkill, &[Is(1, libc::SIGABRT as u32)]),
    only(libc::SYS_tgkill, &[OurProcess(0)]),
    only(libc::SYS_ioctl, &[Is(1, libc::TCGETS as u32)]),
    only(libc::SYS_ioctl, &[Is(1, libc::TCSETS as u32)]),
    only(libc::SYS_ioctl, &[Is(1, TCGETS2)]),
    only(libc::SYS_ioctl, &[Is(1, TCSETS2)]),
    any(libc::SYS_exit),
    any(libc::SYS_exit_group),
];

/// What glibc from 2.42 on uses in place of TCGETS and TCSETS.
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;

/// To wait for many things.
pub(super) const EVENTS: &[Call] = &[
    any(libc::SYS_epoll_wait),
    any(libc::SYS_epoll_pwait),
    any(libc::SYS_epoll_ctl),
    any(libc::SYS_timerfd_settime),
];

/// The event loop, what comes at the end of a run, and the ways out of `main`.
const MAIN: &[Call] = &[
    only(libc::SYS_ioctl, &[Is(1, libc::TIOCGWINSZ as u32)]),
    only(libc::SYS_ioctl, &[Is(1, libc::TIOCGPGRP as u32)]),
    any(libc::SYS_getpgrp),
    any(libc::SYS_getpgid),
    // The clocks at the end of a profile.
    only(libc::SYS_ioctl, &[Is(1, GET_MSRS)]),
    any(libc::SYS_clock_getres),
    // To die of the signal that has ended us.
    any(libc::SYS_rt_sigaction),
    only(libc::SYS_kill, &[OurProcess(0)]),
];

/// To run a vCPU, say where it is, and have a debugger change that.
const VCPU: &[Call] = &[
    only(libc::SYS_ioctl, &[Is(1, RUN)]),
    only(libc::SYS_ioctl, &[Is(1, reads::<kvm::kvm_regs>(0x81))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_regs>(0x82))]),
    only(libc::SYS_ioctl, &[Is(1, reads::<kvm::kvm_sregs>(0x83))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_sregs>(0x84))]),
    only(libc::SYS_ioctl, &[Is(1, both::<kvm::kvm_translation>(0x85))]),
    only(libc::SYS_ioctl, &[Is(1, GET_MSRS)]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_msrs>(0x89))]),
    only(libc::SYS_ioctl, &[Is(1, both::<kvm::kvm_cpuid2>(0x91))]),
    only(libc::SYS_ioctl, &[Is(1, reads::<kvm::kvm_mp_state>(0x98))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_mp_state>(0x99))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_guest_debug>(0x9b))]),
    only(libc::SYS_ioctl, &[Is(1, reads::<kvm::kvm_vcpu_events>(0x9f))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_vcpu_events>(0xa0))]),
    only(libc::SYS_ioctl, &[Is(1, reads::<kvm::kvm_xsave>(0xa4))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_xsave>(0xa5))]),
    only(libc::SYS_ioctl, &[Is(1, reads::<kvm::kvm_xcrs>(0xa6))]),
    // KVM_KVMCLOCK_CTRL.
    only(libc::SYS_ioctl, &[Is(1, bare(0xad))]),
];

/// Linux, `include/uapi/linux/kvm.h`.
const KVMIO: u32 = 0xae;
pub(super) const RUN: u32 = bare(0x80);
const GET_MSRS: u32 = both::<kvm::kvm_msrs>(0x88);

const fn bare(number: u32) -> u32 {
    ioctl_expr(_IOC_NONE, KVMIO, number, 0) as u32
}
const fn reads<T>(number: u32) -> u32 {
    ioctl_expr(_IOC_READ, KVMIO, number, size_of::<T>() as u32) as u32
}
const fn writes<T>(number: u32) -> u32 {
    ioctl_expr(_IOC_WRITE, KVMIO, number, size_of::<T>() as u32) as u32
}
const fn both<T>(number: u32) -> u32 {
    ioctl_expr(_IOC_READ | _IOC_WRITE, KVMIO, number, size_of::<T>() as u32) as u32
}

/// To change what a guest has for its memory, and to make a second machine, in which a server of the guest answers questions ([`crate::report`]).
const MACHINE: &[Call] = &[
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_userspace_memory_region>(0x46))]),
    only(libc::SYS_ioctl, &[Is(1, bare(0x00))]),
    only(libc::SYS_ioctl, &[Is(1, bare(0x01))]),
    only(libc::SYS_ioctl, &[Is(1, bare(0x03))]),
    only(libc::SYS_ioctl, &[Is(1, bare(0x04))]),
    only(libc::SYS_ioctl, &[Is(1, both::<kvm::kvm_cpuid2>(0x05))]),
    only(libc::SYS_ioctl, &[Is(1, bare(0x41))]),
    only(libc::SYS_ioctl, &[Is(1, bare(0x47))]),
    only(libc::SYS_ioctl, &[Is(1, writes::<kvm::kvm_cpuid2>(0x90))]),
];

/// To make what a debugger's thread waits for, each time that one comes.
const GDB: &[Call] = &[any(libc::SYS_epoll_create1), any(libc::SYS_eventfd2), any(libc::SYS_timerfd_create)];

/// To let in those that come to a socket that is there, and speak with them.
pub(super) const SERVE: &[Call] = &[
    any(libc::SYS_accept),
    any(libc::SYS_accept4),
    any(libc::SYS_sendto),
    any(libc::SYS_recvfrom),
    any(libc::SYS_sendmsg),
    any(libc::SYS_recvmsg),
    any(libc::SYS_shutdown),
    any(libc::SYS_getsockname),
    any(libc::SYS_getpeername),
    any(libc::SYS_getsockopt),
    only(libc::SYS_setsockopt, &[Is(1, libc::IPPROTO_TCP as u32), Is(2, libc::TCP_NODELAY as u32)]),
    only(libc::SYS_ioctl, &[Is(1, libc::FIONBIO as u32)]),
    only(libc::SYS_fcntl, &[Is(1, libc::F_GETFL as u32)]),
    only(libc::SYS_fcntl, &[Is(1, libc::F_SETFL as u32)]),
    only(libc::SYS_fcntl, &[Is(1, libc::F_DUPFD_CLOEXEC as u32)]),
];

/// To write a file that is open.
const RECORD: &[Call] = &[any(libc::SYS_pwrite64), any(libc::SYS_pread64), any(libc::SYS_ftruncate)];

/// To look again at a file that is open.
const FIGURES: &[Call] = &[any(libc::SYS_pread64)];

/// To start a thread, of this process.
pub(super) const SPAWN: &[Call] = &[
    only(libc::SYS_clone, &[Bits(0, THREAD, THREAD)]),
    // Answered by the filter.
    any(libc::SYS_clone3),
    any(libc::SYS_set_robust_list),
    any(libc::SYS_rseq),
    any(libc::SYS_sched_getaffinity),
    only(libc::SYS_prctl, &[Is(0, libc::PR_SET_NAME as u32)]),
];

/// Flags by which opening a file is more than to read it.
const CHANGES: u32 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u32 | TMPFILE;
/// O_TMPFILE without the O_DIRECTORY in it.
const TMPFILE: u32 = 0o20_000_000;

const READ_FILES: &[Call] = &[
    only(libc::SYS_openat, &[Bits(2, CHANGES, 0)]),
    only(libc::SYS_open, &[Bits(1, CHANGES, 0)]),
    any(libc::SYS_newfstatat),
    any(libc::SYS_stat),
    any(libc::SYS_lstat),
    any(libc::SYS_statx),
    any(libc::SYS_pread64),
];
const USE_DEVICE: &[Call] = &[
    only(libc::SYS_openat, &[Bits(2, CHANGES, libc::O_RDWR as u32)]),
    only(libc::SYS_open, &[Bits(1, CHANGES, libc::O_RDWR as u32)]),
];
const WRITE_FILES: &[Call] = &[
    any(libc::SYS_openat),
    any(libc::SYS_open),
    any(libc::SYS_newfstatat),
    any(libc::SYS_stat),
    any(libc::SYS_lstat),
    any(libc::SYS_statx),
    any(libc::SYS_pread64),
    any(libc::SYS_pwrite64),
    any(libc::SYS_ftruncate),
    any(libc::SYS_fsync),
    any(libc::SYS_fdatasync),
];
const MAKE_FILES: &[Call] =
    &[any(libc::SYS_mkdir), any(libc::SYS_mkdirat), any(libc::SYS_rename), any(libc::SYS_renameat)];
const REMOVE_FILES: &[Call] = &[
    any(libc::SYS_unlink),
    any(libc::SYS_unlinkat),
    any(libc::SYS_statx),
    any(libc::SYS_lstat),
    any(libc::SYS_newfstatat),
];

/// What a thread of `kind` may call that has these needs.
pub fn of<'a>(kind: Kind, needs: impl Iterator<Item = &'a Need>) -> Vec<&'static [Call]> {
    let own: &[&[Call]] = match kind {
        Kind::Main => &[MAIN, EVENTS, SERVE, RECORD],
        Kind::Vcpu => &[VCPU],
        Kind::Disk => &[EVENTS, devices::DISK, SPAWN],
        Kind::Tap => &[EVENTS, devices::TAP],
        Kind::Frames => &[EVENTS],
        Kind::UserNet => &[EVENTS, SERVE, devices::USER_NET],
        Kind::Rng => &[EVENTS],
        Kind::Console => &[EVENTS, SERVE],
        Kind::Share => &[EVENTS],
        Kind::Vsock => &[EVENTS, SERVE, devices::VSOCK],
        Kind::Gdb => &[EVENTS, SERVE, GDB, MACHINE, VCPU, SPAWN],
        Kind::Live => &[SERVE],
        Kind::Profile => &[EVENTS, RECORD],
        Kind::Sampler => &[MACHINE, VCPU, SPAWN],
        Kind::Control => &[SERVE, FIGURES],
    };
    let files = needs.flat_map(|need| for_files(need.access).iter().copied());
    own.iter().copied().chain(files).chain([ALL]).collect()
}

fn for_files(access: Access) -> &'static [&'static [Call]] {
    match access {
        Access::Read => &[READ_FILES],
        Access::Write => &[WRITE_FILES],
        Access::Device => &[USE_DEVICE],
        Access::Make => &[WRITE_FILES, MAKE_FILES, REMOVE_FILES],
        Access::Remove => &[REMOVE_FILES],
        Access::Share { read_only: true } => &[devices::SHARE_READ],
        Access::Share { read_only: false } => &[devices::SHARE_READ, devices::SHARE_WRITE],
    }
}
