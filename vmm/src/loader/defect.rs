//! What can be wrong with a kernel's file.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[error("kernel {}: {what}", .path.display())]
pub struct KernelError {
    pub path: PathBuf,
    pub what: Defect,
}

/// What is wrong with a kernel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    #[error("is no kernel, neither an ELF file nor a bzImage: {0}")]
    NoKernel(&'static str),
    #[error("is truncated: {what} would end at byte {end}, but the file has {size}")]
    Truncated { what: &'static str, end: u64, size: u64 },
    #[error("cannot be read: {0}")]
    Read(std::io::ErrorKind),
    #[error("is a 32-bit ELF file; a 64-bit one is needed (x86_64-unknown-none)")]
    Not64,
    #[error("is for another machine (ELF machine {0}); one for x86-64 (62) is needed")]
    Machine(u16),
    #[error("is not an executable with fixed addresses (ELF type {0}, not 2); link it with -no-pie")]
    Type(u16),
    #[error("has a malformed program header table")]
    Headers,
    #[error("has malformed ELF notes")]
    Notes,
    #[error("has no segment to load")]
    NoSegment,
    #[error("has a segment at {start:#x}–{end:#x}, below 1 MiB, where the boot tables are")]
    TooLow { start: u64, end: u64 },
    #[error(
        "has a segment at {start:#x}–{end:#x}, outside the guest's RAM (which ends at {ram:#x}); \
         choose a larger --memory, or link it lower"
    )]
    OutsideRam { start: u64, end: u64, ram: u64 },
    #[error("has no entry point")]
    NoEntry,
    #[error("has its entry point {0:#x} outside its segments, or where the boot page tables do not map it")]
    BadEntry(u64),
    #[error(
        "is a bzImage of boot protocol {}.{:02}; 2.12 is needed, which Linux has since 3.8",
        .0 >> 8, .0 & 0xff
    )]
    Protocol(u16),
    #[error("is a bzImage without a 64-bit entry: of a 32-bit kernel")]
    No64BitEntry,
    #[error("is a bzImage with a malformed setup header: {0}")]
    SetupHeader(&'static str),
    #[error("wants RAM at {start:#x}–{end:#x}, and the guest's ends at {ram:#x}; choose a larger --memory")]
    TooBig { start: u64, end: u64, ram: u64 },
    #[error("takes a command line of {most} bytes at most; there are {length}")]
    CommandLine { length: usize, most: usize },
    #[error("cannot be loaded: {0}")]
    Load(String),
}
