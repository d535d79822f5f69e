//! `/proc`.

use super::world::World;
use crate::errno::Errno;
use crate::fs::procfs::{self, ProcInfo, ProcessInfo, SystemInfo};
use crate::fs::vfs::DeviceNumbers;
use crate::fs::{Dentry, FdTable, FileKind};
use linux_raw_sys::general as raw;
use std::cell::Cell;
use std::rc::Rc;

/// Two processes, of which the second may end.
struct Processes {
    root: Rc<Dentry>,
    files: Rc<FdTable>,
    second_lives: Cell<bool>,
}

impl Processes {
    fn lives(&self, pid: u32) -> Option<()> {
        self.pids().contains(&pid).then_some(())
    }
}

impl ProcInfo for Processes {
    fn pids(&self) -> Vec<u32> {
        if self.second_lives.get() { vec![1, 10] } else { vec![1] }
    }
    fn process(&self, pid: u32) -> Option<ProcessInfo> {
        self.lives(pid)?;
        Some(ProcessInfo { pid, thread: pid, name: b"sh".to_vec(), threads: 2, ..ProcessInfo::default() })
    }
    fn threads(&self, pid: u32) -> Vec<u32> {
        vec![pid, pid + 1]
    }
    fn thread(&self, pid: u32, thread: u32) -> Option<ProcessInfo> {
        let process = self.process(pid).filter(|_| self.threads(pid).contains(&thread))?;
        Some(ProcessInfo { thread, ..process })
    }
    fn system(&self) -> SystemInfo {
        SystemInfo { uptime_ns: 5_000_000_000, ..SystemInfo::default() }
    }
    fn command_line(&self, pid: u32) -> Option<Vec<u8>> {
        self.lives(pid).map(|()| b"/bin/sh\0-c\0true\0".to_vec())
    }
    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        self.lives(pid).map(|()| b"A=b\0".to_vec())
    }
    fn auxiliary_vector(&self, pid: u32) -> Option<Vec<u8>> {
        self.lives(pid).map(|()| vec![0; 16])
    }
    fn maps(&self, pid: u32) -> Option<String> {
        self.lives(pid).map(|()| "00400000-00401000 r-xp 00000000 00:01 2 /bin/sh\n".into())
    }
    fn program(&self, pid: u32) -> Option<Rc<Dentry>> {
        self.cwd(pid)
    }
    fn cwd(&self, pid: u32) -> Option<Rc<Dentry>> {
        self.lives(pid).map(|()| self.root.clone())
    }
    fn root(&self, pid: u32) -> Option<Rc<Dentry>> {
        self.cwd(pid)
    }
    fn files(&self, pid: u32) -> Option<Rc<FdTable>> {
        self.lives(pid).map(|()| self.files.clone())
    }
}

fn world() -> (Rc<World>, Rc<Processes>) {
    let w = World::new();
    w.mkdir("/proc").unwrap();
    let info = Rc::new(Processes {
        root: w.vfs.root().clone(),
        files: Rc::new(FdTable::new()),
        second_lives: Cell::new(true),
    });
    let numbers = DeviceNumbers::default();
    let root = procfs::root(info.clone(), w.vfs.pool().clone(), numbers.next(), w.ctx().now());
    w.vfs.mount(&w.find("/proc"), "proc", root);
    (w, info)
}

#[test]
fn processes_come_and_go() {
    let (w, info) = world();
    assert!(w.list("/proc").contains(&"10".to_string()));
    assert_eq!(w.get("/proc/10/cmdline"), b"/bin/sh\0-c\0true\0");
    assert_eq!(w.text("/proc/10/comm"), "sh\n");
    assert!(w.text("/proc/1/stat").starts_with("1 (sh) R "));
    let open = w.open("/proc/10/stat", raw::O_RDONLY).unwrap();
    info.second_lives.set(false);
    assert_eq!(w.read(&open, 10), Err(Errno::ESRCH));
    assert!(!w.list("/proc").contains(&"10".to_string()));
    for gone in ["/proc/10", "/proc/10/stat", "/proc/01", "/proc/+1", "/proc/4294967297", "/proc/1/nothing"] {
        assert_eq!(w.lookup(gone, true).err(), Some(Errno::ENOENT), "{gone}");
    }
}

#[test]
fn threads_have_folders_of_their_own() {
    let (w, info) = world();
    assert_eq!(w.list("/proc/10/task"), ["10", "11"]);
    assert_eq!(w.list("/proc/10/task/11"), ["comm", "stat", "status"]);
    assert!(w.text("/proc/10/task/11/stat").starts_with("11 (sh) R "));
    assert!(w.text("/proc/10/task/11/status").contains("\nTgid:\t10\nNgid:\t0\nPid:\t11\n"));
    assert_eq!(w.text("/proc/10/task/10/comm"), "sh\n");
    let inode = |name: &str| w.stat(name).inode;
    assert_ne!(inode("/proc/10/task/10/stat"), inode("/proc/10/task/11/stat"));
    let open = w.open("/proc/10/task/11/stat", raw::O_RDONLY).unwrap();
    for gone in ["/proc/10/task/12", "/proc/10/task/x", "/proc/10/task/11/fd"] {
        assert_eq!(w.lookup(gone, true).err(), Some(Errno::ENOENT), "{gone}");
    }
    info.second_lives.set(false);
    assert_eq!(w.read(&open, 10), Err(Errno::ESRCH));
}

#[test]
fn self_is_the_caller() {
    let (w, _) = world();
    assert_eq!(w.read_link("/proc/self").unwrap(), "10");
    assert!(w.text("/proc/self/status").contains("\nPid:\t10\n"));
    assert!(w.text("/proc/mounts").contains("proc /proc proc rw 0 0\n"));
    assert_eq!(w.stat("/proc/self/cwd").inode, w.stat("/").inode);
}

#[test]
fn links_of_descriptors_lead_to_the_very_file() {
    let (w, info) = world();
    w.put("/f", b"still there");
    info.files.insert(w.open("/f", raw::O_RDONLY).unwrap(), 0, false).unwrap();
    let (r, wr) = crate::fs::pipe::pipe(&w.ctx(), 0).unwrap();
    info.files.insert(r, 0, false).unwrap();
    assert_eq!(w.list("/proc/self/fd"), ["0", "1"]);
    assert_eq!(w.read_link("/proc/self/fd/0").unwrap(), "/f");
    assert_eq!(w.read_link("/proc/self/fd/1").unwrap(), "pipe:[1]");
    assert_eq!(w.lstat("/proc/self/fd/0").kind, FileKind::Symlink);
    w.unlink("/f").unwrap();
    assert_eq!(w.read_link("/proc/self/fd/0").unwrap(), "/f (deleted)");
    assert_eq!(w.get("/proc/self/fd/0"), b"still there");
    // A pipe can be opened again by its link.
    let again = w.open("/proc/self/fd/1", raw::O_WRONLY).unwrap();
    drop(wr);
    w.write(&again, b"x").unwrap();
    assert_eq!(w.lookup("/proc/self/fd/7", true).err(), Some(Errno::ENOENT));
    assert_eq!(w.lookup("/proc/self/fd/0/x", true).err(), Some(Errno::ENOTDIR));
}

#[test]
fn nothing_can_be_changed() {
    let (w, _) = world();
    assert_eq!(w.mkdir("/proc/x"), Err(Errno::EPERM));
    assert_eq!(w.unlink("/proc/uptime"), Err(Errno::EPERM));
    assert_eq!(w.rename("/proc/uptime", "/proc/stat", 0), Err(Errno::EPERM));
    let file = w.open("/proc/uptime", raw::O_RDWR).unwrap();
    assert_eq!(w.write(&file, b"0"), Err(Errno::EINVAL));
}

#[test]
fn texts_are_made_anew_when_read_from_the_start() {
    let (w, _) = world();
    let file = w.open("/proc/uptime", raw::O_RDONLY).unwrap();
    assert_eq!(w.read(&file, 3).unwrap(), b"5.0");
    assert_eq!(w.read(&file, 100).unwrap(), b"0 0.00\n");
    assert_eq!(w.read(&file, 100).unwrap(), b"");
    file.seek(0, raw::SEEK_SET).unwrap();
    assert_eq!(w.read(&file, 100).unwrap(), b"5.00 0.00\n");
}
