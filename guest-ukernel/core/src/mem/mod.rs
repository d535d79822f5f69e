//! The memory half of the µ-kernel: frames, page tables, spaces, and the mapping database.
//!
//! Every leaf that maps user memory has a node. Nodes form trees: σ0's own mappings are the roots, and a mapping
//! made from another is its child, so what was given can be taken back from everybody who has it. A child never
//! has more rights than its parent; whoever lacks a right can be passed over with all below it when that right is taken.
//!
//! No step depends on how much is mapped: a leaf's node is found through the frame beside its table, a node's leaf
//! through the node, and trees are walked without recursion (programs can make them as deep as they like).
//!
//! - [`machine`]: addresses, and what is needed of the machine
//! - [`frames`]: kernel frames
//! - [`entry`]: page-table entries
//! - [`space`]: address spaces, quotas, interrupt lines
//! - [`tables`]: page-table walks, tables made and freed
//! - [`node`]: mapping nodes and the trees they form
//! - [`take`]: taking rights from a subtree
//! - [`split`]: superpages into pages
//! - [`transfer`]: map and grant
//! - [`page`]: map, in the most frequent case
//! - [`unmap`](mod@unmap): unmap
//! - [`root`]: σ0's mappings, kernel pages
//! - [`io`]: I/O ports and interrupt lines
//! - [`ports`]: the I/O bitmap
//! - [`reach`]: memory that is copied for programs
//! - [`window`]: where a flexpage goes

mod entry;
mod frames;
mod io;
mod machine;
pub(crate) mod node;
mod page;
mod ports;
mod reach;
mod root;
pub(crate) mod space;
mod split;
mod tables;
mod take;
mod transfer;
mod unmap;
mod window;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod model;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Kind};
pub use frames::{Frames, NoMemory};
pub use machine::{Machine, PhysAddr, VirtAddr};
pub use ports::TssTable;
pub use reach::Unreachable;
pub use root::Region;
pub use space::{Mem, Space, Template};
pub use transfer::MapError;
