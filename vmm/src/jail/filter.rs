//! Filters of `seccomp` (seccomp(2)), made of [`super::calls`].
//!
//! A filter is a program that the kernel runs at each system call of its thread. It goes through the numbers in ascending order, so what a vCPU does all
//! the time (`ioctl`, 16) is found early. Each is made when the first thread of its kind is started, and used by all of that kind.

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
        let filter = compile(&calls::of(kind, needs.of(kind)))?;
        // Two threads that come at once make the same.
        Ok(place.get_or_init(|| filter))
    }
}

/// Refuses everything but these calls, by SIGSYS.
fn compile(lists: &[&[Call]]) -> Result<BpfProgram, Error> {
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
    // The number is the first word of `seccomp_data`.
    sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: 0 },
    sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: 1, k: libc::SYS_clone3 as u32 },
    sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32 },
];
const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
