//! Who called whom, by a thread's registers and a copy of its stack.
//!
//! Compilers leave rules beside their code which say, for each instruction, where the caller's registers are (call frame information: DWARF 5, 6.4). Code without rules may keep
//! frame pointers (psABI, 3.2.2): rbp points to the caller's rbp and the return address behind it. Whatever stack and rules say, a walk ends: each caller's stack pointer
//! is above its callee's, and there are [`FRAMES`] at most.

use crate::debug::registers::{self, general};

/// Numbers of registers in rules (psABI, 3.6.2), as indices into [`Registers`]. The last is the return address: the instruction pointer.
pub const RBP: usize = 6;
pub const RSP: usize = 7;
pub const RIP: usize = 16;
/// How many there are.
pub const COUNT: usize = 17;

/// Frames of a stack; those further out are cut off.
pub const FRAMES: usize = 128;

/// General registers and the instruction pointer, by the numbers that rules have for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Registers(pub [u64; COUNT]);

impl Registers {
    /// The instruction pointer.
    pub fn instruction(&self) -> u64 {
        self.0[RIP]
    }
}

impl From<&registers::Registers> for Registers {
    fn from(of: &registers::Registers) -> Self {
        let g = &of.general;
        let mut all = [0; COUNT];
        // rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, and the others in their order.
        let order = [
            0,
            general::RDX,
            general::RCX,
            general::RBX,
            general::RSI,
            general::RDI,
            general::RBP,
            general::RSP,
        ];
        for (to, from) in all.iter_mut().zip(order.into_iter().chain(general::R8..16)) {
            *to = g[from];
        }
        all[RIP] = of.rip;
        Self(all)
    }
}

/// A copy of memory from the stack pointer on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stack {
    pub base: u64,
    pub bytes: Vec<u8>,
}

impl Stack {
    fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.base)?).ok()?;
        Some(u64::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }
}

/// Where a caller's register is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    Same,
    /// In memory, at this distance from the frame's address.
    At(i64),
    /// It is the frame's address and this.
    Is(i64),
    In(usize),
    /// Nowhere. Of the return address: there is no caller.
    Lost,
}

/// Where the caller's registers are at one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The frame's address (CFA): what is in this register, and a distance. It is the caller's stack pointer.
    pub frame: (usize, i64),
    pub registers: [Rule; COUNT],
}

impl Rules {
    /// At the first instruction of a function: only the return address is on the stack.
    pub const AT_CALL: Self = {
        let mut registers = [Rule::Same; COUNT];
        registers[RIP] = Rule::At(-8);
        Self { frame: (RSP, 8), registers }
    };
}

/// What is known of the code that runs.
pub trait Code {
    /// The rules at this instruction.
    fn rules(&mut self, address: u64) -> Option<Rules>;
    /// Whether there is code at all.
    fn is_code(&mut self, address: u64) -> bool;
}

/// Addresses of the functions that are being executed, the innermost first: of each an instruction in it, of callers a byte of the one that calls.
pub fn walk(start: &Registers, stack: &Stack, code: &mut dyn Code) -> Vec<u64> {
    let mut at = *start;
    let mut found = vec![at.0[RIP]];
    while found.len() < FRAMES {
        // A return address may be that of the next function, if the call never returns.
        let here = found[found.len() - 1];
        let caller = match code.rules(here) {
            Some(rules) => by_rules(&at, stack, &rules),
            None => by_frame_pointer(&at, stack).filter(|caller| code.is_code(caller.0[RIP].wrapping_sub(1))),
        };
        let Some(caller) = caller.filter(|caller| caller.0[RSP] > at.0[RSP] && caller.0[RIP] != 0) else {
            break;
        };
        at = caller;
        found.push(at.0[RIP].wrapping_sub(1));
    }
    found
}

fn by_rules(at: &Registers, stack: &Stack, rules: &Rules) -> Option<Registers> {
    let (register, distance) = rules.frame;
    let frame = at.0.get(register)?.wrapping_add_signed(distance);
    let mut caller = *at;
    caller.0[RSP] = frame;
    for (register, rule) in rules.registers.iter().enumerate() {
        caller.0[register] = match *rule {
            Rule::Same => continue,
            Rule::At(distance) => stack.word(frame.wrapping_add_signed(distance))?,
            Rule::Is(distance) => frame.wrapping_add_signed(distance),
            Rule::In(other) => *at.0.get(other)?,
            Rule::Lost if register == RIP => return None,
            Rule::Lost => 0,
        };
    }
    Some(caller)
}

fn by_frame_pointer(at: &Registers, stack: &Stack) -> Option<Registers> {
    let frame = at.0[RBP];
    let mut caller = *at;
    caller.0[RBP] = stack.word(frame)?;
    caller.0[RIP] = stack.word(frame.checked_add(8)?)?;
    caller.0[RSP] = frame.checked_add(16)?;
    Some(caller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Functions of 256 bytes, by what is above that in an address; those of which there are rules.
    struct Known(Vec<(u64, Rules)>);

    impl Code for Known {
        fn rules(&mut self, address: u64) -> Option<Rules> {
            self.0.iter().find(|(function, _)| *function == address >> 8).map(|(_, rules)| *rules)
        }
        fn is_code(&mut self, address: u64) -> bool {
            (0x1000..0x9000).contains(&address)
        }
    }

    fn stack(base: u64, words: &[u64]) -> Stack {
        Stack { base, bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() }
    }

    fn registers(rip: u64, rsp: u64, rbp: u64) -> Registers {
        let mut all = Registers::default();
        (all.0[RIP], all.0[RSP], all.0[RBP]) = (rip, rsp, rbp);
        all
    }

    /// Rules of a function that has pushed rbp and so many bytes more.
    fn pushed(bytes: i64) -> Rules {
        let mut rules = Rules { frame: (RSP, 16 + bytes), ..Rules::AT_CALL };
        rules.registers[RBP] = Rule::At(-16);
        rules
    }

    #[test]
    fn frame_pointers_lead_from_caller_to_caller() {
        let stack = stack(0x100, &[7, 0x120, 0x2010, 8, 0x138, 0x3010, 9, 0, 0, 0]);
        let mut none = Known(vec![]);
        assert_eq!(walk(&registers(0x1010, 0x100, 0x108), &stack, &mut none), [0x1010, 0x200f, 0x300f]);
        // What is no code has not called.
        let elsewhere = registers(0x1010, 0x100, 0x100);
        assert_eq!(walk(&elsewhere, &stack, &mut none), [0x1010]);
    }

    #[test]
    fn rules_lead_through_code_without_frame_pointers() {
        let stack = stack(0x100, &[5, 6, 0x777, 0x2000, 0x888, 0x3010, 1]);
        // The call ends its function, so the return address is in the next one.
        let mut known = Known(vec![
            (0x10, pushed(16)),
            (0x1f, pushed(0)),
            (0x30, Rules { registers: [Rule::Lost; COUNT], ..pushed(0) }),
        ]);
        assert_eq!(walk(&registers(0x1010, 0x100, 1), &stack, &mut known), [0x1010, 0x1fff, 0x300f]);
    }

    #[test]
    fn both_ways_go_together() {
        let stack = stack(0x100, &[0x2010, 0, 0x120, 0x9999, 0, 0x3010]);
        let mut known = Known(vec![(0x10, Rules::AT_CALL)]);
        assert_eq!(walk(&registers(0x1010, 0x100, 0x120), &stack, &mut known), [0x1010, 0x200f, 0x300f]);
    }

    #[test]
    fn a_stack_that_leads_to_itself_ends() {
        // Frame pointers that point down, and to themselves.
        let stack = stack(0x100, &[0x100, 0x2010, 0x100, 0x3010]);
        let mut none = Known(vec![]);
        assert_eq!(walk(&registers(0x1010, 0x100, 0x110), &stack, &mut none).len(), 2);
        assert_eq!(walk(&registers(0x1010, 0x100, 0x100), &stack, &mut none).len(), 2);
        // Rules by which a caller has its callee's stack.
        let mut known = Known(vec![(0x10, Rules { frame: (RSP, 0), registers: [Rule::Same; COUNT] })]);
        assert_eq!(walk(&registers(0x1010, 0x100, 0), &stack, &mut known), [0x1010]);
        // A recursion without end is cut off.
        let words: Vec<u64> = std::iter::repeat_n(0x1010, 4096).collect();
        let deep = Stack { base: 0x100, bytes: words.iter().flat_map(|word| word.to_le_bytes()).collect() };
        let mut known = Known(vec![(0x10, Rules::AT_CALL)]);
        assert_eq!(walk(&registers(0x1010, 0x100, 0), &deep, &mut known).len(), FRAMES);
    }

    #[test]
    fn registers_have_the_numbers_that_rules_have() {
        let mut of = registers::Registers { rip: 99, ..Default::default() };
        for (n, register) in of.general.iter_mut().enumerate() {
            *register = n as u64;
        }
        let all = Registers::from(&of).0;
        assert_eq!(all, [0, 3, 2, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99]);
    }

    fn rule() -> impl Strategy<Value = Rule> {
        prop_oneof![
            Just(Rule::Same),
            Just(Rule::Lost),
            any::<i64>().prop_map(Rule::At),
            (-64i64..64).prop_map(Rule::At),
            any::<i64>().prop_map(Rule::Is),
            any::<usize>().prop_map(Rule::In),
        ]
    }

    proptest! {
        #[test]
        fn nothing_makes_it_go_on_for_ever(
            start in any::<[u64; COUNT]>(),
            frame in (0usize..20, prop_oneof![any::<i64>(), -64i64..64]),
            rules in proptest::collection::vec(rule(), COUNT),
            words in proptest::collection::vec(prop_oneof![any::<u64>(), 0x1000u64..0x1200], 0..64),
            base in prop_oneof![any::<u64>(), 0x1000u64..0x1200],
        ) {
            let rules = Rules { frame, registers: rules.try_into().unwrap() };
            let mut start = Registers(start);
            start.0[RSP] = base;
            let mut known = Known(vec![(0x10, rules), (start.0[RIP] >> 8, rules)]);
            prop_assert!(walk(&start, &stack(base, &words), &mut known).len() <= FRAMES);
        }
    }
}
