//! The initial stack: arguments, environment, auxiliary vector (x86-64 psABI 3.4.1; Linux `fs/binfmt_elf.c`).
//!
//! ```text
//! high   file name of the program
//!        strings of the environment, strings of the arguments
//!        platform string, 16 random bytes
//!        auxiliary vector, ended by AT_NULL
//!        environment pointers, NULL
//!        argument pointers, NULL
//! rsp →  argc                            (16-byte aligned)
//! ```

use super::load::Loaded;
use crate::errno::Errno;
use crate::mm::map::{Place, Request};
use crate::mm::user::UserMemory;
use crate::mm::vma::{Backing, Prot};
use crate::mm::{Mm, PAGE, TASK_SIZE};
use crate::process::credentials::Credentials;
use alloc::rc::Rc;
use alloc::vec::Vec;
use linux_raw_sys::auxvec as at;

/// End of the stack. What lies above is free, as on Linux, where the end is random.
pub const STACK_TOP: u64 = TASK_SIZE - (16 << 20);
/// Size of the stack's area at first; it grows when it is touched below.
const INITIAL_SIZE: u64 = 33 * PAGE;
/// Longest single argument (`MAX_ARG_STRLEN`).
pub const ARG_MAX_LEN: usize = 32 * PAGE as usize;
/// Most bytes of arguments and environment together, pointers included (a quarter of the stack's 8 MiB).
pub const ARGS_MAX: usize = 2 << 20;
const PLATFORM: &[u8] = b"x86_64";

/// What goes onto the stack.
pub struct Contents<'a> {
    pub argv: &'a [Vec<u8>],
    pub envp: &'a [Vec<u8>],
    /// Path of the program, as it was given.
    pub file_name: &'a [u8],
    pub loaded: &'a Loaded,
    pub credentials: &'a Credentials,
    pub random: [u8; 16],
    /// CPUID.1:EDX.
    pub hwcap: u64,
}

/// E2BIG if arguments and environment are too much.
pub fn check_size(argv: &[Vec<u8>], envp: &[Vec<u8>]) -> Result<(), Errno> {
    let mut total = 0usize;
    for s in argv.iter().chain(envp) {
        if s.len() >= ARG_MAX_LEN {
            return Err(Errno::E2BIG);
        }
        total = total.saturating_add(s.len() + 1 + 8);
    }
    if total > ARGS_MAX { Err(Errno::E2BIG) } else { Ok(()) }
}

/// Writes downwards.
struct Writer {
    memory: UserMemory,
    sp: u64,
}

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) -> Result<u64, Errno> {
        self.sp = self.sp.checked_sub(bytes.len() as u64).ok_or(Errno::E2BIG)?;
        self.memory.write(self.sp, bytes)?;
        Ok(self.sp)
    }
    fn string(&mut self, s: &[u8]) -> Result<u64, Errno> {
        self.bytes(&[0])?;
        self.bytes(s)
    }
    /// Pointers to the strings, in their order.
    fn strings(&mut self, strings: &[Vec<u8>]) -> Result<Vec<u64>, Errno> {
        let mut at = strings.iter().rev().map(|s| self.string(s)).collect::<Result<Vec<_>, _>>()?;
        at.reverse();
        Ok(at)
    }
}

/// A stack that has been built.
pub struct Built {
    pub sp: u64,
    /// The auxiliary vector, as it is on the stack.
    pub auxv: Vec<u8>,
}

/// Maps the stack and fills it.
pub fn build(mm: &Rc<Mm>, c: &Contents<'_>) -> Result<Built, Errno> {
    let mut prot = Prot::READ | Prot::WRITE;
    prot.set(Prot::EXEC, c.loaded.executable_stack);
    mm.space.borrow_mut().mmap(Request {
        place: Place::Fixed(STACK_TOP - INITIAL_SIZE),
        len: INITIAL_SIZE,
        prot,
        backing: Backing::Anonymous,
        grows_down: true,
        no_reserve: true,
        label: "[stack]",
    })?;
    let mut w = Writer { memory: UserMemory::of(mm.clone()), sp: STACK_TOP - 8 };
    let file_name = w.string(c.file_name)?;
    let envp = w.strings(c.envp)?;
    let argv = w.strings(c.argv)?;
    let platform = w.string(PLATFORM)?;
    w.sp &= !15;
    let random = w.bytes(&c.random)?;

    let aux = auxiliary_vector(c, file_name, platform, random);
    let mut words: Vec<u64> = Vec::new();
    words.push(argv.len() as u64);
    words.extend(&argv);
    words.push(0);
    words.extend(&envp);
    words.push(0);
    let aux = aux.map(|(key, value)| [key as u64, value]);
    let size = (words.len() + 2 * aux.len()) as u64 * 8;
    w.sp = w.sp.checked_sub(size).ok_or(Errno::E2BIG)? & !15;
    let auxv = bytes_of(aux.as_flattened());
    w.memory.write(w.sp, &[bytes_of(&words), auxv.clone()].concat())?;
    Ok(Built { sp: w.sp, auxv })
}

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn auxiliary_vector(c: &Contents<'_>, file_name: u64, platform: u64, random: u64) -> [(u32, u64); 19] {
    let l = c.loaded;
    let id = c.credentials;
    [
        (at::AT_HWCAP, c.hwcap),
        (at::AT_PAGESZ, PAGE),
        (at::AT_CLKTCK, crate::time::CLOCK_TICKS),
        (at::AT_PHDR, l.phdrs),
        (at::AT_PHENT, 56),
        (at::AT_PHNUM, l.phdrs_count as u64),
        (at::AT_BASE, l.interpreter_base),
        (at::AT_FLAGS, 0),
        (at::AT_ENTRY, l.entry),
        (at::AT_UID, id.uid as u64),
        (at::AT_EUID, id.euid as u64),
        (at::AT_GID, id.gid as u64),
        (at::AT_EGID, id.egid as u64),
        (at::AT_SECURE, 0),
        (at::AT_RANDOM, random),
        (at::AT_HWCAP2, 0),
        (at::AT_EXECFN, file_name),
        (at::AT_PLATFORM, platform),
        (at::AT_NULL, 0),
    ]
}
