//! Keys by their names, and what a terminal sends for them: ECMA-48 and xterm's (`ctlseqs`), which is what guests are told that they have.

use super::http::response::Problem;

/// Names of keys that send more than what is on them. A key with one letter on it is named by it.
pub const NAMED: &[(&str, &[u8])] = &[
    ("enter", b"\r"),
    ("tab", b"\t"),
    ("space", b" "),
    ("escape", b"\x1b"),
    ("backspace", b"\x7f"),
    ("up", b"\x1b[A"),
    ("down", b"\x1b[B"),
    ("right", b"\x1b[C"),
    ("left", b"\x1b[D"),
    ("home", b"\x1b[H"),
    ("end", b"\x1b[F"),
    ("insert", b"\x1b[2~"),
    ("delete", b"\x1b[3~"),
    ("page-up", b"\x1b[5~"),
    ("page-down", b"\x1b[6~"),
    ("f1", b"\x1bOP"),
    ("f2", b"\x1bOQ"),
    ("f3", b"\x1bOR"),
    ("f4", b"\x1bOS"),
    ("f5", b"\x1b[15~"),
    ("f6", b"\x1b[17~"),
    ("f7", b"\x1b[18~"),
    ("f8", b"\x1b[19~"),
    ("f9", b"\x1b[20~"),
    ("f10", b"\x1b[21~"),
    ("f11", b"\x1b[23~"),
    ("f12", b"\x1b[24~"),
];
const ESCAPE: u8 = 0x1b;

/// What the key called `name` sends: `a`, `enter`, `ctrl-c`, `alt-x`.
pub fn bytes(name: &str) -> Result<Vec<u8>, Problem> {
    plain(name).or_else(|| with_control(name)).or_else(|| with_alt(name)).ok_or_else(|| unknown(name))
}

fn plain(name: &str) -> Option<Vec<u8>> {
    let named =
        NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, bytes)| bytes.to_vec());
    let mut letters = name.chars();
    let is_letter = letters.next().is_some_and(|letter| !letter.is_control()) && letters.next().is_none();
    named.or_else(|| is_letter.then(|| name.into()))
}

/// The control key clears bits 5 and 6 of what is sent.
fn with_control(name: &str) -> Option<Vec<u8>> {
    let key = modified(name, "ctrl-")?;
    match key.as_bytes() {
        _ if key.eq_ignore_ascii_case("space") => Some(vec![0]),
        [letter] => {
            let letter = letter.to_ascii_uppercase();
            matches!(letter, b'@'..=b'_').then(|| vec![letter & 0x1f])
        }
        _ => None,
    }
}

/// The alt key sends an escape before.
fn with_alt(name: &str) -> Option<Vec<u8>> {
    let key = modified(name, "alt-")?;
    Some([&[ESCAPE][..], &plain(key).or_else(|| with_control(key))?].concat())
}

fn modified<'n>(name: &'n str, modifier: &str) -> Option<&'n str> {
    let (given, key) = name.split_at_checked(modifier.len())?;
    (given.eq_ignore_ascii_case(modifier) && !key.is_empty()).then_some(key)
}

fn unknown(name: &str) -> Problem {
    let alike = |known: &str| strsim::jaro_winkler(known, &name.to_ascii_lowercase());
    let best = NAMED.iter().map(|(known, _)| *known).max_by(|a, b| alike(a).total_cmp(&alike(b)));
    let best = best
        .filter(|best| alike(best) > 0.7)
        .map_or(String::new(), |best| format!("did you mean {best:?}? "));
    let known: Vec<_> = NAMED.iter().map(|(known, _)| *known).collect();
    let hint = format!("{best}a single letter, ctrl-LETTER, alt-KEY, or one of: {}", known.join(", "));
    Problem::new(400, format!("there is no key {name:?}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_send_what_a_terminal_sends() {
        let sends = |name: &str| String::from_utf8(bytes(name).unwrap()).unwrap();
        assert_eq!(sends("a") + &sends("A") + &sends("ü") + &sends("-"), "aAü-");
        assert_eq!(sends("Enter") + &sends("up") + &sends("F12"), "\r\x1b[A\x1b[24~");
        assert_eq!(
            sends("ctrl-c") + &sends("CTRL-C") + &sends("ctrl-[") + &sends("ctrl-space"),
            "\x03\x03\x1b\0"
        );
        assert_eq!(sends("alt-x") + &sends("alt-ctrl-a") + &sends("alt-left"), "\x1bx\x1b\x01\x1b\x1b[D");
    }

    #[test]
    fn what_is_no_key_is_refused_and_the_nearest_named() {
        for name in ["", "ctrl-", "ctrl-1", "ctrl-ü", "alt-", "alt-alt-x", "\n", "ls"] {
            assert_eq!(bytes(name).unwrap_err().status, 400, "{name:?}");
        }
        assert!(bytes("pageup").unwrap_err().hint.starts_with("did you mean \"page-up\"? a single"));
    }
}
