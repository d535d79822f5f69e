//! Interrupt lines: who receives their interrupts, and how many it has not received.

use super::kernel::Kernel;
use crate::debug::view::View;
use ukernel_abi::ThreadId;

/// There are 64; a kernel that claims more than this is none.
const MAX: u64 = 1024;
const LINE_MAX: u64 = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    pub number: u8,
    /// Without its version.
    pub owner: ThreadId,
    /// Interrupts that it has not received.
    pub pending: u64,
}

impl Kernel {
    /// The lines to which somebody is attached.
    pub fn lines(&self, view: &dyn View) -> Vec<Line> {
        let at = &self.info().kernel;
        if at.line_count > MAX || at.line_size > LINE_MAX {
            return Vec::new();
        }
        let address = self.info().addresses.kernel.wrapping_add(at.lines);
        let lines = self.record(view, address, (at.line_count * at.line_size) as usize);
        let Some(lines) = lines else { return Vec::new() };
        let line = |number: u8| {
            let line = u64::from(number) * at.line_size;
            Some(Line {
                number,
                owner: self.tcb_id(lines.u64(line.wrapping_add(at.line_owner)))?,
                pending: lines.u64(line.wrapping_add(at.line_pending)),
            })
        };
        (0..at.line_count.min(256)).filter_map(|number| line(number as u8)).collect()
    }
}
