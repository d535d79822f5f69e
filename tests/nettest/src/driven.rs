//! A wire through the network driver.

use driver::real::ToServer;
use net::Interface;
use net::client::REGION_LOG2;
use nettest::Wire;
use proto::Refusal;
use proto::net::FRAME_MAX;
use userlib::clock::{Clock, tsc};
use userlib::{drivers, kip, log, root};

const SERVER: &str = "net";

pub struct Driven {
    interface: Interface<ToServer>,
    clock: Clock,
    /// How often the driver has been killed.
    kills: u64,
}

impl Driven {
    pub fn open() -> Result<Self, Refusal> {
        let interface = Interface::open(ToServer::new(SERVER, REGION_LOG2)?)?;
        Ok(Self { interface, clock: Clock::of(kip::kip()), kills: 0 })
    }

    /// How often the session had to be opened again.
    pub fn restarts(&self) -> u64 {
        self.interface.client().recoveries()
    }

    /// Of `all` bytes of one of two transfers, `done` have been transferred: kills the driver when it is time to.
    pub fn kill_at(&mut self, done: u64, all: u64, kills: u64) {
        // Half of them in each transfer, evenly spread.
        let first = self.kills < kills / 2;
        let (index, count) =
            if first { (self.kills, kills / 2) } else { (self.kills - kills / 2, kills - kills / 2) };
        if self.kills == kills || done < all / (count + 1) * (index + 1) {
            return;
        }
        self.kills += 1;
        // Two deaths between two looks would be noticed as one.
        if let Err(why) = drivers::kill(SERVER).and_then(|()| self.interface.poll()) {
            Self::stop(why);
        }
    }

    fn stop(why: Refusal) -> ! {
        log!("FAILED: the network driver is gone: {why:?}");
        root::exit(1);
        userlib::start::stop()
    }
}

impl Wire for Driven {
    fn mac(&self) -> [u8; 6] {
        self.interface.mac()
    }
    fn now(&self) -> u64 {
        self.clock.monotonic_ns(tsc()) / 1000
    }
    fn receive(&mut self, into: &mut [u8; FRAME_MAX]) -> Option<usize> {
        self.interface.receive(into)
    }
    fn can_send(&mut self) -> bool {
        if !self.interface.can_send()
            && let Err(why) = self.interface.poll()
        {
            Self::stop(why);
        }
        self.interface.can_send()
    }
    fn send(&mut self, frame: &[u8]) {
        // `can_send` has said yes; and TCP sends again what is lost.
        let _ = self.interface.send(frame);
    }
    fn wait(&mut self, us: u64) {
        if let Err(why) = self.interface.wait(us.min(u32::MAX.into()) as u32) {
            Self::stop(why);
        }
    }
}
