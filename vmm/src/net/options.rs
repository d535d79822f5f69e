//! `--net user[,hostfwd=…]…[,mtu=N][,mac=…]`, `--net tap,name=NAME[,mac=…]` and `--net socket,path=PATH[,mac=…]`.

use crate::options::{SubOptionError, SubOptions};
use std::ffi::OsStr;
use std::path::PathBuf;
use usernet::Forward;

/// Larger packets make for fewer of them. What IP's length field can say, rounded down to what the guest's kernel likes.
const MTU: u16 = 65520;
/// RFC 791: what every host can take.
const MTU_MIN: u16 = 576;
/// `IFNAMSIZ` without the zero at its end.
const NAME_MAX: usize = 15;

/// A network that the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetOptions {
    pub mac: Option<[u8; 6]>,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A network of its own.
    User { forwards: Vec<Forward>, mtu: u16 },
    /// A network interface of the host.
    Tap { name: String },
    /// Whoever listens at a socket.
    Socket { path: PathBuf },
}

impl NetOptions {
    /// Reads what was given to `--net`.
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--net", given)?;
        let kind = match options.word(&["user", "tap", "socket"])? {
            "user" => user(&mut options)?,
            "tap" => tap(&mut options)?,
            _ => Kind::Socket { path: options.required_path("path")? },
        };
        let mac = match options.value("mac")? {
            Some(text) => {
                let expected = "a unicast hardware address such as 52:54:00:12:34:56";
                Some(parse_mac(&text).ok_or_else(|| options.bad_value(&text, expected))?)
            }
            None => None,
        };
        options.finish()?;
        Ok(Self { mac, kind })
    }
}

fn user(options: &mut SubOptions) -> Result<Kind, SubOptionError> {
    let mut forwards = Vec::new();
    for text in options.values("hostfwd")? {
        forwards.push(text.parse().map_err(|error| options.bad_value(&text, format!("a forward: {error}")))?);
    }
    let mtu = match options.value("mtu")? {
        Some(text) => {
            let mtu = text.parse().ok().filter(|mtu| (MTU_MIN..=MTU).contains(mtu));
            mtu.ok_or_else(|| options.bad_value(&text, format!("a number from {MTU_MIN} to {MTU}")))?
        }
        None => MTU,
    };
    Ok(Kind::User { forwards, mtu })
}

fn tap(options: &mut SubOptions) -> Result<Kind, SubOptionError> {
    let name = options.required("name")?;
    let fine = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
    if name.len() > NAME_MAX || !name.bytes().all(fine) || name == "." || name == ".." {
        let expected =
            format!("the name of a network interface: up to {NAME_MAX} letters, digits and the like");
        return Err(options.bad_value(&name, expected));
    }
    Ok(Kind::Tap { name })
}

/// QEMU's, counted up.
pub fn default_mac(number: usize) -> [u8; 6] {
    [0x52, 0x54, 0x00, 0x12, 0x34, 0x56u8.wrapping_add(number as u8)]
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next()?;
        *byte = u8::from_str_radix(part, 16).ok().filter(|_| part.len() == 2 && !part.starts_with('+'))?;
    }
    let unicast = mac[0] & 1 == 0 && mac != [0; 6];
    (parts.next().is_none() && unicast).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<NetOptions, String> {
        NetOptions::parse(given.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_its_place() {
        let plain = NetOptions { mac: None, kind: Kind::User { forwards: Vec::new(), mtu: 65520 } };
        assert_eq!(parse("user"), Ok(plain));
        let forwards = ["tcp:127.0.0.1:8080-:80", "udp::5353-:53"].map(|text| text.parse().unwrap()).to_vec();
        assert_eq!(
            parse("user,hostfwd=tcp:127.0.0.1:8080-:80,mac=02:00:00:Ab:cd:EF,mtu=1500,hostfwd=udp::5353-:53"),
            Ok(NetOptions {
                mac: Some([2, 0, 0, 0xab, 0xcd, 0xef]),
                kind: Kind::User { forwards, mtu: 1500 }
            })
        );
        assert_eq!(
            parse("tap,name=tap0"),
            Ok(NetOptions { mac: None, kind: Kind::Tap { name: "tap0".into() } })
        );
        assert_eq!(
            parse("socket,path=/run/a=b"),
            Ok(NetOptions { mac: None, kind: Kind::Socket { path: "/run/a=b".into() } })
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("", "\"\" is not one of user, tap, socket"),
            ("socket", "path=… is missing"),
            ("socket,path=s,mtu=1500", "unknown \"mtu\""),
            ("usr", "did you mean user?"),
            ("user,hostfw=tcp::1-:1", "did you mean hostfwd?"),
            ("user,name=tap0", "unknown \"name\""),
            ("user,hostfwd=8080:80", "is not a forward: the protocol is tcp or udp"),
            ("user,hostfwd=tcp::80-:x", "a port is a number"),
            ("user,mtu=100", "a number from 576 to 65520"),
            ("user,mtu=65521", "a number from 576 to 65520"),
            ("tap", "name=… is missing"),
            ("tap,name=a/b", "the name of a network interface"),
            ("tap,name=0123456789abcdef", "the name of a network interface"),
            ("tap,name=t%d", "the name of a network interface"),
            ("tap,name=t,hostfwd=tcp::1-:1", "unknown \"hostfwd\""),
            ("user,mac=1", "a unicast hardware address"),
            ("user,mac=01:00:00:00:00:01", "a unicast hardware address"),
            ("user,mac=00:00:00:00:00:00", "a unicast hardware address"),
            ("user,mac=02:00:00:00:00:001", "a unicast hardware address"),
            ("user,mac=02:00:00:00:00:01:02", "a unicast hardware address"),
            ("user,mac=02:00:00:00:00:+1", "a unicast hardware address"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("--net") && error.contains(says), "{given}: {error}");
        }
    }

    #[test]
    fn each_network_has_another_address() {
        assert_eq!(default_mac(0), [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        assert_eq!(default_mac(1)[5], 0x57);
    }
}
