//! `execve` as a whole: find the file, build the new address space beside the old one, and only then change over.

use super::load::{self, Parsed};
use super::script;
use super::stack::{self, Contents};
use crate::errno::Errno;
use crate::fs::context::{FsContext, may};
use crate::fs::path::{self, Base};
use crate::fs::{Dentry, FileKind};
use crate::machine::ThreadState;
use crate::mm::Mm;
use crate::mm::file::{InodePages, MappedFile};
use crate::mm::span::Span;
use crate::process::credentials::Credentials;
use crate::process::{Process, Thread};
use crate::server::Server;
use crate::signal::altstack::AltStack;
use crate::syscall::{Ctx, Outcome};
use alloc::rc::Rc;
use alloc::vec::Vec;
use ukernel_abi::utcb::Regs;

/// A program that is asked for.
pub struct Request {
    pub path: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    pub envp: Vec<Vec<u8>>,
    /// RLIMIT_STACK.
    pub stack_limit: u64,
}

/// A program that is ready to run.
pub struct Ready {
    pub mm: Rc<Mm>,
    pub regs: Regs,
    /// The program's file; of a script, that of its interpreter.
    pub exe: Rc<Dentry>,
    /// The last name of the path that was asked for.
    pub comm: Vec<u8>,
    pub argv: Vec<Vec<u8>>,
    pub envp: Vec<Vec<u8>>,
    pub auxv: Vec<u8>,
}

/// The file at a path, if it may be executed. EACCES for what is no regular file.
fn open_program(
    ctx: &FsContext<'_>,
    base: Base<'_>,
    name: &[u8],
    flags: u32,
) -> Result<(MappedFile, Rc<Dentry>), Errno> {
    let dentry = path::lookup_at(ctx, base, name, flags)?;
    let meta = dentry.inode().metadata();
    match meta.kind {
        FileKind::Regular => ctx.creds.check(&meta, may::EXEC)?,
        FileKind::Symlink => return Err(Errno::ELOOP),
        _ => return Err(Errno::EACCES),
    }
    let path = dentry.path(&ctx.root()).into();
    let file = MappedFile { source: Rc::new(InodePages(dentry.inode().clone())), path, writable: false };
    Ok((file, dentry))
}

fn base_name(path: &[u8]) -> Vec<u8> {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path).to_vec()
}

impl Server {
    /// Builds an address space for a program. Nothing of the caller's has changed if this fails.
    pub fn prepare_program(
        &self,
        ctx: &FsContext<'_>,
        base: Base<'_>,
        flags: u32,
        credentials: &Credentials,
        request: Request,
    ) -> Result<Ready, Errno> {
        let Request { path: file_name, mut argv, envp, stack_limit } = request;
        stack::check_size(&argv, &envp)?;
        let comm = base_name(&file_name);
        let (mut file, mut exe) = open_program(ctx, base, &file_name, flags)?;
        let mut path = file_name.clone();
        let mut depth = 0;
        loop {
            let mut head = [0; script::LINE_MAX];
            let n = load::read_at(&file, 0, &mut head)?;
            let Some(parsed) = script::parse(&head[..n]) else { break };
            if depth == script::MAX_DEPTH {
                return Err(Errno::ELOOP);
            }
            depth += 1;
            let parsed = parsed?;
            argv = script::arguments(&parsed, &path, &argv);
            path = parsed.interpreter;
            (file, exe) = open_program(ctx, Base::Cwd, &path, 0)?;
        }
        stack::check_size(&argv, &envp)?;
        let program = Parsed::new(file)?;
        let interpreter = match program.interpreter()? {
            Some(name) => Some(Parsed::new(open_program(ctx, Base::Cwd, &name, 0)?.0)?),
            None => None,
        };
        let mm = Mm::new(self.frames.clone(), self.machine.clone());
        {
            let mut space = mm.space.borrow_mut();
            space.stack_limit = stack_limit.min(MAX_STACK);
            space.mmap_top = mmap_top(space.stack_limit);
        }
        if let Some(trampoline) = &self.trampoline {
            trampoline.map(&mut mm.space.borrow_mut())?;
        }
        let loaded = load::load(&mm, &program, interpreter.as_ref())?;
        let mut random = [0; 16];
        self.random.borrow_mut().fill(&mut random);
        let stack = stack::build(
            &mm,
            &Contents {
                argv: &argv,
                envp: &envp,
                file_name: &file_name,
                loaded: &loaded,
                credentials,
                random,
                hwcap: self.machine.hwcap(),
            },
        )?;
        {
            let mut space = mm.space.borrow_mut();
            (space.brk_start, space.brk) = (loaded.end, loaded.end);
        }
        let regs = Regs { rip: loaded.start, rsp: stack.sp, ..Regs::default() };
        Ok(Ready { mm, regs, exe, comm, argv, envp, auxv: stack.auxv })
    }

    /// Makes the calling thread run a prepared program. It is the only thread of its process afterwards.
    pub fn change_over(self: &Rc<Self>, c: &Ctx, ready: Ready) -> Result<Outcome, Errno> {
        let process = &c.proc;
        let old_l4 = c.thread.l4.get();
        let state = ThreadState::new(ready.regs);
        let old = process.mm();
        // A task of its own, where the old one is somebody else's. This can fail; nothing after it can.
        let new_task = if old.is_shared() { Some(self.machine.new_task(&state)?) } else { None };
        self.end_other_threads(process, &c.thread);
        process.mm.replace(ready.mm.clone());
        ready.mm.enter();
        old.leave();
        match new_task {
            Some(l4) => {
                self.processes.remove_thread(old_l4);
                self.machine.destroy_thread(old_l4);
                old.release_lthread(old_l4.lthread());
                self.renew_task(&old);
                c.thread.l4.set(l4);
                self.processes.add_thread(c.thread.clone(), process.clone());
                ready.mm.set_task(l4);
                self.mm_released(process);
            }
            None => {
                old.space.borrow_mut().drop_pages(Span::all());
                old.space.borrow().task().clear();
                ready.mm.adopt_lthread(old_l4.lthread());
                ready.mm.set_task(old_l4);
                if self.machine.restart(old_l4, &ready.regs).is_err() {
                    self.exit_process(
                        process,
                        crate::process::exit::killed_by(crate::signal::set::Signal::SIGKILL),
                    );
                    return Ok(Outcome::Gone);
                }
            }
        }
        self.become_program(process, &c.thread, &ready);
        self.tell_start(process, &c.thread);
        Ok(Outcome::Resumed)
    }

    /// What else `execve` changes of a process.
    pub fn become_program(&self, process: &Process, thread: &Thread, ready: &Ready) {
        process.actions.borrow_mut().reset_handlers();
        thread.alt_stack.set(AltStack::NONE);
        thread.clear_child_tid.set(0);
        thread.robust_list.set((0, 0));
        thread.restart.set(None);
        let files = process.files();
        // One for `files` here, one for the process.
        if Rc::strong_count(&files) > 2 {
            process.files.replace(Rc::new(files.copy()));
        }
        process.files().exec();
        process.set_comm(&ready.comm);
        *process.exe.borrow_mut() = Some(ready.exe.clone());
        *process.cmdline.borrow_mut() = joined(&ready.argv);
        *process.environ.borrow_mut() = joined(&ready.envp);
        *process.auxv.borrow_mut() = ready.auxv.clone();
        process.has_execed.set(true);
        self.tell_name(process, thread);
    }

    fn end_other_threads(self: &Rc<Self>, process: &Rc<Process>, keep: &Rc<Thread>) {
        let others: Vec<Rc<Thread>> =
            process.threads.borrow().iter().filter(|t| !Rc::ptr_eq(t, keep)).cloned().collect();
        for thread in others {
            process.threads.borrow_mut().retain(|t| !Rc::ptr_eq(t, &thread));
            self.forget_thread(&thread);
            self.machine.destroy_thread(thread.l4.get());
        }
    }
}

/// Strings, each ended by NUL.
fn joined(strings: &[Vec<u8>]) -> Vec<u8> {
    strings.iter().flat_map(|s| s.iter().copied().chain([0])).collect()
}

/// Largest stack that is left room for.
const MAX_STACK: u64 = 1 << 30;

/// Mappings start below the stack, with a gap.
fn mmap_top(stack_limit: u64) -> u64 {
    const GAP: u64 = 1 << 20;
    (stack::STACK_TOP - stack_limit - GAP) & !((2 << 20) - 1)
}
