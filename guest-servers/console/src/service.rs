//! Requests and answers of the first thread.

use crate::device::Output;
use driver::Memory;
use driver::engine::Regions;
use proto::console::{BUFFER_LOG2, Request, Size, Terminal};
use proto::{Message, Refusal};
use ukernel_abi::{Fpage, MapItem, Rights, ThreadId};
use vmm_abi::console::TX_SIZE;

const _: () = assert!(TX_SIZE == 1 << BUFFER_LOG2);

/// Bytes that are copied at once from a client's region to the output buffer.
const CHUNK: usize = 512;

/// What the first thread knows.
pub struct Service<O, R: Regions> {
    output: O,
    regions: R,
    /// The client's region, if it has brought one, and its name.
    region: Option<(u64, R::Memory)>,
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

impl<O: Output, R: Regions> Service<O, R> {
    pub fn new(output: O, regions: R, buffer: u64, flags: u32, size: Size) -> Self {
        Self { output, regions, region: None, buffer, flags, size, client: ThreadId::NIL }
    }

    /// The answer to a message.
    pub fn answer(&mut self, from: ThreadId, message: &Message, events: &mut impl Events) -> Message {
        match Request::try_from(message) {
            Ok(Request::Setup { events: client, base }) if client.task() == from.task() => {
                (self.client, self.region) = (from, None);
                self.set_up(base, events.send_to(client))
            }
            Ok(Request::Attach { events: client, region }) if client.task() == from.task() => Message::reply(
                self.attach(from, region).map(|()| self.terminal(events.send_to(client)).into()),
            ),
            Ok(Request::Write { channel, len }) => Message::reply(self.write(from, channel, len)),
            Ok(Request::Setup { .. } | Request::Attach { .. }) | Err(_) => {
                Message::refused(Refusal::BadRequest)
            }
        }
    }

    fn terminal(&self, sender: ThreadId) -> Terminal {
        Terminal { flags: self.flags, size: self.size, buffer: TX_SIZE as u32, sender }
    }

    /// `from` becomes the client, with its region.
    fn attach(&mut self, from: ThreadId, region: u64) -> Result<(), Refusal> {
        let known = self.region.as_ref().is_some_and(|(name, _)| *name == region);
        if !known || self.client.task() != from.task() {
            // Who asks is whom root says it belongs to.
            self.region = Some((region, self.regions.region(from, region)?));
        }
        self.client = from;
        Ok(())
    }

    fn set_up(&self, base: u64, sender: ThreadId) -> Message {
        let mut message = Message::from(self.terminal(sender));
        let page = Fpage::memory(self.buffer, BUFFER_LOG2, Rights::RW);
        let _fits = message.push_item(MapItem::map(page, base));
        message
    }

    fn write(&mut self, from: ThreadId, channel: u32, len: u32) -> Result<Message, Refusal> {
        if from.task() != self.client.task() {
            return Err(Refusal::Denied);
        }
        if let Some((_, region)) = &self.region {
            let mut chunk = [0; CHUNK];
            for at in (0..len as usize).step_by(CHUNK) {
                let part = &mut chunk[..CHUNK.min(len as usize - at)];
                region.read(at, part);
                self.output.fill(at, part);
            }
        }
        self.output.print(channel, len).map_err(|_| Refusal::NoDevice)?;
        Ok(Message::ok([]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::NoDevice;
    use driver::mock::{Machine, Ram};

    const CLIENT: ThreadId = ThreadId::new(4, 0, 1);
    const OTHER: ThreadId = ThreadId::new(5, 0, 1);
    const SENDER: ThreadId = ThreadId::new(3, 1, 1);

    #[derive(Default)]
    struct Printed(Vec<(u32, u32)>, Vec<u8>);

    impl Output for Printed {
        fn fill(&mut self, at: usize, bytes: &[u8]) {
            self.1.resize(at, 0);
            self.1.extend_from_slice(bytes);
        }
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

    /// Root: knows one region, which belongs to [`CLIENT`].
    struct OneRegion(Ram);

    const REGION: u64 = 77;

    impl Regions for OneRegion {
        type Memory = Ram;

        fn region(&mut self, client: ThreadId, id: u64) -> Result<Ram, Refusal> {
            if (client, id) == (CLIENT, REGION) { Ok(self.0.clone()) } else { Err(Refusal::Denied) }
        }
    }

    struct World {
        service: Service<Printed, OneRegion>,
        region: Ram,
        events: Redirected,
    }

    impl World {
        fn new() -> Self {
            let region = Machine::new(0, 0, &[], Box::new(|_| None)).memory(8192);
            let (root, size) = (OneRegion(region.clone()), Size { rows: 24, cols: 80 });
            let service = Service::new(Printed::default(), root, 1 << 32, 7, size);
            Self { service, region, events: Redirected(None) }
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

    const ATTACH: Request = Request::Attach { events: CLIENT, region: REGION };

    #[test]
    fn what_is_in_the_clients_region_is_printed() {
        let mut w = World::new();
        let terminal = Terminal::try_from(&w.ask(CLIENT, ATTACH).unwrap()).unwrap();
        assert_eq!((terminal.sender, terminal.buffer, w.events.0), (SENDER, 8192, Some(CLIENT)));
        for len in [0, 1, 511, 512, 513, 8192] {
            let text: Vec<u8> = (0..len).map(|n| (n * 7 + len) as u8).collect();
            w.region.write(0, &text);
            w.service.output.1.clear();
            w.ask(CLIENT, Request::Write { channel: 2, len: len as u32 }).unwrap();
            assert_eq!(w.service.output.0.last(), Some(&(2, len as u32)));
            assert!(w.service.output.1 == text, "{len}");
        }
        w.ask(CLIENT, ATTACH).unwrap();
        w.ask(CLIENT, SETUP).unwrap();
        w.service.output.1.clear();
        w.ask(CLIENT, Request::Write { channel: 1, len: 5 }).unwrap();
        assert!(w.service.output.1.is_empty(), "the buffer has been filled by the client");
    }

    #[test]
    fn nobody_attaches_with_anothers_region() {
        let mut w = World::new();
        w.ask(CLIENT, ATTACH).unwrap();
        for (from, events, region) in [(OTHER, OTHER, REGION), (CLIENT, CLIENT, 78)] {
            assert_eq!(w.ask(from, Request::Attach { events, region }), Err(Refusal::Denied));
        }
        assert_eq!(w.ask(OTHER, ATTACH), Err(Refusal::BadRequest), "events for another task");
        assert!(w.ask(CLIENT, Request::Write { channel: 1, len: 5 }).is_ok(), "the client is who it was");
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
