//! The real-time clock of a PC (Motorola MC146818) with its 114 bytes of memory: a stock kernel reads the time of day from it.
//!
//! The clock that it shows is a parameter. A guest may set it; from then on the difference is kept. There are no interrupts:
//! line 8 is not connected, so alarms are memory and nothing more.
//!
//! A guest can tell when registers may be read together: the bit "update in progress" is set during the last 244 µs of
//! every second (data sheet, "Update Cycle"), as it is in the chip.

use crate::bus::{Effect, PortDevice};
use std::time::Duration;
use time::{Date, OffsetDateTime, Time};

/// Ports that it has: index, data.
pub const PORTS: u16 = 2;
const INDEX: u16 = 0;
/// The index's highest bit masks NMIs, which there are none of.
const INDEX_MASK: u8 = 0x7f;

const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const WEEKDAY: u8 = 6;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
/// Where PCs have the year's first two digits.
const CENTURY: u8 = 0x32;
const TIME: [u8; 8] = [SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY];

const STATUS_A: u8 = 0xa;
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// The divider for a crystal of 32 768 Hz, a rate of 1024 Hz.
const STATUS_A_START: u8 = 0x26;
const STATUS_B: u8 = 0xb;
/// The time stands still and can be set.
const SET: u8 = 1 << 7;
/// Numbers are binary, not BCD.
const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;
const STATUS_C: u8 = 0xc;
const STATUS_D: u8 = 0xd;
/// The battery is good.
const VALID: u8 = 1 << 7;
/// Of the hours with 12 of them.
const PM: u8 = 1 << 7;

const UPDATE_TIME: Duration = Duration::from_micros(244);

/// Tells the time since 1970.
pub type Clock = Box<dyn Fn() -> Duration + Send>;

/// The device.
pub struct Rtc {
    clock: Clock,
    /// How far ahead of `clock` the guest has set it, in seconds.
    ahead: i64,
    index: u8,
    memory: [u8; 128],
}

impl Rtc {
    pub fn new(clock: Clock) -> Self {
        let mut memory = [0; 128];
        memory[usize::from(STATUS_A)] = STATUS_A_START;
        memory[usize::from(STATUS_B)] = HOURS_24;
        Self { clock, ahead: 0, index: 0, memory }
    }

    fn register(&self, index: u8) -> u8 {
        self.memory[usize::from(index)]
    }

    fn is_set_mode(&self) -> bool {
        self.register(STATUS_B) & SET != 0
    }

    fn now(&self) -> OffsetDateTime {
        let seconds = i64::try_from((self.clock)().as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds.saturating_add(self.ahead))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn read_register(&self) -> u8 {
        match self.index {
            index if TIME.contains(&index) && !self.is_set_mode() => self.encoded(index, &self.now()),
            STATUS_A => {
                let left =
                    Duration::from_secs(1) - Duration::from_nanos((self.clock)().subsec_nanos().into());
                let updates = left <= UPDATE_TIME && !self.is_set_mode();
                self.register(STATUS_A) & !UPDATE_IN_PROGRESS | if updates { UPDATE_IN_PROGRESS } else { 0 }
            }
            STATUS_C => 0,
            STATUS_D => VALID,
            index => self.register(index),
        }
    }

    fn write_register(&mut self, value: u8) {
        let was_set_mode = self.is_set_mode();
        let is_time = TIME.contains(&self.index);
        if !was_set_mode && (is_time || self.index == STATUS_B && value & SET != 0) {
            self.stop();
        }
        self.memory[usize::from(self.index)] = value;
        if !self.is_set_mode() && (is_time || was_set_mode) {
            self.go_on();
        }
    }

    /// Copies the time of now into the registers.
    fn stop(&mut self) {
        let now = self.now();
        for index in TIME {
            self.memory[usize::from(index)] = self.encoded(index, &now);
        }
    }

    /// Makes the registers the time of now. If they make no date, the time goes on as if nothing had been written.
    fn go_on(&mut self) {
        if let Some(time) = self.decoded() {
            let clock = i64::try_from((self.clock)().as_secs()).unwrap_or(i64::MAX);
            self.ahead = time.unix_timestamp().saturating_sub(clock);
        }
    }

    /// A register's value at `time`, in the form that status B asks for.
    fn encoded(&self, index: u8, time: &OffsetDateTime) -> u8 {
        let year = time.year().clamp(0, 9999);
        let number = |value: u8| if self.register(STATUS_B) & BINARY != 0 { value } else { to_bcd(value) };
        match index {
            SECONDS => number(time.second()),
            MINUTES => number(time.minute()),
            HOURS if self.register(STATUS_B) & HOURS_24 != 0 => number(time.hour()),
            HOURS => number((time.hour() + 11) % 12 + 1) | if time.hour() >= 12 { PM } else { 0 },
            WEEKDAY => number(time.weekday().number_from_sunday()),
            DAY => number(time.day()),
            MONTH => number(time.month().into()),
            YEAR => number((year % 100) as u8),
            _ => number((year / 100) as u8),
        }
    }

    /// The time that the registers say.
    fn decoded(&self) -> Option<OffsetDateTime> {
        let number =
            |value: u8| if self.register(STATUS_B) & BINARY != 0 { Some(value) } else { from_bcd(value) };
        let field = |index| number(self.register(index));
        let hour = match self.register(HOURS) {
            value if self.register(STATUS_B) & HOURS_24 != 0 => number(value)?,
            value => number(value & !PM)? % 12 + if value & PM != 0 { 12 } else { 0 },
        };
        let year = i32::from(field(CENTURY)?) * 100 + i32::from(field(YEAR)?);
        let date = Date::from_calendar_date(year, field(MONTH)?.try_into().ok()?, field(DAY)?).ok()?;
        Some(date.with_time(Time::from_hms(hour, field(MINUTES)?, field(SECONDS)?).ok()?).assume_utc())
    }
}

fn to_bcd(value: u8) -> u8 {
    value / 10 * 16 + value % 10
}

fn from_bcd(value: u8) -> Option<u8> {
    let (tens, ones) = (value >> 4, value & 0xf);
    (tens < 10 && ones < 10).then_some(tens * 10 + ones)
}

impl PortDevice for Rtc {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        // The index can only be written.
        data.fill_with(|| if offset == INDEX { 0xff } else { self.read_register() });
    }

    fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
        for &byte in data {
            if offset == INDEX { self.index = byte & INDEX_MASK } else { self.write_register(byte) }
        }
        Effect::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// 2024-02-29 13:05:59 UTC, a Thursday.
    const LEAP_DAY: u64 = 1_709_211_959;

    /// A clock and the nanoseconds that it shows.
    fn at(seconds: u64) -> (Rtc, Arc<AtomicU64>) {
        let now = Arc::new(AtomicU64::new(seconds * 1_000_000_000));
        let clock = now.clone();
        (Rtc::new(Box::new(move || Duration::from_nanos(clock.load(Ordering::SeqCst)))), now)
    }

    fn read(rtc: &mut Rtc, index: u8) -> u8 {
        assert_eq!(rtc.write(0, &[index]), Effect::None);
        let mut data = [0];
        rtc.read(1, &mut data);
        data[0]
    }

    fn write(rtc: &mut Rtc, index: u8, value: u8) {
        assert_eq!((rtc.write(0, &[index]), rtc.write(1, &[value])), (Effect::None, Effect::None));
    }

    fn all(rtc: &mut Rtc) -> [u8; 8] {
        TIME.map(|index| read(rtc, index))
    }

    #[test]
    fn the_time_in_every_form() {
        let (mut rtc, now) = at(LEAP_DAY);
        assert_eq!(all(&mut rtc), [0x59, 0x05, 0x13, 0x05, 0x29, 0x02, 0x24, 0x20]);
        write(&mut rtc, STATUS_B, HOURS_24 | BINARY);
        assert_eq!(all(&mut rtc), [59, 5, 13, 5, 29, 2, 24, 20]);
        write(&mut rtc, STATUS_B, 0);
        assert_eq!(read(&mut rtc, HOURS), 0x81, "1 pm");
        now.fetch_sub(3_600_000_000_000, Ordering::SeqCst);
        assert_eq!(read(&mut rtc, HOURS), 0x92, "12 pm");
        now.fetch_sub(12 * 3_600_000_000_000, Ordering::SeqCst);
        assert_eq!(read(&mut rtc, HOURS), 0x12, "12 am");
    }

    #[test]
    fn the_time_goes_on_and_tells_when_it_is_about_to() {
        let (mut rtc, now) = at(LEAP_DAY);
        assert_eq!(read(&mut rtc, STATUS_A), STATUS_A_START);
        now.fetch_add(999_800_000, Ordering::SeqCst);
        assert_eq!(read(&mut rtc, STATUS_A), STATUS_A_START | UPDATE_IN_PROGRESS);
        assert_eq!(read(&mut rtc, SECONDS), 0x59);
        now.fetch_add(200_000, Ordering::SeqCst);
        assert_eq!((read(&mut rtc, STATUS_A), read(&mut rtc, MINUTES)), (STATUS_A_START, 0x06));
    }

    #[test]
    fn it_can_be_set() {
        let (mut rtc, now) = at(LEAP_DAY);
        write(&mut rtc, STATUS_B, HOURS_24 | SET);
        now.fetch_add(5_000_000_000, Ordering::SeqCst);
        assert_eq!(read(&mut rtc, SECONDS), 0x59, "it stands still");
        for (index, value) in
            [(SECONDS, 0x30), (MINUTES, 0), (HOURS, 0x23), (DAY, 0x31), (MONTH, 0x12), (YEAR, 0x99)]
        {
            write(&mut rtc, index, value);
        }
        write(&mut rtc, CENTURY, 0x19);
        write(&mut rtc, STATUS_B, HOURS_24);
        now.fetch_add(30_000_000_000, Ordering::SeqCst);
        assert_eq!(all(&mut rtc), [0x00, 0x01, 0x23, 0x06, 0x31, 0x12, 0x99, 0x19], "a Friday");
        // Without stopping it, one by one.
        write(&mut rtc, HOURS, 0x11);
        assert_eq!(all(&mut rtc)[..3], [0x00, 0x01, 0x11]);
    }

    #[test]
    fn what_is_no_date_changes_nothing() {
        let (mut rtc, _) = at(LEAP_DAY);
        let before = all(&mut rtc);
        for (index, value) in
            [(MONTH, 0x13), (MONTH, 0), (DAY, 0x30), (SECONDS, 0x60), (SECONDS, 0x5a), (HOURS, 0xff)]
        {
            write(&mut rtc, index, value);
            assert_eq!(all(&mut rtc), before, "{index:#x} = {value:#x}");
        }
        for value in 0..=255 {
            for index in TIME {
                write(&mut rtc, index, value);
                all(&mut rtc);
            }
        }
    }

    #[test]
    fn a_clock_beyond_all_calendars_is_no_reason_to_panic() {
        let mut rtc = Rtc::new(Box::new(|| Duration::MAX));
        all(&mut rtc);
        write(&mut rtc, SECONDS, 1);
        all(&mut rtc);
    }

    #[test]
    fn the_rest_is_memory_and_status() {
        let (mut rtc, _) = at(LEAP_DAY);
        write(&mut rtc, 0x80 | 0x40, 7);
        assert_eq!(read(&mut rtc, 0x40), 7, "without the bit that masks NMIs");
        write(&mut rtc, 1, 0x12);
        assert_eq!(read(&mut rtc, 1), 0x12, "an alarm");
        assert_eq!((read(&mut rtc, STATUS_C), read(&mut rtc, STATUS_D)), (0, VALID));
        let mut index = [0];
        rtc.read(0, &mut index);
        assert_eq!(index, [0xff]);
    }
}
