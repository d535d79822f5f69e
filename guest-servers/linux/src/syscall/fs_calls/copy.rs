//! Copying from file to file without going through the program.

use crate::errno::{Errno, Result};
use crate::fs::poll::{TURN, take_turns};
use crate::fs::{File, FileKind};
use crate::syscall::args::Arg::{Fd, Hex, Ptr, Uint};
use crate::syscall::{Ctx, Entry, Pending, SysResult};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::wait(__NR_sendfile, "sendfile", &[Fd, Fd, Ptr, Uint], sendfile),
    Entry::wait(__NR_copy_file_range, "copy_file_range", &[Fd, Ptr, Fd, Ptr, Uint, Hex], copy_file_range),
];

/// Bytes that are copied in one step.
const BLOCK: usize = 16 << 10;

/// One side of a copy: a file, and a position of the call's own or the file's.
struct Side {
    file: Rc<File>,
    at: Option<u64>,
    /// Where the program wants to be told the position.
    told: u64,
}

impl Side {
    fn new(c: &Ctx, fd: usize, pointer: u64) -> Result<Self> {
        let file = c.proc.files().get_open(c.int(fd))?;
        if pointer == 0 {
            return Ok(Self { file, at: None, told: 0 });
        }
        let at = c.user().read_u64(pointer)?;
        if at as i64 >= 0 { Ok(Self { file, at: Some(at), told: pointer }) } else { Err(Errno::EINVAL) }
    }

    fn advance(&mut self, n: usize) {
        if let Some(at) = &mut self.at {
            *at += n as u64;
        }
    }

    fn tell(&self, c: &Ctx) -> Result<()> {
        match self.at {
            Some(at) => c.user().write_u64(self.told, at),
            None => Ok(()),
        }
    }
}

fn sendfile(c: Ctx) -> Pending {
    Box::pin(async move {
        let mut to = Side::new(&c, 0, 0)?;
        let mut from = Side::new(&c, 1, c.args[2])?;
        if !from.file.is_readable() || !to.file.is_writable() {
            return Err(Errno::EBADF);
        }
        if !from.file.ops().is_seekable() || from.file.kind() == FileKind::Directory {
            return Err(Errno::EINVAL);
        }
        if to.file.flags() & O_APPEND != 0 {
            return Err(Errno::EINVAL);
        }
        copy(&c, &mut from, &mut to, c.args[3]).await
    })
}

fn copy_file_range(c: Ctx) -> Pending {
    Box::pin(async move {
        if c.uint(5) != 0 {
            return Err(Errno::EINVAL);
        }
        let mut from = Side::new(&c, 0, c.args[1])?;
        let mut to = Side::new(&c, 2, c.args[3])?;
        for side in [&from, &to] {
            match side.file.kind() {
                FileKind::Regular => {}
                FileKind::Directory => return Err(Errno::EISDIR),
                _ => return Err(Errno::EINVAL),
            }
        }
        if !from.file.is_readable() || !to.file.is_writable() || to.file.flags() & O_APPEND != 0 {
            return Err(Errno::EBADF);
        }
        let start = |side: &Side| side.at.unwrap_or(side.file.offset());
        let same = Rc::ptr_eq(from.file.dentry().inode(), to.file.dentry().inode());
        if same && start(&from).abs_diff(start(&to)) < c.args[4] {
            return Err(Errno::EINVAL);
        }
        copy(&c, &mut from, &mut to, c.args[4]).await
    })
}

/// Copies up to `count` bytes. What was copied before an error counts.
async fn copy(c: &Ctx, from: &mut Side, to: &mut Side, count: u64) -> SysResult {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX).min(crate::mm::user::MAX_RW_COUNT);
    let mut block = vec![0; BLOCK];
    let (mut done, mut since_turn) = (0, 0);
    while left > 0 {
        let n = match step(c, from, to, &mut block[..left.min(BLOCK)]).await {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        };
        done += n as u64;
        left -= n;
        since_turn += n;
        if since_turn >= TURN {
            since_turn = 0;
            if take_turns(c).await.is_err() {
                break;
            }
        }
    }
    from.tell(c)?;
    to.tell(c)?;
    Ok(done)
}

async fn step(c: &Ctx, from: &mut Side, to: &mut Side, block: &mut [u8]) -> Result<usize> {
    let before = from.file.offset();
    let read = from.file.read(c, &mut &mut block[..], from.at).await?;
    let result = to.file.write(c, &mut &block[..read], to.at).await;
    let written = *result.as_ref().unwrap_or(&0);
    from.advance(written);
    to.advance(written);
    if from.at.is_none() && written < read {
        // What could not be written has not been read.
        from.file.set_offset(before + written as u64);
    }
    result
}
