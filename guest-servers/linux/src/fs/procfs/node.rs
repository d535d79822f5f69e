//! Directories, files and links of `/proc`.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::info::ProcInfo;
use super::{process_text, system_text};
use crate::errno::{Errno, Result};
use crate::frames::FramePool;
use crate::fs::bytes_file::BytesFile;
use crate::fs::context::FsContext;
use crate::fs::dentry::Dentry;
use crate::fs::file::FileOps;
use crate::fs::inode::{DirEntry, Directory, FIRST_ENTRY, Inode};
use crate::fs::metadata::{Change, DeviceId, FileKind, Metadata, Owner, Time};
use crate::fs::statfs::StatFs;

struct Procfs {
    device: DeviceId,
    info: Rc<dyn ProcInfo>,
    pool: FramePool,
    mounted: Time,
}

/// Makes the file system of `/proc`.
pub fn root(info: Rc<dyn ProcInfo>, pool: FramePool, device: DeviceId, now: Time) -> Rc<Dentry> {
    let fs = Rc::new(Procfs { device, info, pool, mounted: now });
    Dentry::new_root(Rc::new(Node { fs, what: What::Root }))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Root,
    /// `/proc/self`, `/proc/mounts`
    Alias(Alias),
    System(SystemFile),
    Process(u32),
    ProcessFile(u32, ProcessFile),
    ProcessLink(u32, ProcessLink),
    FdDirectory(u32),
    Fd(u32, i32),
    TaskDirectory(u32),
    /// A thread of a process.
    Task(u32, u32),
    TaskFile(u32, u32, TaskFile),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Alias {
    Itself,
    Mounts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SystemFile {
    Cpuinfo,
    Loadavg,
    Meminfo,
    Partitions,
    Stat,
    Uptime,
    Version,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProcessFile {
    Auxv,
    Cmdline,
    Comm,
    Environ,
    Maps,
    Mounts,
    Stat,
    Statm,
    Status,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProcessLink {
    Cwd,
    Exe,
    Root,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TaskFile {
    Comm,
    Stat,
    Status,
}

const ROOT: [(&str, What); 9] = [
    ("cpuinfo", What::System(SystemFile::Cpuinfo)),
    ("loadavg", What::System(SystemFile::Loadavg)),
    ("meminfo", What::System(SystemFile::Meminfo)),
    ("mounts", What::Alias(Alias::Mounts)),
    ("partitions", What::System(SystemFile::Partitions)),
    ("self", What::Alias(Alias::Itself)),
    ("stat", What::System(SystemFile::Stat)),
    ("uptime", What::System(SystemFile::Uptime)),
    ("version", What::System(SystemFile::Version)),
];

const FILES: [(&str, ProcessFile); 9] = [
    ("auxv", ProcessFile::Auxv),
    ("cmdline", ProcessFile::Cmdline),
    ("comm", ProcessFile::Comm),
    ("environ", ProcessFile::Environ),
    ("maps", ProcessFile::Maps),
    ("mounts", ProcessFile::Mounts),
    ("stat", ProcessFile::Stat),
    ("statm", ProcessFile::Statm),
    ("status", ProcessFile::Status),
];

const LINKS: [(&str, ProcessLink); 3] =
    [("cwd", ProcessLink::Cwd), ("exe", ProcessLink::Exe), ("root", ProcessLink::Root)];

const TASK_FILES: [(&str, TaskFile); 3] =
    [("comm", TaskFile::Comm), ("stat", TaskFile::Stat), ("status", TaskFile::Status)];

struct Node {
    fs: Rc<Procfs>,
    what: What,
}

/// A decimal number without superfluous zeros.
fn number(name: &[u8]) -> Option<u32> {
    let text = core::str::from_utf8(name).ok()?;
    let n: u32 = text.parse().ok()?;
    (n.to_string() == text).then_some(n)
}

impl What {
    fn kind(self) -> FileKind {
        match self {
            Self::Root
            | Self::Process(_)
            | Self::FdDirectory(_)
            | Self::TaskDirectory(_)
            | Self::Task(..) => FileKind::Directory,
            Self::Alias(_) | Self::ProcessLink(..) | Self::Fd(..) => FileKind::Symlink,
            Self::System(_) | Self::ProcessFile(..) | Self::TaskFile(..) => FileKind::Regular,
        }
    }

    fn permissions(self) -> u32 {
        match self {
            Self::ProcessFile(_, ProcessFile::Auxv | ProcessFile::Environ) => 0o400,
            Self::FdDirectory(_) => 0o500,
            Self::Fd(..) => 0o700,
            _ => match self.kind() {
                FileKind::Directory => 0o555,
                FileKind::Symlink => 0o777,
                _ => 0o444,
            },
        }
    }

    fn pid(self) -> Option<u32> {
        match self {
            Self::Root | Self::Alias(_) | Self::System(_) => None,
            Self::Process(pid)
            | Self::ProcessFile(pid, _)
            | Self::ProcessLink(pid, _)
            | Self::FdDirectory(pid)
            | Self::Fd(pid, _)
            | Self::TaskDirectory(pid)
            | Self::Task(pid, _)
            | Self::TaskFile(pid, ..) => Some(pid),
        }
    }

    /// Unlike for unlike files, and never 0.
    fn inode(self) -> u64 {
        let within = match self {
            Self::Root => 1,
            Self::Alias(a) => 2 + a as u64,
            Self::System(f) => 8 + f as u64,
            Self::Process(_) => 0,
            Self::FdDirectory(_) => 1,
            Self::ProcessLink(_, l) => 2 + l as u64,
            Self::TaskDirectory(_) => 5,
            Self::ProcessFile(_, f) => 8 + f as u64,
            Self::Fd(_, fd) => 0x1_0000 + fd as u64,
            Self::Task(_, thread) => 0x1000_0000 + (u64::from(thread) << 4),
            Self::TaskFile(_, thread, f) => 0x1000_0001 + (u64::from(thread) << 4) + f as u64,
        };
        u64::from(self.pid().unwrap_or(0)) << 32 | within
    }
}

impl Node {
    fn child(&self, what: What) -> Rc<Node> {
        Rc::new(Node { fs: self.fs.clone(), what })
    }

    fn find(&self, name: &[u8]) -> Option<What> {
        let info = &self.fs.info;
        match self.what {
            What::Root => {
                let fixed = ROOT.iter().find(|(n, _)| n.as_bytes() == name).map(|&(_, what)| what);
                fixed.or_else(|| number(name).filter(|&pid| info.process(pid).is_some()).map(What::Process))
            }
            What::Process(pid) => {
                info.process(pid)?;
                match name {
                    b"fd" => return Some(What::FdDirectory(pid)),
                    b"task" => return Some(What::TaskDirectory(pid)),
                    _ => {}
                }
                let file = FILES.iter().find(|(n, _)| n.as_bytes() == name);
                let link = LINKS.iter().find(|(n, _)| n.as_bytes() == name);
                file.map(|&(_, f)| What::ProcessFile(pid, f))
                    .or_else(|| link.map(|&(_, l)| What::ProcessLink(pid, l)))
            }
            What::FdDirectory(pid) => {
                let fd = i32::try_from(number(name)?).ok()?;
                info.files(pid)?.get(fd).ok()?;
                Some(What::Fd(pid, fd))
            }
            What::TaskDirectory(pid) => {
                let thread = number(name)?;
                info.thread(pid, thread).map(|_| What::Task(pid, thread))
            }
            What::Task(pid, thread) => {
                let file = TASK_FILES.iter().find(|(n, _)| n.as_bytes() == name);
                file.map(|&(_, f)| What::TaskFile(pid, thread, f))
            }
            _ => None,
        }
    }

    /// All entries of the directory, with positions that stay theirs.
    fn entries(&self) -> Vec<(u64, Box<str>, What)> {
        let fixed = |entries: &mut dyn Iterator<Item = (&str, What)>| -> Vec<(u64, Box<str>, What)> {
            (FIRST_ENTRY..).zip(entries).map(|(at, (name, what))| (at, name.into(), what)).collect()
        };
        match self.what {
            What::Root => {
                let mut all = fixed(&mut ROOT.into_iter());
                let behind = FIRST_ENTRY + ROOT.len() as u64;
                for pid in self.fs.info.pids() {
                    all.push((behind + u64::from(pid), pid.to_string().into(), What::Process(pid)));
                }
                all
            }
            What::Process(pid) => {
                let files = FILES.into_iter().map(|(name, f)| (name, What::ProcessFile(pid, f)));
                let links = LINKS.into_iter().map(|(name, l)| (name, What::ProcessLink(pid, l)));
                fixed(
                    &mut files
                        .chain(links)
                        .chain([("fd", What::FdDirectory(pid)), ("task", What::TaskDirectory(pid))]),
                )
            }
            What::FdDirectory(pid) => {
                let numbers = self.fs.info.files(pid).map(|table| table.numbers()).unwrap_or_default();
                let entry = |fd: i32| (FIRST_ENTRY + fd as u64, fd.to_string().into(), What::Fd(pid, fd));
                numbers.into_iter().map(entry).collect()
            }
            What::TaskDirectory(pid) => {
                let entry = |thread: u32| {
                    (FIRST_ENTRY + u64::from(thread), thread.to_string().into(), What::Task(pid, thread))
                };
                self.fs.info.threads(pid).into_iter().map(entry).collect()
            }
            What::Task(pid, thread) => {
                fixed(&mut TASK_FILES.into_iter().map(|(name, f)| (name, What::TaskFile(pid, thread, f))))
            }
            _ => Vec::new(),
        }
    }

    /// What a link to a place leads to.
    fn destination(&self) -> Option<Rc<Dentry>> {
        let info = &self.fs.info;
        match self.what {
            What::ProcessLink(pid, ProcessLink::Cwd) => info.cwd(pid),
            What::ProcessLink(pid, ProcessLink::Exe) => info.program(pid),
            What::ProcessLink(pid, ProcessLink::Root) => info.root(pid),
            What::Fd(pid, fd) => Some(info.files(pid)?.get(fd).ok()?.dentry().clone()),
            _ => None,
        }
    }

    fn system_file(&self, file: SystemFile) -> BytesFile {
        let fs = self.fs.clone();
        BytesFile::new(move || {
            let system = fs.info.system();
            let text = match file {
                SystemFile::Cpuinfo => system_text::cpuinfo(&system),
                SystemFile::Loadavg => system_text::loadavg(&system),
                SystemFile::Meminfo => system_text::meminfo(&fs.pool),
                SystemFile::Partitions => system_text::partitions(&system),
                SystemFile::Stat => system_text::stat(&system),
                SystemFile::Uptime => system_text::uptime(&system),
                SystemFile::Version => system_text::version(&system),
            };
            Ok(text.into_bytes())
        })
    }

    fn process_file(&self, pid: u32, file: ProcessFile, ctx: &FsContext<'_>) -> BytesFile {
        let fs = self.fs.clone();
        let mounts = if file == ProcessFile::Mounts { ctx.vfs.mounts_text() } else { Default::default() };
        BytesFile::new(move || {
            let process = fs.info.process(pid).ok_or(Errno::ESRCH)?;
            let text = match file {
                ProcessFile::Auxv => fs.info.auxiliary_vector(pid),
                ProcessFile::Cmdline => fs.info.command_line(pid),
                ProcessFile::Comm => Some([&process.name[..], b"\n"].concat()),
                ProcessFile::Environ => fs.info.environment(pid),
                ProcessFile::Maps => fs.info.maps(pid).map(|text| text.into_bytes()),
                ProcessFile::Mounts => Some(mounts.clone().into_bytes()),
                ProcessFile::Stat => Some(process_text::stat(&process)),
                ProcessFile::Statm => Some(process_text::statm(&process).into_bytes()),
                ProcessFile::Status => Some(process_text::status(&process)),
            };
            text.ok_or(Errno::ESRCH)
        })
    }
}

impl Node {
    fn task_file(&self, pid: u32, thread: u32, file: TaskFile) -> BytesFile {
        let fs = self.fs.clone();
        BytesFile::new(move || {
            let process = fs.info.thread(pid, thread).ok_or(Errno::ESRCH)?;
            Ok(match file {
                TaskFile::Comm => [&process.name[..], b"\n"].concat(),
                TaskFile::Stat => process_text::stat(&process),
                TaskFile::Status => process_text::status(&process),
            })
        })
    }
}

impl Inode for Node {
    fn metadata(&self) -> Metadata {
        let process = self.what.pid().and_then(|pid| self.fs.info.process(pid));
        let (uid, gid) = process.as_ref().map_or((0, 0), |p| (p.uids[1], p.gids[1]));
        let owner = Owner::new(self.what.permissions(), uid, gid, self.fs.mounted);
        let mut meta = owner.metadata(self.fs.device, self.what.inode(), self.what.kind());
        match self.what {
            What::Root => meta.links = 2 + self.fs.info.pids().len() as u32,
            What::Process(_) => meta.links = 4,
            What::FdDirectory(_) | What::TaskDirectory(_) | What::Task(..) => meta.links = 2,
            What::Fd(..) => meta.size = 64,
            _ => {}
        }
        meta
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Err(Errno::EPERM)
    }

    fn statfs(&self) -> StatFs {
        StatFs { id: self.fs.device.0, ..StatFs::empty(StatFs::PROC) }
    }

    fn as_dir(&self) -> Option<&dyn Directory> {
        (self.what.kind() == FileKind::Directory).then_some(self as &dyn Directory)
    }

    fn read_link(&self, ctx: &FsContext<'_>) -> Result<Vec<u8>> {
        match self.what {
            What::Alias(Alias::Itself) => Ok(ctx.caller.process().to_string().into_bytes()),
            What::Alias(Alias::Mounts) => Ok(b"self/mounts".to_vec()),
            _ if self.what.kind() != FileKind::Symlink => Err(Errno::EINVAL),
            _ => Ok(self.destination().ok_or(Errno::ENOENT)?.path(&ctx.root())),
        }
    }

    fn jump(&self, _ctx: &FsContext<'_>) -> Option<Result<Rc<Dentry>>> {
        let jumps = matches!(self.what, What::ProcessLink(..) | What::Fd(..));
        jumps.then(|| self.destination().ok_or(Errno::ENOENT))
    }

    fn open(self: Rc<Self>, _flags: u32, ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        match self.what {
            What::System(file) => Ok(Rc::new(self.system_file(file))),
            What::ProcessFile(pid, file) => Ok(Rc::new(self.process_file(pid, file, ctx))),
            What::TaskFile(pid, thread, file) => Ok(Rc::new(self.task_file(pid, thread, file))),
            _ if self.what.kind() == FileKind::Directory => Ok(Rc::new(OpenDirectory)),
            _ => Err(Errno::ELOOP),
        }
    }
}

impl Directory for Node {
    fn lookup(&self, dir: &Rc<Dentry>, name: &[u8], _ctx: &FsContext<'_>) -> Result<Rc<Dentry>> {
        let what = self.find(name).ok_or(Errno::ENOENT)?;
        Ok(Dentry::new(dir, name, self.child(what)))
    }

    fn read(
        &self,
        from: u64,
        _ctx: &FsContext<'_>,
        each: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        for (at, name, what) in self.entries() {
            if at < from {
                continue;
            }
            let entry =
                DirEntry { inode: what.inode(), kind: what.kind(), name: name.as_bytes(), next: at + 1 };
            if !each(entry) {
                break;
            }
        }
        Ok(())
    }
}

struct OpenDirectory;

impl FileOps for OpenDirectory {}
