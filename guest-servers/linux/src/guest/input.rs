//! The thread that receives what is typed.
//!
//! The console's messages are not answered: it waits until they are received. If the event loop received them itself, it
//! could not refuse them when programs do not read, without being deaf for all others. So a thread of its own receives them and calls the event
//! loop with each; the loop answers when there is room for more.
//!
//! When the console has been started again, it attaches to it again, and tells the size that the terminal has then.

use proto::Message;
use proto::console::Event;
use ukernel_abi::ThreadId;
use userlib::console::Attachment;
use userlib::ipc::{self, NEVER};
use userlib::thread::{Stack, spawn};
use userlib::{Me, Status, start};

const NUMBER: u16 = 1;
static STACK: Stack<{ 16 << 10 }> = Stack::new();

/// The input thread.
pub struct Input {
    thread: ThreadId,
}

impl Input {
    /// Makes the thread; it waits for [`Input::start`], and whoever sends to it waits too.
    pub fn spawn() -> Result<Self, Status> {
        Ok(Self { thread: spawn(NUMBER, &STACK, run)? })
    }
    pub fn thread(&self) -> ThreadId {
        self.thread
    }
    /// From now on, what `console` sends goes to the calling thread, the first of the task. `attachment`: for when it has died.
    pub fn start(&self, console: ThreadId, attachment: Attachment) -> Result<(), Status> {
        ipc::send(self.thread, &Message::ok([console.0, attachment.region]), NEVER)
    }
}

/// All receives are closed: nothing that anybody else sends is taken for input.
fn run(me: Me) -> ! {
    let event_loop = start::own_id();
    let (mut console, region) = loop {
        if let Ok(received) = ipc::receive(event_loop, NEVER) {
            let [console, region, ..] = received.message.words;
            break (ThreadId(console), region);
        }
    };
    loop {
        // An error of a call is that of a thread that is being ended, with the whole server.
        if let Ok(received) = ipc::receive(console, NEVER) {
            let _ = ipc::call(event_loop, &received.message);
            continue;
        }
        match (Attachment { events: me.id, region }).attach() {
            Ok((_, terminal)) => {
                console = terminal.sender;
                let _ = ipc::call(event_loop, &Event::Resize(terminal.size).into());
            }
            Err(why) => {
                userlib::log!("linux: the console is gone: {why:?}");
                let _ = ipc::call(event_loop, &Event::End.into());
                start::stop()
            }
        }
    }
}
