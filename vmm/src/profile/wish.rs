//! A profile is wanted, or somebody wants to watch: the file and the socket are there, and what they are of is known. The machine is not there yet.

use super::options::{Place, ProfileOptions};
use super::output::{Output, OutputError};
use crate::cli::Run;
use crate::core::manifest;
use crate::debug::programs::servers_of;
use crate::doctor;
use crate::live::socket::{self, SocketError};
use crate::loader::file::{FileError, Input};
use crate::loader::module::Module;
use crate::options::SubOptionError;
use crate::rehearsal::Files;
use crate::socket::Socket;
use crate::symbols;
use profile::file::{Header, KernelMode, Program};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use ukernel_abi::sites::SYMBOL;
use vmm_abi::{exit, trace};

#[derive(Debug, thiserror::Error)]
pub enum WishError {
    #[error(transparent)]
    Option(#[from] SubOptionError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--profile {}: that is what the guest is made of", .0.display())]
    Input(PathBuf),
}

impl WishError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Option(_) | Self::Socket(_) | Self::Input(_) => exit::VMM,
            Self::Output(error) => error.status(),
            Self::File(error) => error.status(),
        }
    }
}

/// What is to be recorded, and for whom.
#[derive(Debug)]
pub struct Wish {
    /// Of `--profile`.
    pub output: Option<Output>,
    /// Of `--live`.
    pub socket: Option<Socket>,
    /// As far as it is known without a machine.
    pub header: Header,
    /// Samples that are to be taken a second of each vCPU.
    pub hz: Option<u32>,
}

impl Wish {
    /// Reads what was given to `--profile` and `--live`, of a machine with so many CPUs. `None`: neither.
    pub fn new(run: &Run, cpus: u8, kernel: &Input, modules: &[Module]) -> Result<Option<Self>, WishError> {
        if run.profile.is_none() && run.live.is_none() {
            return Ok(None);
        }
        let options = run.profile.as_deref().map(ProfileOptions::parse).transpose()?;
        if let Some(ProfileOptions { place: Place::File(path), .. }) = &options {
            spare(path, [kernel].into_iter().chain(modules.iter().filter_map(Module::input)))?;
        }
        let header = header(run.memory, cpus, kernel, modules)?;
        if !header.records {
            let option = if options.is_some() { "--profile" } else { "--live" };
            tracing::warn!(
                "{option}: the kernel {} has no trace points, so there are the exits of its vCPUs alone",
                kernel.path.display()
            );
        }
        let hz = options.as_ref().and_then(|options| options.hz);
        let output = options.map(|options| Output::open(options, Files::of(run))).transpose()?;
        let socket = run.live.as_deref().map(socket::open).transpose()?;
        Ok(Some(Self { output, socket, header, hz }))
    }

    /// Finds out how this KVM runs a kernel, by running a guest. Where that fails, nothing is known, and the guest to be shows what is wrong.
    pub fn find_kernel_mode(&mut self) {
        self.header.kernel_mode = match doctor::is_native() {
            Some(true) => KernelMode::Native,
            Some(false) => KernelMode::Emulated,
            None => KernelMode::Unknown,
        };
    }

    /// The module that the guest's rings are in.
    pub fn module(&self) -> Option<Module> {
        let size = trace::module_size(self.header.cpus.into());
        self.header.records.then(|| Module::zeroes(trace::MODULE, size, trace::RING_SIZE))
    }
}

/// What is known without a machine.
fn header(memory: u64, cpus: u8, kernel: &Input, modules: &[Module]) -> Result<Header, FileError> {
    let servers = servers_of(modules).into_iter().map(|(name, input)| program(&name, input));
    Ok(Header {
        ukvmm: env!("CARGO_PKG_VERSION").into(),
        command: std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect(),
        cpus: cpus.into(),
        host_cpus: available_parallelism().map_or(0, |count| u16::try_from(count.get()).unwrap_or(u16::MAX)),
        memory,
        records: symbols::find(&kernel.path, SYMBOL).is_some(),
        kernel: program("kernel", kernel)?,
        servers: servers.collect::<Result<_, _>>()?,
        ..Header::default()
    })
}

/// Refuses to write over what the guest is made of.
fn spare<'a>(path: &Path, mut inputs: impl Iterator<Item = &'a Input>) -> Result<(), WishError> {
    let file = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let Ok(there) = path.metadata().map(file) else { return Ok(()) };
    let is_there = |input: &Input| input.file.metadata().is_ok_and(|metadata| file(metadata) == there);
    if inputs.any(is_there) { Err(WishError::Input(path.into())) } else { Ok(()) }
}

/// Kernel and servers are hashed when the guest starts: afterwards, other builds may be where they were.
fn program(name: &str, input: &Input) -> Result<Program, FileError> {
    let manifest::Program { name, path, size, sha256 } = manifest::Program::of(name, input)?;
    Ok(Program { name, path: path.to_string_lossy().into_owned(), size, sha256 })
}
