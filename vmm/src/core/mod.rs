//! The core of a guest that has died: a file that has all of its memory and registers, for a debugger to look at.
//!
//! It is an ELF core as Linux writes them, so that plain `gdb KERNEL CORE` shows the kernel's variables and the stacks of its CPUs; and it has notes
//! of our own, by which `ukvmm gdb-core` shows all that a debugger sees of a running machine.
//!
//! ```text
//! ELF header, program headers
//! notes       for each vCPU and each L4 thread: registers as Linux writes them, those of the vCPU that died first
//!             for each vCPU: all that a View knows of it    (name UKVMM, type 0x554b0002)
//!             the manifest                                  (name UKVMM, type 0x554b0001)
//! RAM         each range once, from a page boundary on; pages of zeroes are holes
//! ```
//!
//! A program header of type PT_LOAD says what of RAM is at which address of the kernel's. Several may be about the same bytes of the file.
//! (gABI, chapter 5; what Linux writes: `fs/binfmt_elf.c`; QEMU, `dump/dump.c`, lays out its cores of guests alike.)
//!
//! - [`note`], [`linux`], [`vcpu`], [`manifest`]: what is in the notes
//! - [`space`]: the kernel's address space
//! - [`wish`]: `--core FILE`; [`dead`]: the machine that is to be written
//! - [`layout`]: headers and notes; [`write`]: all of it into a file; [`target`]: the file that it is written to
//! - [`open`]: reads a core: a [`View`](crate::debug::view::View); [`find`]: finds the programs that it is of
//! - [`debuggee`]: a core as something to debug; [`pipe`], [`command`]: `ukvmm gdb-core`

pub mod command;
pub mod dead;
pub mod debuggee;
pub mod find;
pub mod layout;
pub mod linux;
pub mod manifest;
pub mod note;
pub mod open;
pub mod pipe;
pub mod space;
pub mod target;
pub mod vcpu;
pub mod wish;
pub mod write;

/// Name and types of our own notes. The types are none of Linux's, because tools that do not know the name go by the type.
const NAME: &str = "UKVMM";
const MANIFEST: u32 = 0x554b_0001;
const VCPU: u32 = 0x554b_0002;

/// What files are made of: guest pages, and the boundary that their bytes are put at.
const PAGE: u64 = 4096;

/// Bytes at most of what is before the RAM.
const HEAD_MAX: u64 = 16 << 20;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
