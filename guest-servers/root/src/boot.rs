//! From the boot modules to running servers.

use crate::image::{BadImage, Image};
use crate::machine::Machine;
use crate::module::Modules;
use crate::server::{NotStarted, Server, is_restarted};
use crate::service::{Root, SERVERS};
use core::fmt;
use proto::Refusal;
use ukernel_abi::Status;
use ukernel_abi::kip::Kip;
use vmm_abi::boot::SET_MODULE;
use vmm_abi::exit;
use vmm_abi::set::{self, SetError};

/// Why a set could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// σ0 did not give the set's module, or there is none.
    NoSet(Refusal),
    NotText,
    Set(SetError),
    Empty,
    TooMany,
    TwiceNamed(&'static str),
    /// The server, the module that should be its ELF, and why it cannot be had.
    Elf(&'static str, &'static str, Refusal),
    Image(&'static str, BadImage),
    /// The µ-kernel did not make the server's task.
    Task(&'static str, Status),
    /// There was no memory for a copy of the server's data.
    Data(&'static str, Refusal),
}

impl BootError {
    /// What the machine exits with.
    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::NoSet(Refusal::NotFound) | Self::Elf(_, _, Refusal::NotFound) => exit::NOT_FOUND,
            Self::NoSet(_) | Self::Elf(_, _, Refusal::NoMemory) | Self::Task(..) | Self::Data(..) => {
                exit::KERNEL_PANIC
            }
            _ => exit::VMM,
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSet(Refusal::NotFound) => {
                write!(f, "there is no boot module \"{SET_MODULE}\" that says which servers to start")
            }
            Self::NoSet(why) => write!(f, "cannot read boot module \"{SET_MODULE}\": {why:?}"),
            Self::NotText => write!(f, "boot module \"{SET_MODULE}\" is not UTF-8 text"),
            Self::Set(error) => write!(f, "{error}"),
            Self::Empty => write!(f, "the server set is empty"),
            Self::TooMany => write!(f, "the server set has more than {SERVERS} servers"),
            Self::TwiceNamed(name) => write!(f, "the server set has two servers named {name}"),
            Self::Elf(name, elf, Refusal::NotFound) => {
                write!(f, "server {name}: there is no boot module \"{elf}\"")
            }
            Self::Elf(name, elf, Refusal::Denied) => {
                write!(f, "server {name}: boot module \"{elf}\" is another server's; load it twice")
            }
            Self::Elf(name, elf, why) => write!(f, "server {name}: boot module \"{elf}\": {why:?}"),
            Self::Image(name, why) => write!(f, "server {name}: {}", why.0),
            Self::Data(name, why) => {
                write!(f, "server {name}: no memory in its budget for its data: {why:?}")
            }
            Self::Task(name, status) => write!(f, "server {name}: the kernel made no task: {status:?}"),
        }
    }
}

/// Starts all servers of the set, in its order. Their first page faults wait until root receives.
///
/// The last server of a set is what the machine is there for: it may end the machine, and gets most of
/// the kernel's memory and all that is in nobody's budget.
pub fn start(machine: &mut impl Machine) -> Result<Root, BootError> {
    let mut modules = Modules::default();
    let text = modules.bytes(machine, SET_MODULE).map_err(BootError::NoSet)?;
    let text = core::str::from_utf8(text).map_err(|_| BootError::NotText)?;
    let count = check(text)?;
    let mut root = Root::new(modules);
    for (i, entry) in set::servers(text).enumerate() {
        let entry = entry.map_err(BootError::Set)?;
        let server = start_one(machine, &mut root, entry, i + 1 == count)?;
        root.add(server).map_err(|_| BootError::TooMany)?;
    }
    Ok(root)
}

/// Number of servers, if the whole set is well formed: nothing is started of one that is not.
fn check(text: &'static str) -> Result<usize, BootError> {
    let mut count = 0;
    for (i, entry) in set::servers(text).enumerate() {
        let name = entry.map_err(BootError::Set)?.name;
        if set::servers(text).take(i).flatten().any(|earlier| earlier.name == name) {
            return Err(BootError::TwiceNamed(name));
        }
        count += 1;
    }
    match count {
        0 => Err(BootError::Empty),
        n if n > SERVERS => Err(BootError::TooMany),
        n => Ok(n),
    }
}

fn start_one(
    machine: &mut impl Machine,
    root: &mut Root,
    set: set::Server<'static>,
    last: bool,
) -> Result<Server, BootError> {
    let program = root.modules.program(machine, set.elf, is_restarted(&set));
    let (module, file) = program.map_err(|why| BootError::Elf(set.name, set.elf, why))?;
    let image = Image::parse(file).map_err(|why| BootError::Image(set.name, why))?;
    let kernel_frames = kernel_frames(machine.kip(), last);
    let mut server = Server::new(set, kernel_frames, image, module, last);
    server.start(&mut root.memory, machine).map_err(|why| match why {
        NotStarted::Memory(why) => BootError::Data(set.name, why),
        NotStarted::Task(status) => BootError::Task(set.name, status),
    })?;
    Ok(server)
}

/// Limit of the kernel memory of a server, in frames: three quarters of all for the one that has processes,
/// for drivers what a few threads and page tables need.
fn kernel_frames(kip: &Kip, last: bool) -> u64 {
    if last { kip.kernel_frames / 4 * 3 } else { DRIVER_FRAMES.min(kip.kernel_frames / 16) }
}

/// 512 KiB.
const DRIVER_FRAMES: u64 = 128;

#[cfg(test)]
mod tests;
