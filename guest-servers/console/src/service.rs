//! Requests and answers of the first thread.

use crate::device::Output;
use proto::console::{BUFFER_LOG2, Request, Size, Terminal};
use proto::{Message, Refusal};
use ukernel_abi::{Fpage, MapItem, Rights, ThreadId};
use vmm_abi::console::TX_SIZE;

const _: () = assert!(TX_SIZE == 1 << BUFFER_LOG2);

/// What the first thread knows.
pub struct Service<O> {
    output: O,
    /// Address of the output buffer.
    buffer: u64,
    flags: u32,
    size: Size,
    client: ThreadId,
}

/// The second thread, as the first sees it.
pub trait Events {
    /// From now on events go to `client`. The thread that sends them.
    fn send_to(&mut self, client: ThreadId) -> ThreadId;
}

impl<O: Output> Service<O> {
    pub fn new(output: O, buffer: u64, flags: u32, size: Size) -> Self {
        Self { output, buffer, flags, size, client: ThreadId::NIL }
    }

    /// The answer to a message.
    pub fn answer(&mut self, from: ThreadId, message: &Message, events: &mut impl Events) -> Message {
        match Request::try_from(message) {
            Ok(Request::Setup { events: client, base }) if client.task() == from.task() => {
                self.client = from;
                self.set_up(base, events.send_to(client))
            }
            Ok(Request::Write { channel, len }) => Message::reply(self.write(from, channel, len)),
            Ok(Request::Setup { .. }) | Err(_) => Message::refused(Refusal::BadRequest),
        }
    }

    fn set_up(&self, base: u64, sender: ThreadId) -> Message {
        let terminal = Terminal { flags: self.flags, size: self.size, buffer: TX_SIZE as u32, sender };
        let mut message = Message::from(terminal);
        let page = Fpage::memory(self.buffer, BUFFER_LOG2, Rights::RW);
        let _fits = message.push_item(MapItem::map(page, base));
        message
    }

    fn write(&mut self, from: ThreadId, channel: u32, len: u32) -> Result<Message, Refusal> {
        if from.task() != self.client.task() {
            return Err(Refusal::Denied);
        }
        self.output.print(channel, len).map_err(|_| Refusal::NoDevice)?;
        Ok(Message::ok([]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::NoDevice;

    const CLIENT: ThreadId = ThreadId::new(4, 0, 1);
    const OTHER: ThreadId = ThreadId::new(5, 0, 1);
    const SENDER: ThreadId = ThreadId::new(3, 1, 1);

    struct Printed(Vec<(u32, u32)>);

    impl Output for Printed {
        fn print(&mut self, channel: u32, len: u32) -> Result<(), NoDevice> {
            self.0.push((channel, len));
            if len == 13 { Err(NoDevice) } else { Ok(()) }
        }
    }

    struct Redirected(Option<ThreadId>);

    impl Events for Redirected {
        fn send_to(&mut self, client: ThreadId) -> ThreadId {
            self.0 = Some(client);
            SENDER
        }
    }

    struct World {
        service: Service<Printed>,
        events: Redirected,
    }

    impl World {
        fn new() -> Self {
            let service = Service::new(Printed(Vec::new()), 1 << 32, 7, Size { rows: 24, cols: 80 });
            Self { service, events: Redirected(None) }
        }

        fn ask(&mut self, from: ThreadId, message: impl Into<Message>) -> Result<Message, Refusal> {
            self.service.answer(from, &message.into(), &mut self.events).accepted()
        }
    }

    const SETUP: Request = Request::Setup { events: CLIENT, base: 0x5000_0000 };

    #[test]
    fn a_client_gets_the_buffer() {
        let mut w = World::new();
        let answer = w.ask(CLIENT, SETUP).unwrap();
        assert_eq!(w.events.0, Some(CLIENT));
        let want = Terminal { flags: 7, size: Size { rows: 24, cols: 80 }, buffer: 8192, sender: SENDER };
        assert_eq!(Terminal::try_from(&answer), Ok(want));
        let item = answer.items().next().unwrap();
        assert_eq!((item.snd, item.base), (Fpage::memory(1 << 32, 13, Rights::RW), 0x5000_0000));
    }

    #[test]
    fn only_the_client_prints() {
        let mut w = World::new();
        let write = Request::Write { channel: 1, len: 5 };
        assert_eq!(w.ask(CLIENT, write), Err(Refusal::Denied), "not set up");
        w.ask(CLIENT, SETUP).unwrap();
        assert_eq!(w.ask(CLIENT, write), Ok(Message::ok([])));
        assert_eq!(w.ask(OTHER, write), Err(Refusal::Denied));
        assert_eq!(w.service.output.0, [(1, 5)]);
    }

    #[test]
    fn events_stay_in_the_clients_task() {
        let mut w = World::new();
        assert_eq!(w.ask(OTHER, SETUP), Err(Refusal::BadRequest));
        assert_eq!(w.events.0, None);
    }

    #[test]
    fn a_broken_device_is_told() {
        let mut w = World::new();
        w.ask(CLIENT, SETUP).unwrap();
        assert_eq!(w.ask(CLIENT, Request::Write { channel: 1, len: 13 }), Err(Refusal::NoDevice));
    }

    #[test]
    fn nonsense_is_refused() {
        let mut w = World::new();
        assert_eq!(w.ask(CLIENT, Message::new(ukernel_abi::Label(0x3ff), [1])), Err(Refusal::BadRequest));
    }
}
