//! The server set, as text: what `ukvmm` writes into module [`SET_MODULE`](crate::boot::SET_MODULE) and `root` reads.
//!
//! One line a server, in the order in which they are to be started; empty lines and lines that begin with `#` are
//! skipped:
//!
//! ```text
//! server name=console elf=console prio=200 memory=2097152 ports=0xb00+8,0x3f8+8 irqs=5,4 call=log args=-v,a%20b
//! ```
//!
//! `name`, `elf`, `prio` and `memory` (bytes) are always there. The others are lists separated by commas and are left out
//! when they are empty: `ports` (first port `+` number), `irqs` (lines), `call` (names of the servers that it may
//! call) and `args`. No argument is empty; in one every byte but letters, digits and `-_./:=+@` is `%` and two hex digits.
//!
//! What a driver has besides, left out likewise: `devices` (virtio devices: kind `:` which of that kind, from 0), `kill` (names
//! of the servers that it may have started again), `restart=always` (it is started again when it dies), `watchdog` (and when it has
//! not come back to its loop for as many milliseconds).
//!
//! Text rather than structs, because a person who debugs a boot can read it (and write it, for boot loaders other than
//! `ukvmm`). Nothing here allocates: [`Server`] borrows from the text and its lists are iterators. A line is checked as
//! a whole when it is parsed, so that the lists cannot fail later.

use core::fmt;

/// Longest name of a server or ELF: a module's name in the kernel interface page is 32 bytes with its NUL.
pub const NAME_MAX: usize = 31;
/// Number of interrupt lines (GSIs) that a flexpage can name.
pub const IRQ_LINES: u8 = 64;

/// A range of I/O ports. `first + count` is at most 0x10000 and `count` at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortRange {
    pub first: u16,
    pub count: u32,
}

impl PortRange {
    pub const fn new(first: u16, count: u32) -> Option<Self> {
        if count == 0 || count > 0x1_0000 - first as u32 { None } else { Some(Self { first, count }) }
    }
}

/// What a virtio device is for. The discriminant is its virtio device ID (virtio 1.2, 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum DeviceKind {
    Net = 1,
    Block = 2,
    Console = 3,
    Rng = 4,
    P9 = 9,
}

impl DeviceKind {
    pub const ALL: [Self; 5] = [Self::Net, Self::Block, Self::Console, Self::Rng, Self::P9];

    /// As server sets have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Block => "block",
            Self::Console => "console",
            Self::Rng => "rng",
            Self::P9 => "9p",
        }
    }
    /// The virtio device ID.
    pub const fn id(self) -> u32 {
        self as u32
    }
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// A virtio device: the one with this index among those of its kind, in the order of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    pub kind: DeviceKind,
    pub index: u8,
}

impl Device {
    /// Reads `block:0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, index) = text.split_once(':')?;
        let kind = DeviceKind::ALL.into_iter().find(|k| k.name() == kind)?;
        Some(Self { kind, index: index.bytes().all(|b| b.is_ascii_digit()).then(|| index.parse().ok())?? })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.index)
    }
}

/// What is done when a server ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Restart {
    /// The machine ends too.
    #[default]
    Never,
    /// It is started again.
    Always,
}

/// Longest time that a server with a watchdog may have, in milliseconds.
pub const WATCHDOG_MAX: u32 = 60_000;

/// Whether `name` can be the name of a server, an ELF or a module: 1–31 lower-case letters, digits, `-`, `_`, `.`, and
/// it begins with a letter or digit (so that it is no path).
pub fn is_name(name: &str) -> bool {
    let all = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    all && (1..=NAME_MAX).contains(&name.len()) && name.as_bytes()[0].is_ascii_alphanumeric()
}

/// One server as it is to be written. `Display` writes its line, without a newline; names that are none
/// ([`is_name`]) and empty arguments give a line that the parser refuses.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a, S> {
    pub name: &'a str,
    pub elf: &'a str,
    pub prio: u8,
    pub memory: u64,
    pub ports: &'a [PortRange],
    pub irqs: &'a [u8],
    pub call: &'a [S],
    pub args: &'a [S],
    pub devices: &'a [Device],
    pub kill: &'a [S],
    pub restart: Restart,
    /// Milliseconds; 0: none.
    pub watchdog: u32,
}

impl<S: AsRef<str>> fmt::Display for Entry<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server name={} elf={} prio={} memory={}", self.name, self.elf, self.prio, self.memory)?;
        list(f, "ports", self.ports, |f, r| write!(f, "{:#x}+{}", r.first, r.count))?;
        list(f, "irqs", self.irqs, |f, line| write!(f, "{line}"))?;
        list(f, "call", self.call, |f, name| f.write_str(name.as_ref()))?;
        list(f, "args", self.args, |f, arg| encode(f, arg.as_ref()))?;
        list(f, "devices", self.devices, |f, device| write!(f, "{device}"))?;
        list(f, "kill", self.kill, |f, name| f.write_str(name.as_ref()))?;
        if self.restart == Restart::Always {
            f.write_str(" restart=always")?;
        }
        if self.watchdog != 0 { write!(f, " watchdog={}", self.watchdog) } else { Ok(()) }
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    items: &[T],
    mut item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, it) in items.iter().enumerate() {
        if i == 0 {
            write!(f, " {key}=")?;
        } else {
            f.write_str(",")?;
        }
        item(f, it)?;
    }
    Ok(())
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_./:=+@".contains(&b)
}

fn encode(f: &mut fmt::Formatter<'_>, arg: &str) -> fmt::Result {
    for b in arg.bytes() {
        if is_plain(b) { write!(f, "{}", b as char)? } else { write!(f, "%{b:02x}")? }
    }
    Ok(())
}

/// One server of a set, borrowed from the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Server<'a> {
    pub name: &'a str,
    /// Name of the module with its ELF.
    pub elf: &'a str,
    pub prio: u8,
    /// Most memory that it may have, in bytes.
    pub memory: u64,
    ports: &'a str,
    irqs: &'a str,
    call: &'a str,
    args: &'a str,
    devices: &'a str,
    kill: &'a str,
    pub restart: Restart,
    /// Milliseconds that it may be away from its loop; 0: nobody looks.
    pub watchdog: u32,
}

impl<'a> Server<'a> {
    /// The I/O ports it may use.
    pub fn ports(&self) -> impl Iterator<Item = PortRange> + 'a {
        items(self.ports).filter_map(port_range)
    }
    /// The interrupt lines it may attach to.
    pub fn irqs(&self) -> impl Iterator<Item = u8> + 'a {
        items(self.irqs).filter_map(irq_line)
    }
    /// The servers it may call, by name.
    pub fn call(&self) -> impl Iterator<Item = &'a str> {
        items(self.call)
    }
    /// Its arguments.
    pub fn args(&self) -> impl Iterator<Item = Arg<'a>> {
        items(self.args).map(Arg)
    }
    /// The virtio devices that it drives.
    pub fn devices(&self) -> impl Iterator<Item = Device> + 'a {
        items(self.devices).filter_map(Device::parse)
    }
    /// The servers that it may have started again, by name.
    pub fn kill(&self) -> impl Iterator<Item = &'a str> {
        items(self.kill)
    }
}

/// One argument. As it is in the text: [`Arg::bytes`] undoes the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arg<'a>(&'a str);

impl<'a> Arg<'a> {
    /// The argument's bytes.
    pub fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        let mut rest = self.0.as_bytes();
        core::iter::from_fn(move || {
            let (&b, tail) = rest.split_first()?;
            match (b, hex(tail)) {
                (b'%', Some(decoded)) => {
                    rest = &tail[2..];
                    Some(decoded)
                }
                _ => {
                    rest = tail;
                    Some(b)
                }
            }
        })
    }
    /// Whether it is `text`.
    pub fn is(self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }
    /// What follows `prefix`, if it begins with it. `prefix` needs no encoding.
    pub fn strip(self, prefix: &str) -> Option<Self> {
        self.0.strip_prefix(prefix).map(Self)
    }
}

/// A line that is not what this module describes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetError {
    /// Counted from 1.
    pub line: usize,
    pub what: Mistake,
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mistake {
    /// It does not begin with `server`.
    NotServer,
    /// A word is not `key=value`.
    NotKeyValue,
    /// A key is not one of those that there are.
    UnknownKey,
    /// A key comes twice.
    Twice,
    /// The key with this name is missing.
    Missing(&'static str),
    /// The value of the key with this name is malformed or out of range.
    BadValue(&'static str),
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server set, line {}: ", self.line)?;
        match self.what {
            Mistake::NotServer => f.write_str("does not begin with \"server\""),
            Mistake::NotKeyValue => f.write_str("a word is not key=value"),
            Mistake::UnknownKey => f.write_str("unknown key"),
            Mistake::Twice => f.write_str("a key comes twice"),
            Mistake::Missing(key) => write!(f, "{key}= is missing"),
            Mistake::BadValue(key) => write!(f, "bad value of {key}="),
        }
    }
}

impl core::error::Error for SetError {}

/// The servers of a set. After an error it goes on with the next line.
pub fn servers(text: &str) -> impl Iterator<Item = Result<Server<'_>, SetError>> {
    text.lines().enumerate().filter_map(|(i, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        Some(server(line).map_err(|what| SetError { line: i + 1, what }))
    })
}

const KEYS: [&str; 12] = [
    "name", "elf", "prio", "memory", "ports", "irqs", "call", "args", "devices", "kill", "restart",
    "watchdog",
];

fn server(line: &str) -> Result<Server<'_>, Mistake> {
    let mut words = line.split_ascii_whitespace();
    if words.next() != Some("server") {
        return Err(Mistake::NotServer);
    }
    let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
    for word in words {
        let (key, value) = word.split_once('=').ok_or(Mistake::NotKeyValue)?;
        let index = KEYS.iter().position(|&k| k == key).ok_or(Mistake::UnknownKey)?;
        if values[index].replace(value).is_some() {
            return Err(Mistake::Twice);
        }
    }
    let [name, elf, prio, memory, ports, irqs, call, args, devices, kill, restart, watchdog] = values;
    Ok(Server {
        name: name.ok_or(Mistake::Missing("name")).and_then(|v| checked("name", v, is_name))?,
        elf: elf.ok_or(Mistake::Missing("elf")).and_then(|v| checked("elf", v, is_name))?,
        prio: prio.ok_or(Mistake::Missing("prio"))?.parse().map_err(|_| Mistake::BadValue("prio"))?,
        memory: memory.ok_or(Mistake::Missing("memory"))?.parse().map_err(|_| Mistake::BadValue("memory"))?,
        ports: checked("ports", ports.unwrap_or(""), |v| items(v).all(|p| port_range(p).is_some()))?,
        irqs: checked("irqs", irqs.unwrap_or(""), |v| items(v).all(|l| irq_line(l).is_some()))?,
        call: checked("call", call.unwrap_or(""), |v| items(v).all(is_name))?,
        args: checked("args", args.unwrap_or(""), |v| items(v).all(is_arg))?,
        devices: checked("devices", devices.unwrap_or(""), |v| items(v).all(|d| Device::parse(d).is_some()))?,
        kill: checked("kill", kill.unwrap_or(""), |v| items(v).all(is_name))?,
        restart: match restart {
            None | Some("never") => Restart::Never,
            Some("always") => Restart::Always,
            Some(_) => return Err(Mistake::BadValue("restart")),
        },
        watchdog: watchdog.map_or(Some(0), milliseconds).ok_or(Mistake::BadValue("watchdog"))?,
    })
}

fn checked<'a>(key: &'static str, value: &'a str, ok: impl Fn(&str) -> bool) -> Result<&'a str, Mistake> {
    if ok(value) { Ok(value) } else { Err(Mistake::BadValue(key)) }
}

/// The items of a list. An empty value is an empty list; but `,` is two empty items.
fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter(move |_| !value.is_empty())
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

fn port_range(text: &str) -> Option<PortRange> {
    let (first, count) = text.split_once('+')?;
    PortRange::new(u16::try_from(number(first)?).ok()?, number(count)?)
}

fn irq_line(text: &str) -> Option<u8> {
    text.parse().ok().filter(|&line: &u8| line < IRQ_LINES)
}

fn milliseconds(text: &str) -> Option<u32> {
    text.parse().ok().filter(|ms| (1..=WATCHDOG_MAX).contains(ms))
}

fn is_arg(text: &str) -> bool {
    let mut rest = text.as_bytes();
    if rest.is_empty() {
        return false;
    }
    while let Some((&b, tail)) = rest.split_first() {
        rest = match b {
            b'%' if hex(tail).is_some() => &tail[2..],
            _ if is_plain(b) => tail,
            _ => return false,
        };
    }
    true
}

/// The byte that the first two characters are the hex digits of.
fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |i: usize| digits.get(i).and_then(|&b| (b as char).to_digit(16));
    Some((digit(0)? << 4 | digit(1)?) as u8)
}

#[cfg(test)]
mod tests;
