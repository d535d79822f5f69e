//! Whether a server comes back to its loop (`proto::drivers::beat`).
//!
//! While a server works, root looks at its page once in a period. One that is away from its loop and has been away since the last look,
//! without having been back in between, is stuck: it noticed nothing for a whole period. A server that has nothing to do is not looked
//! at any more, until it says that it works again.

/// What a server has noted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note {
    /// How often it has gone about its work.
    pub count: u32,
    /// It is about its work now.
    pub away: bool,
}

/// What a look has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// It works, or has since the last look. Root looks again.
    Alive,
    /// It has nothing to do. Root does not look any more.
    Idle,
    /// It does not come back.
    Stuck,
}

/// The watch over one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watchdog {
    /// Microseconds; 0: nobody looks.
    period: u64,
    /// When the next look is (µs), and what the last one showed.
    next: Option<(u64, u32)>,
}

impl Watchdog {
    pub const fn new(period_ms: u32) -> Self {
        Self { period: period_ms as u64 * 1000, next: None }
    }

    pub const fn is_there(&self) -> bool {
        self.period != 0
    }

    /// The server works, at `now` (µs).
    pub fn begin(&mut self, note: Note, now: u64) {
        if self.is_there() {
            self.next = Some((now + self.period, note.count));
        }
    }

    /// The server is not there any more.
    pub fn end(&mut self) {
        self.next = None;
    }

    /// When to look.
    pub fn deadline(&self) -> Option<u64> {
        self.next.map(|(at, _)| at)
    }

    /// Looks at what the server has noted.
    pub fn look(&mut self, note: Note, now: u64) -> Look {
        match self.next {
            Some((_, before)) if note.count == before => {
                self.next = None;
                if note.away { Look::Stuck } else { Look::Idle }
            }
            _ => {
                self.begin(note, now);
                Look::Alive
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn note(count: u32, away: bool) -> Note {
        Note { count, away }
    }

    #[test]
    fn one_that_works_is_looked_at_until_it_rests() {
        let mut dog = Watchdog::new(20);
        assert_eq!(dog.deadline(), None);
        dog.begin(note(1, true), 100);
        assert_eq!(dog.deadline(), Some(20_100));
        assert_eq!(dog.look(note(7, true), 20_100), Look::Alive);
        assert_eq!(dog.deadline(), Some(40_100));
        assert_eq!(dog.look(note(8, false), 40_100), Look::Alive);
        assert_eq!(dog.look(note(8, false), 60_100), Look::Idle);
        assert_eq!(dog.deadline(), None);
    }

    #[test]
    fn one_that_does_not_come_back_is_stuck() {
        let mut dog = Watchdog::new(20);
        dog.begin(note(1, true), 0);
        assert_eq!(dog.look(note(1, true), 20_000), Look::Stuck);
        assert_eq!(dog.deadline(), None);
        dog.begin(note(u32::MAX, true), 0);
        assert_eq!(dog.look(note(0, true), 20_000), Look::Alive, "it counts on");
        assert_eq!(dog.look(note(0, true), 40_000), Look::Stuck);
    }

    #[test]
    fn without_a_period_nobody_looks() {
        let mut dog = Watchdog::new(0);
        dog.begin(note(1, true), 0);
        assert!(dog.deadline().is_none() && !dog.is_there());
    }
}
