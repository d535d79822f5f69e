//! What all processes share of the file system: the tree, the frames, the count of open files, the terminal.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::context::FsContext;
use super::dentry::Dentry;
use super::file::FileOps;
use super::metadata::{DeviceId, FileKind};
use crate::errno::{Errno, Result};
use crate::frames::FramePool;

/// Major number of file systems that are on no device.
const ANONYMOUS_MAJOR: u32 = 0;

/// A line of `/proc/mounts`.
#[derive(Clone, Debug)]
pub struct Mount {
    pub source: String,
    pub kind: String,
    pub root: Rc<Dentry>,
}

pub struct Vfs {
    pool: FramePool,
    root: Rc<Dentry>,
    open: OpenFiles,
    mounts: RefCell<Vec<Mount>>,
    /// By kind, as in a mode, and number: a block device and a character device may have the same.
    devices: RefCell<BTreeMap<(u32, DeviceId), Rc<dyn Device>>>,
    next_pipe: Cell<u64>,
    pipe_device: DeviceId,
}

/// What is behind a device's number.
pub trait Device {
    fn open(&self, flags: u32, ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>>;
}

/// Hands out device numbers to file systems.
#[derive(Debug, Default)]
pub struct DeviceNumbers(Cell<u32>);

impl DeviceNumbers {
    pub fn next(&self) -> DeviceId {
        self.0.set(self.0.get() + 1);
        DeviceId::new(ANONYMOUS_MAJOR, self.0.get())
    }
}

impl Vfs {
    /// `root` is the root of the tree, a file system of kind `kind`; at most `max_open` files can be open in all.
    pub fn new(
        pool: FramePool,
        root: Rc<Dentry>,
        kind: &str,
        numbers: &DeviceNumbers,
        max_open: usize,
    ) -> Self {
        let mounts = Vec::from([Mount { source: kind.into(), kind: kind.into(), root: root.clone() }]);
        Self {
            pool,
            root,
            open: OpenFiles(Rc::new(OpenCount { open: Cell::new(0), limit: max_open })),
            mounts: RefCell::new(mounts),
            devices: RefCell::default(),
            next_pipe: Cell::new(1),
            pipe_device: numbers.next(),
        }
    }

    pub fn pool(&self) -> &FramePool {
        &self.pool
    }
    pub fn root(&self) -> &Rc<Dentry> {
        &self.root
    }
    /// The count of open files, of which every [`File`](super::File) takes one.
    pub fn open_files(&self) -> &OpenFiles {
        &self.open
    }

    /// Puts a file system over the directory `at`.
    pub fn mount(&self, at: &Rc<Dentry>, kind: &str, root: Rc<Dentry>) {
        at.mount(&root);
        self.mounts.borrow_mut().push(Mount { source: kind.into(), kind: kind.into(), root });
    }

    /// The text of `/proc/mounts`.
    pub fn mounts_text(&self) -> String {
        let mut text = String::new();
        for mount in self.mounts.borrow().iter() {
            let path = mount.root.path(&self.root);
            text += &format!("{} {} {} rw 0 0\n", mount.source, path.escape_ascii(), mount.kind);
        }
        text
    }

    /// Whether this is the root of a mounted file system.
    pub fn is_mount_root(&self, dentry: &Rc<Dentry>) -> bool {
        self.mounts.borrow().iter().any(|m| Rc::ptr_eq(&m.root, dentry))
    }

    /// Gives the device `number` of this kind its meaning.
    pub fn add_device(&self, kind: FileKind, number: DeviceId, device: Rc<dyn Device>) {
        self.devices.borrow_mut().insert((kind.mode_bits(), number), device);
    }

    /// Opens a device. ENXIO if there is none of this kind with this number.
    pub(super) fn open_device(
        &self,
        kind: FileKind,
        number: DeviceId,
        flags: u32,
        ctx: &FsContext<'_>,
    ) -> Result<Rc<dyn FileOps>> {
        let device = self.devices.borrow().get(&(kind.mode_bits(), number)).cloned();
        device.ok_or(Errno::ENXIO)?.open(flags, ctx)
    }

    /// Identity of a new pipe.
    pub(super) fn next_pipe(&self) -> (DeviceId, u64) {
        let number = self.next_pipe.get();
        self.next_pipe.set(number + 1);
        (self.pipe_device, number)
    }
}

/// How many files are open, and how many may be (`/proc/sys/fs/file-max`).
#[derive(Clone, Debug)]
pub struct OpenFiles(Rc<OpenCount>);

#[derive(Debug)]
struct OpenCount {
    open: Cell<usize>,
    limit: usize,
}

impl OpenFiles {
    /// Takes the place of one open file. ENFILE if there are too many.
    pub fn take(&self) -> Result<OpenSlot> {
        let open = self.0.open.get();
        if open >= self.0.limit {
            return Err(Errno::ENFILE);
        }
        self.0.open.set(open + 1);
        Ok(OpenSlot(self.0.clone()))
    }
    pub fn open(&self) -> usize {
        self.0.open.get()
    }
    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

/// One open file's place in the count.
#[derive(Debug)]
pub struct OpenSlot(Rc<OpenCount>);

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}
