//! `--gdb tcp:PORT|tcp:ADDRESS:PORT|unix:PATH[,wait=on|off][,as=NAME]`, `-s`, `-S`.

use crate::options::{SubOptionError, SubOptions};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Who may debug the guest owns it. So only programs of this machine can, unless somebody says otherwise.
const LOCAL: &str = "127.0.0.1";
/// What `-s` stands for: the port that everybody knows from QEMU.
pub const DEFAULT: &str = "tcp:1234";

/// A debugger that the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GdbOptions {
    pub place: Place,
    /// What to call it to the user: where something else leads there (a container's port, the wall of the lab).
    pub name: Option<String>,
    /// The guest does not start before a debugger has come.
    pub wait: bool,
}

/// Where debuggers come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Port 0: one that is free.
    Tcp {
        address: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// As GDB's `target remote` takes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, port } if address.contains(':') => write!(f, "[{address}]:{port}"),
            Self::Tcp { address, port } => write!(f, "{address}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl GdbOptions {
    /// Reads what was given to `--gdb`.
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--gdb", given)?;
        let place = options.path("tcp:PORT, tcp:ADDRESS:PORT or unix:PATH")?.into_os_string();
        let place = parse_place(&place).map_err(|expected| options.bad_value(place.display(), expected))?;
        let wait = match options.value("wait")?.as_deref() {
            None | Some("off") => false,
            Some("on") => true,
            Some(other) => return Err(options.bad_value(other, "on or off")),
        };
        let name = options.value("as")?;
        options.finish()?;
        Ok(Self { place, name, wait })
    }
}

fn parse_place(given: &OsStr) -> Result<Place, &'static str> {
    const EXPECTED: &str = "a place for a debugger: tcp:PORT, tcp:ADDRESS:PORT or unix:PATH";
    if let Some(path) = given.as_bytes().strip_prefix(b"unix:") {
        let path = OsString::from_vec(path.to_vec()).into();
        return if path == PathBuf::new() { Err("a path: write unix:PATH") } else { Ok(Place::Unix(path)) };
    }
    let rest = given.to_str().and_then(|text| text.strip_prefix("tcp:")).ok_or(EXPECTED)?;
    let (address, port) = rest.rsplit_once(':').unwrap_or((LOCAL, rest));
    let port = port.parse().map_err(|_| "a TCP port: a number from 0 (one that is free) to 65535")?;
    let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
    match bare.unwrap_or(address) {
        // As QEMU writes it, `tcp::PORT`; but there it would be open to the world.
        "" => Ok(Place::Tcp { address: LOCAL.into(), port }),
        address if bare.is_none() && address.contains(':') => Err("an address: write IPv6 ones as [::1]"),
        address => Ok(Place::Tcp { address: address.into(), port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<(String, bool), String> {
        let options = GdbOptions::parse(given.as_ref()).map_err(|error| error.to_string())?;
        Ok((options.place.to_string(), options.wait))
    }

    #[test]
    fn places_are_this_machine_s_unless_said_otherwise() {
        for (given, place, wait) in [
            (DEFAULT, "127.0.0.1:1234", false),
            ("tcp::1234,wait=off", "127.0.0.1:1234", false),
            ("tcp:0.0.0.0:0,wait=on", "0.0.0.0:0", true),
            ("tcp:localhost:65535", "localhost:65535", false),
            ("tcp:[::1]:7", "[::1]:7", false),
            ("unix:/run/a=b,wait=on", "/run/a=b", true),
            ("unix:a,,b", "a,b", false),
        ] {
            assert_eq!(parse(given), Ok((place.into(), wait)), "{given}");
        }
    }

    #[test]
    fn it_may_be_called_something_else() {
        let options = GdbOptions::parse("unix:/a,as=[::1]:7,wait=on".as_ref()).unwrap();
        assert_eq!(options.name.as_deref(), Some("[::1]:7"));
        assert_eq!(GdbOptions::parse("unix:/a".as_ref()).unwrap().name, None);
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("", "tcp:PORT, tcp:ADDRESS:PORT or unix:PATH"),
            ("1234", "\"1234\" is not a place for a debugger"),
            ("udp:1", "tcp:ADDRESS:PORT"),
            ("tcp:", "is not a TCP port"),
            ("tcp:65536", "is not a TCP port"),
            ("tcp:host:", "is not a TCP port"),
            ("tcp:::1:5", "write IPv6 ones as [::1]"),
            ("unix:", "write unix:PATH"),
            ("tcp:1,wait", "wait needs a value"),
            ("tcp:1,wait=yes", "\"yes\" is not on or off"),
            ("tcp:1,wiat=on", "did you mean wait?"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("--gdb") && error.contains(says), "{given}: {error}");
        }
    }
}
