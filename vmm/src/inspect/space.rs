//! What a task has: memory, ports, interrupt lines, and kernel memory.

use super::kernel::Kernel;
use super::paging::{self, Page};
use super::task::Task;
use crate::debug::view::View;
use ukernel_abi::layout;

/// Pages side by side, of the same size and rights, in virtual and in physical memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// The first page; rights and size are those of all.
    pub page: Page,
}

impl Range {
    fn goes_on(&self, va: u64, page: &Page) -> bool {
        let same = |p: &Page| (p.size, p.writable, p.user, p.executable);
        va == self.start + self.length
            && self.page.frame.checked_add(self.length) == Some(page.frame)
            && same(page) == same(&self.page)
    }
}

/// What a task may do and use besides memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Means {
    /// Frames of kernel memory that it may use, with all tasks below it, and that are in use.
    pub limit: u64,
    pub used: u64,
    /// Bit n: it may attach to interrupt line n.
    pub lines: u64,
    /// Number of I/O ports.
    pub ports: u32,
}

/// End of what is in a task's own half of the address space.
const USER_HALF: u64 = 1 << 47;
const PORT_BITMAP: usize = 65536 / 8;

impl Kernel {
    /// What is mapped in the space of page-table root `root`, up to `most` ranges; and whether that is all. What the kernel has there for all tasks is left out.
    pub fn ranges(&self, view: &dyn View, root: u64, most: usize) -> (Vec<Range>, bool) {
        let mut ranges: Vec<Range> = Vec::new();
        let mut is_all = true;
        // The gate page and the KIP are the same in all spaces.
        let end = layout::GATE & !((1 << 39) - 1);
        paging::for_each_page(view, root, end.min(USER_HALF), &mut |va, page| {
            let is_full = ranges.len() == most;
            match ranges.last_mut().filter(|last| last.goes_on(va, &page)) {
                Some(last) => last.length += page.size,
                None if is_full => is_all = false,
                None => ranges.push(Range { start: va, length: page.size, page }),
            }
            is_all
        });
        (ranges, is_all)
    }

    /// What `task` may do.
    pub fn means(&self, view: &dyn View, task: &Task) -> Option<Means> {
        let at = &self.info().mapping;
        let word = |field: u64| view.read_u64(task.space.checked_add(field)?).ok();
        Some(Means {
            limit: word(at.limit)?,
            used: word(at.used)?,
            lines: word(at.lines)?,
            ports: count_ports(view, word(at.ports)?),
        })
    }
}

/// A clear bit allows a port.
fn count_ports(view: &dyn View, bitmap: u64) -> u32 {
    let mut bytes = [0xff; PORT_BITMAP];
    if bitmap == 0 || view.read(bitmap, &mut bytes).is_err() {
        return 0;
    }
    bytes.iter().map(|byte| byte.count_zeros()).sum()
}
