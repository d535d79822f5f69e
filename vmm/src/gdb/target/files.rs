//! Files of the machine, for gdb's symbols: `vFile` packets (GDB manual, "Host I/O Packets"). To read only.

use super::Target;
use crate::debug::debuggee::{Error, File};
use crate::debug::thread::Process;
use gdbstub::target::ext::host_io::{
    FsKind, HostIo, HostIoClose, HostIoCloseOps, HostIoErrno, HostIoError, HostIoFstat, HostIoFstatOps,
    HostIoOpen, HostIoOpenFlags, HostIoOpenMode, HostIoOpenOps, HostIoPread, HostIoPreadOps, HostIoReadlink,
    HostIoReadlinkOps, HostIoResult, HostIoSetfs, HostIoSetfsOps, HostIoStat,
};
use std::collections::BTreeMap;

/// The file of a process whose program's file nobody knows: a program of no code. gdb takes from it what kind of CPU this is.
const NO_PROGRAM: &str = "/no program known";
/// What gdb is told to read then. It is not to look among files of the host's, where its user may have those of the guest (`set sysroot`).
pub const AT_NO_PROGRAM: &str = "target:/no program known";

/// The header of an ELF file for x86-64, and nothing else (System V ABI, chapter 4).
const EMPTY_PROGRAM: [u8; 64] = {
    let mut header = [0; 64];
    let start = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01";
    let mut at = 0;
    while at < start.len() {
        header[at] = start[at];
        at += 1;
    }
    // Sizes of this header, of a program header and of a section header.
    header[52] = 64;
    header[54] = 56;
    header[58] = 64;
    header
};

/// As many as gdb may have open at a time.
const MOST: usize = 256;
const BLOCK: u64 = 512;

/// The files that gdb has open, and whose it means by a path.
#[derive(Default)]
pub struct Files {
    open: BTreeMap<u32, Box<dyn File>>,
    /// The process as which gdb sees files; `None` is "the stub", which has none of its own: the current process's then.
    of: Option<Process>,
}

impl Target<'_> {
    fn files_of(&self) -> Process {
        self.files.of.unwrap_or(self.current.process)
    }

    fn file(&mut self, number: u32) -> Result<&mut Box<dyn File>, HostIoError<Error>> {
        self.files.open.get_mut(&number).ok_or(HostIoError::Errno(HostIoErrno::EBADF))
    }
}

impl HostIo for Target<'_> {
    fn support_open(&mut self) -> Option<HostIoOpenOps<'_, Self>> {
        Some(self)
    }

    fn support_close(&mut self) -> Option<HostIoCloseOps<'_, Self>> {
        Some(self)
    }

    fn support_pread(&mut self) -> Option<HostIoPreadOps<'_, Self>> {
        Some(self)
    }

    fn support_fstat(&mut self) -> Option<HostIoFstatOps<'_, Self>> {
        Some(self)
    }

    fn support_readlink(&mut self) -> Option<HostIoReadlinkOps<'_, Self>> {
        Some(self)
    }

    fn support_setfs(&mut self) -> Option<HostIoSetfsOps<'_, Self>> {
        Some(self)
    }
}

impl HostIoOpen for Target<'_> {
    fn open(&mut self, path: &[u8], flags: HostIoOpenFlags, _: HostIoOpenMode) -> HostIoResult<u32, Self> {
        if !flags.is_empty() {
            return Err(HostIoError::Errno(HostIoErrno::EROFS));
        }
        if self.files.open.len() >= MOST {
            return Err(HostIoError::Errno(HostIoErrno::EMFILE));
        }
        let process = self.files_of();
        let file: Box<dyn File> = match text(path)? {
            NO_PROGRAM => Box::new(EmptyProgram),
            path => self.debuggee().open(process, path).map_err(not_found)?,
        };
        let free = (0..).find(|number| !self.files.open.contains_key(number)).unwrap_or_default();
        self.files.open.insert(free, file);
        Ok(free)
    }
}

impl HostIoClose for Target<'_> {
    fn close(&mut self, number: u32) -> HostIoResult<(), Self> {
        self.files.open.remove(&number).map(drop).ok_or(HostIoError::Errno(HostIoErrno::EBADF))
    }
}

impl HostIoPread for Target<'_> {
    fn pread(
        &mut self,
        number: u32,
        count: usize,
        offset: u64,
        into: &mut [u8],
    ) -> HostIoResult<usize, Self> {
        let count = count.min(into.len()).min(super::READ);
        let read = self.file(number)?.read(offset, &mut into[..count]);
        read.map(|read| read.min(count)).map_err(|_| HostIoError::Errno(HostIoErrno::EIO))
    }
}

impl HostIoFstat for Target<'_> {
    fn fstat(&mut self, number: u32) -> HostIoResult<HostIoStat, Self> {
        let size = self.file(number)?.size();
        Ok(HostIoStat {
            st_dev: 0,
            st_ino: 0,
            st_mode: HostIoOpenMode::S_IFREG | HostIoOpenMode::S_IRUSR,
            st_nlink: 1,
            st_uid: 0,
            st_gid: 0,
            st_rdev: 0,
            st_size: size,
            st_blksize: BLOCK,
            st_blocks: size.div_ceil(BLOCK),
            st_atime: 0,
            st_mtime: 0,
            st_ctime: 0,
        })
    }
}

impl HostIoReadlink for Target<'_> {
    fn readlink(&mut self, path: &[u8], into: &mut [u8]) -> HostIoResult<usize, Self> {
        let process = self.files_of();
        let target = self.debuggee().read_link(process, text(path)?).map_err(not_found)?;
        Ok(super::part(target.as_bytes(), 0, super::READ, into))
    }
}

impl HostIoSetfs for Target<'_> {
    fn setfs(&mut self, whose: FsKind) -> HostIoResult<(), Self> {
        self.files.of = match whose {
            FsKind::Stub => None,
            FsKind::Pid(pid) => {
                Some(Process(u32::try_from(pid.get()).map_err(|_| HostIoError::Errno(HostIoErrno::EINVAL))?))
            }
        };
        Ok(())
    }
}

struct EmptyProgram;

impl File for EmptyProgram {
    fn size(&self) -> u64 {
        EMPTY_PROGRAM.len() as u64
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        Ok(super::part(&EMPTY_PROGRAM, offset, into.len(), into))
    }
}

fn text(path: &[u8]) -> Result<&str, HostIoError<Error>> {
    std::str::from_utf8(path).map_err(|_| HostIoError::Errno(HostIoErrno::ENOENT))
}

/// Whatever keeps it from being opened.
fn not_found(_: Error) -> HostIoError<Error> {
    HostIoError::Errno(HostIoErrno::ENOENT)
}
