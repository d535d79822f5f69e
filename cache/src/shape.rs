//! Sizes of a cache.

use std::fmt;
use std::str::FromStr;

/// Most that a cache may have.
const MAX_SIZE: u64 = 1 << 30;

/// `SIZE:WAYS:LINE`. The size is a power of two times the other two, a line a power of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    size: u64,
    ways: u64,
    line: u64,
}

impl Shape {
    /// `None` if there is no such cache.
    pub const fn new(size: u64, ways: u64, line: u64) -> Option<Self> {
        if size > MAX_SIZE || ways == 0 || ways > size || !line.is_power_of_two() || line > size {
            return None;
        }
        let set = ways * line;
        if set == 0 || !size.is_multiple_of(set) || !(size / set).is_power_of_two() {
            return None;
        }
        Some(Self { size, ways, line })
    }

    /// Bytes of a line.
    pub fn line(self) -> u64 {
        self.line
    }

    pub fn ways(self) -> usize {
        self.ways as usize
    }

    pub fn sets(self) -> u64 {
        self.size / self.ways / self.line
    }

    /// Lines that it has room for.
    pub fn lines(self) -> usize {
        (self.size / self.line) as usize
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, ways, line } = self;
        match size % 1024 {
            0 => write!(f, "{}K:{ways}:{line}", size / 1024),
            _ => write!(f, "{size}:{ways}:{line}"),
        }
    }
}

impl FromStr for Shape {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "not SIZE:WAYS:LINE, such as 32K:8:64";
        let numbers: Option<Vec<_>> = text.split(':').map(number).collect();
        let Some(&[size, ways, line]) = numbers.as_deref() else { return Err(FORM) };
        Self::new(size, ways, line).ok_or("there is no such cache: lines and sets have to be powers of two")
    }
}

/// A number, perhaps with K or M behind it.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_written() {
        let shape: Shape = "32K:8:64".parse().unwrap();
        assert_eq!((shape.sets(), shape.lines(), shape.line(), shape.ways()), (64, 512, 64, 8));
        assert_eq!(shape.to_string(), "32K:8:64");
        assert_eq!("64:1:32".parse::<Shape>().unwrap().to_string(), "64:1:32");
        assert_eq!("3M:12:64".parse::<Shape>().unwrap().sets(), 4096, "the ways need be no power of two");
    }

    #[test]
    fn caches_that_there_are_not() {
        for text in [
            "",
            "32K",
            "32K:8",
            "32K:8:64:1",
            "a:1:1",
            "32K:0:64",
            "0:1:64",
            "32K:8:0",
            "32K:8:48",
            "33K:8:64",
        ] {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
        for text in
            ["2048M:8:64", "18446744073709551615M:1:1", "64:18446744073709551615:64", "-1:1:1", "32:1:64"]
        {
            assert!(text.parse::<Shape>().is_err(), "{text}");
        }
    }
}
