//! Rates and shares of a window.

use profile::clock::Clock;
use profile::format::units;
use profile::live::window::Window;
use unicode_width::UnicodeWidthChar;

/// Of a clock whose frequency nobody knows.
const TSC_KHZ: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub struct Figures {
    clock: Clock,
    ticks_per_second: f64,
    ticks: u64,
}

impl Figures {
    pub fn of(window: &Window) -> Self {
        let machine = &window.machine;
        let khz = if machine.tsc_khz == 0 { TSC_KHZ } else { machine.tsc_khz };
        Self {
            clock: Clock::new(machine.tsc_khz, machine.ticks),
            ticks_per_second: khz as f64 * 1000.0,
            ticks: window.length_ticks.max(1),
        }
    }

    /// How many that is a second.
    pub fn rate(&self, count: u64) -> f64 {
        count as f64 * self.ticks_per_second / self.ticks as f64
    }

    /// The same, for people.
    pub fn per_second(&self, count: u64) -> String {
        units::mean(self.rate(count))
    }

    /// What part of the window that is, on one CPU.
    pub fn share(&self, ticks: u64) -> String {
        units::percent(ticks.into(), self.ticks.into())
    }

    /// Whole seconds.
    pub fn seconds(&self, ticks: u64) -> u64 {
        (ticks as f64 / self.ticks_per_second) as u64
    }

    /// How long that is; in instructions, where these are what is counted.
    pub fn time(&self, ticks: u64) -> String {
        self.clock.micros(ticks as f64).map_or_else(|| units::count(ticks.into()), units::time)
    }

    /// What [`Self::time`] counts, if it is no time.
    pub fn unit(&self) -> Option<&'static str> {
        self.clock.micros(1.0).is_none().then(|| self.clock.unit())
    }
}

/// A name that a guest has chosen, with nothing in it that takes more than its column, or none.
pub fn shown(name: &str) -> String {
    name.chars().map(|letter| if letter.width() == Some(1) { letter } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use profile::file::Ticks;
    use profile::live::window::Machine;

    fn figures(khz: u64, ticks: Ticks, length_ticks: u64) -> Figures {
        let machine = Machine { tsc_khz: khz, ticks, ..Machine::default() };
        Figures::of(&Window { machine, length_ticks, ..Window::default() })
    }

    #[test]
    fn a_window_may_have_any_length() {
        let half = figures(2_000_000, Ticks::Cycles, 1_000_000_000);
        assert_eq!(
            (half.rate(5), half.per_second(0), half.share(250_000_000)),
            (10.0, "–".into(), "25.0 %".into())
        );
        assert_eq!(half.share(1_500_000_000), "150.0 %", "of requests that wait");
        assert_eq!((half.time(2000), half.seconds(5_000_000_000), half.unit()), ("1.00 µs".into(), 2, None));
        let counted = figures(1_000_000, Ticks::Instructions, 3_000_000_000);
        assert_eq!((counted.rate(6), counted.time(2000)), (2.0, "2 000".into()));
        assert_eq!(counted.unit(), Some("instructions"));
        let nonsense = figures(0, Ticks::Cycles, 0);
        assert!(nonsense.rate(u64::MAX).is_finite() && nonsense.unit().is_some());
    }

    #[test]
    fn a_letter_is_a_column() {
        assert_eq!(shown("sh[1]\x1b\u{202e}\u{4e2d}é"), "sh[1]\u{fffd}\u{fffd}\u{fffd}é");
    }
}
