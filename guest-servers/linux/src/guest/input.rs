//! The thread that receives what is typed.
//!
//! The console's messages are not answered: it waits until they are received. If the event loop received them itself, it
//! could not refuse them when programs do not read, without being deaf for all others. So a thread of its own receives them and calls the event
//! loop with each; the loop answers when there is room for more.

use core::sync::atomic::{AtomicU64, Ordering};
use proto::Message;
use ukernel_abi::ThreadId;
use userlib::ipc::{self, NEVER};
use userlib::thread::{Stack, spawn};
use userlib::{Me, Status};

const NUMBER: u16 = 1;
static STACK: Stack<{ 16 << 10 }> = Stack::new();
/// The console's thread, and the event loop's. Nil until there is an event loop.
static CONSOLE: AtomicU64 = AtomicU64::new(ThreadId::NIL.0);
static LOOP: AtomicU64 = AtomicU64::new(ThreadId::NIL.0);

/// The input thread.
pub struct Input {
    thread: ThreadId,
}

impl Input {
    /// Makes the thread; it waits for [`Input::start`].
    pub fn spawn() -> Result<Self, Status> {
        Ok(Self { thread: spawn(NUMBER, &STACK, run)? })
    }
    pub fn thread(&self) -> ThreadId {
        self.thread
    }
    /// From now on, what `console` sends goes to `event_loop`.
    pub fn start(&self, event_loop: ThreadId, console: ThreadId) {
        CONSOLE.store(console.0, Ordering::Relaxed);
        LOOP.store(event_loop.0, Ordering::Release);
        // It waits for this message only as long as it takes to get there.
        let _ = ipc::send(self.thread, &Message::ok([]), NEVER);
    }
}

fn run(_me: Me) -> ! {
    // Only the event loop's thread starts this, before any program runs that could send something.
    while LOOP.load(Ordering::Acquire) == ThreadId::NIL.0 {
        let _ = ipc::receive(ThreadId::ANY, NEVER);
    }
    let console = ThreadId(CONSOLE.load(Ordering::Relaxed));
    let event_loop = ThreadId(LOOP.load(Ordering::Relaxed));
    loop {
        // A closed receive: nothing that anybody else sends is taken for input.
        if let Ok(received) = ipc::receive(console, NEVER) {
            let _ = ipc::call(event_loop, &received.message);
        }
    }
}
