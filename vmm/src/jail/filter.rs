//! Filters of `seccomp` (seccomp(2)), made of [`super::calls`].
//!
//! A filter is a program that the kernel runs at each system call of its thread, number by number. So what a vCPU does all the time stands in front of its
//! filter. Each is made when the first thread of its kind is started, and used by all of that kind.

use super::calls::{self, Call, Check};
use super::{Kind, Needs};
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The filters of a process, by kind of thread.
#[derive(Default)]
pub struct Filters([OnceLock<BpfProgram>; Kind::ALL.len()]);

impl Filters {
    /// The filter for threads of `kind`.
    pub fn compiled(&self, kind: Kind, needs: &Needs) -> Result<&BpfProgram, Error> {
        let place = &self.0[kind as usize];
        if let Some(filter) = place.get() {
            return Ok(filter);
        }
        let filter = compile(kind, needs)?;
        // Two threads that come at once make the same.
        Ok(place.get_or_init(|| filter))
    }
}

fn compile(kind: Kind, needs: &Needs) -> Result<BpfProgram, Error> {
    let list = list(&calls::of(kind, needs.of(kind)))?;
    Ok(if kind == Kind::Vcpu { [&RUN_FIRST[..], &list].concat() } else { list })
}

/// Refuses everything but these calls, by SIGSYS.
fn list(lists: &[&[Call]]) -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut unconditional = Vec::new();
    for call in lists.iter().copied().flatten() {
        let of_number = rules.entry(call.number).or_default();
        match call.checks {
            [] => unconditional.push(call.number),
            checks => of_number.push(rule(checks)?),
        }
    }
    for number in unconditional {
        rules.insert(number, Vec::new());
    }
    let spawns = rules.remove(&libc::SYS_clone3).is_some();
    let filter = SeccompFilter::new(rules, SeccompAction::Trap, SeccompAction::Allow, TargetArch::x86_64)?;
    let program = BpfProgram::try_from(filter)?;
    Ok(if spawns { [&NO_CLONE3[..], &program].concat() } else { program })
}

fn rule(checks: &[Check]) -> Result<SeccompRule, BackendError> {
    let condition = |check: &Check| {
        let (argument, operator, value) = match *check {
            Check::Is(argument, value) => (argument, SeccompCmpOp::Eq, value),
            Check::Bits(argument, mask, value) => (argument, SeccompCmpOp::MaskedEq(mask.into()), value),
            Check::OurProcess(argument) => (argument, SeccompCmpOp::Eq, std::process::id()),
        };
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.into())
    };
    SeccompRule::new(checks.iter().map(condition).collect::<Result<_, _>>()?)
}

/// What precedes a filter of a thread that starts others: `clone3` is answered with ENOSYS, as an old Linux would. seccompiler knows but two actions in a
/// filter, and this is a third one.
const NO_CLONE3: [sock_filter; 3] = [
    load(NUMBER),
    unless(libc::SYS_clone3 as u32, 1),
    sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32 },
];

/// What precedes that of a vCPU's thread: KVM_RUN is let pass after seven instructions. The list that it is on has it after some three hundred.
const RUN_FIRST: [sock_filter; 7] = [
    load(ARCHITECTURE),
    unless(AUDIT_ARCH_X86_64, 5),
    load(NUMBER),
    unless(libc::SYS_ioctl as u32, 3),
    load(SECOND_ARGUMENT),
    unless(calls::RUN, 1),
    sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
];

/// Places in `seccomp_data` (linux/seccomp.h). Of an argument the lower half, as little-endian has it first; what `ioctl` looks at is 32 bits long.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const SECOND_ARGUMENT: u32 = 24;
/// EM_X86_64, of 64 bits, little-endian (linux/audit.h).
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

const fn load(place: u32) -> sock_filter {
    sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: place }
}

/// Skips so many instructions if what was loaded is anything else.
const fn unless(value: u32, skipped: u8) -> sock_filter {
    sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: skipped, k: value }
}

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

#[cfg(test)]
mod tests;
