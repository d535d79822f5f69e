//! Where the trampoline and the save areas are: between the stack and the end of what programs may use.
//!
//! An address space has room for as many as there may be L4 threads in a task. Of the save areas only those that are used become memory.

use super::Trampoline;
use crate::errno::Errno;
use crate::frames::Frame;
use crate::mm::file::{MappedFile, PageSource};
use crate::mm::map::{Place, Request};
use crate::mm::space::Space;
use crate::mm::vma::{Backing, Prot};
use crate::mm::{PAGE, TASK_SIZE};
use crate::program::stack::STACK_TOP;
use alloc::rc::Rc;
use ukernel_abi::ThreadId;

const SIZE: u64 = ThreadId::LTHREADS as u64 * PAGE;
const CODE: u64 = TASK_SIZE - 3 * SIZE;
const DATA: u64 = CODE + SIZE;
/// From a thread's code to its save area.
pub const DATA_DISTANCE: u64 = DATA - CODE;
/// Offset of the end of the stack that the gate uses.
pub const STACK_END: u64 = 128;
/// How it is called in `/proc/PID/maps`.
const NAME: &str = "[trampoline]";

const _: () = assert!(CODE >= STACK_TOP && DATA + SIZE <= TASK_SIZE);

/// Where the system calls of an L4 thread go on.
pub const fn entry(lthread: u16) -> u64 {
    CODE + lthread as u64 * PAGE
}

pub const fn save_area(lthread: u16) -> u64 {
    DATA + lthread as u64 * PAGE
}

/// Where in the code an address is, of whichever thread.
pub fn offset_in_code(address: u64) -> Option<u64> {
    (CODE..DATA).contains(&address).then_some(address % PAGE)
}

/// A file of which every page is the same.
struct Everywhere(Frame);

impl PageSource for Everywhere {
    fn page(&self, _index: u64) -> Result<Frame, Errno> {
        Ok(self.0.clone())
    }
    fn size(&self) -> u64 {
        SIZE
    }
    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }
}

impl Trampoline {
    /// Puts it into a new address space.
    pub fn map(&self, space: &mut Space) -> Result<(), Errno> {
        let source = Rc::new(Everywhere(self.frame.clone()));
        let file = MappedFile { source, path: NAME.as_bytes().into(), writable: false };
        let code = (CODE, Prot::READ | Prot::EXEC, Backing::File { file, offset: 0, shared: true }, "");
        let data = (DATA, Prot::READ | Prot::WRITE, Backing::Anonymous, NAME);
        for (address, prot, backing, label) in [code, data] {
            let place = Place::Fixed(address);
            space.mmap(Request {
                place,
                len: SIZE,
                prot,
                backing,
                grows_down: false,
                no_reserve: true,
                label,
            })?;
        }
        Ok(())
    }
}
