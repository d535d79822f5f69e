//! From a command line to what is to be run: files found and opened, limits checked, modules listed.

use crate::cli::{Run, Strace};
use crate::console::{Endpoint, EndpointError, PortOptions};
use crate::control;
use crate::core::wish::{Wish, WishError};
use crate::debug::listen::{Gdb, ListenError};
use crate::debug::options::{self, GdbOptions};
use crate::disk::{DiskOptions, Image, ImageError};
use crate::installed;
use crate::loader::defect::KernelError;
use crate::loader::file::{self, FileError, Input};
use crate::loader::format::Format;
use crate::loader::module::Module;
use crate::net::{NetError, NetOptions, Network};
use crate::options::SubOptionError;
use crate::profile;
use crate::rehearsal::Files;
use crate::set::{IMPLIED, ServerSet, SetError};
use crate::share::{Folder, ShareError, ShareOptions};
use crate::socket::Socket;
use crate::vsock::{Host, VsockError, VsockOptions};
use devices::virtio::vsock::Cid;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmm_abi::boot::{ARGV_MODULE, CPUS_MAX, ENVP_MODULE, INITRD_MODULE, SET_MODULE};
use vmm_abi::exit;
use vmm_abi::set::{Device, DeviceKind};

/// Smallest and largest memory of a guest. Some KVMs take no guest-physical address above 2^39.
const MEMORY: std::ops::RangeInclusive<u64> = 4 << 20..=256 << 30;
const PAGE: u64 = 4096;
/// Server that `--strace` is meant for.
const LINUX: &str = "linux";
/// What every stock kernel is told: where its console is, and to ask for a reset when it has panicked, and that this is to be a warm one,
/// by which it is told from a reset that somebody asked for.
pub const STOCK_CMDLINE: &str = "console=ttyS0 panic=-1 reboot=panic_warm";
/// A server set is text that people write.
const SET_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "no kernel: --kernel names none, and there is none at {}; cargo xtask build makes build/guest.elf",
        listed(tried)
    )]
    NoKernel { tried: Vec<PathBuf> },
    #[error("--cpus {0}: a guest has at least 1 virtual CPU and at most {CPUS_MAX}")]
    Cpus(u32),
    #[error("--memory {bytes} bytes: it must be a multiple of 4 KiB, at least 4 MiB and at most 256 GiB")]
    Memory { bytes: u64 },
    #[error("--env {0:?}: write NAME=VALUE")]
    Env(OsString),
    #[error("{0} needs --servers")]
    NeedsServers(&'static str),
    #[error("--servers: {} is a stock kernel; server sets go with ukvmm's own (build/guest.elf)", .0.display())]
    NoServers(PathBuf),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error("--strace: there is no server {LINUX:?} in server set {}", .0.display())]
    NoLinux(PathBuf),
    #[error("server set {name:?} not found: neither {} nor {} is there", .tried[0].display(), .tried[1].display())]
    NoSet { name: String, tried: [PathBuf; 2] },
    #[error("server set {} is not UTF-8 text", .0.display())]
    SetText(PathBuf),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Option(#[from] SubOptionError),
    #[error(transparent)]
    Disk(#[from] ImageError),
    #[error(transparent)]
    Console(#[from] EndpointError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Share(#[from] ShareError),
    #[error(transparent)]
    Vsock(#[from] VsockError),
    #[error(transparent)]
    Core(#[from] WishError),
    #[error(transparent)]
    Profile(#[from] profile::wish::WishError),
    #[error("-S: nobody could start the guest; add -s, or --gdb with a place")]
    NoDebugger,
    #[error(transparent)]
    Gdb(#[from] ListenError),
    #[error(transparent)]
    Control(#[from] control::socket::SocketError),
}

impl ConfigError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::NoKernel { .. } | Self::NoSet { .. } => exit::NOT_FOUND,
            Self::File(error) => error.status(),
            Self::Disk(error) => error.status(),
            Self::Share(error) => error.status(),
            Self::Core(error) => error.status(),
            Self::Profile(error) => error.status(),
            _ => exit::VMM,
        }
    }
}

/// What is to be run.
#[derive(Debug)]
pub struct Config {
    pub kernel: Input,
    pub format: Format,
    /// All but the one about the machine itself, in the order that the guest finds them in. A stock kernel has at most one, its root
    /// file system.
    pub modules: Vec<Module>,
    /// In bytes, with that of the rings of a profile.
    pub memory: u64,
    /// 1 to [`CPUS_MAX`].
    pub cpus: u8,
    pub cmdline: String,
    pub timeout: Option<Duration>,
    /// How long the guest may give no sign of life.
    pub boot_timeout: Option<Duration>,
    pub uart: bool,
    pub disks: Vec<Image>,
    pub nets: Vec<Network>,
    /// With a virtio console, and these ports beside that of the standard streams.
    pub console: Option<Vec<Endpoint>>,
    /// With a source of random bytes.
    pub rng: bool,
    pub shares: Vec<Folder>,
    /// The guest's address, and who is to be reached from there.
    pub vsock: Option<(Cid, Host)>,
    /// Where its core is to go, should it die.
    pub core: Option<Wish>,
    /// The profile that is wanted, and whether somebody may watch. Of a kernel that records, the module with the rings is in `modules`.
    pub profile: Option<profile::wish::Wish>,
    /// Where debuggers come, if the guest may be debugged.
    pub gdb: Option<Gdb>,
    /// Where the machine is controlled from.
    pub control: Option<Socket>,
    /// Whether threads are confined once everything is set up.
    pub jail: bool,
}

impl Config {
    /// Finds and opens everything that `run` names, and tells what the kernel is.
    pub fn new(mut run: Run) -> Result<Self, ConfigError> {
        let files = Files::of(&run);
        let cpus = u8::try_from(run.cpus).ok().filter(|n| (1..=CPUS_MAX).contains(n));
        let cpus = cpus.ok_or(ConfigError::Cpus(run.cpus))?;
        if !MEMORY.contains(&run.memory) || !run.memory.is_multiple_of(PAGE) {
            return Err(ConfigError::Memory { bytes: run.memory });
        }
        let path = kernel_of(&mut run)?;
        let kernel = file::open("kernel", &path, "; cargo xtask build makes build/guest.elf")?;
        let format = Format::of(&kernel, run.servers.is_some())?;
        if format == Format::BzImage && run.servers.is_some() {
            return Err(ConfigError::NoServers(kernel.path));
        }
        let beside = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let mut modules = match &run.servers {
            Some(name) => server_modules(name, &beside, &run)?,
            None => without_servers(&run)?,
        };
        if let Some(initrd) = &run.initrd {
            modules.push(Module::file(INITRD_MODULE, file::open("initrd", initrd, "")?));
        }
        let profile = profile::wish::Wish::new(&run, cpus, &kernel, &modules)?;
        let rings = profile.as_ref().and_then(|wish| wish.module());
        let memory = run.memory + rings.as_ref().map_or(0, Module::room);
        modules.extend(rings);
        let core = run.core.map(|path| Wish::new(path, &kernel, &modules)).transpose()?;
        Ok(Self {
            kernel,
            format,
            modules,
            memory,
            cpus,
            cmdline: if format.is_stock() { stock_cmdline(&run.cmdline) } else { run.cmdline },
            timeout: run.timeout,
            boot_timeout: run.evidence.boot_timeout.0,
            uart: run.uart || format.is_stock(),
            disks: disks(&run.disk)?,
            console: console(&run.virtio_console, files)?,
            nets: nets(&run.net)?,
            rng: run.rng || format.is_stock(),
            shares: shares(&run.share)?,
            vsock: vsock(run.vsock.as_deref())?,
            core,
            profile,
            gdb: gdb(run.gdb, run.gdb_default, run.stopped)?,
            control: run.control.control.as_deref().map(control::socket::open).transpose()?,
            jail: !run.jail.no_sandbox,
        })
    }
}

/// The kernel: the one that is named, or the one that goes with `ukvmm`, which has its servers.
fn kernel_of(run: &mut Run) -> Result<PathBuf, ConfigError> {
    if let Some(named) = &run.kernel {
        return Ok(named.clone());
    }
    let kernel = installed::kernel().map_err(|tried| ConfigError::NoKernel { tried })?;
    run.servers.get_or_insert_with(|| installed::SERVERS.into());
    Ok(kernel)
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Opens the disks. One without a serial number gets its place as its name.
fn disks(given: &[OsString]) -> Result<Vec<Image>, ConfigError> {
    let open =
        |(n, given): (usize, &OsString)| Ok(Image::open(DiskOptions::parse(given)?, &format!("disk{n}"))?);
    given.iter().enumerate().map(open).collect()
}

/// Opens the networks.
fn nets(given: &[OsString]) -> Result<Vec<Network>, ConfigError> {
    let parsed: Result<_, _> = given.iter().map(|given| NetOptions::parse(given)).collect();
    Ok(Network::open_all(parsed.map_err(NetError::from)?)?)
}

/// Where both say something, Linux goes by what comes last; and the last console is the one of the programs.
fn stock_cmdline(given: &str) -> String {
    format!("{STOCK_CMDLINE} {given}").trim_end().into()
}

/// Listens for debuggers, if there are to be any: by `--gdb` or `-s`. `stopped`: `-S`.
fn gdb(given: Option<OsString>, default: bool, stopped: bool) -> Result<Option<Gdb>, ConfigError> {
    let Some(given) = given.or_else(|| default.then(|| options::DEFAULT.into())) else {
        return if stopped { Err(ConfigError::NoDebugger) } else { Ok(None) };
    };
    let options = GdbOptions::parse(&given)?;
    Ok(Some(Gdb::open(GdbOptions { wait: options.wait || stopped, ..options })?))
}

/// Makes the socket that programs of the host connect to.
fn vsock(given: Option<&OsStr>) -> Result<Option<(Cid, Host)>, ConfigError> {
    given.map(|given| Ok(Host::open(VsockOptions::parse(given)?)?)).transpose()
}

/// Opens the folders to be shared.
fn shares(given: &[OsString]) -> Result<Vec<Folder>, ConfigError> {
    let wanted = given.iter().map(|given| ShareOptions::parse(given)).collect::<Result<_, _>>()?;
    Ok(Folder::open_all(wanted)?)
}

/// Opens the ports of the virtio console, if there is to be one.
pub fn console(given: &[OsString], files: Files) -> Result<Option<Vec<Endpoint>>, ConfigError> {
    let ports: Vec<_> = given.iter().map(|given| PortOptions::parse(given)).collect::<Result<_, _>>()?;
    let ports = ports.into_iter().flatten().map(|port| Endpoint::open(port, files));
    let ports = ports.collect::<Result<_, _>>()?;
    Ok((!given.is_empty()).then_some(ports))
}

/// A kernel alone: nobody would look at these.
fn without_servers(run: &Run) -> Result<Vec<Module>, ConfigError> {
    if !run.program.is_empty() {
        return Err(ConfigError::NeedsServers("a program (-- CMD)"));
    }
    if run.strace.is_some() {
        return Err(ConfigError::NeedsServers("--strace"));
    }
    if !run.env.is_empty() {
        return Err(ConfigError::NeedsServers("--env"));
    }
    Ok(Vec::new())
}

fn server_modules(name: &Path, beside: &Path, run: &Run) -> Result<Vec<Module>, ConfigError> {
    let (mut set, path) = read_set(name, beside)?;
    set.leave_out(|device| has(run, device));
    if let Some(strace) = run.strace {
        let arg = match strace {
            Strace::All => "--strace",
            Strace::Summary => "--strace=summary",
        };
        if !set.add_arg(LINUX, arg) {
            return Err(ConfigError::NoLinux(path));
        }
    }
    let mut modules = Vec::new();
    for elf in IMPLIED.into_iter().chain(set.elfs()) {
        let input = file::open(
            format!("server {elf}"),
            &beside.join("servers").join(elf),
            "; cargo xtask build makes the servers",
        )?;
        modules.push(Module::file(elf, input));
    }
    modules.push(Module::bytes(SET_MODULE, set.to_lines()));
    if !run.program.is_empty() {
        modules.push(Module::bytes(ARGV_MODULE, strings(&run.program)));
    }
    modules.push(Module::bytes(ENVP_MODULE, strings(&environment(&run.env, std::env::var_os("TERM"))?)));
    if let (Some(initrd), None) = (&set.initrd, &run.initrd) {
        let input = file::open(
            "initrd",
            &beside.join(initrd),
            "; cargo xtask build makes it, --initrd names another",
        )?;
        modules.push(Module::file(INITRD_MODULE, input));
    }
    Ok(modules)
}

/// Whether the machine will have a device.
fn has(run: &Run, device: &Device) -> bool {
    let number = match device.kind {
        DeviceKind::Block => run.disk.len(),
        DeviceKind::Net => run.net.len(),
        DeviceKind::Console => usize::from(!run.virtio_console.is_empty()),
        DeviceKind::Rng => usize::from(run.rng),
        DeviceKind::P9 => run.share.len(),
    };
    usize::from(device.index) < number
}

/// The file of a server set. A name is looked up beside the kernel, then in the current folder; what looks like a path is one.
pub fn set_file(name: &Path, beside: &Path) -> Result<PathBuf, ConfigError> {
    let text = name.to_string_lossy();
    if text.contains('/') || text.ends_with(".toml") {
        return Ok(name.into());
    }
    let below = Path::new("images/servers").join(format!("{text}.toml"));
    let tried = [beside.join(&below), below];
    let found = tried.iter().find(|path| path.exists()).cloned();
    found.ok_or_else(|| ConfigError::NoSet { name: text.into(), tried })
}

fn read_set(name: &Path, beside: &Path) -> Result<(ServerSet, PathBuf), ConfigError> {
    let input = file::open("server set", &set_file(name, beside)?, "")?;
    let mut bytes = Vec::new();
    if let Err(source) = (&input.file).take(SET_BYTES_MAX).read_to_end(&mut bytes) {
        return Err(FileError::Unreadable { what: "server set".into(), path: input.path, source }.into());
    }
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::SetText(input.path.clone()))?;
    Ok((ServerSet::parse(&text, &input.path)?, input.path))
}

/// Little of the host's environment makes sense in the guest: the kind of terminal does.
fn environment(given: &[OsString], term: Option<OsString>) -> Result<Vec<OsString>, ConfigError> {
    let mut term_variable = OsString::from("TERM=");
    term_variable.push(term.filter(|t| !t.is_empty()).unwrap_or_else(|| "dumb".into()));
    let mut all: Vec<OsString> = vec![
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
        "HOME=/root".into(),
        "USER=root".into(),
        "LOGNAME=root".into(),
        term_variable,
    ];
    for variable in given {
        let bytes = variable.as_bytes();
        let name_len = bytes.iter().position(|&b| b == b'=').filter(|&n| n > 0);
        let name = &bytes[..=name_len.ok_or_else(|| ConfigError::Env(variable.clone()))?];
        all.retain(|other| !other.as_bytes().starts_with(name));
        all.push(variable.clone());
    }
    Ok(all)
}

/// NUL-terminated, one after the other.
fn strings(list: &[OsString]) -> Vec<u8> {
    list.iter().flat_map(|s| [s.clone().into_vec(), vec![0]].concat()).collect()
}

#[cfg(test)]
mod tests;
