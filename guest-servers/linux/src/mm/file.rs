//! Files as the source of pages.

use crate::errno::Errno;
use crate::frames::Frame;
use crate::fs::Inode;
use alloc::rc::Rc;

/// Something that has pages which mappings may share.
pub trait PageSource {
    /// The frame of page `index`. Everyone gets the same one: what is written to it is the file's content. EFAULT beyond
    /// the end of the file.
    fn page(&self, index: u64) -> Result<Frame, Errno>;
    /// Whether `page` would neither wait nor allocate.
    fn is_ready(&self, index: u64) -> bool;
    /// Bytes in the file.
    fn size(&self) -> u64;
    /// Device and inode number.
    fn identity(&self) -> (u64, u64);
}

/// The pages of an inode.
pub struct InodePages(pub Rc<dyn Inode>);

impl PageSource for InodePages {
    fn page(&self, index: u64) -> Result<Frame, Errno> {
        self.0.page(index)
    }
    fn is_ready(&self, index: u64) -> bool {
        index.checked_mul(super::PAGE).is_some_and(|start| start < self.size())
    }
    fn size(&self) -> u64 {
        self.0.metadata().size
    }
    fn identity(&self) -> (u64, u64) {
        let meta = self.0.metadata();
        (meta.device.0, meta.inode)
    }
}

/// A file that is mapped somewhere.
#[derive(Clone)]
pub struct MappedFile {
    pub source: Rc<dyn PageSource>,
    /// As `/proc/PID/maps` shows it.
    pub path: Rc<[u8]>,
    /// Whether it was opened for writing: a shared mapping may be made writable later.
    pub writable: bool,
}
