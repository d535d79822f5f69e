//! `--core FILE`: a core is wanted, should the guest die.
//!
//! Kernel and servers are hashed when the guest starts: by the time it dies, other builds may be where they were.

use super::dead::Dead;
use super::layout::{Contents, THREADS_MAX};
use super::manifest::{Manifest, Program};
use super::space::{self, Mapping};
use super::target::{Target, TargetError};
use super::write::write;
use crate::debug::programs::servers_of;
use crate::debug::registers::Registers;
use crate::debug::thread::Thread;
use crate::debug::view::View;
use crate::inspect;
use crate::loader::file::{FileError, Input};
use crate::loader::kernel;
use crate::loader::module::Module;
use crate::memory::GuestMemory;
use crate::vcpu::group::Reports;
use std::io;
use std::path::{Path, PathBuf};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
pub enum WishError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl WishError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Target(error) => error.status(),
            Self::File(error) => error.status(),
        }
    }
}

/// Where a core is to be written, and of what programs.
#[derive(Debug)]
pub struct Wish {
    target: Target,
    subject: Subject,
}

/// The programs that a core would be of.
#[derive(Debug)]
pub struct Subject {
    kernel: Program,
    servers: Vec<Program>,
    image: Vec<Mapping>,
}

impl Wish {
    pub fn new(path: PathBuf, kernel: &Input, modules: &[Module]) -> Result<Self, WishError> {
        Ok(Self { target: Target::new(path)?, subject: Subject::new(kernel, modules)? })
    }

    /// Where it is to go.
    pub fn path(&self) -> &Path {
        self.target.path()
    }

    /// Writes the core of a machine that ended with `status` and `message`, and whose vCPUs left `reports`.
    pub fn fulfil(self, status: u8, message: &str, reports: &Reports, memory: &GuestMemory) -> Deposit {
        self.subject.write(&self.target, status, message, reports, memory)
    }
}

impl Subject {
    pub fn new(kernel: &Input, modules: &[Module]) -> Result<Self, FileError> {
        let servers = servers_of(modules).into_iter().map(|(name, input)| Program::of(&name, input));
        let servers = servers.collect::<Result<_, _>>()?;
        let image = kernel::image(kernel).map(|(virt, phys, length)| Mapping { virt, phys, length });
        Ok(Self { kernel: Program::of("kernel", kernel)?, servers, image: image.collect() })
    }

    /// Writes their core to `target`, as [`Wish::fulfil`] does.
    pub fn write(
        self,
        target: &Target,
        status: u8,
        message: &str,
        reports: &Reports,
        memory: &GuestMemory,
    ) -> Deposit {
        let view = Dead::new(memory, reports);
        let manifest = Manifest {
            ukvmm: env!("CARGO_PKG_VERSION").into(),
            status,
            message: message.into(),
            vcpus: reports.all.len(),
            culprit: reports.first,
            kernel: self.kernel,
            servers: self.servers,
            ram: Vec::new(),
        };
        let kernel = inspect::Kernel::find(&view, &manifest.kernel.path);
        let contents = Contents {
            view: &view,
            signal: signal(status),
            threads: kernel.as_ref().map_or(Vec::new(), |kernel| threads(&view, kernel)),
            space: space_without_vcpus(&view, kernel.as_ref(), &self.image),
            manifest,
        };
        let written = target.create(|file| write(file, &contents));
        Deposit { path: target.path().into(), written }
    }
}

/// The L4 threads with their registers.
fn threads(view: &dyn View, kernel: &inspect::Kernel) -> Vec<(Thread, Registers)> {
    let all = kernel.threads(view).into_iter().take(THREADS_MAX);
    all.filter_map(|thread| Some((thread, kernel.registers(view, thread)?))).collect()
}

/// The kernel's address space by its own page tables if it is one that says where they are, and else by its file; for want of that as a CPU without
/// paging sees it.
fn space_without_vcpus(view: &dyn View, kernel: Option<&inspect::Kernel>, image: &[Mapping]) -> Vec<Mapping> {
    match kernel {
        Some(kernel) => space::upper(view, kernel.root()),
        None if image.is_empty() => space::physical(view),
        None => space::in_ram(view, image),
    }
}

/// The signal as whose death a debugger shows that of a guest.
fn signal(status: u8) -> u8 {
    let signal = match status {
        exit::KERNEL_PANIC => libc::SIGABRT,
        exit::RESET => libc::SIGSEGV,
        exit::TIMEOUT => libc::SIGALRM,
        _ => libc::SIGBUS,
    };
    signal as u8
}

/// What became of a wish.
#[derive(Debug)]
pub struct Deposit {
    pub path: PathBuf,
    /// Bytes of RAM in the core that are not zero.
    pub written: io::Result<u64>,
}

impl Deposit {
    /// Says it. The run has ended as it has, with or without a core.
    pub fn report(&self) {
        let path = self.path.display();
        match &self.written {
            Ok(bytes) => tracing::warn!(
                "the guest's core is in {path} ({} KiB of memory); open it with: ukvmm gdb-core {path}",
                bytes.div_ceil(1024)
            ),
            Err(error) => tracing::error!("--core {path}: there is no core, it cannot be written: {error}"),
        }
    }
}
