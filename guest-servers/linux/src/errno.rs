//! Linux's error numbers as a type.
//!
//! The numbers come from the kernel's own headers (`linux-raw-sys`). [`Errno`] is what every handler returns; only
//! [`Errno::to_return_value`] turns it into the negative number that a program sees in rax.

use core::fmt;
use core::num::NonZeroU16;

use linux_raw_sys::errno as raw;

/// A Linux error number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(NonZeroU16);

pub type Result<T, E = Errno> = core::result::Result<T, E>;

const fn number(raw: u32) -> Errno {
    // Every number that reaches this is a constant below, so the conversion is checked when the crate is compiled.
    assert!(raw <= MAX_ERRNO as u32);
    match NonZeroU16::new(raw as u16) {
        Some(n) => Errno(n),
        None => panic!("an error number is not zero"),
    }
}

/// Return values from −4095 to −1 are errors (`MAX_ERRNO` in Linux's `include/linux/err.h`).
pub const MAX_ERRNO: u16 = 4095;

macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(pub const $name: Self = number(raw::$name);)*

            /// The symbolic name, as strace prints it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::ERESTARTSYS => "ERESTARTSYS",
                    Self::ERESTARTNOINTR => "ERESTARTNOINTR",
                    Self::ERESTARTNOHAND => "ERESTARTNOHAND",
                    Self::ERESTART_RESTARTBLOCK => "ERESTART_RESTARTBLOCK",
                    _ => "E?",
                }
            }
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST
    EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM
    ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENODATA ETIME EPROTO EBADMSG EOVERFLOW EILSEQ EUSERS
    ENOTSOCK EMSGSIZE EOPNOTSUPP EAFNOSUPPORT EADDRINUSE ENETDOWN ENETUNREACH ECONNRESET ENOBUFS EISCONN ENOTCONN
    ETIMEDOUT ECONNREFUSED EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED EPROTONOSUPPORT ESOCKTNOSUPPORT
}

/// Results that only the signal code sees: it either restarts the call or turns them into EINTR
/// (Linux's `include/linux/errno.h`).
impl Errno {
    /// Restart if the handler has SA_RESTART or there is no handler.
    pub const ERESTARTSYS: Self = number(512);
    /// Restart always.
    pub const ERESTARTNOINTR: Self = number(513);
    /// Restart only if no handler ran.
    pub const ERESTARTNOHAND: Self = number(514);
    /// Restart by restart_syscall(2), only if no handler ran.
    pub const ERESTART_RESTARTBLOCK: Self = number(516);
}

impl Errno {
    /// The positive number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }

    /// What a system call that fails with this leaves in rax.
    pub const fn to_return_value(self) -> u64 {
        (self.0.get() as i64).wrapping_neg() as u64
    }

    /// The error in a return value, if it is one.
    pub const fn from_return_value(rax: u64) -> Option<Self> {
        let negated = rax.wrapping_neg();
        if negated > MAX_ERRNO as u64 {
            return None;
        }
        match NonZeroU16::new(negated as u16) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// Whether the signal code has to decide if the call is restarted.
    pub const fn is_restart(self) -> bool {
        matches!(
            self,
            Self::ERESTARTSYS | Self::ERESTARTNOINTR | Self::ERESTARTNOHAND | Self::ERESTART_RESTARTBLOCK
        )
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.number())
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_values_round_trip() {
        assert_eq!(Errno::EPERM.to_return_value() as i64, -1);
        assert_eq!(Errno::from_return_value(-22i64 as u64), Some(Errno::EINVAL));
        assert_eq!(Errno::from_return_value(0), None);
        assert_eq!(Errno::from_return_value(5), None);
        assert_eq!(Errno::from_return_value(-4096i64 as u64), None);
        assert!(Errno::from_return_value(-4095i64 as u64).is_some());
    }

    #[test]
    fn names() {
        assert_eq!(Errno::ENOENT.name(), "ENOENT");
        assert_eq!(format!("{:?}", Errno::EAGAIN), "EAGAIN(11)");
        assert!(Errno::ERESTARTSYS.is_restart() && !Errno::EINTR.is_restart());
    }
}
