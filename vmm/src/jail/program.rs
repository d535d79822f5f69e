//! A list of calls → the program by which the kernel decides about each call of a thread (seccomp(2)).
//!
//! The numbers of calls are a line that is cut into stretches with one answer each, and a tree of comparisons finds the stretch. What surprised: the way to
//! an answer is gone far more often when the jail is entered than afterwards. Linux (since 5.11) tries all of its some 450 numbers when it is given a
//! program, and remembers which of them are allowed without a look at arguments; for those it never runs it again (`kernel/seccomp.c`,
//! `seccomp_is_const_allow`). So:
//!
//! - no way looks at an argument before it has come to a number whose arguments matter;
//! - what is done all the time and has arguments that matter, which is to run a vCPU, may come [`first`](Calls::first).

use super::calls::{Call, Check};
use libc::c_long;
use seccompiler::sock_filter;

/// What a program is made of.
pub struct Calls<'a> {
    /// All that is allowed. Several of one number are alternatives, tried in this order.
    pub allowed: &'a [&'a [Call]],
    /// The number that is asked about before all others.
    pub first: Option<c_long>,
}

/// What is done about a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer<'a> {
    /// SIGSYS ([`super::refusal`]).
    Refuse,
    Allow,
    /// ENOSYS, as of a Linux that does not have it.
    Absent,
    /// It is allowed if the checks of one of these are met.
    Ask(&'a [Call]),
}

/// Refuses everything but these calls, and all that is not called as 64-bit programs do it.
pub fn program(calls: &Calls<'_>) -> Vec<sock_filter> {
    let mut sorted: Vec<Call> = calls.allowed.iter().copied().flatten().copied().collect();
    // It leaves alternatives in their order.
    sorted.sort_by_key(|call| call.number);
    let answers: Vec<_> = sorted.chunk_by(|a, b| a.number == b.number).map(answer).collect();
    let first = answers.iter().find(|(number, _)| calls.first == Some((*number).into()));

    let mut program = Program(vec![load(ARCHITECTURE)]);
    program.only_if(Is::Equal, AUDIT_ARCH_X86_64, |program| {
        program.0.push(load(NUMBER));
        if let Some(&(number, answer)) = first {
            program.only_if(Is::Equal, number, |program| program.answer(answer));
        }
        program.tree(&line(&answers));
    });
    program.answer(Answer::Refuse);
    program.0
}

/// A number, and what all `entries` of it come to.
fn answer(entries: &[Call]) -> (u32, Answer<'_>) {
    let number = entries[0].number;
    let answer = match number {
        // Its flags are in memory, where they cannot be checked. C libraries take `clone` then.
        libc::SYS_clone3 => Answer::Absent,
        _ if entries.iter().any(|call| call.checks.is_empty()) => Answer::Allow,
        _ => Answer::Ask(entries),
    };
    (number as u32, answer)
}

/// The line of numbers: where each stretch begins, from 0 on.
fn line<'a>(answers: &[(u32, Answer<'a>)]) -> Vec<(u32, Answer<'a>)> {
    let mut line = vec![(0, Answer::Refuse)];
    for &(number, answer) in answers {
        for (start, answer) in [(number, answer), (number + 1, Answer::Refuse)] {
            line.pop_if(|last| last.0 == start);
            if line.last().is_none_or(|last| last.1 != answer) {
                line.push((start, answer));
            }
        }
    }
    line
}

/// Instructions. A jump is always forwards (BPF has no others), so a part of a program may be put behind any other.
struct Program(Vec<sock_filter>);

/// How what was loaded compares with a value.
#[derive(Clone, Copy)]
enum Is {
    Equal,
    Less,
}

impl Program {
    /// Answers by the stretch that the number is in.
    fn tree(&mut self, line: &[(u32, Answer<'_>)]) {
        match line.split_at(line.len() / 2) {
            ([], rest) => rest.iter().for_each(|&(_, answer)| self.answer(answer)),
            (low, high) => {
                self.only_if(Is::Less, high[0].0, |program| program.tree(low));
                self.tree(high);
            }
        }
    }

    fn answer(&mut self, answer: Answer<'_>) {
        match answer {
            Answer::Refuse => self.0.push(end(libc::SECCOMP_RET_TRAP)),
            Answer::Allow => self.0.push(end(libc::SECCOMP_RET_ALLOW)),
            Answer::Absent => self.0.push(end(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32)),
            Answer::Ask(entries) => {
                entries.iter().for_each(|call| self.allow_if(call.checks));
                self.answer(Answer::Refuse);
            }
        }
    }

    /// Allows the call if all of `checks` are met, else goes on.
    fn allow_if(&mut self, checks: &[Check]) {
        let Some((&check, others)) = checks.split_first() else { return self.answer(Answer::Allow) };
        let (argument, mask, value) = match check {
            Check::Is(argument, value) => (argument, None, value),
            Check::Bits(argument, mask, value) => (argument, Some(mask), value),
            Check::OurProcess(argument) => (argument, None, std::process::id()),
        };
        self.0.push(load(lower_half(argument)));
        self.0.extend(mask.map(and));
        self.only_if(Is::Equal, value, |program| program.allow_if(others));
    }

    /// Does `part` if what was loaded `is` so beside `value`; else, and where `part` does not answer, goes on behind it.
    fn only_if(&mut self, is: Is, value: u32, part: impl FnOnce(&mut Self)) {
        let mut inner = Self(Vec::new());
        part(&mut inner);
        // What is more than a comparison can skip, an instruction of its own skips.
        let (skipped, far) = match u8::try_from(inner.0.len()) {
            Ok(len) => (len, None),
            Err(_) => (1, Some(inner.0.len() as u32)),
        };
        self.0.push(match (is, far) {
            (Is::Equal, None) => jump(JUMP_IF_EQUAL, value, 0, skipped),
            (Is::Equal, Some(_)) => jump(JUMP_IF_EQUAL, value, skipped, 0),
            (Is::Less, None) => jump(JUMP_IF_NOT_LESS, value, skipped, 0),
            (Is::Less, Some(_)) => jump(JUMP_IF_NOT_LESS, value, 0, skipped),
        });
        self.0.extend(far.map(|len| sock_filter { code: JUMP, jt: 0, jf: 0, k: len }));
        self.0.append(&mut inner.0);
    }
}

/// Places in `seccomp_data` (linux/seccomp.h).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// EM_X86_64, of 64 bits, little-endian (linux/audit.h).
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// Of an argument: the first, as little-endian has it.
const fn lower_half(argument: u8) -> u32 {
    16 + 8 * argument as u32
}

const fn load(place: u32) -> sock_filter {
    sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: place }
}

const fn and(mask: u32) -> sock_filter {
    sock_filter { code: AND, jt: 0, jf: 0, k: mask }
}

const fn jump(code: u16, value: u32, if_so: u8, if_not: u8) -> sock_filter {
    sock_filter { code, jt: if_so, jf: if_not, k: value }
}

const fn end(what: u32) -> sock_filter {
    sock_filter { code: RETURN, jt: 0, jf: 0, k: what }
}

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_IF_NOT_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

#[cfg(test)]
mod tests;
