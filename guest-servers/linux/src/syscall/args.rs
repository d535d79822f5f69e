//! How the arguments of a system call look in a trace.

/// The kind of one argument. `Out` kinds are decoded when the call has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// C `int`, decimal.
    Int,
    /// Unsigned, decimal.
    Uint,
    /// Unsigned, hexadecimal.
    Hex,
    /// Octal file mode.
    Mode,
    /// An address that is not followed.
    Ptr,
    /// A file descriptor.
    Fd,
    /// A directory's file descriptor, or `AT_FDCWD`.
    DirFd,
    /// A NUL-terminated string that the call reads.
    Str,
    /// A vector of strings (`argv`).
    StrVec,
    /// Bytes that the call reads; the next argument is their number.
    In,
    /// Bytes that the call has written; its result is their number.
    Out,
    /// An array of `struct iovec`; the next argument is their number.
    Iovec,
    /// A NUL-terminated string that the call has written (`getcwd`).
    StrOut,
    /// `struct stat` written.
    Stat,
    /// An `int` written.
    IntOut,
    /// Two file descriptors written (`pipe`).
    FdPair,
    /// A wait status written.
    Status,
    /// `struct timespec` read / written.
    Timespec,
    TimespecOut,
    Signal,
    /// A signal set read / written.
    SigSet,
    SigSetOut,
    /// `struct sigaction` read / written.
    SigAction,
    SigActionOut,
    /// An array of `struct pollfd`; the next argument is their number.
    PollFds,
    /// One of a list of names.
    Enum(&'static [(u64, &'static str)]),
    /// Names or-ed together.
    Flags(&'static [(u64, &'static str)]),
}
