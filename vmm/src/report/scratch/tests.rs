//! Needs KVM, as the machine itself does.

use super::*;
use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};
use crate::memory;
use crate::vcpu::kick;
use ukernel_abi::layout;
use vm_memory::{Bytes, GuestAddress};

const CODE: u64 = 0x20_0000;
const TSC: u64 = 1 << 50;

// The functions of a server. Each gets request, length, room, length in rdi, rsi, rdx, rcx.
const COUNT: u64 = CODE;
const CALL: u64 = CODE + 0x40;
const FAULT: u64 = CODE + 0x60;
const FOREVER: u64 = CODE + 0x70;
const PEEK: u64 = CODE + 0x80;
const POKE: u64 = CODE + 0xa0;
const CLOCK: u64 = CODE + 0xc0;

core::arch::global_asm!(
    ".pushsection .rodata.ukvmm_report_test, \"a\", @progbits",
    ".globl ukvmm_report_test_start, ukvmm_report_test_end",
    "ukvmm_report_test_start:",
    // Copies the request, and puts a count of its runs in front.
    "lock inc qword ptr [0x400000]",
    "mov rax, [0x400000]",
    "mov [rdx], rax",
    "push rsi",
    "mov rcx, rsi",
    "mov rsi, rdi",
    "lea rdi, [rdx + 8]",
    "rep movsb",
    "pop rax",
    "add rax, 8",
    "ret",
    ".org ukvmm_report_test_start + 0x40, 0xcc",
    "movabs rax, 0x7fff00000000",
    "call rax",
    "ret",
    ".org ukvmm_report_test_start + 0x60, 0xcc",
    "ud2",
    ".org ukvmm_report_test_start + 0x70, 0xcc",
    "2: jmp 2b",
    ".org ukvmm_report_test_start + 0x80, 0xcc",
    "movabs rax, 0x100000000",
    "mov rax, [rax]",
    "mov [rdx], rax",
    "mov eax, 8",
    "ret",
    ".org ukvmm_report_test_start + 0xa0, 0xcc",
    "movabs rax, 0x100000000",
    "mov [rax], rax",
    "ret",
    ".org ukvmm_report_test_start + 0xc0, 0xcc",
    "mov r8, rdx",
    "rdtsc",
    "mov [r8], eax",
    "mov [r8 + 4], edx",
    "mov eax, 8",
    "ret",
    "ukvmm_report_test_end:",
    ".popsection",
);

unsafe extern "C" {
    static ukvmm_report_test_start: u8;
    static ukvmm_report_test_end: u8;
}

fn code() -> &'static [u8] {
    let (start, end) = (&raw const ukvmm_report_test_start, &raw const ukvmm_report_test_end);
    // SAFETY: the symbols are the ends of one read-only section part, defined above in this order.
    unsafe { std::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// A machine that stands still, and a byte that a debugger has replaced in it.
struct Machine(memory::GuestMemory, Option<(u64, u8)>);

impl View for Machine {
    fn vcpus(&self) -> usize {
        1
    }
    fn registers(&self, _: usize) -> Option<Registers> {
        None
    }
    fn tsc(&self, _: usize) -> Option<u64> {
        Some(TSC)
    }
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        self.0.read_slice(into, GuestAddress(address)).map_err(|_| NoMemory(address))?;
        if let Some((at, byte)) = self.1.filter(|(at, _)| (address..address + into.len() as u64).contains(at))
        {
            into[(at - address) as usize] = byte;
        }
        Ok(())
    }
    fn ram(&self) -> Vec<(u64, u64)> {
        vec![(0, 8 << 20)]
    }
}

impl Machine {
    /// 8 MiB; the server's pages are from 1 MiB on, its tables before that.
    fn new() -> Self {
        let ram = memory::allocate(8 << 20).unwrap();
        let entry = |at: u64, value: u64| ram.write_obj(value, GuestAddress(at)).unwrap();
        for (at, value) in [
            (0x1000, 0x2007),
            (0x1000 + 255 * 8, 0x6007),
            (0x2000, 0x3007),
            (0x2000 + 4 * 8, 0x5007),
            (0x3008, 0x4007),
            (0x3010, 0x60_0087 | 1 << 63), // data, 2 MiB
            (0x4000, 0x10_0005),           // code
            (0x5000, 0x40_0087 | 1 << 63), // a window, 2 MiB
            (0x6000 + 508 * 8, 0x7007),
            (0x7000, 0x8007),
            (0x8000, 0x10_0005), // a gate that must not be used
        ] {
            entry(at, value);
        }
        ram.write_slice(code(), GuestAddress(0x10_0000)).unwrap();
        ram.write_slice(b"a window", GuestAddress(0x40_0000)).unwrap();
        entry(0x60_0000, 41);
        Self(ram, None)
    }

    fn server(&self) -> Server<'_> {
        kick::install().unwrap();
        Server { view: self, ram: &self.0, cr3: 0x1000 }
    }
}

fn contents(machine: &Machine) -> Vec<u8> {
    let mut all = vec![0; 8 << 20];
    machine.read(0, &mut all).unwrap();
    all
}

#[test]
fn a_function_runs_and_the_machine_does_not_change() {
    let machine = Machine::new();
    let before = contents(&machine);
    let mut scratch = Scratch::new(&machine.server()).unwrap();
    for count in [42u8, 43] {
        let answer = scratch.ask(COUNT, b"request").unwrap();
        assert_eq!(answer, [&[count, 0, 0, 0, 0, 0, 0, 0], &b"request"[..]].concat());
    }
    assert_eq!(scratch.ask(PEEK, b"").unwrap(), b"a window");
    assert!(contents(&machine) == before);
    // The next begins with the machine as it is.
    let answer = Scratch::new(&machine.server()).unwrap().ask(COUNT, b"").unwrap();
    assert_eq!(answer[0], 42);
}

#[test]
fn what_cannot_be_done_is_told() {
    let machine = Machine::new();
    let before = contents(&machine);
    let ask = |function| {
        let mut scratch = Scratch::new(&machine.server()).unwrap();
        scratch.deadline = Instant::now() + Duration::from_millis(200);
        scratch.ask(function, b"").unwrap_err()
    };
    assert!(matches!(ask(CALL), AskError::Called));
    assert!(matches!(ask(FAULT), AskError::Lost(_)));
    assert!(matches!(ask(POKE), AskError::Lost(_)));
    assert!(matches!(ask(layout::USER_END - 8), AskError::Lost(_)), "nothing is mapped there");
    assert!(matches!(ask(FOREVER), AskError::Late));
    assert!(contents(&machine) == before);
    let mut scratch = Scratch::new(&machine.server()).unwrap();
    assert!(matches!(scratch.ask(COUNT, &[0; REQUEST_MAX + 1]), Err(AskError::TooLong)));
}

#[test]
fn breakpoints_are_not_met() {
    let mut machine = Machine::new();
    machine.0.write_slice(&[0xcc], GuestAddress(0x10_0000)).unwrap();
    let ask = |machine: &Machine| Scratch::new(&machine.server()).unwrap().ask(COUNT, b"");
    assert!(matches!(ask(&machine), Err(AskError::Lost(_))));
    machine.1 = Some((0x10_0000, code()[0]));
    assert_eq!(ask(&machine).unwrap()[0], 42);
}

#[test]
fn it_is_the_time_of_the_machine() {
    let machine = Machine::new();
    let mut scratch = Scratch::new(&machine.server()).unwrap();
    // SAFETY: RDTSC is in every x86-64, and Linux lets programs execute it.
    let host = || unsafe { core::arch::x86_64::_rdtsc() };
    let before = host();
    let clock = u64::from_le_bytes(scratch.ask(CLOCK, b"").unwrap().try_into().unwrap());
    let after = host();
    // Where KVM shows guests the host's own counter, nothing can be set.
    let is_set = (TSC..=TSC + (after - before)).contains(&clock);
    assert!(is_set || (before..=after).contains(&clock), "{clock:#x}");
}
