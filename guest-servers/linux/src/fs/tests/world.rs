//! A small world for tests: a root file system, and somebody who uses it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::errno::Result;
use crate::exec::{Executor, Interrupt, Timers};
use crate::frames::FramePool;
use crate::frames::tests::pool;
use crate::fs::context::{Caller, Credentials, FsContext, FsInfo};
use crate::fs::path::Base;
use crate::fs::vfs::{DeviceNumbers, Vfs};
use crate::fs::{Dentry, File, Metadata, Time, devices, names, open, path, tmpfs};
use linux_raw_sys::general as raw;

/// Who makes the requests. Everything about them can be changed.
pub(crate) struct User {
    pub process: Cell<u32>,
    pub group: Cell<u32>,
    pub session: Cell<u32>,
    pub seconds: Cell<i64>,
    pub orphaned: Cell<bool>,
    pub shuts_out: Cell<bool>,
    pub size_limit: Cell<u64>,
    pub timers: Timers,
    pub interrupt: Interrupt,
    /// Signals that were sent: to a group, or to the user (group 0).
    pub signals: RefCell<Vec<(u32, u32)>>,
    /// Records for a profile: events and arguments.
    pub records: RefCell<Vec<(u8, u64)>>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            process: Cell::new(10),
            group: Cell::new(10),
            session: Cell::new(10),
            seconds: Cell::new(1000),
            orphaned: Cell::new(false),
            shuts_out: Cell::new(false),
            size_limit: Cell::new(u64::MAX),
            timers: Timers::new(),
            interrupt: Interrupt::new(),
            signals: RefCell::default(),
            records: RefCell::default(),
        }
    }
}

impl Caller for User {
    fn process(&self) -> u32 {
        self.process.get()
    }
    fn process_group(&self) -> u32 {
        self.group.get()
    }
    fn session(&self) -> u32 {
        self.session.get()
    }
    fn now(&self) -> Time {
        Time { seconds: self.seconds.get(), nanos: 0 }
    }
    fn timers(&self) -> &Timers {
        &self.timers
    }
    fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }
    fn shuts_out(&self, _signal: u32) -> bool {
        self.shuts_out.get()
    }
    fn group_is_orphaned(&self) -> bool {
        self.orphaned.get()
    }
    fn signal_group(&self, group: u32, signal: u32) {
        self.signals.borrow_mut().push((group, signal));
    }
    fn signal_self(&self, signal: u32) {
        self.signals.borrow_mut().push((0, signal));
    }
    fn record(&self, event: u8, argument: u64) {
        self.records.borrow_mut().push((event, argument));
    }
    fn file_size_limit(&self) -> u64 {
        self.size_limit.get()
    }
}

pub(crate) struct World {
    pub vfs: Vfs,
    pub info: FsInfo,
    pub creds: Credentials,
    pub user: Rc<User>,
    pub executor: Executor,
    numbers: DeviceNumbers,
}

/// Frames of an ordinary world.
pub(crate) const FRAMES: usize = 1024;

impl World {
    pub fn new() -> Rc<Self> {
        Self::with_frames(FRAMES)
    }

    pub fn with_frames(frames: usize) -> Rc<Self> {
        Self::build(pool(frames), Credentials::ROOT)
    }

    /// An ordinary user in place of root; the root directory is everybody's.
    pub fn of_user(uid: u32, gid: u32) -> Rc<Self> {
        Self::build(pool(FRAMES), Credentials { uid, gid, groups: vec![] })
    }

    pub fn build(pool: FramePool, creds: Credentials) -> Rc<Self> {
        let numbers = DeviceNumbers::default();
        let user = Rc::new(User::default());
        let root = tmpfs::root(pool.clone(), numbers.next(), 0o1777, user.now()).unwrap();
        let vfs = Vfs::new(pool, root.clone(), "rootfs", &numbers, 1000);
        devices::add_plain(&vfs, Rc::new(|bytes| bytes.fill(4)));
        let info = FsInfo::new(root);
        info.umask.set(0);
        Rc::new(Self { vfs, info, creds, user, executor: Executor::new(), numbers })
    }

    /// Mounts `/dev`.
    pub fn with_dev(self: Rc<Self>) -> Rc<Self> {
        self.mkdir("/dev").unwrap();
        let dev = devices::root(&self.ctx(), &self.numbers).unwrap();
        self.vfs.mount(&self.find("/dev"), "devtmpfs", dev);
        self
    }

    pub fn ctx(&self) -> FsContext<'_> {
        FsContext { vfs: &self.vfs, info: &self.info, creds: &self.creds, caller: &*self.user }
    }

    pub fn lookup(&self, name: &str, follow: bool) -> Result<Rc<Dentry>> {
        path::lookup(&self.ctx(), Base::Cwd, name.as_bytes(), follow)
    }
    pub fn find(&self, name: &str) -> Rc<Dentry> {
        self.lookup(name, true).unwrap_or_else(|e| panic!("{name}: {e:?}"))
    }
    pub fn stat(&self, name: &str) -> Metadata {
        self.find(name).inode().metadata()
    }
    pub fn lstat(&self, name: &str) -> Metadata {
        self.lookup(name, false).unwrap().inode().metadata()
    }
    pub fn mkdir(&self, name: &str) -> Result<()> {
        names::mkdir(&self.ctx(), Base::Cwd, name.as_bytes(), 0o777)
    }
    pub fn symlink(&self, text: &str, name: &str) -> Result<()> {
        names::symlink(&self.ctx(), text.as_bytes(), Base::Cwd, name.as_bytes())
    }
    pub fn link(&self, old: &str, new: &str) -> Result<()> {
        let old = self.lookup(old, false)?;
        names::link(&self.ctx(), &old, Base::Cwd, new.as_bytes())
    }
    pub fn unlink(&self, name: &str) -> Result<()> {
        names::unlink(&self.ctx(), Base::Cwd, name.as_bytes())
    }
    pub fn rmdir(&self, name: &str) -> Result<()> {
        names::rmdir(&self.ctx(), Base::Cwd, name.as_bytes())
    }
    pub fn rename(&self, old: &str, new: &str, flags: u32) -> Result<()> {
        names::rename(&self.ctx(), (Base::Cwd, old.as_bytes()), (Base::Cwd, new.as_bytes()), flags)
    }
    pub fn chdir(&self, name: &str) {
        *self.info.cwd.borrow_mut() = self.find(name);
    }
    pub fn read_link(&self, name: &str) -> Result<String> {
        let text = self.lookup(name, false)?.inode().read_link(&self.ctx())?;
        Ok(String::from_utf8(text).unwrap())
    }

    pub fn open(&self, name: &str, flags: u32) -> Result<Rc<File>> {
        open::open_now(&self.ctx(), Base::Cwd, name.as_bytes(), flags, 0o666)
    }
    /// Makes a file with this content.
    pub fn put(&self, name: &str, content: &[u8]) {
        let file = self.open(name, raw::O_CREAT | raw::O_TRUNC | raw::O_WRONLY).unwrap();
        assert_eq!(self.write(&file, content), Ok(content.len()));
    }
    /// The content of a file.
    pub fn get(&self, name: &str) -> Vec<u8> {
        let file = self.open(name, raw::O_RDONLY).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let mut all = Vec::new();
        loop {
            match self.read(&file, 1000).unwrap() {
                chunk if chunk.is_empty() => return all,
                chunk => all.extend(chunk),
            }
        }
    }
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.get(name)).unwrap()
    }

    /// Reads once, without waiting.
    pub fn read(&self, file: &File, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let n = file.try_read(&*self.user, &mut &mut bytes[..], None, false)?;
        bytes.truncate(n);
        Ok(bytes)
    }
    pub fn read_at(&self, file: &File, at: u64, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let n = file.try_read(&*self.user, &mut &mut bytes[..], Some(at), false)?;
        bytes.truncate(n);
        Ok(bytes)
    }
    /// Writes once, without waiting.
    pub fn write(&self, file: &File, bytes: &[u8]) -> Result<usize> {
        file.try_write(&*self.user, &mut &bytes[..], None)
    }
    pub fn write_at(&self, file: &File, at: u64, bytes: &[u8]) -> Result<usize> {
        file.try_write(&*self.user, &mut &bytes[..], Some(at))
    }

    /// The names in a directory, sorted, without `.` and `..`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let name = if name.is_empty() { "/" } else { name };
        let dir = self.open(name, raw::O_RDONLY | raw::O_DIRECTORY).unwrap();
        let mut found = Vec::new();
        let each = &mut |entry: crate::fs::inode::DirEntry<'_>| {
            found.push(String::from_utf8(entry.name.to_vec()).unwrap());
            true
        };
        dir.read_dir(&self.ctx(), each).unwrap();
        assert_eq!(found[..2], [".", ".."]);
        found.drain(..2);
        found.sort();
        found
    }

    /// Starts a task that puts what `future` gives into the result, and runs what is ready.
    pub fn start<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Outcome<T> {
        let outcome = Outcome(Rc::new(RefCell::new(None)));
        let slot = outcome.clone();
        self.executor.spawn(async move { *slot.0.borrow_mut() = Some(future.await) }).unwrap();
        self.executor.run_ready();
        outcome
    }

    pub fn run(&self) {
        self.executor.run_ready();
    }
}

/// What a task gives, once it has ended.
pub(crate) struct Outcome<T>(Rc<RefCell<Option<T>>>);

impl<T> Clone for Outcome<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Outcome<T> {
    pub fn is_pending(&self) -> bool {
        self.0.borrow().is_none()
    }
    pub fn take(&self) -> T {
        self.0.take().expect("the task still waits")
    }
}
