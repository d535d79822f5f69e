//! Guests with several CPUs: how the others are started, what they are told, and how the machine ends with them.

mod common;
use common::elf::{BASE, HIGH};
use common::*;
use std::time::{Duration, Instant};

/// Where the other CPUs start.
const START: u16 = 0x8000;
/// Bytes that are copied there.
const START_SIZE: usize = 64;
const MSR_APIC_BASE: u32 = 0x1b;
const MSR_X2APIC_ICR: u32 = 0x830;
/// Interrupt commands (SDM vol. 3, 11.6.1): to all but the sender.
const INIT: u32 = 0xc_4500;
const STARTUP: u32 = 0xc_4600 | (START as u32 >> 12);

/// `mov ecx, MSR; mov eax, LOW; xor edx, edx; wrmsr`
fn wrmsr(msr: u32, low: u32) -> Vec<u8> {
    [&[0xb9][..], &msr.to_le_bytes(), &[0xb8], &low.to_le_bytes(), &[0x31, 0xd2, 0x0f, 0x30]].concat()
}

/// A guest whose other CPUs run `real_mode`, 16-bit code, while the boot CPU runs `then`.
fn guest(real_mode: &[&[u8]], then: &[u8]) -> Guest {
    let mut start = real_mode.concat();
    assert!(start.len() <= START_SIZE);
    start.resize(START_SIZE, 0xf4);
    // The copied bytes come first; the entry point is behind them.
    let from = HIGH + BASE;
    let copy = [
        // mov rsi, FROM; mov edi, START; mov ecx, SIZE; rep movsb
        &[0x48, 0xbe][..],
        &from.to_le_bytes(),
        &[0xbf],
        &u32::from(START).to_le_bytes(),
        &[0xb9],
        &(START_SIZE as u32).to_le_bytes(),
        &[0xf3, 0xa4],
    ]
    .concat();
    // x2APIC on, at 0xfee0_0000.
    let send =
        [wrmsr(MSR_APIC_BASE, 0xfee0_0d00), wrmsr(MSR_X2APIC_ICR, INIT), wrmsr(MSR_X2APIC_ICR, STARTUP)];
    let mut elf = Elf::new(&[&start[..], &copy, &send.concat(), then].concat());
    elf.entry += START_SIZE as u64;
    elf.symbol = Some("start");
    Guest::new(&elf)
}

/// 16-bit code: exit with the APIC id of CPUID leaf 1.
const EXIT_WITH_ID: &[u8] =
    // mov eax, 1; cpuid; shr ebx, 24; mov al, bl; out 0xf4, al
    &[0x66, 0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x66, 0xc1, 0xeb, 24, 0x88, 0xd8, 0xe6, 0xf4];
/// 16-bit code: no interrupt can be delivered, so the next one is a triple fault: push 0 twice; lidt [esp]; ud2.
const SHUT_DOWN: &[u8] =
    &[0xbc, 0x00, 0x80, 0x6a, 0, 0x6a, 0, 0x6a, 0, 0x89, 0xe3, 0x36, 0x0f, 0x01, 0x1f, 0x0f, 0x0b];

#[test]
fn a_cpu_that_is_never_started_is_no_trouble() {
    needs_kvm!();
    for cpus in ["1", "2", "64"] {
        let run = Guest::code(&[&exit(7)]).run(&["--cpus", cpus]);
        assert_eq!((run.status, run.err.as_str()), (Some(7), ""), "{cpus}");
    }
}

#[test]
fn the_guest_is_told_how_many_there_are() {
    needs_kvm!();
    // rbx is the start info; its module list at +16; the first module is `ukvmm`: mov rbx, [rbx+16]; mov rbx, [rbx];
    // BootInfo.cpus: mov eax, [rbx+40]; out 0xf4, al
    let code = [0x48, 0x8b, 0x5b, 16, 0x48, 0x8b, 0x1b, 0x8b, 0x43, 40, 0xe6, 0xf4];
    for cpus in [1, 2, 33] {
        let run = Guest::code(&[&code]).run(&["--cpus", &cpus.to_string()]);
        assert_eq!(run.status, Some(cpus), "{run:?}");
    }
}

#[test]
fn any_cpu_can_end_the_machine() {
    needs_kvm!();
    let start = Instant::now();
    let run = guest(&[EXIT_WITH_ID], SPIN).run(&["--cpus", "2", "--timeout", "20"]);
    assert_eq!((run.status, run.err.as_str()), (Some(1), ""), "{run:?}");
    assert!(start.elapsed() < Duration::from_secs(15), "the CPU that spins is stopped");
}

#[test]
fn every_cpu_has_an_apic_id_of_its_own() {
    needs_kvm!();
    // Adds 1 << (id - 1) to the byte at START + 62; the one that makes it 7 exits: all of 1, 2 and 3 have been there.
    let shift = [0x88, 0xd9, 0xfe, 0xc9, 0xb0, 1, 0xd2, 0xe0]; // mov cl, bl; dec cl; mov al, 1; shl al, cl
    let [low, high] = (START + 62).to_le_bytes();
    let add = [0x88, 0xc2, 0xf0, 0x0f, 0xc0, 0x06, low, high, 0x00, 0xd0]; // mov dl, al; lock xadd [..], al; add al, dl
    let exit = [0x3c, 7, 0x75, 2, 0xe6, 0xf4]; // cmp al, 7; jne over; out 0xf4, al
    let code = [&EXIT_WITH_ID[..12], &shift, &add, &exit, &[0xf4, 0xeb, 0xfd]].concat();
    assert!(code.len() < 62);
    let mut start = code;
    start.resize(62, 0xf4);
    start.push(0);
    let run = guest(&[&start], SPIN).run(&["--cpus", "4", "--timeout", "20"]);
    assert_eq!(run.status, Some(7), "{run:?}");
}

#[test]
fn a_crash_names_the_cpu() {
    needs_kvm!();
    let run = guest(&[SHUT_DOWN], SPIN).run(&["--cpus", "2", "--timeout", "20", "-v"]);
    if is_emulated() {
        run.expect(120, "cannot emulate an instruction");
        run.expect(120, "vCPU 1 was in kernel mode at rip 0xf (cs 0x800), code 0f 0b f4");
    } else {
        run.expect(121, "triple fault");
        // "vCPU 1 was in …" or, on AMD, where KVM has reset the registers by then, "where vCPU 1 was is not known".
        run.expect(121, "vCPU 1 was");
    }
    assert!(run.err.contains("vCPU 0\nrip"), "the other's registers at -v: {run:?}");
    let run = guest(&[&[0xf4, 0xeb, 0xfd]], UD2).run(&["--cpus", "2", "--timeout", "20"]);
    run.expect(121, "vCPU 0 was");
}

#[test]
fn a_timeout_tells_of_each() {
    needs_kvm!();
    let mut elf = Elf::new(SPIN);
    elf.symbol = Some("spinning_here");
    let run = Guest::new(&elf).run(&["--cpus", "2", "--timeout", "0.3"]);
    run.expect(124, "vCPU 0 was in kernel mode at rip 0xffffffff80100000 = spinning_here+0x0");
    run.expect(124, "; vCPU 1 was not running");
    // Both in the guest.
    let run = guest(&[&[0xf4, 0xeb, 0xfd]], SPIN).run(&["--cpus", "2", "--timeout", "0.5"]);
    run.expect(124, "stopped after 0.5 s");
    run.expect(124, "; vCPU 1 was in kernel mode at rip 0x1 (cs 0x800)");
}

#[test]
fn output_of_several_cpus_comes_out_before_the_end() {
    needs_kvm!();
    // mov al, 'A'; out 0xe9, al; mov al, 3; out 0xf4, al
    let run = guest(&[&[0xb0, b'A', 0xe6, 0xe9, 0xb0, 3, 0xe6, 0xf4]], SPIN).run(&["--cpus", "2"]);
    assert_eq!((run.status, run.err.as_str()), (Some(3), "A\n"), "{run:?}");
}
