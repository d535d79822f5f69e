//! Amounts of memory as people write them: `256M`, `1G`, `65536`.

/// Bytes. `K`, `M`, `G` (or `KiB` and so on) are powers of 1024.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_end_matches("iB") {
        "" if unit.is_empty() => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("{text:?} is not an amount of memory; write for example 256M or 1G")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is not an amount of memory; write for example 256M or 1G"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is more than 64 bits can count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse("65536"), Ok(65536));
        assert_eq!(parse("4K"), Ok(4096));
        assert_eq!(parse("256M"), Ok(256 << 20));
        assert_eq!(parse("256MiB"), Ok(256 << 20));
        assert_eq!(parse("3G"), Ok(3 << 30));
    }

    #[test]
    fn nonsense() {
        for text in ["", "M", "-1", "1.5G", "256 M", "256MB", "1T", "iB", "1iB", "0x10", "M256", "٣"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("99999999999G").unwrap_err().contains("64 bits"));
        assert!(parse("99999999999999999999").is_err());
    }
}
