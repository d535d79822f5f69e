//! What there is to know of a machine that stands still, beyond threads and memory: names, programs, files, and what the monitor says.
//!
//! A running machine and the core of one have this alike.

use super::linux::Linux;
use super::space::Server;
use super::{kill, processes};
use crate::debug::debuggee::{Error, File};
use crate::debug::programs::Programs;
use crate::debug::thread::{Process, Thread};
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::names::Names;
use crate::memory::GuestMemory;
use crate::monitor::{self, Scene};
use crate::symbols;
use std::fs;
use std::os::unix::fs::FileExt;
use vmm_abi::report::SYMBOL;

/// What can be looked at.
pub struct Facts<'a> {
    pub view: &'a dyn View,
    /// The RAM behind `view`.
    pub ram: &'a GuestMemory,
    /// `None`: the guest is another kernel.
    pub kernel: Option<&'a Kernel>,
    pub programs: &'a Programs,
    names: Names,
}

/// What runs in a task.
enum Runs<'a> {
    Server(&'a str),
    /// A Linux process of this number.
    Linux(u32),
}

impl<'a> Facts<'a> {
    pub fn new(
        view: &'a dyn View,
        ram: &'a GuestMemory,
        kernel: Option<&'a Kernel>,
        programs: &'a Programs,
    ) -> Self {
        let names = kernel.map(|kernel| Names::read(view, kernel, programs.tables())).unwrap_or_default();
        Self { view, ram, kernel, programs, names }
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What `thread` is and does, in a line.
    pub fn describe(&self, thread: Thread) -> Result<String, Error> {
        match (self.kernel, thread.as_vcpu()) {
            (Some(kernel), _) => {
                kernel.describe(self.view, &self.names, thread).ok_or(Error::NoThread(thread))
            }
            (None, Some(vcpu)) => Ok(format!("vCPU {vcpu}")),
            (None, None) => Err(Error::NoThread(thread)),
        }
    }

    /// Path of the file that `process` runs, for [`Facts::open`].
    pub fn executable(&self, process: Process) -> Option<String> {
        if process.is_kernel() {
            return Some(self.programs.kernel_path());
        }
        match self.runs(process)? {
            Runs::Server(name) => self.programs.server_path(name),
            Runs::Linux(pid) => self.linux().ok()?.link(pid, &format!("/proc/{pid}/exe")).ok(),
        }
    }

    /// The auxiliary vector of a Linux program.
    pub fn auxv(&self, process: Process) -> Option<Vec<u8>> {
        match self.runs(process)? {
            Runs::Server(_) => None,
            Runs::Linux(pid) => self.linux().ok()?.read(pid, &format!("/proc/{pid}/auxv")).ok(),
        }
    }

    /// Opens a file as `process` sees it, or one of the machine's own programs.
    pub fn open(&self, process: Process, path: &str) -> Result<Box<dyn File>, Error> {
        if let Some(file) = self.programs.file(path) {
            let failed = |error: std::io::Error| Error::Other(format!("{}: {error}", file.display()));
            let opened = fs::File::open(file).map_err(failed)?;
            let size = opened.metadata().map_err(failed)?.len();
            return Ok(Box::new(OfHost { file: opened, size }));
        }
        Ok(Box::new(InMemory(self.linux()?.read(self.pid(process), path)?)))
    }

    /// Where a symbolic link leads.
    pub fn read_link(&self, process: Process, path: &str) -> Result<String, Error> {
        if self.programs.file(path).is_some() {
            return Err(Error::Other(format!("{path} is no link")));
        }
        Ok(self.linux()?.link(self.pid(process), path)?)
    }

    /// Does a command of the machine's monitor, unless it changes the machine ([`super::kill`]). `exits`: how often each vCPU has left the guest, and why.
    pub fn monitor(&self, exits: &[Vec<(&'static str, u64)>], command: &str) -> String {
        match command.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["linux", arguments @ ..] => processes::run(self, arguments).unwrap_or_else(|why| why + "\n"),
            ["kill-server", ..] => format!("{}\n", Error::ReadOnly),
            _ => {
                let (view, kernel, names) = (self.view, self.kernel, &self.names);
                let scene = Scene { view, kernel, names, exits };
                monitor::run(&scene, &[&processes::COMMANDS[..], &[kill::COMMAND]].concat(), command)
            }
        }
    }

    /// The Linux server, to ask it.
    pub fn linux(&self) -> Result<Linux<'a>, Error> {
        let none = || Error::Other("the machine has no Linux server that could be asked".into());
        let kernel = self.kernel.ok_or_else(none)?;
        let found = self.programs.servers().iter().find_map(|(name, program)| {
            let task = self.names.find(name)?;
            Some((kernel.space(self.view, task)?, symbols::find(program, SYMBOL)?.address))
        });
        let (cr3, function) = found.ok_or_else(none)?;
        Ok(Linux::new(&Server { view: self.view, ram: self.ram, cr3 }, function)?)
    }

    /// The Linux process that `process` is; 0 if it is none.
    fn pid(&self, process: Process) -> u32 {
        match self.runs(process) {
            Some(Runs::Linux(pid)) => pid,
            _ => 0,
        }
    }

    fn runs(&self, process: Process) -> Option<Runs<'_>> {
        let name = self.names.get(u16::try_from(process.0).ok()?)?;
        // `linux: sh[12]`, whatever the program is called.
        let pid = name.split_once(": ").and_then(|(_, process)| process.strip_suffix(']')?.rsplit_once('['));
        Some(match pid.and_then(|(_, pid)| pid.parse().ok()) {
            Some(pid) => Runs::Linux(pid),
            None => Runs::Server(name),
        })
    }
}

/// A file of the host.
struct OfHost {
    file: fs::File,
    size: u64,
}

impl File for OfHost {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::Other(e.to_string())),
            }
        }
        Ok(done)
    }
}

/// A file of the guest, as it was.
struct InMemory(Vec<u8>);

impl File for InMemory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let rest = &self.0[start..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}
