//! A machine as it is configured: what [`Config`] found and opened, in a form that can be shown.
//!
//! It is made before the machine is, and tells nothing that only a run can tell. Whoever wants to show it turns it into JSON; the fields are described in `docs/evidence.md`,
//! and a test holds them to that.

use crate::config::Config;
use crate::console::Endpoint;
use crate::debug::programs::servers_of;
use crate::disk::Image;
use crate::loader::file::{self, FileError, Input};
use crate::loader::format::Format;
use crate::loader::module::{Content, Module};
use crate::net::{Link, Network};
use crate::share::Files;
use crate::virtio::plan::STANDARD_PORT;
use serde::Serialize;
use std::path::Path;
use vmm_abi::boot::{ARGV_MODULE, INITRD_MODULE, SET_MODULE};

/// A machine as it is configured.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Machine {
    pub kernel: Kernel,
    /// What the kernel is told, without what is added about devices when the machine is made.
    pub cmdline: String,
    /// Bytes.
    pub memory: u64,
    pub cpus: u8,
    /// The programs of the server set, in the order in which they are started.
    pub servers: Vec<Server>,
    /// The server set itself, as the guest reads it.
    pub set: Option<Text>,
    pub initrd: Option<File>,
    /// The program to run, and its arguments. Empty: what the guest runs without being told.
    pub program: Vec<String>,
    /// In the order in which the guest finds them.
    pub devices: Vec<Device>,
    /// Where a debugger can come.
    pub debugger: Option<String>,
    /// Seconds after which the machine is stopped.
    pub timeout: Option<f64>,
    /// The same, if it has given no sign of life by then.
    pub boot_timeout: Option<f64>,
}

/// A file that the guest is made of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct File {
    /// Absolute, as far as could be told.
    pub path: String,
    pub bytes: u64,
    /// In hex; `None` if nobody wanted it: it takes reading the file.
    pub sha256: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Kernel {
    /// How it is loaded: `native` (ukvmm's own), `pvh` or `bzimage`.
    pub format: &'static str,
    #[serde(flatten)]
    pub file: File,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Server {
    pub name: String,
    #[serde(flatten)]
    pub file: File,
}

/// What the guest is given that is in no file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Text {
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Device {
    Disk {
        path: String,
        bytes: u64,
        read_only: bool,
        serial: String,
    },
    Net {
        /// `user` or `tap`.
        link: &'static str,
        mac: String,
    },
    Rng,
    Share {
        tag: String,
        path: String,
        read_only: bool,
    },
    /// The names of its ports; the first one has the standard streams.
    VirtioConsole {
        ports: Vec<String>,
    },
    Vsock {
        cid: u64,
        path: String,
    },
    Uart,
}

impl Machine {
    /// The machine that `config` describes. No file is read for it, so there are no hashes.
    pub fn of(config: &Config) -> Self {
        Self::with(config, File::unhashed)
    }

    /// The same with the hashes of kernel, servers and root file system.
    pub fn hashed(config: &Config) -> Result<Self, FileError> {
        let mut failed = None;
        let machine = Self::with(config, |input| {
            File::hashed(input).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                File::unhashed(input)
            })
        });
        failed.map_or(Ok(machine), Err)
    }

    fn with(config: &Config, mut file: impl FnMut(&Input) -> File) -> Self {
        let kernel = Kernel { format: format(config.format), file: file(&config.kernel) };
        let servers = servers_of(&config.modules);
        let servers = servers.into_iter().map(|(name, input)| Server { name, file: file(input) }).collect();
        let module = |name| config.modules.iter().rfind(|module: &&Module| module.name == name);
        Self {
            kernel,
            cmdline: config.cmdline.clone(),
            memory: config.memory,
            cpus: config.cpus,
            servers,
            set: module(SET_MODULE).and_then(bytes_of).map(Text::of),
            initrd: module(INITRD_MODULE).and_then(Module::input).map(file),
            program: module(ARGV_MODULE).and_then(bytes_of).map_or(Vec::new(), strings),
            devices: devices(config),
            debugger: config.gdb.as_ref().map(|gdb| gdb.place().to_string()),
            timeout: config.timeout.map(|time| time.as_secs_f64()),
            boot_timeout: config.boot_timeout.map(|time| time.as_secs_f64()),
        }
    }
}

impl File {
    fn unhashed(input: &Input) -> Self {
        Self { path: text(&input.path), bytes: input.size, sha256: None }
    }

    fn hashed(input: &Input) -> Result<Self, FileError> {
        let path = input.path.clone();
        let failed = |source| FileError::Unreadable { what: "file".into(), path, source };
        Ok(Self { sha256: Some(input.sha256().map_err(failed)?.into()), ..Self::unhashed(input) })
    }
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: file::sha256_of(bytes) }
    }
}

fn format(format: Format) -> &'static str {
    match format {
        Format::Native => "native",
        Format::Pvh => "pvh",
        Format::BzImage => "bzimage",
    }
}

/// In the order of `virtio::plan`.
fn devices(config: &Config) -> Vec<Device> {
    let disks = config.disks.iter().map(disk);
    let nets = config.nets.iter().map(net);
    let rng = config.rng.then_some(Device::Rng);
    let shares = config.shares.iter().map(|folder| Device::Share {
        tag: folder.tag.as_str().into(),
        path: text(&folder.path),
        read_only: matches!(folder.files, Files::Ours { read_only: true, .. }),
    });
    let console = config.console.as_deref().map(console);
    let vsock =
        config.vsock.as_ref().map(|(cid, host)| Device::Vsock { cid: cid.number(), path: text(host.path()) });
    let uart = config.uart.then_some(Device::Uart);
    disks.chain(nets).chain(rng).chain(shares).chain(console).chain(vsock).chain(uart).collect()
}

fn disk(image: &Image) -> Device {
    Device::Disk {
        path: text(&image.path),
        bytes: image.disk.size,
        read_only: image.disk.read_only,
        serial: String::from_utf8_lossy(&image.disk.serial).into_owned(),
    }
}

fn net(network: &Network) -> Device {
    let link = match network.link {
        Link::User(_) => "user",
        Link::Tap(_) => "tap",
        Link::Socket(_) => "socket",
    };
    let mac: Vec<_> = network.mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Device::Net { link, mac: mac.join(":") }
}

fn console(others: &[Endpoint]) -> Device {
    let others = others.iter().map(Endpoint::name);
    Device::VirtioConsole { ports: [STANDARD_PORT].into_iter().chain(others).map(Into::into).collect() }
}

fn bytes_of(module: &Module) -> Option<&[u8]> {
    match &module.content {
        Content::Bytes(bytes) => Some(bytes),
        Content::File(_) | Content::Zeroes { .. } => None,
    }
}

/// NUL-terminated, one after the other.
fn strings(bytes: &[u8]) -> Vec<String> {
    let words = bytes.strip_suffix(&[0]).unwrap_or(bytes).split(|&byte| byte == 0);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// JSON is text, which a path need not be.
fn text(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    fn config(dir: &Path, args: &[&str]) -> Config {
        let kernel = dir.join("kernel");
        std::fs::write(&kernel, crate::tiny_elf::Elf::new(&[0xf4]).bytes()).unwrap();
        let line = [&["ukvmm", "--kernel", kernel.to_str().unwrap()], args].concat();
        Config::new(Cli::try_parse_from(line).unwrap().run).unwrap()
    }

    #[test]
    fn it_is_what_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk");
        std::fs::write(&disk, [7; 512]).unwrap();
        let disk = format!("{},ro,serial=mine", disk.display());
        let config = config(
            dir.path(),
            &["--memory", "8M", "--cpus", "2", "--timeout", "1.5", "--cmdline", "a b", "--disk", &disk]
                .into_iter()
                .chain(["--rng", "--uart", "--virtio-console", "--share", "tag=t,path=/,ro"])
                .collect::<Vec<_>>(),
        );
        let machine = Machine::hashed(&config).unwrap();
        assert_eq!((machine.memory, machine.cpus, machine.timeout), (8 << 20, 2, Some(1.5)));
        assert_eq!((machine.kernel.format, machine.cmdline.as_str()), ("native", "a b"));
        let bytes = std::fs::read(dir.path().join("kernel")).unwrap();
        assert_eq!(machine.kernel.file.bytes, bytes.len() as u64);
        assert_eq!(machine.kernel.file.sha256, Some(file::sha256_of(&bytes)));
        let share = Device::Share { tag: "t".into(), path: "/".into(), read_only: true };
        let console = Device::VirtioConsole { ports: vec![STANDARD_PORT.into()] };
        assert_eq!(machine.devices[1..], [Device::Rng, share, console, Device::Uart]);
        let Device::Disk { bytes: 512, read_only: true, serial, .. } = &machine.devices[0] else {
            panic!("{:?}", machine.devices)
        };
        assert_eq!(serial, "mine");
        assert_eq!(Machine::of(&config).kernel.file.sha256, None, "nothing is read unless it has to be");
    }

    #[test]
    fn a_server_set_has_servers_and_a_program() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("servers")).unwrap();
        for name in ["sigma0", "root", "linux"] {
            std::fs::write(dir.path().join("servers").join(name), name).unwrap();
        }
        std::fs::write(dir.path().join("initrd"), "files").unwrap();
        let set = dir.path().join("set.toml");
        std::fs::write(
            &set,
            "initrd = \"initrd\"\n[[server]]\nname = \"linux\"\nmemory = \"64M\"\nprio = 1\n",
        )
        .unwrap();
        let config = config(dir.path(), &["--servers", set.to_str().unwrap(), "--", "/bin/ls", "-l", ""]);
        let machine = Machine::hashed(&config).unwrap();
        let names: Vec<_> = machine.servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["sigma0", "root", "linux"]);
        assert_eq!(machine.servers[2].file.sha256, Some(file::sha256_of(b"linux")));
        assert_eq!(machine.program, ["/bin/ls", "-l", ""]);
        assert_eq!(machine.initrd.unwrap().sha256, Some(file::sha256_of(b"files")));
        assert!(machine.set.unwrap().bytes > 0);
    }
}
