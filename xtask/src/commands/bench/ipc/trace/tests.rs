use super::*;

const USER: u32 = 0x33;
const KERNEL: u32 = 0x10;
const ENTRIES: u64 = 0xffff_ffff_8010_0000;
const TABLES: Tables =
    Tables { idt: 0xffff_ffff_8020_0000, gdt: 0xffff_ffff_8020_1000, tss: 0xffff_ffff_8020_2000 };
const GS: u64 = 0xffff_ffff_8030_0000;
const SP: u64 = 0xffff_ffff_8040_0000;

fn kernel() -> Program {
    let symbols = [("exception_entries", ENTRIES), ("irq_entries", ENTRIES + 0x200)];
    Program::new(ENTRIES, &[0x90; 0x1000], &symbols)
}

fn at(rip: u64, cs: u32) -> Registers {
    let mut registers = Registers { rip, cs, gs_base: GS, cr3: 0x5000, ..Registers::default() };
    registers.general[RSP] = SP;
    registers
}

/// Goes from one place to the next by these instructions.
fn run(steps: &[(&[u8], Registers, Registers)]) -> Round {
    let kernel = kernel();
    let mut tracer = Tracer::new(&kernel, TABLES);
    let mut round = Round::default();
    for (bytes, before, after) in steps {
        let instruction = Decoder::with_ip(64, bytes, before.rip, DecoderOptions::NONE).decode();
        tracer.step(&mut round, &instruction, before, after);
    }
    round
}

/// What an instruction in the kernel touches.
fn data_lines(bytes: &[u8], registers: Registers) -> usize {
    let syscall: (&[u8], _, _) = (&[0x0f, 0x05], at(0x1000, USER), registers);
    let round = run(&[syscall, (bytes, registers, at(registers.rip + bytes.len() as u64, KERNEL))]);
    round.visits[0].data_lines()
}

#[test]
fn a_system_call_is_the_kernels_from_syscall_to_sysret() {
    let entry = ENTRIES + 0x800;
    let round = run(&[
        (&[0x90], at(0x1000, USER), at(0x1001, USER)),
        (&[0x0f, 0x05], at(0x1001, USER), at(entry, KERNEL)),
        (&[0x90], at(entry, KERNEL), at(entry + 1, KERNEL)),
        (&[0x48, 0x0f, 0x07], at(entry + 1, KERNEL), at(0x1003, USER)),
        (&[0xc3], at(0x1003, USER), at(0x1000, USER)),
    ]);
    let [visit] = &round.visits[..] else { panic!("not one visit") };
    assert_eq!((visit.entry, visit.instructions, visit.code_lines()), (Entry::Syscall, 3, 1));
    assert_eq!((round.user, round.ticks()), (2, 5));
    assert!(round.listing.contains("sysret"), "{}", round.listing);
}

#[test]
fn an_event_comes_before_the_instruction_and_uses_the_processors_tables() {
    let page_fault = ENTRIES + 14 * 16;
    let round = run(&[
        (&[0x8a, 0x00], at(0x1000, USER), at(page_fault, KERNEL)),
        (&[0x48, 0xcf], at(page_fault, KERNEL), at(0x1000, USER)),
        (&[0x8a, 0x00], at(0x1000, USER), at(0x1002, USER)),
    ]);
    assert_eq!((round.user, round.ticks()), (1, 2));
    assert_eq!((round.visits[0].entry, round.visits[0].instructions), (Entry::Event, 1));
    // Gate, segment, stack pointer, and the frame, which IRETQ reads again.
    assert_eq!(round.visits[0].data_lines(), 4);
}

#[test]
fn repetitions_are_ticks_and_one_instruction() {
    let (movs, entry): (&[u8], _) = (&[0xf3, 0x48, 0xa5], ENTRIES + 0x800);
    let round = run(&[
        (&[0x0f, 0x05], at(0x1000, USER), at(entry, KERNEL)),
        (movs, at(entry, KERNEL), at(entry, KERNEL)),
        (movs, at(entry, KERNEL), at(entry, KERNEL)),
        (movs, at(entry, KERNEL), at(entry + 3, KERNEL)),
    ]);
    assert_eq!((round.visits[0].instructions, round.visits[0].ticks), (2, 4));
}

#[test]
fn operands_are_found() {
    let here = at(ENTRIES + 0x800, KERNEL);
    assert_eq!(data_lines(&[0x90], here), 0, "nop");
    assert_eq!(data_lines(&[0x50], here), 1, "push rax");
    assert_eq!(data_lines(&[0x48, 0x8d, 0x04, 0x24], here), 0, "lea rax, [rsp]");
    assert_eq!(data_lines(&[0x48, 0x8b, 0x44, 0x24, 0x3c], here), 2, "mov rax, [rsp + 60]");
    assert_eq!(data_lines(&[0xff, 0x34, 0x25, 0, 0, 0, 0], here), 2, "push [0]: memory and stack");
    assert_eq!(data_lines(&[0x0f, 0xae, 0x04, 0x24], here), 8, "fxsave [rsp]");
    assert_eq!(data_lines(&[0x0f, 0x01, 0xf8], here), 0, "swapgs");
}

#[test]
fn segments_have_bases() {
    let kernel = kernel();
    let mut tracer = Tracer::new(&kernel, TABLES);
    let mut visit = Visit::new(Entry::Syscall);
    let mov = [0x65, 0x48, 0x8b, 0x04, 0x25, 0x40, 0, 0, 0]; // mov rax, gs:[0x40]
    let instruction = Decoder::with_ip(64, &mov, ENTRIES, DecoderOptions::NONE).decode();
    tracer.operands(&mut visit, &instruction, &at(ENTRIES, KERNEL));
    visit.touch(0, GS + 0x7f, 1);
    assert_eq!(visit.data_lines(), 1);
}

#[test]
fn the_monitor_tells_the_tables() {
    let text = "TR =0028 ffffffff80125000 00000067 00008b00 DPL=0 TSS64-busy\r\nGDT=     ffffffff80126000 00000037\r\n\
                IDT=     ffffffff80123000 00000fff\r\n";
    let tables = Tables::parse(text).unwrap();
    assert_eq!(
        (tables.tss, tables.gdt, tables.idt),
        (0xffff_ffff_8012_5000, 0xffff_ffff_8012_6000, 0xffff_ffff_8012_3000)
    );
    assert!(Tables::parse("nothing").is_err());
}
