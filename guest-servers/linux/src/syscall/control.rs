//! Calls that change what the caller's thread is: exit, execve, rt_sigreturn.

use super::args::Arg::{DirFd, Hex, Int, Str, StrVec};
use super::{Ctx, Entry, Outcome};
use crate::errno::Errno;
use crate::fs::FsContext;
use crate::fs::path::Base;
use crate::mm::user::UserMemory;
use crate::process::exit::exited;
use crate::program::exec::Request;
use crate::program::stack::{ARG_MAX_LEN, ARGS_MAX};
use crate::signal::frame;
use crate::signal::info::SigInfo;
use crate::signal::set::Signal;
use crate::trampoline::Doing;
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::control(__NR_execve, "execve", &[Str, StrVec, StrVec], execve),
    Entry::control(__NR_execveat, "execveat", &[DirFd, Str, StrVec, StrVec, Hex], execveat),
    Entry::control(__NR_exit, "exit", &[Int], exit),
    Entry::control(__NR_exit_group, "exit_group", &[Int], exit_group),
    Entry::control(__NR_rt_sigreturn, "rt_sigreturn", &[], rt_sigreturn),
];

fn exit(c: &Ctx) -> Outcome {
    c.server.exit_thread(&c.thread, c.args[0]);
    Outcome::Gone
}

fn exit_group(c: &Ctx) -> Outcome {
    c.server.exit_process(&c.proc, exited(c.args[0]));
    Outcome::Gone
}

fn execve(c: &Ctx) -> Outcome {
    match exec(c, AT_FDCWD, [c.args[0], c.args[1], c.args[2]], 0) {
        Ok(outcome) => outcome,
        Err(e) => Outcome::Return(Err(e)),
    }
}

fn execveat(c: &Ctx) -> Outcome {
    match exec(c, c.int(0), [c.args[1], c.args[2], c.args[3]], c.uint(4)) {
        Ok(outcome) => outcome,
        Err(e) => Outcome::Return(Err(e)),
    }
}

fn exec(c: &Ctx, dirfd: i32, [path, argv, envp]: [u64; 3], flags: u32) -> Result<Outcome, Errno> {
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let memory = c.user();
    let mut budget = ARGS_MAX;
    let request = Request {
        path: memory.read_path(path)?,
        argv: strings(&memory, argv, &mut budget)?,
        envp: strings(&memory, envp, &mut budget)?,
        stack_limit: c.proc.limits.borrow().stack(),
    };
    let credentials = c.proc.credentials.borrow().clone();
    let (creds, info, files) = (credentials.for_files(), c.proc.fs(), c.proc.files());
    let ctx = FsContext { vfs: &c.server.vfs, info: &info, creds: &creds, caller: c };
    let ready = c.server.prepare_program(&ctx, Base::at(&files, dirfd), flags, &credentials, request)?;
    drop(files);
    c.server.change_over(c, ready)
}

/// A NULL-terminated array of strings, of which there may be as much as `budget` has left. A null pointer is an empty array.
fn strings(memory: &UserMemory, addr: u64, budget: &mut usize) -> Result<Vec<Vec<u8>>, Errno> {
    let mut out = Vec::new();
    if addr == 0 {
        return Ok(out);
    }
    let mut at = addr;
    loop {
        let pointer = memory.read_u64(at)?;
        if pointer == 0 {
            return Ok(out);
        }
        let s = memory.read_str(pointer, ARG_MAX_LEN).map_err(too_long)?;
        *budget = budget.checked_sub(s.len() + 1 + 8).ok_or(Errno::E2BIG)?;
        out.push(s);
        at = at.checked_add(8).ok_or(Errno::EFAULT)?;
    }
}

fn too_long(e: Errno) -> Errno {
    if e == Errno::ENAMETOOLONG { Errno::E2BIG } else { e }
}

fn rt_sigreturn(c: &Ctx) -> Outcome {
    let restored = c
        .server
        .program_regs(&c.thread, &c.proc, Doing::Call)
        .and_then(|regs| frame::pop(&c.user(), regs.rsp));
    match restored {
        Ok(r) => {
            c.thread.mask.set(r.mask);
            if let Ok(alt) = r.alt {
                c.thread.alt_stack.set(alt);
            }
            Outcome::State(r.state)
        }
        Err(_) => {
            c.server.force_signal(&c.thread, &c.proc, SigInfo::kernel(Signal::SIGSEGV));
            Outcome::Return(Ok(0))
        }
    }
}
