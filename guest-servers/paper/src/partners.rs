//! Whom clients call: functions that children run for as long as they live.

use crate::child::end;
use crate::memory::{BLOCK, Shared};
use core::ptr;
use pipe::Partner;
use proto::Message;
use ukernel_abi::layout::{PAGE, utcb};
use ukernel_abi::msg::StringItem;
use ukernel_abi::utcb::Utcb;
use ukernel_abi::{Fpage, Label, Rights};
use userlib::{ThreadId, ipc};

/// Where pages are received: nothing else is there.
const WINDOW: u64 = 1 << 40;

/// The UTCB of the first thread of a task.
const UTCB: *mut Utcb = ptr::without_provenance_mut(utcb(0) as usize);

/// Answers every message with seven words.
fn serve(mut message: impl FnMut(&Message)) -> ! {
    let reply = Message::new(Label(0), [1, 2, 3, 4, 5, 6, 7]);
    let mut next = ipc::receive(ThreadId::ANY, ipc::NEVER);
    while let Ok(received) = next {
        message(&received.message);
        next = ipc::reply_and_wait(received.from, &reply);
    }
    end()
}

pub extern "C" fn answer(_: &'static Shared, _: ThreadId) -> ! {
    serve(|_| ())
}

/// Receives strings.
pub extern "C" fn take_strings(shared: &'static Shared, _: ThreadId) -> ! {
    let target = &shared.target;
    // SAFETY: nobody else accesses the block in this case, in any task. (That the whole of it is there, so that no transfer has to wait for the pager, is this, too.)
    unsafe { target.bytes() }.fill(1);
    // SAFETY: a child's first thread has a UTCB, which is not accessed otherwise here; the buffer is that block.
    unsafe {
        (*UTCB).buffers[0] = StringItem::new(target.address(), BLOCK as u64);
        (*UTCB).buffer_count = 1;
    }
    serve(|_| ())
}

/// Receives pages, and reads a word of each.
pub extern "C" fn take_pages(_: &'static Shared, _: ThreadId) -> ! {
    // SAFETY: as above; in the window there is nothing that is Rust's.
    unsafe { (*UTCB).window = Fpage::memory(WINDOW, BLOCK.ilog2(), Rights::RWX) };
    serve(|message| {
        let size = Fpage(message.words[0]).size();
        for page in (WINDOW..WINDOW + size.min(BLOCK as u64)).step_by(PAGE as usize) {
            // SAFETY: the message has mapped it.
            unsafe { ptr::with_exposed_provenance::<u64>(page as usize).read_volatile() };
        }
    })
}

/// Sends every byte back.
pub extern "C" fn pipe_echo(shared: &'static Shared, client: ThreadId) -> ! {
    let [there, back] = &shared.pipes;
    // SAFETY: the memory is made anew for each metric, and this its only reader there and its only writer back.
    let (mut there, mut back) = unsafe { (there.reader(Partner(client)), back.writer(Partner(client))) };
    let mut byte = [0];
    while there.read(&mut byte).is_ok() && back.write(&byte).is_ok() {}
    end()
}

/// Writes for ever.
pub extern "C" fn pipe_write(shared: &'static Shared, client: ThreadId) -> ! {
    let [_, back] = &shared.pipes;
    // SAFETY: as above; the block is used here alone.
    let (mut back, block) = unsafe { (back.writer(Partner(client)), shared.source.bytes()) };
    while back.write(block).is_ok() {}
    end()
}
