//! One name of a file: the only way to say which file of a folder is meant.

use rustix::io::Errno;

/// A name that leads nowhere but into the folder it is looked up in: not empty, without `/` and NUL, and neither `.` nor `..`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<'a>(&'a [u8]);

/// The longest name that any file system of Linux has.
const LONGEST: usize = 255;

impl<'a> Name<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, Errno> {
        match bytes {
            b"" => Err(Errno::NOENT),
            b"." | b".." => Err(Errno::INVAL),
            _ if bytes.contains(&b'/') || bytes.contains(&0) => Err(Errno::INVAL),
            _ if bytes.len() > LONGEST => Err(Errno::NAMETOOLONG),
            _ => Ok(Name(bytes)),
        }
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [&b"a"[..], b"...", b"..a", b".a", b"\xff\xfe", b"a b", b"-", &[b'x'; 255]] {
            assert_eq!(Name::new(name).map(|name| name.bytes()), Ok(name));
        }
    }

    #[test]
    fn what_is_no_name() {
        assert_eq!(Name::new(b""), Err(Errno::NOENT));
        for path in [&b"."[..], b"..", b"/", b"a/b", b"/etc", b"../x", b"a/", b"a\0b", b"\0"] {
            assert_eq!(Name::new(path), Err(Errno::INVAL), "{path:?}");
        }
        assert_eq!(Name::new(&[b'x'; 256]), Err(Errno::NAMETOOLONG));
    }
}
