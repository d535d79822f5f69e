//! The console device as a guest sees it, and the host's streams at its other end.

mod common;
use common::*;
use std::process::{Command, Stdio};
use std::time::Duration;

const AREA: u32 = 0x20_0000;
const PORT_AREA: u16 = 0xb00;
const PORT_DOORBELL: u16 = 0xb04;

/// A little assembler: code with jumps to labels.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn put(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    fn here(&self) -> usize {
        self.0.len()
    }
    /// A two-byte jump (`opcode`, distance) back to `target`.
    fn jump_back(mut self, opcode: u8, target: usize) -> Self {
        let distance = target as isize - (self.0.len() as isize + 2);
        self.0.extend([opcode, i8::try_from(distance).unwrap() as u8]);
        self
    }
}

const JZ: u8 = 0x74;
const JNZ: u8 = 0x75;
const JMP: u8 = 0xeb;

/// `mov rbp, AREA` and the area's frame to the device.
fn claim() -> Code {
    Code::default().put(&[0x48, 0xc7, 0xc5]).put(&AREA.to_le_bytes()).put(&out32(PORT_AREA, AREA >> 12))
}

/// A guest that writes back what it reads, polling, and exits with 33 when its input has ended.
fn echo() -> Vec<u8> {
    let code = claim();
    let start = code.here();
    // mov ecx, [rbp + RX_TAIL]; cmp ecx, [rbp + RX_HEAD]; jnz take
    let code = code.put(&[0x8b, 0x4d, 0x14, 0x3b, 0x4d, 0x10, JNZ, 11]);
    // cmp dword ptr [rbp + RX_EOF], 0; jz start
    let code = code.put(&[0x83, 0x7d, 0x18, 0]).jump_back(JZ, start);
    // The last bytes came before the end was told: cmp ecx, [rbp + RX_HEAD]; jz end
    let code = code.put(&[0x3b, 0x4d, 0x10, JZ, 0]);
    let to_end = code.here();
    // take: mov eax, ecx; and eax, 0xfff; mov al, [rbp + rax + 0x1000]; mov [rbp + 0x2000], al
    let code = code.put(&[0x89, 0xc8, 0x25, 0xff, 0x0f, 0, 0]);
    let code = code.put(&[0x8a, 0x84, 0x05, 0, 0x10, 0, 0, 0x88, 0x85, 0, 0x20, 0, 0]);
    // inc ecx; mov [rbp + RX_TAIL], ecx; print one byte; room doorbell; jmp loop
    let code = code.put(&[0xff, 0xc1, 0x89, 0x4d, 0x14]);
    let code = code.put(&out32(PORT_DOORBELL, 1 << 24 | 1)).put(&out32(PORT_DOORBELL, 0));
    let mut code = code.jump_back(JMP, start);
    let end = code.here();
    code.0[to_end - 1] = u8::try_from(end - to_end).unwrap();
    code.put(&exit(33)).0
}

/// A guest that prints `count` times 8 KiB of `byte`.
fn flood(count: u32, byte: u8) -> Vec<u8> {
    // lea rdi, [rbp + 0x2000]; mov ecx, 0x400; mov rax, byte × 8; rep stosq; mov ebx, count
    let code = claim().put(&[0x48, 0x8d, 0xbd, 0, 0x20, 0, 0, 0xb9, 0, 4, 0, 0, 0x48, 0xb8]).put(&[byte; 8]);
    let code = code.put(&[0xf3, 0x48, 0xab, 0xbb]).put(&count.to_le_bytes());
    let start = code.here();
    // dec ebx; jnz
    code.put(&out32(PORT_DOORBELL, 1 << 24 | 0x2000)).put(&[0xff, 0xcb]).jump_back(JNZ, start).put(&exit(0)).0
}

#[test]
fn input_comes_back_as_output() {
    needs_kvm!();
    let guest = Guest::code(&[&echo()]);
    for input in [&b"hello\nworld\r\n\x01x\x03\0"[..], b"", b"x"] {
        let run = guest.feed(&[], input);
        assert_eq!((run.status, run.out.as_slice()), (Some(33), input), "{run:?}");
    }
}

#[test]
fn more_input_than_the_ring_holds_arrives_whole() {
    needs_kvm!();
    let input: Vec<u8> = (0..10_000u32).map(|i| (i * 7) as u8).collect();
    let guest = Guest::code(&[&echo()]);
    let run = guest.feed(&["--timeout", "50"], &input);
    assert_eq!(run.status, Some(33), "{}", run.err);
    assert!(run.out == input, "{} bytes", run.out.len());
}

#[test]
fn files_and_devices_that_cannot_be_waited_for_are_input_too() {
    needs_kvm!();
    let guest = Guest::code(&[&echo()]).file("input", &"line\n".repeat(1000));
    let file = std::fs::File::open(guest.dir.path().join("input")).unwrap();
    let run = Run::of(guest.command(&[]).stdin(file).output().unwrap());
    assert_eq!((run.status, run.out.len()), (Some(33), 5000), "{}", run.err);
    let run = guest.run(&[]);
    assert_eq!((run.status, run.out.len()), (Some(33), 0), "/dev/null: {}", run.err);
    let closed = "exec \"$0\" --kernel \"$1\" <&-";
    let run = Command::new("timeout")
        .args(["20", "sh", "-c", closed, env!("CARGO_BIN_EXE_ukvmm")])
        .arg(guest.kernel())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(33), "closed");
}

#[test]
fn much_output_arrives_whole() {
    needs_kvm!();
    let run = Guest::code(&[&flood(512, b'y')]).run(&[]);
    assert_eq!(run.status, Some(0), "{}", run.err);
    assert!(run.out.len() == 512 * 8192 && run.out.iter().all(|&b| b == b'y'), "{} bytes", run.out.len());
}

#[test]
fn a_reader_that_goes_away_ends_it_as_it_ends_any_program() {
    needs_kvm!();
    let guest = Guest::code(&[&flood(u32::MAX, b'y')]);
    let script = "\"$0\" --kernel \"$1\" | head -c 3; echo \" ${PIPESTATUS[0]}\"";
    let out = Command::new("timeout")
        .args(["20", "bash", "-c", script, env!("CARGO_BIN_EXE_ukvmm")])
        .arg(guest.kernel())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), format!("yyy {}\n", 128 + 13));
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_full_disk_is_an_error() {
    needs_kvm!();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::of(Guest::code(&[&flood(u32::MAX, b'y')]).command(&[]).stdout(full).output().unwrap());
    run.expect(125, "cannot write the guest's output to standard output: No space left");
}

#[test]
fn a_reader_that_does_not_read_does_not_stop_the_timeout() {
    needs_kvm!();
    let guest = Guest::code(&[&flood(u32::MAX, b'y')]);
    let mut child = guest.command(&["--timeout", "0.5"]).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdout.take();
    let status = child.wait().unwrap();
    drop(pipe);
    assert_eq!(status.code(), Some(124));
}

#[test]
fn standard_error_that_nobody_reads_is_no_reason_to_stop() {
    needs_kvm!();
    // Channel 2.
    let code = claim().put(&out32(PORT_DOORBELL, 2 << 24 | 0x2000)).put(&debug("lost\n")).put(&exit(5)).0;
    let script = "\"$0\" --kernel \"$1\" 2> >(exec true); echo $?";
    let guest = Guest::code(&[&code]);
    let out = Command::new("timeout")
        .args(["20", "bash", "-c", script, env!("CARGO_BIN_EXE_ukvmm")])
        .arg(guest.kernel())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "5\n");
}

#[test]
fn an_area_that_is_not_ram_is_ignored() {
    needs_kvm!();
    let code = [out32(PORT_AREA, u32::MAX), out32(PORT_DOORBELL, 1 << 24 | 5), exit(3)].concat();
    let run = Guest::code(&[&code]).run(&[]);
    run.expect(3, "is not 16 KiB of RAM; ignored");
    assert!(run.err.contains("before it has said where its area is"), "{run:?}");
}

#[test]
fn the_uart_works_when_asked_for() {
    needs_kvm!();
    // mov dx, 0x3f8; in al, dx … without --uart it reads as all ones.
    let status = [0x66, 0xba, 0xfd, 0x03, 0xec, 0x24, 0x20, 0xe6, 0xf4];
    assert_eq!(Guest::code(&[&status]).run(&["--uart"]).status, Some(0x20), "transmitter empty");
    // loop: mov dx, 0x3fd; in al, dx; test al, 1; jz loop; mov dl, 0xf8; in al, dx; out dx, al; cmp al, 'q'; jnz loop
    let code = Code::default().put(&[0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 1]).jump_back(JZ, 0);
    let code = code.put(&[0xb2, 0xf8, 0xec, 0xee, 0x3c, b'q']).jump_back(JNZ, 0).put(&exit(0)).0;
    let input: Vec<u8> = (0..500).map(|i| b'a' + (i % 8) as u8).chain(*b"q").collect();
    let run = Guest::code(&[&code]).feed(&["--uart", "--timeout", "20"], &input);
    assert_eq!((run.status, run.out.len(), run.out == input), (Some(0), 501, true), "{}", run.err);
}

/// A pseudo-terminal with `ukvmm` on it, driven by util-linux's `script`.
fn on_a_terminal(guest: &Guest, keys: &[(u64, &[u8])]) -> (Option<i32>, String) {
    use std::io::Write;
    let command = format!(
        "stty sane; before=$(stty -g); {} --kernel {} --timeout 20; s=$?; test \"$before\" = \"$(stty -g)\" && echo same; exit $s",
        env!("CARGO_BIN_EXE_ukvmm"),
        guest.kernel().display()
    );
    let mut child = Command::new("timeout")
        .args(["40", "script", "--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for (wait, keys) in keys {
        std::thread::sleep(Duration::from_millis(*wait));
        stdin.write_all(keys).unwrap();
        stdin.flush().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into())
}

#[test]
fn on_a_terminal_keys_are_the_guest_s_and_ctrl_a_x_leaves() {
    needs_kvm!();
    if !exists("/usr/bin/script") {
        eprintln!("SKIP: no script(1)");
        return;
    }
    let guest = Guest::code(&[&echo()]);
    let (status, text) = on_a_terminal(&guest, &[(1500, b"ab\x03c\x01\x01d\x01h"), (500, b"\x01x")]);
    assert_eq!(status, Some(0), "{text:?}");
    assert!(text.contains("ab\x03c\x01d"), "raw and echoed by the guest alone: {text:?}");
    assert!(text.contains("\r\nukvmm: Ctrl-A x  leave"), "{text:?}");
    assert!(text.contains("same"), "the terminal is as before: {text:?}");
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    needs_kvm!();
    if !exists("/usr/bin/script") {
        eprintln!("SKIP: no script(1)");
        return;
    }
    // Ends itself soon after it has claimed the console: a long wait in port reads, then a triple fault.
    let code = claim().put(&[0xb9]).put(&20_000u32.to_le_bytes());
    let start = code.here();
    let code = code.put(&[0xe4, 0xe9, 0xff, 0xc9]).jump_back(JNZ, start).put(UD2).0;
    let (status, text) = on_a_terminal(&Guest::code(&[&code]), &[]);
    assert_eq!(status, Some(121), "{text:?}");
    assert!(text.contains("same"), "{text:?}");
}
