//! What `/proc` tells about processes, and the handle by which things that are older than the server reach it.

use super::{Process, State, Thread};
use crate::fs::Dentry;
use crate::fs::fd_table::FdTable;
use crate::fs::procfs::info::{ProcInfo, ProcessInfo, State as Shown, SystemInfo};
use crate::mm::vma::{Backing, Prot, Vma};
use crate::server::Server;
use crate::syscall::system::{RELEASE, VERSION};
use crate::time::NS_PER_SEC;
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt::Write;

/// The server, once there is one: `/proc` and the terminal are made before it.
#[derive(Default)]
pub struct ServerHandle(RefCell<Weak<Server>>);

impl ServerHandle {
    pub fn set(&self, server: &Rc<Server>) {
        *self.0.borrow_mut() = Rc::downgrade(server);
    }
    pub fn get(&self) -> Option<Rc<Server>> {
        self.0.borrow().upgrade()
    }
    fn find(&self, pid: u32) -> Option<(Rc<Server>, Rc<Process>)> {
        let server = self.get()?;
        let process = server.processes.get(i32::try_from(pid).ok()?)?;
        Some((server, process))
    }
}

impl ProcInfo for ServerHandle {
    fn pids(&self) -> Vec<u32> {
        self.get().map_or_else(Vec::new, |s| s.processes.all().iter().map(|p| p.pid as u32).collect())
    }

    fn process(&self, pid: u32) -> Option<ProcessInfo> {
        let (server, p) = self.find(pid)?;
        Some(describe(&server, &p, p.main_thread()))
    }

    fn threads(&self, pid: u32) -> Vec<u32> {
        let process = self.find(pid);
        let mut numbers: Vec<_> =
            process.iter().flat_map(|(_, p)| p.threads.borrow().clone()).map(|t| t.tid as u32).collect();
        numbers.sort_unstable();
        numbers
    }

    fn thread(&self, pid: u32, thread: u32) -> Option<ProcessInfo> {
        let (server, p) = self.find(pid)?;
        let found = p.threads.borrow().iter().find(|t| t.tid as u32 == thread).cloned()?;
        Some(describe(&server, &p, Some(found)))
    }

    fn system(&self) -> SystemInfo {
        let Some(server) = self.get() else { return SystemInfo::default() };
        let uptime_ns = server.machine.monotonic_ns();
        let all = server.processes.all();
        SystemInfo {
            uptime_ns,
            idle_ns: server.idle_ns(),
            boot_seconds: server.machine.wall_ns().saturating_sub(uptime_ns) / NS_PER_SEC,
            processes_made: server.processes.forks.get(),
            processes: all.len() as u32,
            running: all
                .iter()
                .filter(|p| shown_state(p, p.main_thread().as_deref()) == Shown::Running)
                .count() as u32,
            last_pid: server.processes.last_pid() as u32,
            context_switches: 0,
            disk: server.disk.as_ref().map(|disk| disk.size()),
            release: RELEASE.into(),
            version: VERSION.into(),
            cpu_model: server.machine.cpu_model(),
            cpu_khz: server.machine.cpu_khz(),
        }
    }

    fn command_line(&self, pid: u32) -> Option<Vec<u8>> {
        let (_, p) = self.find(pid)?;
        Some(if p.is_zombie() { Vec::new() } else { p.cmdline.borrow().clone() })
    }

    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        let (_, p) = self.find(pid)?;
        Some(if p.is_zombie() { Vec::new() } else { p.environ.borrow().clone() })
    }

    fn auxiliary_vector(&self, pid: u32) -> Option<Vec<u8>> {
        let (_, p) = self.find(pid)?;
        Some(if p.is_zombie() { Vec::new() } else { p.auxv.borrow().clone() })
    }

    fn maps(&self, pid: u32) -> Option<String> {
        let (_, p) = self.find(pid)?;
        let mut text = String::new();
        for vma in p.mm().space.borrow().all_vmas() {
            maps_line(&mut text, vma);
        }
        Some(text)
    }

    fn program(&self, pid: u32) -> Option<Rc<Dentry>> {
        let (_, p) = self.find(pid)?;
        p.exe.borrow().clone()
    }
    fn cwd(&self, pid: u32) -> Option<Rc<Dentry>> {
        let (_, p) = self.find(pid)?;
        Some(p.fs().cwd.borrow().clone())
    }
    fn root(&self, pid: u32) -> Option<Rc<Dentry>> {
        let (_, p) = self.find(pid)?;
        Some(p.fs().root.borrow().clone())
    }
    fn files(&self, pid: u32) -> Option<Rc<FdTable>> {
        let (_, p) = self.find(pid)?;
        Some(p.files())
    }
}

fn shown_state(p: &Process, thread: Option<&Thread>) -> Shown {
    match p.state.get() {
        State::Zombie(_) => Shown::Zombie,
        State::Stopped(_) => Shown::Stopped,
        State::Running => {
            let waits = thread.is_some_and(|t| t.call.get().is_some_and(|c| c.task.is_some()));
            if waits { Shown::Sleeping } else { Shown::Running }
        }
    }
}

/// `thread`: the one whose state is shown; a zombie has none.
fn describe(server: &Rc<Server>, p: &Rc<Process>, thread: Option<Rc<Thread>>) -> ProcessInfo {
    let cred = p.credentials.borrow();
    let mm = p.mm();
    let space = mm.space.borrow();
    let (times, children) = (server.times(p), p.child_times.get());
    let (ignored, caught) = p.actions.borrow().ignored_and_caught();
    let comm = p.comm.get();
    ProcessInfo {
        pid: p.pid as u32,
        thread: thread.as_ref().map_or(p.pid, |t| t.tid) as u32,
        parent: p.ppid() as u32,
        group: p.pgid.get() as u32,
        session: p.sid.get() as u32,
        terminal: server.terminal_of(p),
        name: comm.iter().copied().take_while(|b| *b != 0).collect(),
        state: shown_state(p, thread.as_deref()),
        threads: p.threads.borrow().len().max(1) as u32,
        uids: [cred.uid, cred.euid, cred.suid, cred.euid],
        gids: [cred.gid, cred.egid, cred.sgid, cred.egid],
        groups: cred.groups.clone(),
        umask: p.fs().umask.get(),
        user_ns: times.user_ns,
        system_ns: times.system_ns,
        children_user_ns: children.user_ns,
        children_system_ns: children.system_ns,
        start_ns: p.start_ns,
        virtual_bytes: space.size(),
        resident_bytes: space.resident() * crate::mm::PAGE,
        nice: 0,
        pending: p.pending.borrow().set().0,
        blocked: thread.map_or(0, |t| t.mask.get().0),
        ignored: ignored.0,
        caught: caught.0,
    }
}

/// A line of `/proc/PID/maps` (proc(5)).
fn maps_line(text: &mut String, vma: &Vma) {
    let flag = |p: Prot, c: char| if vma.prot.contains(p) { c } else { '-' };
    let (offset, (device, inode), name) = match &vma.backing {
        Backing::File { file, offset, .. } => (*offset, file.source.identity(), &*file.path),
        Backing::Shared { offset, .. } => (*offset, (0, 0), &b"/dev/zero (deleted)"[..]),
        Backing::Anonymous => (0, (0, 0), vma.label.as_bytes()),
    };
    let device = crate::fs::metadata::DeviceId(device);
    let mut line = format!(
        "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {}",
        vma.span.start(),
        vma.span.end(),
        flag(Prot::READ, 'r'),
        flag(Prot::WRITE, 'w'),
        flag(Prot::EXEC, 'x'),
        if vma.backing.is_shared() { 's' } else { 'p' },
        offset,
        device.major(),
        device.minor(),
        inode,
    );
    if !name.is_empty() {
        while line.len() < 73 {
            line.push(' ');
        }
        // Writing to a string cannot fail.
        let _ = write!(line, "{}", String::from_utf8_lossy(name));
    }
    line.push('\n');
    *text += &line;
}
