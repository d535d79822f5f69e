//! The thread that waits for the time.
//!
//! The event loop could wait with a deadline of its own. But then each of its waits would set a timer in the kernel, and none would take the
//! kernel's shortest way: every system call would be three times as long while some program sleeps somewhere. So a thread of its own waits, and
//! calls the event loop when the time has come.

use proto::Message;
use ukernel_abi::ThreadId;
use ukernel_abi::call::{Timeout, Timeouts};
use userlib::ipc;
use userlib::thread::{Stack, spawn};
use userlib::{Me, Status, start};

const NUMBER: u16 = 2;
static STACK: Stack<{ 4 << 10 }> = Stack::new();

/// For a message to somebody who waits for it, and then waiting.
const WAIT: Timeouts = Timeouts::of(Timeout::Now, Timeout::Never);

/// The timer thread.
pub struct Timer {
    thread: ThreadId,
}

impl Timer {
    /// Makes the thread. It waits for [`Timer::set`], by the calling thread, which must be the first of the task.
    pub fn spawn() -> Result<Self, Status> {
        Ok(Self { thread: spawn(NUMBER, &STACK, run)? })
    }

    /// Whom the call comes from when the time has come. It is to be answered ([`Timer::answer`]) before anything else is set.
    pub fn thread(&self) -> ThreadId {
        self.thread
    }

    /// Has it call when the TSC reads `tsc`, and no more at the time that was set before. `false` if it does not listen just now, because it calls
    /// or has not waited again since it did: then nothing has changed.
    pub fn set(&self, tsc: u64) -> bool {
        ipc::ipc(self.thread, &Message::ok([tsc]), self.thread, WAIT).is_ok()
    }

    /// Answers its call. It waits for the next time to be set.
    pub fn answer(&self) {
        // It waits for this.
        let _ = ipc::send(self.thread, &Message::ok([]), ipc::NOW);
    }
}

/// All receives are closed: nobody else sets the time.
fn run(me: Me) -> ! {
    let event_loop = start::own_id();
    let (mut to, mut timeouts) = (ThreadId::NIL, WAIT);
    loop {
        (to, timeouts) = match ipc::ipc(to, &Message::ok([]), event_loop, timeouts) {
            Ok(received) => {
                me.utcb.set_deadlines(0, received.message.words[0]);
                (event_loop, Timeouts::of(Timeout::Now, Timeout::Deadline))
            }
            Err(_) => match ipc::call(event_loop, &Message::ok([])) {
                Ok(_) => (ThreadId::NIL, WAIT),
                // The server is being ended.
                Err(_) => start::stop(),
            },
        };
    }
}
