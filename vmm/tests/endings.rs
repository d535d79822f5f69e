//! Every way in which a guest can end, and what `ukvmm` says and exits with.

mod common;
use common::*;
use std::time::{Duration, Instant};

#[test]
fn the_exit_port_gives_the_status() {
    needs_kvm!();
    for status in [0, 1, 7, 119] {
        let run = Guest::code(&[&exit(status)]).run(&[]);
        assert_eq!((run.status, run.err.as_str()), (Some(status.into()), ""), "silent");
    }
    let run = Guest::code(&[&out32(0xf4, 0x1_0003)]).run(&[]);
    assert_eq!(run.status, Some(3), "the low byte counts");
}

#[test]
fn a_status_that_is_ours_to_give_cannot_be_faked() {
    needs_kvm!();
    Guest::code(&[&exit(124)]).run(&[]).expect(119, "the guest wrote 124 to the exit port");
    Guest::code(&[&exit(255)]).run(&[]).expect(119, "wrote 255");
}

#[test]
fn a_kernel_panic_is_120_after_its_last_words() {
    needs_kvm!();
    let run = Guest::code(&[&debug("last words\n"), &exit(120)]).run(&[]);
    run.expect(120, "the guest's kernel panicked");
    assert!(run.err.starts_with("last words\n"), "{run:?}");
    assert!(run.out.is_empty());
}

#[test]
fn the_debug_port_is_line_buffered_standard_error_and_says_that_it_is_there() {
    needs_kvm!();
    // in al, 0xe9; out 0xf4, al - but 0xe9 is not a guest's status, so shift it: shr al, 3
    let run = Guest::code(&[&debug("one\ntwo"), &[0xe4, 0xe9, 0xc0, 0xe8, 3, 0xe6, 0xf4]]).run(&[]);
    assert_eq!((run.status, run.err.as_str()), (Some(0xe9 >> 3), "one\ntwo\n"));
}

#[test]
fn the_entry_is_as_promised() {
    needs_kvm!();
    const BAD: u8 = 33;
    let mut code = Vec::new();
    // cmp rdi, rbx; jne BAD
    code.extend([0x48, 0x39, 0xdf, 0x75, BAD - 5]);
    // cmp dword ptr [rbx], START_MAGIC; jne BAD
    code.extend([0x81, 0x3b, 0x78, 0xc5, 0x6e, 0x33, 0x75, BAD - 13]);
    // The code's own first bytes at its physical address: mov eax, [0x100000]; cmp eax, 0x75df3948; jne BAD
    code.extend([0x8b, 0x04, 0x25, 0x00, 0x00, 0x10, 0x00]);
    code.extend([0x3d, 0x48, 0x39, 0xdf, 0x75, 0x75, BAD - 27]);
    // There is a stack: push rax; pop rax. mov al, 42; jmp over BAD
    code.extend([0x50, 0x58, 0xb0, 42, 0xeb, 2]);
    assert_eq!(code.len(), BAD.into());
    // BAD: mov al, 1. Both: out 0xf4, al
    code.extend([0xb0, 1, 0xe6, 0xf4]);
    let run = Guest::code(&[&code]).run(&[]);
    assert_eq!(run.status, Some(42), "{run:?}");
}

#[test]
fn a_triple_fault_is_121_and_says_where() {
    needs_kvm!();
    let mut elf = Elf::new(UD2);
    elf.symbol = Some("start");
    let run = Guest::new(&elf).run(&["-v"]);
    run.expect(121, "triple fault");
    // On AMD, KVM has reset the registers by then.
    if !run.err.contains("where the guest was is not known") {
        assert!(run.err.contains("= start+0x0 (cs 0x10)"), "{run:?}");
        assert!(run.err.contains("cr3 9000"), "registers at -v: {run:?}");
    }
    let run = Guest::new(&elf).run(&[]);
    assert!(!run.err.contains("cr3"), "{run:?}");
}

#[test]
fn a_guest_that_spins_is_stopped_and_found() {
    needs_kvm!();
    let mut elf = Elf::new(SPIN);
    elf.symbol = Some("spinning_here");
    let start = Instant::now();
    let run = Guest::new(&elf).run(&["--timeout", "0.3"]);
    run.expect(124, "stopped after 0.3 s (--timeout)");
    assert!(run.err.contains("rip 0xffffffff80100000 = spinning_here+0x0 (cs 0x10)"), "{run:?}");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_guest_that_halts_for_ever_is_stopped() {
    needs_kvm!();
    // cli; hlt; jmp
    Guest::code(&[&[0xfa, 0xf4, 0xeb, 0xfd]]).run(&["--timeout", "0.3"]).expect(124, "--timeout");
}

#[test]
fn an_instruction_that_the_kvm_cannot_emulate_is_120() {
    needs_kvm!();
    let mut elf = Elf::new(&[POPCNT, &exit(9)].concat());
    elf.symbol = Some("counting");
    let run = Guest::new(&elf).run(&[]);
    if is_emulated() {
        run.expect(120, "this KVM cannot emulate an instruction of the guest's kernel");
        assert!(run.err.contains("= counting+0x0 (cs 0x10), code f3 0f b8 c0"), "{run:?}");
    } else {
        assert_eq!(run.status, Some(9), "{run:?}");
    }
}

#[test]
fn a_breakpoint_in_the_kernel_is_not_success() {
    needs_kvm!();
    let run = Guest::code(&[INT3, &exit(0)]).run(&[]);
    if is_emulated() {
        run.expect(120, "ran into a breakpoint instruction");
    } else {
        run.expect(121, "triple fault");
    }
}

#[test]
fn ports_and_memory_that_are_not_there_read_as_all_ones() {
    needs_kvm!();
    // in al, 0x80; cmp al, 0xff; jne bad; mov eax, [3 GiB] is not mapped by the boot tables, so only the port.
    let code = [0xe4, 0x80, 0x3c, 0xff, 0xb0, 1, 0x75, 2, 0xb0, 0, 0xe6, 0xf4];
    let run = Guest::code(&[&out8(0x80, 1), &code]).run(&["-vv"]);
    run.expect(0, "a port that no device has");
}

#[test]
fn signals_end_it_as_they_end_any_process() {
    needs_kvm!();
    let guest = Guest::code(&[&debug("up\n"), SPIN]);
    for signal in ["TERM", "INT", "HUP"] {
        let script =
            format!("\"$0\" --kernel \"$1\" 2>&1 & p=$!; sleep 0.5; kill -{signal} $p; wait $p; echo $?");
        // A non-interactive shell starts background commands with SIGINT ignored.
        let out = std::process::Command::new("timeout")
            .args(["20", "env", "--default-signal=INT", "bash", "-c", &script, env!("CARGO_BIN_EXE_ukvmm")])
            .arg(guest.kernel())
            .output()
            .unwrap();
        let number = match signal {
            "TERM" => 15,
            "INT" => 2,
            _ => 1,
        };
        assert_eq!(String::from_utf8_lossy(&out.stdout), format!("up\n{}\n", 128 + number), "{signal}");
    }
}
