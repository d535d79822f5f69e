//! Files as the source of pages.

use super::PAGE;
use crate::errno::Errno;
use crate::frames::Frame;
use crate::fs::Inode;
use alloc::rc::Rc;

/// Something that has pages which mappings may share.
pub trait PageSource {
    /// The frame of page `index`. Everyone gets the same one: what is written to it is the file's content. EFAULT beyond
    /// the end of the file.
    fn page(&self, index: u64) -> Result<Frame, Errno>;
    /// Bytes in the file.
    fn size(&self) -> u64;
    /// Pages in the file.
    fn pages(&self) -> u64 {
        self.size().div_ceil(PAGE)
    }
    /// Device and inode number.
    fn identity(&self) -> (u64, u64);
}

/// The pages of an inode.
pub struct InodePages(pub Rc<dyn Inode>);

impl PageSource for InodePages {
    fn page(&self, index: u64) -> Result<Frame, Errno> {
        self.0.page(index)
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
