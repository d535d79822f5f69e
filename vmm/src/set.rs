//! Server sets: which servers a system is made of. `images/servers/<name>.toml`.
//!
//! ```toml
//! initrd = "images/initrd.cpio"      # root file system, relative to the kernel's folder; optional
//!
//! [[server]]
//! name = "console"                   # its name, and that of its module
//! elf = "console"                    # file in the folder `servers` beside the kernel; the name if left out
//! prio = 200                         # 0–255
//! memory = "2M"                      # most that it may have
//! ports = [[0xb00, 8]]               # I/O ports: first, number
//! irqs = [5]                         # interrupt lines
//! may_call = []                      # servers that it may call
//! restart = "never"                  # when it ends: "never", and the machine ends too; "always": it is started again
//! args = ["-v"]
//! devices = ["block:0"]              # virtio devices: kind (block, net, console, rng, 9p) and which of them
//! watchdog = "20ms"                  # it is started again, too, if it does not come back to its loop for so long
//! may_kill = ["net"]                 # servers that it may have started again
//! optional = false                   # true: it is left out if the machine has none of its devices
//! ```
//!
//! σ0 and root are in every set and are not listed.

use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use vmm_abi::set::{Device, Entry, IRQ_LINES, PortRange, WATCHDOG_MAX, is_name};

/// Servers that every set has.
pub const IMPLIED: [&str; 2] = ["sigma0", "root"];

#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("server set {}: {error}", .path.display())]
    Toml { path: PathBuf, error: Box<toml::de::Error> },
    #[error("server set {}: server {server:?}: {what}", .path.display())]
    Server { path: PathBuf, server: String, what: String },
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ServerSet {
    pub initrd: Option<PathBuf>,
    #[serde(rename = "server", default)]
    pub servers: Vec<Server>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub name: String,
    elf: Option<String>,
    pub prio: u8,
    #[serde(deserialize_with = "memory")]
    pub memory: u64,
    #[serde(default, deserialize_with = "ports")]
    pub ports: Vec<PortRange>,
    #[serde(default)]
    pub irqs: Vec<u8>,
    #[serde(default)]
    pub may_call: Vec<String>,
    #[serde(default)]
    restart: Restart,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default, deserialize_with = "devices")]
    pub devices: Vec<Device>,
    /// Milliseconds; 0: none.
    #[serde(default, deserialize_with = "milliseconds")]
    watchdog: u32,
    #[serde(default)]
    may_kill: Vec<String>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
enum Restart {
    #[default]
    Never,
    Always,
}

impl From<Restart> for vmm_abi::set::Restart {
    fn from(restart: Restart) -> Self {
        match restart {
            Restart::Never => Self::Never,
            Restart::Always => Self::Always,
        }
    }
}

impl Server {
    /// Name of its ELF.
    pub fn elf(&self) -> &str {
        self.elf.as_deref().unwrap_or(&self.name)
    }
}

fn memory<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    crate::size::parse(&text).map_err(serde::de::Error::custom)
}

fn ports<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<PortRange>, D::Error> {
    let range = |(first, count): (u16, u32)| {
        PortRange::new(first, count)
            .ok_or_else(|| serde::de::Error::custom(format!("[{first:#x}, {count}] is not a range of ports")))
    };
    Vec::<(u16, u32)>::deserialize(d)?.into_iter().map(range).collect()
}

fn devices<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<Device>, D::Error> {
    let device = |text: String| {
        Device::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a device (block, net, console, rng or 9p, and its number: \"block:0\")"
            ))
        })
    };
    Vec::<String>::deserialize(d)?.into_iter().map(device).collect()
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    let text = String::deserialize(d)?;
    let ms =
        text.strip_suffix("ms").and_then(|n| n.parse().ok()).filter(|ms| (1..=WATCHDOG_MAX).contains(ms));
    ms.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a time from 1ms to {WATCHDOG_MAX}ms")))
}

impl ServerSet {
    /// Reads `text`, which is from the file at `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SetError> {
        let set: Self = toml::from_str(text)
            .map_err(|error| SetError::Toml { path: path.into(), error: Box::new(error) })?;
        match set.servers.iter().enumerate().find_map(|(i, s)| Some((s, set.mistake(i, s)?))) {
            Some((server, what)) => {
                Err(SetError::Server { path: path.into(), server: server.name.clone(), what })
            }
            None => Ok(set),
        }
    }

    /// What is wrong with the server at `index`.
    fn mistake(&self, index: usize, server: &Server) -> Option<String> {
        let known = |name: &str| IMPLIED.contains(&name) || self.servers.iter().any(|s| s.name == name);
        let names = [server.name.as_str(), server.elf()];
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            return Some(format!(
                "{name:?} is not a name (up to 31 lower-case letters, digits, -, _ and ., no path)"
            ));
        }
        let reserved = [
            vmm_abi::boot::INFO_MODULE,
            vmm_abi::boot::SET_MODULE,
            vmm_abi::boot::ARGV_MODULE,
            vmm_abi::boot::ENVP_MODULE,
            vmm_abi::boot::INITRD_MODULE,
        ];
        if let Some(name) = names.iter().find(|n| reserved.contains(n) || IMPLIED.contains(n)) {
            return Some(format!("the name {name:?} is taken"));
        }
        if self.servers[..index].iter().any(|s| s.name == server.name) {
            return Some("there are two of this name".into());
        }
        if let Some(line) = server.irqs.iter().find(|&&line| line >= IRQ_LINES) {
            return Some(format!("irqs: there is no line {line} (0–{})", IRQ_LINES - 1));
        }
        if let Some(name) = server.may_call.iter().find(|name| !known(name)) {
            return Some(format!("may_call: there is no server {name:?} in the set"));
        }
        let restarts =
            |name: &&String| self.servers.iter().any(|s| s.name == **name && s.restart == Restart::Always);
        if let Some(name) = server.may_kill.iter().find(|name| !restarts(name)) {
            return Some(format!("may_kill: the set has no server {name:?} with restart = \"always\""));
        }
        if server.restart == Restart::Always && index + 1 == self.servers.len() {
            return Some(
                "restart: the last server is what the machine is there for, and cannot be started again"
                    .into(),
            );
        }
        if server.optional && (server.devices.is_empty() || index + 1 == self.servers.len()) {
            return Some("optional: only a server with devices can be, and not the last".into());
        }
        if server.watchdog != 0 && server.restart != Restart::Always {
            return Some("watchdog: it needs restart = \"always\"".into());
        }
        let twice = |d: &&Device| self.servers[..index].iter().any(|s| s.devices.contains(d));
        if let Some(device) = server.devices.iter().find(twice) {
            return Some(format!("devices: {device} is another server's"));
        }
        server.args.iter().any(String::is_empty).then(|| "args: an argument is empty".into())
    }

    /// Leaves out the servers that are optional and have no device in this machine. Nobody may call these any more, so that the set is what it would
    /// be if it had never had them.
    pub fn leave_out(&mut self, has: impl Fn(&Device) -> bool) {
        let is_absent = |s: &Server| s.optional && !s.devices.iter().any(&has);
        let absent: Vec<_> = self.servers.iter().filter(|s| is_absent(s)).map(|s| s.name.clone()).collect();
        self.servers.retain(|s| !absent.contains(&s.name));
        for server in &mut self.servers {
            server.may_call.retain(|name| !absent.contains(name));
            server.may_kill.retain(|name| !absent.contains(name));
        }
    }

    /// Adds an argument to the server `name`. False if there is none.
    pub fn add_arg(&mut self, name: &str, arg: &str) -> bool {
        let server = self.servers.iter_mut().find(|s| s.name == name);
        server.map(|s| s.args.push(arg.into())).is_some()
    }

    /// The ELFs of its servers, each once.
    pub fn elfs(&self) -> Vec<&str> {
        let mut elfs: Vec<&str> = Vec::new();
        for server in &self.servers {
            if !elfs.contains(&server.elf()) {
                elfs.push(server.elf());
            }
        }
        elfs
    }

    /// As `root` reads it.
    pub fn to_lines(&self) -> String {
        let mut out = String::new();
        for s in &self.servers {
            let entry = Entry {
                name: &s.name,
                elf: s.elf(),
                prio: s.prio,
                memory: s.memory,
                ports: &s.ports,
                irqs: &s.irqs,
                call: &s.may_call,
                args: &s.args,
                devices: &s.devices,
                kill: &s.may_kill,
                restart: s.restart.into(),
                watchdog: s.watchdog,
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{entry}");
        }
        out
    }
}

#[cfg(test)]
mod tests;
