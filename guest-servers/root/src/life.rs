//! When a server that has died is started again.
//!
//! The first few times at once. One that goes on dying soon after it was started is given more and more time in
//! between, and in the end it is given up: then its clients hear that there is no such device, which is better than for ever nothing.

/// A server that has lived so long is well: earlier deaths are forgotten. Microseconds.
const WELL_US: u64 = 1_000_000;
/// So many deaths in a row are followed by a start at once.
const AT_ONCE: u32 = 8;
/// The first wait, in microseconds; each that follows is twice as long.
const WAIT_US: u64 = 2_000;
/// After so many deaths in a row, a server is given up.
const GIVEN_UP: u32 = 16;

/// How a server came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// By itself.
    Died,
    /// Somebody wanted it: nothing that would speak against it.
    Killed,
}

/// What is done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    Start,
    /// Start at this time (µs).
    StartAt(u64),
    GiveUp,
}

/// The deaths of one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Life {
    started: u64,
    /// Deaths in a row.
    deaths: u32,
}

impl Life {
    /// The server starts at `now` (µs).
    pub fn start(&mut self, now: u64) {
        self.started = now;
    }

    /// It has come to its end.
    pub fn end(&mut self, cause: Cause, now: u64) -> Then {
        if cause == Cause::Killed {
            self.deaths = 0;
            return Then::Start;
        }
        if now.saturating_sub(self.started) >= WELL_US {
            self.deaths = 0;
        }
        self.deaths += 1;
        match self.deaths {
            GIVEN_UP.. => Then::GiveUp,
            n if n > AT_ONCE => Then::StartAt(now + (WAIT_US << (n - AT_ONCE - 1))),
            _ => Then::Start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_dies_at_once_is_given_up() {
        let (mut life, mut now) = (Life::default(), 5);
        let mut waits = Vec::new();
        loop {
            life.start(now);
            now += 10;
            match life.end(Cause::Died, now) {
                Then::Start => waits.push(0),
                Then::StartAt(at) => {
                    waits.push(at - now);
                    now = at;
                }
                Then::GiveUp => break,
            }
        }
        assert_eq!(waits[..8], [0; 8]);
        assert_eq!(waits[8..], [2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000]);
    }

    #[test]
    fn one_that_lives_for_a_while_never_is() {
        let (mut life, mut now) = (Life::default(), 0);
        for n in 0..1000 {
            life.start(now);
            now += if n % 8 == 7 { WELL_US } else { 1 };
            assert_eq!(life.end(Cause::Died, now), Then::Start);
        }
    }

    #[test]
    fn one_that_is_killed_never_is() {
        let mut life = Life::default();
        for now in 0..1000 {
            life.start(now);
            assert_eq!(life.end(Cause::Killed, now), Then::Start);
        }
    }
}
