//! The kinds of threads that there are.

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What a thread is there for.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// As messages and `docs/jail.md` call it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// Event loop, and all that is done when the guest has ended.
    Main = "main",
    Vcpu = "vcpu",
    /// A disk's device, its io_uring, and the threads of its pool.
    Disk = "disk",
    /// A network device on an interface of the host.
    Tap = "tap",
    /// A network device with another program at a socket.
    Frames = "frames",
    /// A network device with our own gateway behind it.
    UserNet = "usernet",
    Rng = "rng",
    Console = "console",
    /// A shared folder's device: the server of 9P.
    Share = "share",
    Vsock = "vsock",
    /// Speaks with debuggers.
    Gdb = "gdb",
    /// Tells `ukvmm top` what it knows.
    Live = "live",
    /// Takes records out of the guest's rings.
    Profile = "profile",
    /// Takes samples of where the guest is.
    Sampler = "sampler",
    /// Serves the control socket.
    Control = "control",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
