//! The mapping database: who has a page from whom.
//!
//! Each page-table entry that maps a page has a node, written down in the frame behind the table's; a node knows the one it comes from.

use super::kernel::Kernel;
use super::paging::{self, PAGE, Page};
use crate::debug::view::View;
use std::collections::HashSet;

/// One who has a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The task; `None` if it is none that can be found.
    pub task: Option<u16>,
    /// Where it has it.
    pub address: u64,
    pub page: Page,
}

/// Where a page comes from, and who has it further on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// From the one asked about up to σ0.
    pub holders: Vec<Holder>,
    /// Tasks that have it directly from the one asked about.
    pub receivers: Vec<Holder>,
    /// There are more receivers.
    pub more: bool,
}

const RECEIVERS_MAX: usize = 64;
/// Nodes that are looked at.
const STEPS_MAX: usize = 1 << 12;
/// Pages of a superpage that somebody may have singly.
const PARTS: u64 = 512;

/// Tasks by the control frames of their spaces.
struct Owners(Vec<(u64, u16)>);

impl Kernel {
    /// Where the page that is mapped at `va` in the space of page-table root `root` comes from. `None` if nothing is mapped there, or by the kernel itself.
    pub fn chain(&self, view: &dyn View, root: u64, va: u64) -> Option<Chain> {
        let page = paging::translate(view, root, va)?;
        let owners = Owners(self.tasks(view).iter().map(|task| (task.space, task.number)).collect());
        let mut node = self.node_at(view, page.entry)?;
        let (receivers, more) = self.receivers(view, &owners, node);
        let mut seen = HashSet::new();
        let mut holders = Vec::new();
        while seen.len() < STEPS_MAX && seen.insert(node) {
            let Some(holder) = self.holder(view, &owners, node) else { break };
            holders.push(holder);
            match self.node_word(view, node, self.info().mapping.parent) {
                Some(parent) if parent != 0 => node = parent,
                _ => break,
            }
        }
        (!holders.is_empty()).then_some(Chain { holders, receivers, more })
    }

    /// The node of a page-table entry.
    fn node_at(&self, view: &dyn View, entry: u64) -> Option<u64> {
        let node = view.read_u64(entry.checked_add(self.info().mapping.companion)?).ok()?;
        // What is there behind another table is no node of this entry.
        (self.node_word(view, node, self.info().mapping.slot)? == entry).then_some(node)
    }

    fn node_word(&self, view: &dyn View, node: u64, field: u64) -> Option<u64> {
        view.read_u64(node.checked_add(field)?).ok()
    }

    fn holder(&self, view: &dyn View, owners: &Owners, node: u64) -> Option<Holder> {
        let at = &self.info().mapping;
        let slab = node & !(PAGE - 1);
        let space = self.node_word(view, slab, at.slab_space)?;
        let address = self.node_word(view, node, at.page)? & !(PAGE - 1);
        let root = self.node_word(view, space, at.root)?;
        let task = owners.0.iter().find(|(frame, _)| *frame == space).map(|(_, task)| *task);
        Some(Holder { task, address, page: paging::translate(view, root, address)? })
    }

    fn receivers(&self, view: &dyn View, owners: &Owners, node: u64) -> (Vec<Holder>, bool) {
        let at = &self.info().mapping;
        let word = |node, field| self.node_word(view, node, field).unwrap_or(0);
        let mut heads = vec![word(node, at.children)];
        let is_superpage = word(node, at.page) & 1 != 0;
        let index = if is_superpage { word(node, at.index) } else { 0 };
        if index != 0 {
            heads.extend((0..PARTS).map(|part| word(index, part * 8)));
        }
        let mut receivers = Vec::new();
        let mut seen = HashSet::new();
        for mut child in heads {
            while child != 0 && seen.len() < STEPS_MAX && seen.insert(child) {
                if receivers.len() == RECEIVERS_MAX {
                    return (receivers, true);
                }
                receivers.extend(self.holder(view, owners, child));
                child = word(child, at.next);
            }
        }
        (receivers, false)
    }
}
