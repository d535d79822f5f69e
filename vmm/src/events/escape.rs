//! The keys that are for us and not for the guest: Ctrl-A and the key after it.

/// Begins an escape.
const CTRL_A: u8 = 1;

/// What Ctrl-A h prints.
pub const HELP: &str =
    "\r\nukvmm: Ctrl-A x  leave    Ctrl-A h  this help    Ctrl-A Ctrl-A  a Ctrl-A for the guest\r\n";

/// What the user wants of us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Quit,
    Help,
}

/// Remembers whether the last key was Ctrl-A.
#[derive(Default)]
pub struct Escape {
    pending: bool,
}

impl Escape {
    /// Splits `keys` into those for the guest and a command for us, which ends them. What follows a command is dropped.
    pub fn filter(&mut self, keys: &[u8]) -> (Vec<u8>, Option<Command>) {
        let mut guest = Vec::with_capacity(keys.len());
        for &key in keys {
            if !std::mem::take(&mut self.pending) {
                match key {
                    CTRL_A => self.pending = true,
                    key => guest.push(key),
                }
                continue;
            }
            match key {
                b'x' | b'X' => return (guest, Some(Command::Quit)),
                b'h' | b'H' | b'?' => return (guest, Some(Command::Help)),
                CTRL_A => guest.push(CTRL_A),
                // Not an escape: the guest gets both.
                key => guest.extend([CTRL_A, key]),
            }
        }
        (guest, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(keys: &[&[u8]]) -> (Vec<u8>, Option<Command>) {
        let mut escape = Escape::default();
        let mut guest = Vec::new();
        for keys in keys {
            let (some, command) = escape.filter(keys);
            guest.extend(some);
            if command.is_some() {
                return (guest, command);
            }
        }
        (guest, None)
    }

    #[test]
    fn keys_pass_and_escapes_do_not() {
        assert_eq!(all(&[b"ls\x03\x04\x1a"]), (b"ls\x03\x04\x1a".to_vec(), None));
        assert_eq!(all(&[b"ab\x01xcd"]), (b"ab".to_vec(), Some(Command::Quit)));
        assert_eq!(all(&[b"ab\x01", b"h"]), (b"ab".to_vec(), Some(Command::Help)));
        assert_eq!(all(&[b"\x01\x01x"]), (b"\x01x".to_vec(), None));
        assert_eq!(all(&[b"\x01e\x01"]), (b"\x01e".to_vec(), None));
    }
}
