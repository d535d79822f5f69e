//! Ticks as times, where they are.

use crate::file::{Header, Ticks, Trailer};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    khz: u64,
    is_counter: bool,
}

impl Clock {
    pub const fn new(khz: u64, ticks: Ticks) -> Self {
        Self { khz, is_counter: matches!(ticks, Ticks::Instructions) }
    }

    pub fn of(header: &Header, trailer: Option<&Trailer>) -> Self {
        let is_counter = trailer.is_some_and(|trailer| trailer.certificate.ticks == Ticks::Instructions);
        Self { khz: header.tsc_khz, is_counter }
    }

    /// Microseconds; `None` of a clock that counts instructions, or whose frequency nobody knows.
    pub fn micros(&self, ticks: f64) -> Option<f64> {
        (!self.is_counter && self.khz > 0).then(|| ticks * 1000.0 / self.khz as f64)
    }

    /// Nanoseconds for pictures, which have to have some scale: an instruction is one.
    pub fn nanos(&self, ticks: u64) -> u64 {
        if self.is_counter || self.khz == 0 {
            return ticks;
        }
        let nanos = u128::from(ticks) * 1_000_000 / u128::from(self.khz);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    /// What a tick is.
    pub const fn unit(&self) -> &'static str {
        if self.is_counter { "instructions" } else { "ticks" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Certificate;

    #[test]
    fn instructions_are_no_times() {
        let header = Header { tsc_khz: 2_000_000, ..Header::default() };
        let clock = Clock::of(&header, None);
        assert_eq!((clock.micros(3000.0), clock.nanos(3000), clock.unit()), (Some(1.5), 1500, "ticks"));
        let certificate = Certificate { ticks: Ticks::Instructions, ..Certificate::default() };
        let clock = Clock::of(&header, Some(&Trailer { certificate, ..Trailer::default() }));
        assert_eq!((clock.micros(3000.0), clock.nanos(3000), clock.unit()), (None, 3000, "instructions"));
        let clock = Clock::of(&Header::default(), None);
        assert_eq!((clock.micros(1.0), clock.nanos(7)), (None, 7));
        assert_eq!(Clock { khz: 1, is_counter: false }.nanos(u64::MAX), u64::MAX);
    }
}
