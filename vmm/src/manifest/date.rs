//! Times as people and programs write them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// A moment in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    time: OffsetDateTime,
}

impl Date {
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { time: time + std::time::Duration::from_millis(since.subsec_millis().into()) }
    }

    /// RFC 3339: `2026-11-22T17:03:09.125Z`.
    pub fn rfc3339(self) -> String {
        format!("{}.{:03}Z", self.plain(), self.time.millisecond())
    }

    /// Without fractions and zone: `2026-11-22T17:03:09`.
    pub fn plain(self) -> String {
        let (t, [hour, minute, second]) = (self.time, self.clock());
        format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", t.year(), u8::from(t.month()), t.day())
    }

    /// For names of files: `20261122-170309`.
    pub fn compact(self) -> String {
        let (t, [hour, minute, second]) = (self.time, self.clock());
        format!("{:04}{:02}{:02}-{hour:02}{minute:02}{second:02}", t.year(), u8::from(t.month()), t.day())
    }

    fn clock(self) -> [u8; 3] {
        [self.time.hour(), self.time.minute(), self.time.second()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moment_is_written() {
        // RFC 3339, 5.8, as seconds since 1970.
        let date = Date::of(UNIX_EPOCH + Duration::from_millis(482_196_050_520));
        assert_eq!(date.rfc3339(), "1985-04-12T23:20:50.520Z");
        assert_eq!(date.plain(), "1985-04-12T23:20:50");
        assert_eq!(date.compact(), "19850412-232050");
    }
}
