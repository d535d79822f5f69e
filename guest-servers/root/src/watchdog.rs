//! Whether a server comes back to its loop (`proto::drivers::beat`).
//!
//! While a server works, root looks at its page some times in a period. One that has been away from its loop at [`LOOKS`] looks in a row,
//! without having been back in between, is stuck. Several looks, because a machine that is a guest may stand still for longer than any period: root
//! then looks once, and the server gets its time before the next look. A server that has nothing to do is not looked at any more, until it
//! says that it works again.

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
    watch: Option<Watch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Watch {
    /// When the next look is (µs).
    next: u64,
    /// What the last one showed, and how many in a row have shown just that.
    count: u32,
    same: u32,
}

/// Looks in a period.
const LOOKS: u64 = 4;
/// What a server that is starting may take, in periods: it has to be paged in, and to get to know its device.
const START: u64 = 25;

impl Watchdog {
    pub const fn new(period_ms: u32) -> Self {
        Self { period: period_ms as u64 * 1000, watch: None }
    }

    pub const fn is_there(&self) -> bool {
        self.period != 0
    }

    /// The server works, at `now` (µs).
    pub fn begin(&mut self, note: Note, now: u64) {
        if self.is_there() {
            self.watch = Some(Watch { next: now + self.period / LOOKS, count: note.count, same: 0 });
        }
    }

    /// The server is not there any more.
    pub fn end(&mut self) {
        self.watch = None;
    }

    /// When to look.
    pub fn deadline(&self) -> Option<u64> {
        self.watch.map(|watch| watch.next)
    }

    /// Looks at what the server has noted.
    pub fn look(&mut self, note: Note, now: u64) -> Look {
        let Some(watch) = self.watch.filter(|watch| watch.count == note.count) else {
            self.begin(note, now);
            return Look::Alive;
        };
        let same = watch.same + 1;
        // A server that has not been at its loop yet is starting.
        let enough = if note.count <= 1 { LOOKS * START } else { LOOKS };
        if u64::from(same) < enough {
            self.watch = Some(Watch { next: now + self.period / LOOKS, same, ..watch });
            return Look::Alive;
        }
        self.watch = None;
        if note.away { Look::Stuck } else { Look::Idle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn note(count: u32, away: bool) -> Note {
        Note { count, away }
    }

    /// What looks show while the server's note stays the same, from the first that is due.
    fn looks(dog: &mut Watchdog, note: Note) -> (Vec<u64>, Look) {
        let mut times = Vec::new();
        loop {
            let now = dog.deadline().unwrap();
            times.push(now);
            match dog.look(note, now) {
                Look::Alive => {}
                end => return (times, end),
            }
        }
    }

    #[test]
    fn one_that_works_is_looked_at_until_it_rests() {
        let mut dog = Watchdog::new(20);
        assert_eq!(dog.deadline(), None);
        dog.begin(note(2, true), 100);
        assert_eq!(dog.deadline(), Some(5100));
        for n in 0..100 {
            assert_eq!(dog.look(note(3 + n, true), 5100 + 5000 * u64::from(n)), Look::Alive);
        }
        assert_eq!(looks(&mut dog, note(102, false)).1, Look::Idle);
        assert_eq!(dog.deadline(), None);
    }

    #[test]
    fn one_that_does_not_come_back_is_stuck() {
        let mut dog = Watchdog::new(20);
        dog.begin(note(2, true), 0);
        assert_eq!(looks(&mut dog, note(2, true)), (vec![5000, 10_000, 15_000, 20_000], Look::Stuck));
        assert_eq!(dog.deadline(), None);
        dog.begin(note(u32::MAX, true), 0);
        assert_eq!(dog.look(note(5, true), 5000), Look::Alive, "it counts on");
        assert_eq!(looks(&mut dog, note(5, true)).1, Look::Stuck);
    }

    #[test]
    fn a_machine_that_stands_still_counts_once() {
        let mut dog = Watchdog::new(20);
        dog.begin(note(2, true), 0);
        assert_eq!(dog.look(note(2, true), 1_000_000), Look::Alive);
        assert_eq!(dog.deadline(), Some(1_005_000));
        assert_eq!(dog.look(note(3, true), 1_005_000), Look::Alive);
    }

    #[test]
    fn starting_takes_longer() {
        let mut dog = Watchdog::new(20);
        dog.begin(note(1, true), 0);
        let (times, end) = looks(&mut dog, note(1, true));
        assert_eq!((times.last(), end), (Some(&500_000), Look::Stuck));
    }

    #[test]
    fn without_a_period_nobody_looks() {
        let mut dog = Watchdog::new(0);
        dog.begin(note(1, true), 0);
        assert!(dog.deadline().is_none() && !dog.is_there());
    }
}
