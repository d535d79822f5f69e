//! A network interface, as a client has it.
//!
//! Half of the session's requests are buffers for frames that come, always submitted; the others are frames on their way out.

use alloc::collections::VecDeque;
use driver::Client;
use driver::client::{Link, Repeat};
use proto::Refusal;
use proto::net::{self, FRAME_MAX, FRAME_MIN, Operation};
use proto::session::{Completion, DATA, DEPTH, Outcome, Submission};

/// Bytes between buffers: a frame, and what aligns the next.
const SLOT: usize = 2048;
const RECEIVE_SLOTS: usize = DEPTH as usize / 2;
/// One request is for the link's state.
const SEND_SLOTS: usize = DEPTH as usize - RECEIVE_SLOTS - 1;
/// Bytes of a region with room for all buffers.
pub const REGION_LOG2: u32 = 18;
const _: () = assert!(DATA + (RECEIVE_SLOTS + SEND_SLOTS) * SLOT <= 1 << REGION_LOG2 && FRAME_MAX <= SLOT);

/// A network interface.
pub struct Interface<L> {
    client: Client<L>,
    mac: [u8; 6],
    is_up: bool,
    /// What the request with this tag is.
    uses: [Use; DEPTH as usize],
    /// Buffers for frames that go, which nobody uses.
    idle: VecDeque<usize>,
    /// Frames that have come: buffers and lengths.
    came: VecDeque<(usize, usize)>,
    /// The driver has said that its device does not work.
    is_gone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    Nothing,
    Receive(usize),
    Send(usize),
    Link,
}

/// Why a frame was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotSent {
    /// All buffers are on their way.
    Busy,
    /// It is too short or too long.
    Length,
}

impl<L: Link> Interface<L> {
    /// Opens a session through `link`, whose region has 2^[`REGION_LOG2`] bytes.
    pub fn open(link: L) -> Result<Self, Refusal> {
        let client = Client::open(link)?;
        let net::Interface { mac, is_up } = net::Interface::try_from(&client.opened())?;
        let idle = (RECEIVE_SLOTS..RECEIVE_SLOTS + SEND_SLOTS).collect();
        let uses = [Use::Nothing; DEPTH as usize];
        let mut interface = Self { client, mac, is_up, uses, idle, came: VecDeque::new(), is_gone: false };
        (0..RECEIVE_SLOTS).for_each(|slot| interface.lend(slot));
        interface.watch_link();
        interface.poll()?;
        Ok(interface)
    }

    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }
    /// Whether the network can be reached, as far as is known.
    pub fn is_up(&self) -> bool {
        self.is_up
    }
    pub fn client(&self) -> &Client<L> {
        &self.client
    }

    /// The next frame that has come: its length. The driver gets its buffer again at the next [`Interface::poll`] or
    /// [`Interface::wait`].
    pub fn receive(&mut self, into: &mut [u8; FRAME_MAX]) -> Option<usize> {
        let (slot, len) = self.came.pop_front()?;
        self.client.link().read(place(slot), &mut into[..len]);
        self.lend(slot);
        Some(len)
    }

    pub fn can_receive(&self) -> bool {
        !self.came.is_empty()
    }
    pub fn can_send(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Takes a frame, which goes at the next [`Interface::poll`] or [`Interface::wait`].
    pub fn send(&mut self, frame: &[u8]) -> Result<(), NotSent> {
        if !(FRAME_MIN..=FRAME_MAX).contains(&frame.len()) {
            return Err(NotSent::Length);
        }
        let slot = self.idle.pop_front().ok_or(NotSent::Busy)?;
        self.client.link().write(place(slot), frame);
        let submission = buffer(slot, frame.len(), Operation::Send);
        if self.submit(submission, Use::Send(slot)) {
            Ok(())
        } else {
            self.idle.push_front(slot);
            Err(NotSent::Busy)
        }
    }

    /// Shows the driver what there is, and looks what has come.
    pub fn poll(&mut self) -> Result<(), Refusal> {
        self.client.wait(0)?;
        self.collect()
    }

    /// As [`Interface::poll`], but if nothing has come or gone, waits for something: up to `us` microseconds.
    pub fn wait(&mut self, us: u32) -> Result<(), Refusal> {
        self.client.wait_for(us)?;
        self.collect()
    }

    fn collect(&mut self) -> Result<(), Refusal> {
        while let Some(done) = self.client.take() {
            self.is_gone |= done.outcome == Outcome::NoDevice;
            let place = self.uses.get_mut(done.tag as usize);
            match place.map_or(Use::Nothing, |place| core::mem::replace(place, Use::Nothing)) {
                Use::Receive(slot) => self.received(slot, &done),
                Use::Send(slot) => self.idle.push_back(slot),
                Use::Link => {
                    self.is_up = done.value == 1;
                    self.watch_link();
                }
                Use::Nothing => {}
            }
        }
        // Whoever went on asking would ask without end.
        if self.is_gone { Err(Refusal::NoDevice) } else { Ok(()) }
    }

    fn received(&mut self, slot: usize, done: &Completion) {
        match usize::try_from(done.value) {
            Ok(len) if done.outcome == Outcome::Done && (FRAME_MIN..=FRAME_MAX).contains(&len) => {
                self.came.push_back((slot, len));
            }
            _ => self.lend(slot),
        }
    }

    /// Gives the driver a buffer for a frame to come.
    fn lend(&mut self, slot: usize) {
        let _there_is_room = self.submit(buffer(slot, FRAME_MAX, Operation::Receive), Use::Receive(slot));
    }

    fn watch_link(&mut self) {
        let _there_is_room = self.submit(Operation::Link { is_up: self.is_up }.into(), Use::Link);
    }

    fn submit(&mut self, submission: Submission, what: Use) -> bool {
        let Ok(tag) = self.client.submit(submission, Repeat::Allowed) else { return false };
        if let Some(place) = self.uses.get_mut(tag as usize) {
            *place = what;
        }
        true
    }
}

fn place(slot: usize) -> usize {
    DATA + slot * SLOT
}

fn buffer(slot: usize, len: usize, operation: Operation) -> Submission {
    Submission { offset: place(slot) as u32, len: len as u32, ..operation.into() }
}
