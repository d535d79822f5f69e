//! A machine for tests: σ0 that counts up, modules in memory, tasks that are only noted down.

use super::*;
use proto::sigma0::{Block, Status as Free};
use std::cell::Cell;
use std::collections::HashMap;

pub struct Mock {
    kip: &'static Kip,
    files: Vec<&'static [u8]>,
    /// Next free physical address, and how much is left.
    pub next: u64,
    pub free: u64,
    pub tasks: Vec<NewServer>,
    pub refuse_tasks: Option<Status>,
    pub output: Vec<u8>,
    pub cmdline: &'static str,
    /// Words of memory and registers that are not 0.
    pub registers: HashMap<u64, u32>,
    /// A register that does not change.
    pub stuck: Option<u64>,
    /// What was copied: from, to, bytes.
    pub copies: Vec<(u64, u64, u64)>,
    pub deleted: Vec<ThreadId>,
    /// Each look at the clock takes a microsecond.
    pub clock: Cell<u64>,
}

impl Mock {
    /// With these modules, from 16 MiB on, 2 MiB apart, and 64 MiB of free memory.
    pub fn new(modules: &[(&str, &[u8])]) -> Self {
        let mut kip = Kip::EMPTY;
        kip.kernel_frames = 4000;
        kip.module_count = modules.len() as u64;
        let mut files: Vec<&'static [u8]> = Vec::new();
        for (i, (name, bytes)) in modules.iter().enumerate() {
            let module = &mut kip.modules[i];
            module.name[..name.len()].copy_from_slice(name.as_bytes());
            (module.phys, module.size) = ((8 + i as u64) << 21, bytes.len() as u64);
            files.push(Box::leak(bytes.to_vec().into_boxed_slice()));
        }
        let kip = Box::leak(Box::new(kip));
        Self {
            kip,
            files,
            next: 1 << 30,
            free: 64 << 20,
            tasks: Vec::new(),
            refuse_tasks: None,
            output: Vec::new(),
            cmdline: "",
            registers: HashMap::new(),
            stuck: None,
            copies: Vec::new(),
            deleted: Vec::new(),
            clock: Cell::new(0),
        }
    }

    /// The same, with a module of so many bytes more, which nobody reads.
    pub fn with_module(mut self, name: &str, size: u64) -> Self {
        let mut kip = self.kip.clone();
        let module = &mut kip.modules[self.files.len()];
        module.name[..name.len()].copy_from_slice(name.as_bytes());
        (module.phys, module.size) = (512 << 20, size);
        kip.module_count += 1;
        self.kip = Box::leak(Box::new(kip));
        self.files.push(&[]);
        self
    }

    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.output).unwrap()
    }
}

impl Machine for Mock {
    fn kip(&self) -> &'static Kip {
        self.kip
    }

    fn sigma0(&mut self, request: Request) -> Result<Message, Refusal> {
        match request {
            Request::Free { log2 } if self.free >= 1 << log2 => {
                let phys = self.next.next_multiple_of(1 << log2);
                self.next = phys + (1 << log2);
                self.free -= 1 << log2;
                Ok(Block { phys, log2 }.into())
            }
            Request::Status => Ok(Free { free: self.free, largest_log2: 21 }.into()),
            Request::Free { .. } => Err(Refusal::NoMemory),
            Request::Exact { .. } => Err(Refusal::Denied),
        }
    }

    fn module(&mut self, module: &Module) -> Result<&'static [u8], Refusal> {
        let index = self.kip.modules().iter().position(|m| m.phys == module.phys);
        index.map(|i| self.files[i]).ok_or(Refusal::NotFound)
    }

    fn new_server(&mut self, server: &NewServer) -> Result<ThreadId, Status> {
        if let Some(status) = self.refuse_tasks {
            return Err(status);
        }
        self.tasks.push(*server);
        Ok(ThreadId::new(2 + self.tasks.len() as u16, 0, 1))
    }

    fn cmdline(&mut self) -> &'static str {
        self.cmdline
    }

    fn map(&mut self, phys: u64, size: u64) -> Result<(), Refusal> {
        let is_device = phys >= 3 << 30;
        let is_in = |m: &Module| m.area().start <= phys && phys + size <= m.area().end;
        if is_device || self.kip.modules().iter().any(is_in) { Ok(()) } else { Err(Refusal::Denied) }
    }

    fn load(&self, phys: u64) -> u32 {
        self.registers.get(&phys).copied().unwrap_or(0)
    }

    fn store(&mut self, phys: u64, value: u32) {
        if self.stuck != Some(phys) {
            self.registers.insert(phys, value);
        }
    }

    fn copy(&mut self, from: u64, to: u64, len: u64) {
        self.copies.push((from, to, len));
    }

    fn delete(&mut self, thread: ThreadId) -> Result<(), Status> {
        self.deleted.push(thread);
        Ok(())
    }

    fn now(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn debug(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }
}
