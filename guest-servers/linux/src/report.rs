//! What a debugger asks (`vmm_abi::report`): files and folders, as a process sees them.
//!
//! This runs on a copy of the server's memory while the machine stands still, so it may allocate and count as everything else does;
//! but it must not ask the µ-kernel or another server for anything, and it does not wait.

use crate::errno::{Errno, Result};
use crate::fs::context::FsInfo;
use crate::fs::file::Io;
use crate::fs::path::{self, Base};
use crate::fs::{Credentials, Dentry, FileKind, FsContext, dirent};
use crate::process::Pid;
use crate::process::outsider::Outsider;
use crate::server::Server;
use alloc::rc::Rc;
use core::cell::Cell;
use linux_raw_sys::general::O_RDONLY;
use vmm_abi::report::{Answer, Entry, Operation, Request};

/// Answers a request: puts the answer into `out`, and returns how long it is.
pub fn answer(server: &Server, request: &[u8], out: &mut [u8]) -> usize {
    let Some((header, bytes)) = out.split_at_mut_checked(Answer::SIZE) else { return 0 };
    let result = Request::decode(request).ok_or(Errno::EINVAL).and_then(|r| perform(server, &r, bytes));
    let (answer, len) =
        result.unwrap_or_else(|e| (Answer { error: e.number().into(), ..Answer::default() }, 0));
    header.copy_from_slice(&answer.encode());
    header.len() + len
}

/// The answer, and how many bytes of `out` belong to it.
fn perform(server: &Server, request: &Request<'_>, out: &mut [u8]) -> Result<(Answer, usize)> {
    let process = Pid::try_from(request.process).ok().and_then(|pid| server.processes.get(pid));
    let caller =
        Outsider::new(process.as_ref().map_or(0, |p| p.pid), server.machine.clone(), server.timers.clone());
    let info = process.map_or_else(|| Rc::new(FsInfo::new(server.vfs.root().clone())), |p| p.fs());
    let ctx = FsContext { vfs: &server.vfs, info: &info, creds: &Credentials::ROOT, caller: &caller };
    let dentry = path::lookup(&ctx, Base::Cwd, request.path, request.operation != Operation::Link)?;
    let meta = dentry.inode().metadata();
    let (next, len) = match request.operation {
        Operation::Read => {
            let len = read(&ctx, &dentry, request.offset, out)?;
            (request.offset + len as u64, len)
        }
        Operation::List => list(&ctx, &dentry, request.offset, out)?,
        Operation::Link => {
            let target = dentry.inode().read_link(&ctx)?;
            out.get_mut(..target.len()).ok_or(Errno::ERANGE)?.copy_from_slice(&target);
            (request.offset, target.len())
        }
    };
    Ok((Answer { error: 0, mode: meta.mode(), size: meta.size, next }, len))
}

/// Reads a regular file. Others are left alone: reading from them would wait, or mean something.
fn read(ctx: &FsContext<'_>, dentry: &Rc<Dentry>, offset: u64, out: &mut [u8]) -> Result<usize> {
    match dentry.inode().metadata().kind {
        FileKind::Regular => {}
        FileKind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    let file = dentry.inode().clone().open(O_RDONLY, ctx)?;
    let mut done = 0;
    while done < out.len() {
        let offset = offset.checked_add(done as u64).ok_or(Errno::EINVAL)?;
        let io = Io { caller: ctx.caller, offset, timed_out: false };
        match file.read(&io, &mut &mut out[done..])? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// Lists a folder. Where to go on, and how many bytes there are.
fn list(ctx: &FsContext<'_>, dentry: &Rc<Dentry>, from: u64, out: &mut [u8]) -> Result<(u64, usize)> {
    let position = Cell::new(from);
    let room = out.len();
    let mut rest = Some(out);
    let mut left = room;
    dirent::read_dir(dentry, &position, ctx, &mut |entry| {
        let entry = Entry { mode: entry.kind.mode_bits(), name: entry.name };
        let Some(place) = rest.take_if(|place| 8 + entry.name.len() <= place.len()) else { return false };
        rest = entry.put(place);
        left = rest.as_ref().map_or(0, |rest| rest.len());
        true
    })?;
    Ok((position.get(), room - left))
}
