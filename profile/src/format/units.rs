//! Numbers as people read them.

/// A number of up to seven digits in groups of three; a longer one by its first four.
pub fn count(number: u128) -> String {
    if number < 10_000_000 { grouped(number) } else { scaled(number as f64) }
}

/// With a space between groups of three digits.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// From a million on.
fn scaled(number: f64) -> String {
    const SCALES: [(f64, &str); 5] = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];
    let (unit, letter) = SCALES.into_iter().find(|(unit, _)| number >= *unit).unwrap_or(SCALES[4]);
    match number / unit {
        value if value < 100.0 => format!("{value:.2} {letter}"),
        value => format!("{value:.0} {letter}"),
    }
}

/// A mean, in seven columns.
pub fn mean(value: f64) -> String {
    match value {
        0.0 => "–".into(),
        ..100.0 => format!("{value:.1}"),
        ..999_999.5 => grouped(value.round() as u128),
        _ => scaled(value),
    }
}

/// Microseconds, or what is longer.
pub fn time(micros: f64) -> String {
    match micros {
        ..100.0 => format!("{micros:.2} µs"),
        ..10_000.0 => format!("{micros:.0} µs"),
        ..10_000_000.0 => format!("{:.1} ms", micros / 1e3),
        ..1e12 => format!("{:.1} s", micros / 1e6),
        _ => scaled(micros / 1e6) + " s",
    }
}

/// A part of the whole, or some times as much, in seven columns.
pub fn percent(part: u128, whole: u128) -> String {
    match part as f64 * 100.0 / whole as f64 {
        _ if whole == 0 => "–".into(),
        share @ ..999.95 => format!("{share:.1} %"),
        _ => ">999 %".into(),
    }
}

/// A name in so many columns, cut in the middle if it is longer.
pub fn fit(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_string();
    }
    let front = width / 2;
    let back = width.saturating_sub(front + 1);
    let start: String = name.chars().take(front).collect();
    let end: String = name.chars().skip(length - back).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_digits() {
        for (number, text) in [(0, "0"), (1234, "1 234"), (9_999_999, "9 999 999"), (12_345_678, "12.35 M")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(count(123_456_789_000), "123 G");
        assert!(count(u128::from(u64::MAX)).chars().count() <= 9);
        for (value, text) in
            [(0.0, "–"), (12.34, "12.3"), (1234.5, "1 235"), (999_999.4, "999 999"), (1e6, "1.00 M")]
        {
            assert_eq!(mean(value), text);
        }
        for (micros, text) in [
            (1.234, "1.23 µs"),
            (1234.0, "1234 µs"),
            (1e6, "1000.0 ms"),
            (1e8, "100.0 s"),
            (1e16, "10.00 G s"),
        ] {
            assert_eq!(time(micros), text);
        }
        assert_eq!([percent(1, 8), percent(0, 0), percent(9, 8)], ["12.5 %", "–", "112.5 %"]);
        assert_eq!([percent(9999, 1000), percent(u128::MAX, 1)], ["999.9 %", ">999 %"]);
    }

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(fit("linux → block", 20), "linux → block");
        assert_eq!(fit("linux: a long name[12] → block", 15), "linux: …→ block");
        assert_eq!(fit("ääöö", 3), "ä…ö");
    }
}
