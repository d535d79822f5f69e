//! One page to where nothing is: the answer to most page faults, without the generality of `transfer`.

use super::machine::{Machine, VirtAddr};
use super::space::{Mem, Space};
use super::window::memory;
use ukernel_abi::layout::USER_END;
use ukernel_abi::{Fpage, MapItem, Rights};

impl<M: Machine> Mem<M> {
    /// Maps a page, if the item is one page to be mapped, not granted, the sender has it, the receiver has the table for it and nothing there.
    /// Else nothing happens, and the item is a matter for [`Mem::transfer`].
    #[inline(always)]
    pub(super) fn map_page(&self, from: Space, item: MapItem, to: Space, window: Fpage) -> Option<()> {
        /// Kind, size, reserved bit and the right to read.
        const FORM: u64 = 0xffc;
        const PAGE: u64 = Fpage::memory(0, 12, Rights::R).0;
        let src = VirtAddr(item.snd.0 & !0xfff);
        let dst = if window == Fpage::ALL {
            // The answer to a fault. What is beyond the window is beyond `USER_END`, too.
            item.base
        } else {
            let window = memory(window)?;
            window.base | item.base & (window.size - 1)
        };
        let dst = VirtAddr(dst & !0xfff);
        if item.snd.0 & FORM != PAGE || item.is_grant() || src.0 >= USER_END || dst.0 >= USER_END {
            return None;
        }
        let leaf = self.find(from, src).ok()?;
        let slot = self.empty_slot(to, dst)?;
        let offset = if leaf.entry.is_superpage() { src.in_superpage() } else { 0 };
        let entry = leaf.entry.part(offset, false, item.snd.rights());
        let parent = self.node_of(leaf);
        let head = self.head_for(parent, leaf.entry, entry).ok()?;
        self.add_child(to, parent, head, slot, dst, entry).ok()
    }
}
