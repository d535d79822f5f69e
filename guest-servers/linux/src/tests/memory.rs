//! Programs' memory: faults, copy-on-write, mmap and its sisters.

use super::{CODE, DATA, DATA_PAGES, Fault, World, elf};
use crate::mm::around::AROUND;
use crate::mm::{PAGE, TASK_SIZE};
use crate::program::stack::STACK_TOP;
use linux_raw_sys::general::*;
use ukernel_abi::Rights;

const RW: u64 = (PROT_READ | PROT_WRITE) as u64;
const ANON: u64 = (MAP_PRIVATE | MAP_ANONYMOUS) as u64;
const EINVAL: i64 = 22;
const ENOMEM: i64 = 12;
const EFAULT: i64 = 14;

fn mmap(w: &World, t: ukernel_abi::ThreadId, len: u64, prot: u64, flags: u64) -> u64 {
    w.ok(t, __NR_mmap, &[0, len, prot, flags, u64::MAX, 0])
}

#[test]
fn a_program_is_loaded_with_data_zeros_and_stack() {
    let (w, t) = World::new();
    let regs = w.regs(t);
    assert_eq!(regs.rip, CODE + 0x100);
    assert_eq!(regs.rsp % 16, 0);
    assert_eq!(w.load(t, CODE, 4).unwrap(), b"\x7fELF");
    assert_eq!(w.load(t, DATA, 4).unwrap(), b"data");
    assert_eq!(w.load(t, DATA + 0x800, 16).unwrap(), [0; 16]);
    assert_eq!(w.load(t, DATA + DATA_PAGES * PAGE - 8, 8).unwrap(), [0; 8]);
    assert_eq!(w.load_u64(t, regs.rsp), 1, "argc");
    let argv0 = w.load_u64(t, regs.rsp + 8);
    assert_eq!(w.load(t, argv0, 10).unwrap(), b"/bin/prog\0");
    assert_eq!(w.load_u64(t, regs.rsp + 16), 0);
    let env0 = w.load_u64(t, regs.rsp + 24);
    assert_eq!(w.load(t, env0, 4).unwrap(), b"A=b\0");
    let aux: Vec<(u64, u64)> = (0..19)
        .map(|i| regs.rsp + 40 + 16 * i)
        .map(|at| (w.load_u64(t, at), w.load_u64(t, at + 8)))
        .collect();
    let value = |key: u64| aux.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    assert_eq!(value(3), Some(CODE + 64), "AT_PHDR");
    assert_eq!(value(5), Some(2), "AT_PHNUM");
    assert_eq!(value(9), Some(CODE + 0x100), "AT_ENTRY");
    assert_eq!(aux.last(), Some(&(0, 0)));
}

#[test]
fn the_page_in_which_a_programs_file_ends_has_zeros_to_its_end() {
    let mut elf = elf();
    // The memory of the second segment ends in the page in which its file does, and there is more in the file.
    elf[64 + 56 + 40..][..8].copy_from_slice(&0x900u64.to_le_bytes());
    elf[0x10800..0x11000].fill(0xff);
    let (w, t) = World::with(16384, &[("bin/prog", &elf)], &["/bin/prog"]);
    assert_eq!(w.load(t, DATA, 4).unwrap(), b"data");
    assert_eq!(w.load(t, DATA + 0x800, 0x800).unwrap(), [0; 0x800]);
}

#[test]
fn code_is_mapped_by_the_block() {
    let (w, t) = World::new();
    w.access(t, CODE + 0x100, Rights::X).unwrap();
    assert_eq!(w.machine.items.get(), 1, "frames that follow one another, one flexpage");
    for page in 0..AROUND / PAGE {
        assert!(w.machine.translate(t, CODE + page * PAGE, Rights::X).is_some(), "page {page}");
    }
    assert!(w.machine.translate(t, CODE + AROUND, Rights::X).is_none());
    assert!(w.machine.translate(t, CODE, Rights::W).is_none());
}

#[test]
fn bad_accesses_end_a_program_without_a_handler() {
    for (addr, access) in [
        (0, Rights::R),
        (CODE, Rights::W),
        (DATA, Rights::X),
        (TASK_SIZE, Rights::R),
        (1 << 46, Rights::R),
        (u64::MAX, Rights::W),
        (STACK_TOP - (9 << 20), Rights::W),
    ] {
        let (w, t) = World::new();
        assert_eq!(w.access(t, addr, access), Err(Fault::Dead), "{addr:#x} {access:?}");
        assert_eq!(w.machine.exit.get(), Some(128 + 11));
    }
}

#[test]
fn the_stack_grows_to_its_limit() {
    let (w, t) = World::new();
    w.store(t, STACK_TOP - (1 << 20), b"x").unwrap();
    w.store(t, STACK_TOP - (8 << 20), b"x").unwrap();
    assert_eq!(w.load(t, STACK_TOP - (1 << 20), 1).unwrap(), b"x");
}

#[test]
fn fork_copies_what_is_written_afterwards() {
    let (w, t) = World::new();
    w.store(t, DATA, b"before").unwrap();
    let (_, child) = w.fork(t);
    w.store(t, DATA, b"parent").unwrap();
    assert_eq!(w.load(child, DATA, 6).unwrap(), b"before");
    w.store(child, DATA, b"child!").unwrap();
    assert_eq!(w.load(t, DATA, 6).unwrap(), b"parent");
    assert_eq!(w.load(child, DATA, 6).unwrap(), b"child!");
}

#[test]
fn a_large_program_is_forked_by_copy_on_write() {
    let (w, t) = World::new();
    let pages = 512;
    let at = mmap(&w, t, pages * PAGE, RW, ANON);
    for page in 0..pages {
        w.store_u64(t, at + page * PAGE, page);
    }
    let free = w.server.frames.free_frames();
    let unmaps = w.machine.unmaps.get();
    let (_, child) = w.fork(t);
    assert_eq!(w.machine.unmaps.get(), unmaps + 1, "one call takes all rights to write");
    assert!(free - w.server.frames.free_frames() < 16, "nothing is copied at fork");
    assert!(w.machine.translate(t, at, Rights::W).is_none());
    assert!(w.machine.translate(t, at, Rights::R).is_some());

    w.store_u64(child, at, 1000);
    w.store_u64(t, at + PAGE, 2000);
    assert_eq!((w.load_u64(t, at), w.load_u64(child, at)), (0, 1000));
    assert_eq!((w.load_u64(t, at + PAGE), w.load_u64(child, at + PAGE)), (2000, 1));
    // When the child is gone, the parent has its pages for itself again: none is copied.
    w.call(child, __NR_exit_group, &[0]);
    let free = w.server.frames.free_frames();
    for page in 64..pages {
        w.store_u64(t, at + page * PAGE, 7);
    }
    assert_eq!(w.server.frames.free_frames(), free);
}

#[test]
fn the_server_breaks_copy_on_write_as_the_program_would() {
    let (w, t) = World::new();
    let at = mmap(&w, t, 512 * PAGE, RW, ANON);
    for page in 0..512 {
        w.store_u64(t, at + page * PAGE, page);
    }
    let (_, child) = w.fork(t);
    assert_eq!(w.load_u64(child, at + 3 * PAGE), 3, "mapped for reading");
    // The call writes to the page: the child must not go on seeing the old one, and the parent not the new one.
    w.ok(child, __NR_clock_gettime, &[1, at + 3 * PAGE]);
    assert_ne!(w.load_u64(child, at + 3 * PAGE), 3);
    assert_eq!(w.load_u64(t, at + 3 * PAGE), 3);
}

#[test]
fn unmapped_memory_is_gone_and_zero_when_it_comes_back() {
    let (w, t) = World::new();
    let at = mmap(&w, t, 16 * PAGE, RW, ANON);
    w.store(t, at + 4 * PAGE, b"secret").unwrap();
    w.ok(t, __NR_munmap, &[at + 4 * PAGE, PAGE]);
    assert!(w.machine.translate(t, at + 4 * PAGE, Rights::R).is_none());
    w.store(t, at + 5 * PAGE, b"kept").unwrap();
    let fixed = ANON | MAP_FIXED as u64;
    assert_eq!(w.ok(t, __NR_mmap, &[at + 4 * PAGE, PAGE, RW, fixed, 0, 0]), at + 4 * PAGE);
    assert_eq!(w.load(t, at + 4 * PAGE, 6).unwrap(), [0; 6]);
    assert_eq!(w.load(t, at + 5 * PAGE, 4).unwrap(), b"kept");
    let no_replace = ANON | MAP_FIXED_NOREPLACE as u64;
    assert_eq!(w.err(t, __NR_mmap, &[at, PAGE, RW, no_replace, 0, 0]), 17);
}

#[test]
fn discarded_memory_is_zero() {
    let (w, t) = World::new();
    let at = mmap(&w, t, 8 * PAGE, RW, ANON);
    w.store(t, at, b"x").unwrap();
    w.ok(t, __NR_madvise, &[at, 8 * PAGE, MADV_DONTNEED as u64]);
    assert_eq!(w.load(t, at, 1).unwrap(), [0]);
}

#[test]
fn protection_is_enforced_and_can_come_back() {
    let (w, t) = World::new();
    let at = mmap(&w, t, 4 * PAGE, RW, ANON);
    w.store(t, at, b"data").unwrap();
    w.ok(t, __NR_mprotect, &[at, PAGE, PROT_READ as u64]);
    assert!(w.machine.translate(t, at, Rights::W).is_none());
    assert_eq!(w.load(t, at, 4).unwrap(), b"data");
    w.ok(t, __NR_mprotect, &[at, PAGE, RW]);
    w.store(t, at, b"DATA").unwrap();
    w.ok(t, __NR_mprotect, &[at, PAGE, 0]);
    assert!(w.machine.translate(t, at, Rights::R).is_none());
    assert_eq!(w.err(t, __NR_clock_gettime, &[0, at]), EFAULT, "the server may not write there either");
    w.ok(t, __NR_mprotect, &[at, PAGE, RW]);
    assert_eq!(w.load(t, at, 4).unwrap(), b"DATA");
    assert_eq!(w.err(t, __NR_mprotect, &[at + 1, PAGE, RW]), EINVAL);
    assert_eq!(w.err(t, __NR_mprotect, &[0x1000_0000, PAGE, RW]), ENOMEM);
}

#[test]
fn shared_memory_is_shared() {
    let (w, t) = World::new();
    let at = mmap(&w, t, 4 * PAGE, RW, (MAP_SHARED | MAP_ANONYMOUS) as u64);
    w.store(t, at, b"one").unwrap();
    let (_, child) = w.fork(t);
    w.store(child, at, b"two").unwrap();
    w.store(child, at + PAGE, b"new").unwrap();
    assert_eq!(w.load(t, at, 3).unwrap(), b"two");
    assert_eq!(w.load(t, at + PAGE, 3).unwrap(), b"new");
}

#[test]
fn the_heap_grows_and_shrinks() {
    let (w, t) = World::new();
    let start = w.ok(t, __NR_brk, &[0]);
    assert_eq!(start, DATA + DATA_PAGES * PAGE);
    assert_eq!(w.ok(t, __NR_brk, &[start + 0x2345]), start + 0x2345);
    w.store(t, start + 0x2000, b"heap").unwrap();
    assert_eq!(w.ok(t, __NR_brk, &[start]), start);
    assert_eq!(w.ok(t, __NR_brk, &[start + 0x3000]), start + 0x3000);
    assert_eq!(w.load(t, start + 0x2000, 4).unwrap(), [0; 4]);
    for wish in [u64::MAX, TASK_SIZE, 1, start - 1] {
        assert_eq!(w.ok(t, __NR_brk, &[wish]), start + 0x3000, "{wish:#x} is refused");
    }
}

#[test]
fn mremap_moves_and_grows() {
    let (w, t) = World::new();
    let at = mmap(&w, t, 4 * PAGE, RW, ANON);
    let guard = mmap(&w, t, PAGE, 0, ANON);
    assert_eq!(guard, at - PAGE);
    w.store(t, at + 3 * PAGE, b"moves").unwrap();
    // There is something above (the area that was mapped before), so it cannot grow in place.
    let above = w.ok(t, __NR_mmap, &[at + 4 * PAGE, PAGE, 0, ANON | MAP_FIXED as u64, 0, 0]);
    assert_eq!(w.err(t, __NR_mremap, &[at, 4 * PAGE, 8 * PAGE, 0, 0]), ENOMEM);
    let moved = w.ok(t, __NR_mremap, &[at, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE as u64, 0]);
    assert_ne!(moved, at);
    assert_eq!(w.load(t, moved + 3 * PAGE, 5).unwrap(), b"moves");
    assert_eq!(w.load(t, moved + 7 * PAGE, 5).unwrap(), [0; 5]);
    assert!(w.machine.translate(t, at + 3 * PAGE, Rights::R).is_none());
    assert_eq!(w.ok(t, __NR_mremap, &[moved, 8 * PAGE, PAGE, 0, 0]), moved, "shrinks in place");
    assert_eq!(w.err(t, __NR_mremap, &[above + 1, PAGE, PAGE, 0, 0]), EINVAL);
    assert_eq!(w.err(t, __NR_mremap, &[0x1000_0000, PAGE, 2 * PAGE, 1, 0]), EFAULT);
}

#[test]
fn absurd_wishes_are_refused() {
    let (w, t) = World::new();
    for len in [0, u64::MAX, 1 << 47, 1 << 40] {
        let e = w.err(t, __NR_mmap, &[0, len, RW, ANON, 0, 0]);
        assert!(e == EINVAL || e == ENOMEM, "{len:#x}: {e}");
    }
    let reserve = ANON | MAP_NORESERVE as u64;
    assert!(mmap(&w, t, 1 << 40, 0, reserve) > 0, "address space alone costs nothing");
    w.ok(t, __NR_munmap, &[TASK_SIZE, PAGE]);
    for args in [[1, PAGE], [0, u64::MAX], [u64::MAX, 1], [0x7fff_ffff_f000, PAGE]] {
        assert_eq!(w.err(t, __NR_munmap, &args), EINVAL, "{args:x?}");
    }
    assert_eq!(w.err(t, __NR_mmap, &[0, PAGE, RW, 0, 0, 0]), EINVAL, "neither shared nor private");
    assert_eq!(w.err(t, __NR_mmap, &[0, PAGE, RW, MAP_PRIVATE as u64, 99, 0]), 9, "no such file");
}

#[test]
fn when_memory_is_gone_the_one_that_has_most_is_ended() {
    let (w, t) = World::with(4096, &[("bin/prog", &super::elf())], &["/bin/prog"]);
    let (pid, child) = w.fork(t);
    let at = mmap(&w, child, 4000 * PAGE, RW, ANON);
    let died = (0..4000).any(|page| w.store(child, at + page * PAGE, b"x") == Err(Fault::Dead));
    assert!(died);
    assert!(w.machine.lines.borrow().iter().any(|l| l.contains("out of memory")));
    assert_eq!(w.ok(t, __NR_wait4, &[u64::MAX, DATA, 0, 0]), pid);
    assert_eq!(w.load_u32(t, DATA), 9);
    w.store(t, DATA + PAGE, b"the others go on").unwrap();
}

#[test]
fn who_needs_a_page_does_not_pay_for_who_has_them_all() {
    let (w, t) = World::with(4096, &[("bin/prog", &super::elf())], &["/bin/prog"]);
    let at = mmap(&w, t, 1000 * PAGE, RW, ANON);
    let (pid, child) = w.fork(t);
    let hoard = mmap(&w, child, 4000 * PAGE, RW, ANON);
    let reserve = w.server.frames.free_frames() - 900;
    (0..reserve as u64).for_each(|page| w.store(child, hoard + page * PAGE, b"x").unwrap());
    (0..1000).for_each(|page| w.store(t, at + page * PAGE, b"y").unwrap());
    assert!(w.is_gone(child));
    assert_eq!(w.ok(t, __NR_wait4, &[u64::MAX, DATA, 0, 0]), pid);
    assert_eq!(w.load_u32(t, DATA), 9);
}

#[test]
fn wild_pointers_give_efault() {
    let (w, t) = World::new();
    let wild = [
        1,
        TASK_SIZE,
        TASK_SIZE - 4,
        0x7fff_0000_0000,
        1 << 47,
        u64::MAX,
        u64::MAX - 7,
        0xffff_8000_0000_0000,
    ];
    for addr in wild {
        assert_eq!(w.err(t, __NR_clock_gettime, &[0, addr]), EFAULT, "{addr:#x}");
        assert_eq!(w.err(t, __NR_uname, &[addr]), EFAULT, "{addr:#x}");
        assert_eq!(w.err(t, __NR_rt_sigaction, &[2, addr, 0, 8]), EFAULT, "{addr:#x}");
        assert_eq!(w.err(t, __NR_execve, &[addr, 0, 0]), EFAULT, "{addr:#x}");
        assert_eq!(w.err(t, __NR_nanosleep, &[addr, 0]), EFAULT, "{addr:#x}");
    }
    assert_eq!(w.err(t, __NR_uname, &[CODE]), EFAULT, "read-only");
}
