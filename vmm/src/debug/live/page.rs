//! The code that a debugger has in the guest's kernel: a page of the kernel's image that holds none of the kernel's own.
//!
//! Breakpoints and single steps of user mode arrive at the guest's IDT, on every KVM. So the gates of those two vectors lead here, and from here to
//! us, by a write to the debugger's port. All registers are then as the processor has left them: those that it has pushed are where RSP points to, the rest are in
//! the vCPU. From there it is sent to the kernel's own entry, if the exception is none of ours, or back to user mode. Behind a write is nothing
//! that is ever executed: so a vCPU is there only if it has come to us.
//!
//! The gate page's own INT3s are system calls of all programs, on machines where SYSCALL cannot be used. They do not come to us.

use vmm_abi::ports::DEBUGGER;

/// Where the ways in begin.
pub const ON_BREAKPOINT: u64 = 0x00;
pub const ON_DEBUG: u64 = 0x20;
/// Where RIP is when they have written to the port.
pub const AFTER_BREAKPOINT: u64 = 0x0c;
pub const AFTER_DEBUG: u64 = 0x22;
/// The way back to user mode, with the frame that RSP points to.
pub const IRETQ: u64 = 0x30;
/// Stores rsi at rdi, and forgets all translations of all address spaces; where it ends.
pub const STORE: u64 = 0x40;
pub const AFTER_STORE: u64 = STORE + 26;
/// All of it.
pub const SIZE: usize = 0x68;
/// To the kernel's own entry for breakpoints, by its address.
pub const PASS: u64 = 0x10;
const BREAKPOINT_ENTRY: usize = 0x60;

/// What user mode calls the kernel with begins like this: `ukernel_abi::layout::GATE`.
const GATE_HIGH: u32 = 0x7fff;
/// Bytes of OUT with an immediate port, which is how all writes here are made, and those to which ways out of the kernel are patched.
pub const OUT: [u8; 2] = [0xe6, PORT];
const PORT: u8 = DEBUGGER as u8;
const _: () = assert!(DEBUGGER < 0x100);

/// The page's code, for a kernel with this entry for #BP.
pub fn code(breakpoint_entry: u64) -> [u8; SIZE] {
    let mut code = [0xcc; SIZE];
    let mut put = |at: u64, bytes: &[u8]| code[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    let gate = GATE_HIGH.to_le_bytes();
    // cmp dword ptr [rsp + 4], GATE_HIGH
    put(ON_BREAKPOINT, &[0x81, 0x7c, 0x24, 0x04, gate[0], gate[1], gate[2], gate[3]]);
    // je PASS
    put(ON_BREAKPOINT + 8, &[0x74, (PASS - ON_BREAKPOINT - 10) as u8]);
    put(ON_BREAKPOINT + 10, &OUT);
    put(PASS, &jump_by(PASS, BREAKPOINT_ENTRY));
    put(ON_DEBUG, &OUT);
    put(IRETQ, &[0x48, 0xcf]);
    // mov [rdi], rsi; mov rax, cr4
    put(STORE, &[0x48, 0x89, 0x37, 0x0f, 0x20, 0xe0]);
    // Twice: flip CR4.PGE, which takes the translations of all spaces and the global ones (SDM vol. 3, 5.10.4.1).
    for at in [STORE + 6, STORE + 15] {
        // xor rax, 0x80; mov cr4, rax
        put(at, &[0x48, 0x35, 0x80, 0, 0, 0, 0x0f, 0x22, 0xe0]);
    }
    put(STORE + 24, &OUT);
    put(BREAKPOINT_ENTRY as u64, &breakpoint_entry.to_le_bytes());
    code
}

/// `jmp qword ptr [rip + …]` at `from`, by the address at `slot`.
fn jump_by(from: u64, slot: usize) -> [u8; 6] {
    let distance = (slot as i32 - (from as i32 + 6)).to_le_bytes();
    [0xff, 0x25, distance[0], distance[1], distance[2], distance[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_to_the_port_ends_where_it_is_looked_for() {
        let code = code(0x1111);
        for after in [AFTER_BREAKPOINT, AFTER_DEBUG, AFTER_STORE] {
            let after = after as usize;
            assert_eq!(code[after - 2..=after], [0xe6, 0xf8, 0xcc], "{after:#x}");
        }
        // And nowhere else.
        assert_eq!(code.windows(2).filter(|two| **two == OUT).count(), 3);
    }

    #[test]
    fn the_gate_page_s_breakpoints_go_to_the_kernel() {
        let code = code(0x1111);
        let pass = 10 + code[9] as usize;
        assert_eq!(code[pass..pass + 2], [0xff, 0x25]);
        let distance = i32::from_le_bytes(code[pass + 2..pass + 6].try_into().unwrap());
        let slot = pass + 6 + distance as usize;
        assert_eq!(code[slot..slot + 8], 0x1111u64.to_le_bytes());
    }
}
