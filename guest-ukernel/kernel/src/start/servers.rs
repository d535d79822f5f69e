//! σ0 and root: the two servers that the kernel starts itself.
//!
//! Their ELF files are used where the boot loader put them: the segments of server files are page-aligned and complete (no
//! .bss outside the file), so starting one means mapping it.

use ukernel_abi::layout::USER_END;
use ukernel_abi::utcb::Regs;
use ukernel_abi::{Rights, ThreadId};
use ukernel_core::thread::ThreadRef;

use super::info::{Module, Modules, read};
use super::memory::Plan;
use super::whole_pages;
use crate::arch::layout::PAGE;
use crate::cpu::cpu;
use crate::kernel::kernel;
use crate::mem::{MEM, NoMemory, PhysAddr, Space, VirtAddr};
use crate::panic::Plain;
use crate::task::{Start, user_selectors};
use crate::tcb;

const STACK_SIZE: u64 = 64 << 10;
/// End of root's stack.
const ROOT_STACK_END: u64 = 1 << 30;
/// End of σ0's stack. In its space an address is a physical address: what it has for itself must be where there is nothing to
/// give out, so image and stack are in the first megabyte.
const SIGMA0_STACK_END: u64 = 0x8_0000;
const SIGMA0_PRIORITY: u8 = 255;
const ROOT_PRIORITY: u8 = 254;
/// Kernel memory for σ0's tables and nodes.
const SIGMA0_FRAMES: u32 = 256;

/// A server whose module has been found good.
struct Server {
    module: Module,
    entry: u64,
    /// Physical address of the stack, and the virtual address of its end.
    stack: u64,
    stack_end: u64,
}

/// The two servers, ready to be started.
pub struct Servers {
    sigma0: Server,
    root: Server,
}

/// Find and check both, and take memory for their stacks.
pub fn prepare(modules: &Modules, plan: &mut Plan) -> Servers {
    let mut one = |name: &str, stack_end: u64| {
        let Some(&module) = modules.find(name) else { panic!("there is no boot module \"{}\"", Plain(name)) };
        let entry = match entry_of(&module) {
            Ok(entry) => entry,
            Err(why) => panic!("boot module \"{}\": {}", Plain(name), Plain(why)),
        };
        Server { module, entry, stack: plan.carve(STACK_SIZE), stack_end }
    };
    Servers { sigma0: one("sigma0", SIGMA0_STACK_END), root: one("root", ROOT_STACK_END) }
}

/// Start σ0 and root. They run when the kernel is left for the first time.
pub fn start(servers: &Servers) {
    let frames = MEM.frames.free_count().min(u32::MAX as u64) as u32;
    let all = create(&servers.sigma0, SIGMA0_FRAMES, SIGMA0_PRIORITY, ThreadId::NIL, ThreadId::SIGMA0)
        .and_then(|(sigma0, space)| {
            MEM.make_idempotent(space);
            map(space, space, &servers.sigma0)?;
            let limit = frames.saturating_sub(SIGMA0_FRAMES);
            let (root, root_space) =
                create(&servers.root, limit, ROOT_PRIORITY, ThreadId::SIGMA0, ThreadId::ROOT)?;
            map(space, root_space, &servers.root)?;
            MEM.own_all_io(root_space)?;
            Ok([sigma0, root])
        });
    match all {
        Ok(threads) => {
            for t in threads {
                t.stopped.set(false);
                cpu().sched.wake(t);
            }
        }
        Err(e) => panic!("too little kernel memory to start sigma0 and root: {e:?}"),
    }
}

fn create(
    server: &Server,
    limit: u32,
    priority: u8,
    pager: ThreadId,
    expected: ThreadId,
) -> Result<(ThreadRef, Space), NoMemory> {
    let (cs, ss) = user_selectors();
    let start = Start {
        regs: Regs { rip: server.entry, rsp: server.stack_end, cs, ss, ..Regs::default() },
        pager,
        handler: pager,
        trampoline: 0,
        priority,
        uses_fpu: false,
        with_utcb: true,
        stopped: true,
    };
    let t = kernel().tasks.create(0, limit, &start)?;
    // The identifiers of σ0 and root are known to everybody.
    t.id.set(expected);
    t.frame.rdi.set(expected.0);
    t.frame.rsi.set(pager.0);
    Ok((t, tcb::space_of(t)))
}

/// Map image and stack of `server` into `space`, from σ0's.
fn map(sigma0: Space, space: Space, server: &Server) -> Result<(), NoMemory> {
    let failed = |_| NoMemory;
    for segment in segments(&server.module).flatten() {
        let phys = PhysAddr(server.module.phys + segment.offset);
        MEM.map_image(sigma0, phys, space, VirtAddr(segment.vaddr), segment.size, segment.rights)
            .map_err(failed)?;
    }
    MEM.map_image(
        sigma0,
        PhysAddr(server.stack),
        space,
        VirtAddr(server.stack_end - STACK_SIZE),
        STACK_SIZE,
        Rights::RW,
    )
    .map_err(failed)
}

struct Segment {
    offset: u64,
    vaddr: u64,
    size: u64,
    rights: Rights,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct ElfHeader {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    phoff: u64,
    shoff: u64,
    flags: u32,
    ehsize: u16,
    phentsize: u16,
    phnum: u16,
    _sections: [u16; 3],
}

#[derive(Clone, Copy)]
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    paddr: u64,
    filesz: u64,
    memsz: u64,
    align: u64,
}

const PT_LOAD: u32 = 1;

/// Check the ELF file of a server. Returns its entry point.
fn entry_of(module: &Module) -> Result<u64, &'static str> {
    if !module.phys.is_multiple_of(PAGE) || module.size < size_of::<ElfHeader>() as u64 {
        return Err("not page-aligned, or too short");
    }
    let header: ElfHeader = read(module.phys);
    if header.ident[..6] != *b"\x7fELF\x02\x01" || header.machine != 62 || header.kind != 2 {
        return Err("not an executable x86-64 ELF file");
    }
    let table = header.phnum as u64 * size_of::<ProgramHeader>() as u64;
    if header.phentsize as usize != size_of::<ProgramHeader>()
        || header.phoff.checked_add(table).is_none_or(|end| end > module.size)
    {
        return Err("its program headers are not in the file");
    }
    segments(module).try_for_each(|s| s.map(|_| ()))?;
    Ok(header.entry)
}

/// The segments to map, or what is wrong with them.
fn segments(module: &Module) -> impl Iterator<Item = Result<Segment, &'static str>> {
    let header: ElfHeader = read(module.phys);
    let (base, file_size) = (module.phys, module.size);
    (0..header.phnum as u64)
        .map(move |n| read::<ProgramHeader>(base + header.phoff + n * size_of::<ProgramHeader>() as u64))
        .filter(|p| p.kind == PT_LOAD && p.memsz != 0)
        .map(move |p| {
            let aligned = p.offset % PAGE == 0 && p.vaddr % PAGE == 0;
            if !aligned || p.filesz != p.memsz {
                return Err("a segment is not page-aligned or not complete in the file");
            }
            if p.offset.checked_add(p.filesz).is_none_or(|end| end > file_size)
                || p.vaddr.checked_add(p.memsz).is_none_or(|end| end > USER_END)
            {
                return Err("a segment is outside of the file or of user memory");
            }
            // ELF's bits are X, W, R from the lowest, as ours are.
            Ok(Segment {
                offset: p.offset,
                vaddr: p.vaddr,
                size: whole_pages(p.memsz),
                rights: Rights(p.flags as u8 & 7),
            })
        })
}
