//! How a server's threads start and how they stop.
//!
//! The first thread starts at `_start` with its own identifier in rdi, its pager's in rsi and the stack
//! pointer at the end of its stack. A spawned thread finds its function and identifier on its stack
//! ([`crate::thread::spawn`]).

use crate::utcb::Utcb;
use crate::{ipc, thread};
use core::sync::atomic::{AtomicU64, Ordering};
use ukernel_abi::ThreadId;

/// What a thread is given: who it is.
#[derive(Clone, Copy)]
pub struct Me {
    pub id: ThreadId,
    pub pager: ThreadId,
    pub utcb: Utcb,
}

static OWN_ID: AtomicU64 = AtomicU64::new(ThreadId::NIL.0);
static PAGER: AtomicU64 = AtomicU64::new(ThreadId::NIL.0);

/// The first thread of this task.
pub fn own_id() -> ThreadId {
    ThreadId(OWN_ID.load(Ordering::Relaxed))
}

/// The pager of this task's threads.
pub fn pager() -> ThreadId {
    ThreadId(PAGER.load(Ordering::Relaxed))
}

/// Names the function that the first thread runs: `userlib::server!(main);` with `fn main(me: Me) -> !`.
#[macro_export]
macro_rules! server {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn server_main(me: $crate::Me) -> ! {
            $main(me)
        }
    };
}

/// Where the kernel lets a spawned thread begin.
pub(crate) fn thread_entry() -> u64 {
    #[cfg(target_os = "none")]
    {
        unsafe extern "C" {
            fn _thread_start();
        }
        _thread_start as *const () as u64
    }
    #[cfg(not(target_os = "none"))]
    0
}

/// The thread does nothing any more.
pub fn stop() -> ! {
    loop {
        // Nobody has a reason to send to a thread that has stopped, σ0 least of all: this waits for ever.
        let _ = ipc::receive(ThreadId::SIGMA0, ipc::NEVER);
        thread::switch_to(ThreadId::NIL);
    }
}

#[cfg(target_os = "none")]
mod entry {
    use super::*;
    use core::arch::global_asm;

    global_asm!(
        ".section .text.start, \"ax\"",
        ".global _start",
        "_start:",
        "xor ebp, ebp",
        "and rsp, -16",
        "call {first}",
        "ud2",
        ".global _thread_start",
        "_thread_start:",
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {spawned}",
        "ud2",
        // Data that is not zero: it makes the linker write the segment, .bss and all, into the file
        // (`server.ld`).
        ".section .data.start, \"aw\"",
        ".ascii \"L4server\"",
        ".text",
        first = sym first,
        spawned = sym spawned,
    );

    unsafe extern "Rust" {
        fn server_main(me: Me) -> !;
    }

    extern "C" fn first(id: u64, pager: u64) -> ! {
        OWN_ID.store(id, Ordering::Relaxed);
        PAGER.store(pager, Ordering::Relaxed);
        // SAFETY: this is lthread 0, which is made with a UTCB in every server.
        let me = Me { id: ThreadId(id), pager: ThreadId(pager), utcb: unsafe { Utcb::of(0) } };
        // SAFETY: defined by `server!`, with this signature.
        unsafe { server_main(me) }
    }

    /// `start` is what `spawn` wrote to the stack.
    extern "C" fn spawned(start: &(fn(Me) -> !, ThreadId)) -> ! {
        let (main, id) = *start;
        // SAFETY: `spawn` made this thread with a UTCB, and wrote its identifier.
        main(Me { id, pager: pager(), utcb: unsafe { Utcb::of(id.lthread()) } })
    }

    /// Logs the message and ends the machine: nothing can be relied on any more.
    #[panic_handler]
    fn panic(info: &core::panic::PanicInfo) -> ! {
        crate::log!("panic: {info}");
        crate::root::fail()
    }
}
