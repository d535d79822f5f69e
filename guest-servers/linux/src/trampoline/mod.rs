//! System calls that the program's own address space hands on: the way in of 1997.
//!
//! Usually the µ-kernel *forwards* a program's system calls: it makes a message of each, and keeps the program's registers until that is answered. In the
//! server set `linux-trampoline` it *reflects* them: the thread goes on at its trampoline ([`code`]), at user level and in its own address space, which
//! calls the server as any L4 program calls another. Programs are the same, and so are their calls; what it costs is another matter.
//!
//! What a call destroys is saved in a *save area*, one for each L4 thread: no stack is used, for a program may have none. It is the program's memory, like its
//! stack: who spoils it spoils his own registers, and nothing is believed that would not be believed of a `rt_sigreturn`.
//!
//! All that changes a program's registers (signals, `fork`, `execve`, `rt_sigreturn`, calls that are made again) sees them and sets them as they are *outside* of
//! the trampoline: [`state`] computes what they are, from the L4 thread's and the save area, wherever in the trampoline the thread is; and a thread that has
//! new registers set goes on with these, and is not in the trampoline any more. So there is no state that a signal could find half saved.
//!
//! - [`code`]: the trampoline's instructions; [`area`]: where it and the save areas are
//! - [`state`]: the program's registers

mod area;
mod code;
mod state;

pub use area::STACK_END;
pub use area::entry;
#[cfg(test)]
pub use area::save_area;
pub use code::CALL;
#[cfg(test)]
pub use code::{Layout, SAVED, assemble};
pub use state::Doing;
#[cfg(test)]
pub use state::register_of;

use crate::errno::Errno;
use crate::frames::{Frame, FramePool};
use ukernel_abi::ThreadId;

/// How system calls get to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Entry {
    /// As messages of the µ-kernel.
    #[default]
    Forwarded,
    /// As messages of the program's trampoline.
    Trampoline,
}

impl Entry {
    /// From the server's arguments: `--entry=forwarded`, `--entry=trampoline`.
    pub fn from_options<'a>(options: impl IntoIterator<Item = &'a str>) -> Self {
        options.into_iter().fold(Self::Forwarded, |entry, option| match option {
            "--entry=forwarded" => Self::Forwarded,
            "--entry=trampoline" => Self::Trampoline,
            _ => entry,
        })
    }
}

/// The trampoline of all programs.
pub struct Trampoline {
    layout: code::Layout,
    /// Holds the instructions.
    frame: Frame,
}

impl Trampoline {
    /// One that calls `server`.
    pub fn new(server: ThreadId, frames: &FramePool) -> Result<Self, Errno> {
        let (bytes, layout) = code::assemble(server);
        let frame = frames.alloc_zeroed()?;
        frame.write(0, &bytes);
        Ok(Self { layout, frame })
    }
}
