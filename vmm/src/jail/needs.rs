//! Which files are needed after set-up, by which threads.
//!
//! Everything else has been opened before. A feature that has to open, make or remove a file later on says so in [`Needs::of_run`]: one line. From
//! it follow the rule of Landlock, the system calls that the filter allows, and whether root keeps its capabilities about files in that
//! thread.

use super::Kind;
use crate::config::Config;
use crate::debug::options;
use crate::debug::programs::Programs;
use crate::kvm;
use crate::loader::module::Module;
use crate::net::Link;
use crate::profile::options::Place;
use crate::share::Files;
use std::fmt;
use std::path::{Path, PathBuf};

/// What may be done with a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read this file, or those beneath this folder.
    Read,
    /// Write this file, which is there.
    Write,
    /// Use this device.
    Device,
    /// Make files in this folder, write and remove them.
    Make,
    /// Remove files in this folder.
    Remove,
    /// Everything that a guest may do with a folder that is shared with it.
    Share { read_only: bool },
}

impl Access {
    /// Whether anything may be another than before.
    pub fn changes(self) -> bool {
        match self {
            Self::Read | Self::Device => false,
            Self::Write | Self::Make | Self::Remove | Self::Share { .. } => true,
        }
    }
}

/// One path that a kind of thread needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    pub kind: Kind,
    pub path: PathBuf,
    pub access: Access,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let may = match self.access {
            Access::Read | Access::Share { read_only: true } => "read",
            Access::Write => "write",
            Access::Device => "use",
            Access::Make => "make, write and remove files in",
            Access::Remove => "remove files in",
            Access::Share { read_only: false } => "read, write, make and remove whatever is in",
        };
        write!(f, "thread {} may {may} {}", self.kind, self.path.display())
    }
}

/// What all threads of a machine need.
#[derive(Clone, Default, Debug)]
pub struct Needs {
    all: Vec<Need>,
}

impl Needs {
    /// Of the machine that `config` describes, whose programs have names and symbols in the files that `programs` knows.
    pub fn of_run(config: &Config, programs: &Programs) -> Self {
        let mut needs = Self::default();
        // Messages say which function of the kernel the guest was in.
        needs.add(Kind::Main, &config.kernel.path, Access::Read);
        if let Some(core) = &config.core {
            needs.add_folder(Kind::Main, core.path(), Access::Make);
        }
        if let Some(gdb) = &config.gdb {
            needs.add_programs(Kind::Gdb, config, programs);
            needs.add(Kind::Gdb, kvm::device(), Access::Device);
            if let options::Place::Unix(socket) = gdb.place() {
                needs.add_folder(Kind::Gdb, socket, Access::Remove);
            }
        }
        if let Some(wish) = &config.profile {
            [Kind::Main, Kind::Profile, Kind::Sampler]
                .into_iter()
                .for_each(|kind| needs.add_programs(kind, config, programs));
            needs.add(Kind::Sampler, kvm::device(), Access::Device);
            if let Some(Place::File(path)) = wish.output.as_ref().map(|output| &output.place) {
                needs.add(Kind::Main, path, Access::Write);
            }
            if let Some(socket) = &wish.socket {
                needs.add_folder(Kind::Live, socket.path(), Access::Remove);
            }
        }
        if let Some(socket) = &config.control {
            // Of each thread's figures, a file; the vCPUs' threads open theirs before they enter.
            needs.add(Kind::Main, "/proc/self/task", Access::Read);
            needs.add_folder(Kind::Main, socket.path(), Access::Remove);
        }
        if config.nets.iter().any(|net| matches!(net.link, Link::User(_))) {
            needs.add(Kind::UserNet, usernet::RESOLVER_FILE, Access::Read);
        }
        for folder in &config.shares {
            if let Files::Ours { read_only, .. } = folder.files {
                needs.add(Kind::Share, &folder.path, Access::Share { read_only });
            }
        }
        let consoles = config.console.iter().flatten().filter_map(|port| port.socket());
        consoles.for_each(|socket| needs.add_socket(Kind::Console, socket));
        if let Some((_, programs)) = &config.vsock {
            needs.add_socket(Kind::Vsock, programs.path());
        }
        needs
    }

    /// With what is written at the end of the run, into `folders`, and read for it, which is `files`.
    pub fn and_evidence<'a>(
        mut self,
        folders: impl Iterator<Item = &'a Path>,
        files: impl Iterator<Item = &'a Path>,
    ) -> Self {
        folders.for_each(|folder| self.add(Kind::Main, folder, Access::Make));
        files.for_each(|file| self.add(Kind::Main, file, Access::Read));
        self
    }

    /// A device's socket, which goes with it: who of its thread and the main thread is the last removes it.
    fn add_socket(&mut self, kind: Kind, socket: &Path) {
        [kind, Kind::Main].into_iter().for_each(|kind| self.add_folder(kind, socket, Access::Remove));
    }

    /// The files that the guest's programs are of.
    fn add_programs(&mut self, kind: Kind, config: &Config, programs: &Programs) {
        let modules = config.modules.iter().filter_map(Module::input).map(|input| input.path.as_path());
        let files = [config.kernel.path.as_path()].into_iter().chain(modules).chain(programs.files());
        files.for_each(|file| self.add(kind, file, Access::Read));
    }

    /// The folder that `path` is in.
    pub fn add_folder(&mut self, kind: Kind, path: &Path, access: Access) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.add(kind, folder.unwrap_or(Path::new(".")), access);
    }

    /// Whatever else there is, nothing is needed of it.
    pub fn add(&mut self, kind: Kind, path: impl Into<PathBuf>, access: Access) {
        let need = Need { kind, path: path.into(), access };
        if !self.all.contains(&need) {
            self.all.push(need);
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &Need> + Clone {
        self.all.iter()
    }

    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Need> {
        self.all().filter(move |need| need.kind == kind)
    }
}
