//! What a client asks for: random bytes.

use driver::Client;
use driver::client::{Link, Repeat};
use proto::Refusal;
use proto::rng::{Answer, Fill, Request};
use proto::session::{DATA, Outcome, Submission};
use proto::text::MAX;

/// How often a driver is asked that has nothing to give now.
const TRIES: u32 = 20_000;

/// A supply of random bytes.
pub struct Random<L> {
    client: Client<L>,
    /// Bytes of the region that are for data.
    room: usize,
}

/// Why there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoBytes {
    /// The driver cannot be reached, or has nothing to give.
    Driver(Refusal),
    /// What the driver says of the request.
    Request(Outcome),
}

impl From<Refusal> for NoBytes {
    fn from(why: Refusal) -> Self {
        Self::Driver(why)
    }
}

impl<L: Link> Random<L> {
    /// Opens a session through `link`, whose region has `size` bytes.
    pub fn open(link: L, size: usize) -> Result<Self, Refusal> {
        Ok(Self { client: Client::open(link)?, room: size.saturating_sub(DATA) })
    }

    pub fn client(&self) -> &Client<L> {
        &self.client
    }

    /// Fills `into`: a few bytes by a message, many through shared memory.
    pub fn fill(&mut self, into: &mut [u8]) -> Result<(), NoBytes> {
        if into.len() <= MAX { self.short(into) } else { self.long(into) }
    }

    fn short(&mut self, into: &mut [u8]) -> Result<(), NoBytes> {
        if into.is_empty() {
            return Ok(());
        }
        let request = Request { count: into.len() }.into();
        let link = self.client.link_mut();
        for tries in 0..TRIES {
            // The driver is being started again, or its own supply is used up.
            if tries > 0 && !link.pause() {
                break;
            }
            let answer = match link.call(&request) {
                Some(answer) => answer.accepted(),
                None => link.find().and(Err(Refusal::Again)),
            };
            match answer {
                Ok(answer) => {
                    let Answer { bytes } = Answer::try_from(&answer).map_err(Refusal::from)?;
                    if bytes.as_slice().len() != into.len() {
                        return Err(Refusal::BadRequest.into());
                    }
                    into.copy_from_slice(bytes.as_slice());
                    return Ok(());
                }
                Err(Refusal::Again) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Err(Refusal::Again.into())
    }

    fn long(&mut self, into: &mut [u8]) -> Result<(), NoBytes> {
        let mut at = 0;
        while at < into.len() {
            let len = self.room.min(into.len() - at);
            let got = self.part(len)?.min(len);
            self.client.link().read(DATA, &mut into[at..at + got]);
            at += got;
        }
        // Whoever gets the memory later does not learn what these bytes were.
        for offset in (0..self.room.min(into.len())).step_by(MAX) {
            self.client.link().write(DATA + offset, &[0; MAX][..MAX.min(self.room - offset)]);
        }
        Ok(())
    }

    /// Has the device write up to `len` bytes into the region; how many there are.
    fn part(&mut self, len: usize) -> Result<usize, NoBytes> {
        let request = Submission { offset: DATA as u32, len: len as u32, ..Fill.into() };
        let tag = self.client.submit(request, Repeat::Allowed).map_err(|_| Refusal::Again)?;
        loop {
            self.client.wait(1)?;
            while let Some(done) = self.client.take() {
                match done.outcome {
                    _ if done.tag != tag => {}
                    // A driver that gives nothing would be asked for ever.
                    Outcome::Done if done.value > 0 => return Ok(done.value as usize),
                    outcome => return Err(NoBytes::Request(outcome)),
                }
            }
        }
    }
}
