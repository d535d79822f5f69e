//! The server as a whole, on the mock machine: programs are what these tests do in their name.

mod debugger;
mod disk;
mod docs;
mod immediate;
mod memory;
mod processes;
mod profile;
mod reports;
mod signals;
mod trampoline;

use crate::boot::{Boot, boot};
use crate::bytes::{put_u16, put_u32, put_u64};
use crate::disk::Drive;
use crate::disk::mock::MockDrive;
use crate::event::{Event, Exception, PageFault};
use crate::frames::FramePool;
use crate::machine::mock::{MockMachine, SharedMemory};
use crate::server::Server;
use std::rc::Rc;
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Rights, ThreadId};

/// Where the test program's code and data are.
pub const CODE: u64 = 0x40_0000;
pub const DATA: u64 = 0x60_1000;
/// Its data segment: one page from the file, the rest zeros.
pub const DATA_PAGES: u64 = 8;

pub struct World {
    pub machine: Rc<MockMachine>,
    pub server: Rc<Server>,
}

/// Why a memory access of a program was not done.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A handler runs.
    Signal(u64),
    /// The thread is gone.
    Dead,
}

/// A static program: 16 pages of code, a page of data, zeros.
pub fn elf() -> Vec<u8> {
    let mut b = vec![0; 0x12000];
    b[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    put_u16(&mut b, 16, 2);
    put_u16(&mut b, 18, 62);
    put_u32(&mut b, 20, 1);
    put_u64(&mut b, 24, CODE + 0x100);
    put_u64(&mut b, 32, 64);
    put_u16(&mut b, 52, 64);
    put_u16(&mut b, 54, 56);
    put_u16(&mut b, 56, 2);
    let segments = [(5, 0, CODE, 0x10000, 0x10000), (6, 0x10000, DATA, 0x800, DATA_PAGES * 4096)];
    for (i, (flags, offset, addr, file, memory)) in segments.into_iter().enumerate() {
        let at = 64 + 56 * i;
        put_u32(&mut b, at, 1);
        put_u32(&mut b, at + 4, flags);
        for (j, value) in [offset, addr, addr, file, memory, 4096].into_iter().enumerate() {
            put_u64(&mut b, at + 8 + 8 * j, value);
        }
    }
    b[0x10000..0x10004].copy_from_slice(b"data");
    b
}

/// A cpio archive (newc) of files, all executable.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut entry = |name: &str, mode: u32, data: &[u8]| {
        let n = name.len() + 1;
        out.extend(format!("070701{:08x}{mode:08x}", out.len()).bytes());
        for field in [0, 0, 1, 0, data.len(), 0, 0, 0, 0, n, 0] {
            out.extend(format!("{field:08x}").bytes());
        }
        out.extend(name.bytes().chain([0]));
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    entry("bin", 0o40755, &[]);
    for (name, data) in files {
        entry(name, 0o100755, data);
    }
    entry("TRAILER!!!", 0, &[]);
    out
}

impl World {
    /// A machine of 64 MiB whose first program is [`elf`]. Its thread comes back too.
    pub fn new() -> (Self, ThreadId) {
        Self::with(16384, &[("bin/prog", &elf())], &["/bin/prog"])
    }

    pub fn with(frames: usize, files: &[(&str, &[u8])], argv: &[&str]) -> (Self, ThreadId) {
        Self::first(Self::boot(frames, files, argv))
    }

    /// As [`World::new`], while somebody makes a profile.
    pub fn profiled() -> (Self, ThreadId) {
        let machine = MockMachine::new(16384);
        machine.profiled.set(true);
        Self::first(Self::boot_on(machine, &[("bin/prog", &elf())], &["/bin/prog"], vec![], None))
    }

    /// As [`World::new`], with a disk.
    pub fn with_disk(drive: &MockDrive) -> (Self, ThreadId) {
        let (files, drive) = ([("bin/prog", &elf()[..])], Box::new(drive.clone()));
        Self::first(Self::boot_on(MockMachine::new(16384), &files, &["/bin/prog"], vec![], Some(drive)))
    }

    /// As [`World::new`], with `--strace`.
    pub fn traced() -> (Self, ThreadId) {
        let (files, options) = ([("bin/prog", &elf()[..])], vec!["--strace".into()]);
        Self::first(Self::boot_on(MockMachine::new(16384), &files, &["/bin/prog"], options, None))
    }

    fn first(world: Self) -> (Self, ThreadId) {
        let first = *world.machine.threads.borrow().keys().next().expect("the first program runs");
        (world, first)
    }

    pub fn boot(frames: usize, files: &[(&str, &[u8])], argv: &[&str]) -> Self {
        Self::boot_on(MockMachine::new(frames), files, argv, vec![], None)
    }

    fn boot_on(
        machine: Rc<MockMachine>,
        files: &[(&str, &[u8])],
        argv: &[&str],
        options: Vec<String>,
        drive: Option<Box<dyn Drive>>,
    ) -> Self {
        let pool = FramePool::new(Box::new(SharedMemory(machine.memory.clone())));
        let entry = trampoline::is_wanted().then(|| "--entry=trampoline".to_owned());
        let mut is_there = false;
        let b = Boot {
            machine: machine.clone(),
            frames: pool,
            initrd: &archive(files),
            argv: argv.iter().map(|a| a.as_bytes().to_vec()).collect(),
            envp: vec![b"A=b".to_vec()],
            options: options.into_iter().chain(entry).collect(),
            terminals: Default::default(),
            window: Default::default(),
            drive,
        };
        let server = boot(b, |_| {
            is_there = true;
            assert_eq!(
                *machine.starts.borrow(),
                [],
                "a debugger that is told of a program can ask for its file"
            );
        })
        .expect("the server starts");
        assert!(is_there);
        Self { machine, server }
    }

    /// A system call. `None` if it waits, or its thread does not go on with a result.
    pub fn call(&self, t: ThreadId, nr: u32, args: &[u64]) -> Option<u64> {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        self.machine.change(t, |m| {
            assert_eq!((m.run, m.stopped), (RunState::Ready, false), "not running");
            m.run = RunState::Foreign;
            m.state.regs.rax = nr as u64;
            m.state.regs.rip += 2;
        });
        let rip = self.machine.thread(t)?.state.regs.rip;
        if trampoline::is_wanted() {
            trampoline::pass(self, t);
        }
        self.server.call(t, nr as u64, all, self.machine.now.get());
        self.result(t, rip)
    }

    /// What a thread that had made a call at `rip` has got for it by now.
    pub fn result(&self, t: ThreadId, rip: u64) -> Option<u64> {
        let m = self.machine.thread(t)?;
        (m.run == RunState::Ready && !m.stopped && m.state.regs.rip == rip).then_some(m.state.regs.rax)
    }

    /// As `call`, for one that returns.
    pub fn ok(&self, t: ThreadId, nr: u32, args: &[u64]) -> u64 {
        let value = self.call(t, nr, args).expect("the call returns");
        assert!((value as i64) >= 0 || (value as i64) < -4095, "call {nr}: {}", value as i64);
        value
    }

    /// As `call`, for one that fails.
    pub fn err(&self, t: ThreadId, nr: u32, args: &[u64]) -> i64 {
        let value = self.call(t, nr, args).expect("the call returns") as i64;
        assert!((-4095..0).contains(&value), "call {nr} gave {value}");
        -value
    }

    /// Makes an access, with the faults that it takes. Gives the address in the server's memory.
    pub fn access(&self, t: ThreadId, addr: u64, access: Rights) -> Result<u64, Fault> {
        for _ in 0..4 {
            if let Some(at) = self.machine.translate(t, addr, access) {
                return Ok(at);
            }
            let ip = self.machine.thread(t).ok_or(Fault::Dead)?.state.regs.rip;
            self.machine.change(t, |m| m.run = RunState::PageFault);
            self.server
                .handle(Event::PageFault { thread: t, fault: PageFault { addr, ip, access, code: 4 } });
            let now = self.machine.thread(t).ok_or(Fault::Dead)?.state.regs;
            if now.rip != ip {
                return Err(Fault::Signal(now.rdi));
            }
        }
        panic!("faults for ever at {addr:#x}");
    }

    pub fn store(&self, t: ThreadId, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        for (addr, byte) in (addr..).zip(bytes) {
            let at = self.access(t, addr, Rights::W)?;
            self.machine.cell(at).set(*byte);
        }
        Ok(())
    }

    pub fn load(&self, t: ThreadId, addr: u64, len: usize) -> Result<Vec<u8>, Fault> {
        (addr..addr + len as u64)
            .map(|a| Ok(self.machine.cell(self.access(t, a, Rights::R)?).get()))
            .collect()
    }

    pub fn load_u64(&self, t: ThreadId, addr: u64) -> u64 {
        crate::bytes::u64_at(&self.load(t, addr, 8).expect("readable"), 0)
    }
    pub fn load_u32(&self, t: ThreadId, addr: u64) -> u32 {
        crate::bytes::u32_at(&self.load(t, addr, 4).expect("readable"), 0)
    }
    pub fn store_u64(&self, t: ThreadId, addr: u64, value: u64) {
        self.store(t, addr, &value.to_le_bytes()).expect("writable");
    }

    pub fn exception(&self, t: ThreadId, vector: u64) {
        let ip = self.machine.thread(t).expect("a thread").state.regs.rip;
        self.machine.change(t, |m| m.run = RunState::Exception);
        self.server.handle(Event::Exception { thread: t, exception: Exception { vector, code: 0, ip } });
    }

    /// Lets time pass.
    pub fn sleep(&self, ns: u64) {
        self.machine.now.set(self.machine.now.get() + ns);
        self.server.handle(Event::Tick);
    }

    pub fn regs(&self, t: ThreadId) -> ukernel_abi::utcb::Regs {
        self.machine.thread(t).expect("a thread").state.regs
    }

    /// The newest thread: the child of the last fork.
    pub fn newest(&self) -> ThreadId {
        let threads = self.machine.threads.borrow();
        *threads.keys().max_by_key(|t| (t.task(), t.version())).expect("a thread")
    }

    pub fn is_gone(&self, t: ThreadId) -> bool {
        self.machine.thread(t).is_none()
    }

    /// Makes `fork`. Returns the child's number and thread.
    pub fn fork(&self, t: ThreadId) -> (u64, ThreadId) {
        let pid = self.ok(t, linux_raw_sys::general::__NR_fork, &[]);
        let child = self.newest();
        assert_ne!(child, t);
        assert_eq!(self.regs(child).rax, 0);
        (pid, child)
    }
}
