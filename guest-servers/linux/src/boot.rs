//! From nothing to the first program: file systems, console, process 1.

use crate::disk::{self, Disk, Drive};
use crate::errno::Errno;
use crate::exec::{Timers, WaitQueue};
use crate::frames::FramePool;
use crate::fs::context::FsInfo;
use crate::fs::path::Base;
use crate::fs::vfs::{DeviceNumbers, Vfs};
use crate::fs::{Caller, Credentials, FdTable, FsContext, cpio, devices, procfs, tmpfs};
use crate::machine::{Machine, MachineError, ThreadState};
use crate::process::info::ServerHandle;
use crate::process::limits::Limits;
use crate::process::outsider::Outsider;
use crate::process::usage::{Times, Usage};
use crate::process::{Pid, Process, State, Thread};
use crate::program::exec::{Ready, Request};
use crate::server::Server;
use crate::signal::info::SigInfo;
use crate::signal::set::{SigSet, Signal};
use crate::strace::Mode;
use crate::trampoline::{Entry, Trampoline};
use crate::tty::console::Terminals;
use crate::tty::terminal::WindowSize;
use crate::tty::{Channel, Console, ConsoleHost};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// What the server was started with.
pub struct Boot<'a> {
    pub machine: Rc<dyn Machine>,
    pub frames: FramePool,
    /// The initial root file system, a cpio archive; empty if there is none.
    pub initrd: &'a [u8],
    /// Argument vector of the first program; empty: an interactive shell.
    pub argv: Vec<Vec<u8>>,
    /// Its environment; empty: a small one.
    pub envp: Vec<Vec<u8>>,
    /// Words after the server's name in the server set: `--strace`, `--strace=summary`.
    pub options: Vec<String>,
    pub terminals: Terminals,
    pub window: WindowSize,
    /// The way to the disk's driver, if there is a disk.
    pub drive: Option<Box<dyn Drive>>,
}

/// Exit statuses where there is no program to have one. Those of a shell, 126 and 127, would come out as 119 and look like the
/// program's own; the message says what it was.
pub const STATUS_CANNOT_RUN: u8 = 126;
pub const STATUS_NOT_FOUND: u8 = 127;

/// Open files that there can be in all (`fs.file-max`).
const MAX_OPEN_FILES: usize = 16384;
const INIT: Pid = 1;
const SHELL: &[u8] = b"/bin/sh";
const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The console's side of the world.
struct Host {
    machine: Rc<dyn Machine>,
    server: Rc<ServerHandle>,
}

impl ConsoleHost for Host {
    fn write(&self, channel: Channel, bytes: &[u8]) {
        self.machine.print(channel, bytes);
    }
    fn signal_group(&self, group: u32, signal: u32) {
        if let (Some(server), Some(signal)) = (self.server.get(), Signal::new(signal as u64))
            && let Ok(group) = Pid::try_from(group)
        {
            server.send_group_signal(group, SigInfo::kernel(signal));
        }
    }
    fn now(&self) -> u64 {
        self.machine.monotonic_ns()
    }
}

/// Sets everything up and starts the first program. If that cannot be run, says so and ends the machine. `is_there` is called before: a debugger that is told of the
/// program asks the server about it at once.
pub fn boot(mut b: Boot<'_>, is_there: impl FnOnce(&Rc<Server>)) -> Result<Rc<Server>, Errno> {
    let timers = Timers::new();
    timers.advance(b.machine.monotonic_ns());
    let caller = Outsider::new(INIT, b.machine.clone(), timers.clone());
    let handle = Rc::new(ServerHandle::default());
    let numbers = DeviceNumbers::default();
    let root = tmpfs::root(b.frames.clone(), numbers.next(), 0o755, caller.now())?;
    let vfs = Vfs::new(b.frames.clone(), root.clone(), "rootfs", &numbers, MAX_OPEN_FILES);
    let host = Rc::new(Host { machine: b.machine.clone(), server: handle.clone() });
    let console = Console::new(host, b.terminals, b.window);
    console.add_devices(&vfs);
    let disk = b.drive.take().map(|drive| Rc::new(Disk::new(drive)));
    let info = FsInfo::new(root);
    {
        let ctx = FsContext { vfs: &vfs, info: &info, creds: &Credentials::ROOT, caller: &caller };
        fill_root(&ctx, &b, &numbers, handle.clone(), disk.clone())?;
    }
    let mode = Mode::from_options(b.options.iter().map(String::as_str));
    let trampoline = match Entry::from_options(b.options.iter().map(String::as_str)) {
        Entry::Forwarded => None,
        Entry::Trampoline => Some(Trampoline::new(b.machine.own_id(), &b.frames)?),
    };
    let server = Server::new(b.machine.clone(), vfs, console, timers, mode, trampoline, disk);
    handle.set(&server);
    let for_devices = Rc::downgrade(&server);
    devices::add_plain(&server.vfs, Rc::new(move |bytes: &mut [u8]| fill_random(&for_devices, bytes)));
    is_there(&server);

    let argv = if b.argv.is_empty() { Vec::from([SHELL.to_vec()]) } else { b.argv };
    let envp = if b.envp.is_empty() { default_environment() } else { b.envp };
    if let Err((path, e)) = start_first(&server, &caller, info, argv, envp) {
        let (reason, status) = match e {
            Errno::ENOENT | Errno::ENOTDIR => ("not found", STATUS_NOT_FOUND),
            Errno::EACCES => ("permission denied", STATUS_CANNOT_RUN),
            Errno::ENOEXEC => ("cannot execute: not a program for this machine", STATUS_CANNOT_RUN),
            Errno::ENOMEM => ("cannot execute: not enough memory", STATUS_CANNOT_RUN),
            e => (e.name(), STATUS_CANNOT_RUN),
        };
        server.machine.log(&format!("linux: {}: {reason}", String::from_utf8_lossy(&path)));
        server.machine.exit(status);
    }
    Ok(server)
}

fn fill_random(server: &Weak<Server>, bytes: &mut [u8]) {
    if let Some(server) = server.upgrade() {
        server.random.borrow_mut().fill(bytes);
    }
}

fn default_environment() -> Vec<Vec<u8>> {
    let path = [b"PATH=", PATH].concat();
    Vec::from([path, b"HOME=/root".to_vec(), b"TERM=linux".to_vec(), b"PWD=/".to_vec()])
}

/// Unpacks the initial file system, and puts `/dev`, `/proc` and `/tmp` where programs look for them.
fn fill_root(
    ctx: &FsContext<'_>,
    b: &Boot<'_>,
    numbers: &DeviceNumbers,
    handle: Rc<ServerHandle>,
    disk: Option<Rc<Disk>>,
) -> Result<(), Errno> {
    if let Err(e) = cpio::unpack(ctx, &ctx.root(), b.initrd) {
        b.machine.log(&format!("linux: the initial file system is damaged: {e}"));
    }
    let dev = devices::root(ctx, numbers)?;
    if let Some(disk) = disk {
        disk::file::add(ctx, &dev, disk)?;
    }
    let proc = procfs::root(handle, b.frames.clone(), numbers.next(), ctx.now());
    for (name, kind, tree) in [(&b"dev"[..], "devtmpfs", dev), (b"proc", "proc", proc)] {
        let at = directory(ctx, name, 0o755)?;
        ctx.vfs.mount(&at, kind, tree);
    }
    directory(ctx, b"tmp", 0o1777)?;
    directory(ctx, b"root", 0o700)?;
    Ok(())
}

/// The directory of this name in the root; made if there is none.
fn directory(ctx: &FsContext<'_>, name: &[u8], permissions: u32) -> Result<Rc<crate::fs::Dentry>, Errno> {
    let root = ctx.root();
    let dir = root.inode().as_dir().ok_or(Errno::ENOTDIR)?;
    match dir.lookup(&root, name, ctx) {
        Err(Errno::ENOENT) => dir.create(&root, name, crate::fs::inode::New::Directory { permissions }, ctx),
        found => found,
    }
}

/// Starts process 1. On failure says which file it was about.
fn start_first(
    server: &Rc<Server>,
    caller: &Outsider,
    info: FsInfo,
    argv: Vec<Vec<u8>>,
    envp: Vec<Vec<u8>>,
) -> Result<(), (Vec<u8>, Errno)> {
    let info = Rc::new(info);
    let ctx = FsContext { vfs: &server.vfs, info: &info, creds: &Credentials::ROOT, caller };
    let name = argv.first().cloned().unwrap_or_default();
    let path = find_program(&ctx, &name).map_err(|e| (name.clone(), e))?;
    let limits = Limits::default();
    let request = Request { path: path.clone(), argv, envp, stack_limit: limits.stack() };
    let ready = server
        .prepare_program(&ctx, Base::Cwd, 0, &Default::default(), request)
        .map_err(|e| (path.clone(), e))?;
    let files = FdTable::new();
    let standard = server.console.standard_files(&ctx).map_err(|e| (b"/dev/console".to_vec(), e))?;
    for file in standard {
        files.insert(file, 0, false).map_err(|e| (b"/dev/console".to_vec(), e))?;
    }
    if let Some(terminal) = server.console.terminal() {
        terminal.offer_control(caller);
    }
    add_process(server, ready, files, info.clone(), limits).map_err(|e| (path, e.into()))
}

/// A name without a slash is looked for as a shell would.
fn find_program(ctx: &FsContext<'_>, name: &[u8]) -> Result<Vec<u8>, Errno> {
    if name.contains(&b'/') {
        return Ok(name.to_vec());
    }
    for dir in PATH.split(|&b| b == b':') {
        let path = [dir, b"/", name].concat();
        if crate::fs::path::lookup(ctx, Base::Cwd, &path, true).is_ok() {
            return Ok(path);
        }
    }
    Err(Errno::ENOENT)
}

fn add_process(
    server: &Rc<Server>,
    ready: Ready,
    files: FdTable,
    fs: Rc<FsInfo>,
    limits: Limits,
) -> Result<(), MachineError> {
    let pid = server.processes.new_pid().map_err(|_| MachineError::NoMemory)?;
    let l4 = server.machine.new_task(&ThreadState::new(ready.regs))?;
    ready.mm.enter();
    ready.mm.set_task(l4);
    let process = Rc::new(Process {
        pid,
        parent: RefCell::new(Weak::new()),
        children: RefCell::default(),
        pgid: Cell::new(pid),
        sid: Cell::new(pid),
        state: Cell::new(State::Running),
        report: Cell::new(None),
        has_execed: Cell::new(false),
        threads: RefCell::default(),
        mm: RefCell::new(ready.mm.clone()),
        files: RefCell::new(Rc::new(files)),
        fs: RefCell::new(fs),
        credentials: RefCell::default(),
        limits: RefCell::new(limits),
        actions: RefCell::default(),
        pending: RefCell::default(),
        signal_sent: WaitQueue::new(),
        exit_signal: Some(Signal::SIGCHLD),
        death_signal: Cell::new(None),
        child_changed: WaitQueue::new(),
        released_mm: WaitQueue::new(),
        borrows_mm: Cell::new(false),
        comm: Cell::new([0; 16]),
        cmdline: RefCell::default(),
        environ: RefCell::default(),
        auxv: RefCell::default(),
        exe: RefCell::default(),
        start_ns: server.timers.now(),
        usage: Usage::default(),
        child_times: Cell::new(Times::default()),
        real_timer: RefCell::default(),
    });
    let thread = Thread::new(pid, Rc::downgrade(&process), l4, SigSet::EMPTY);
    server.become_program(&process, &thread, &ready);
    process.threads.borrow_mut().push(thread.clone());
    server.processes.add_thread(thread.clone(), process.clone());
    server.processes.add(process.clone());
    server.tell_start(&process, &thread);
    Ok(())
}
