//! The code that a debugger has in the guest's kernel: a page of the kernel's image that holds none of the kernel's own.
//!
//! Breakpoints and single steps of user mode arrive at the guest's IDT, on every KVM. So the gates of those two vectors lead here, and from here to
//! us, by a write to the debugger's port. All registers are then as the processor has left them: those that it has pushed are where RSP points to, the rest are in
//! the vCPU. The vCPU goes on behind the write, at the kernel's own entry, if the exception is none of ours; or, if it is, at one of the ways
//! back to user mode.
//!
//! The gate page's own INT3s are system calls of all programs, on machines where SYSCALL cannot be used. They do not come to us.

use vmm_abi::ports::DEBUGGER;

/// Where the ways in begin.
pub const ON_DEBUG: u64 = 0x20;
pub const ON_BREAKPOINT: u64 = 0x00;
/// Where RIP is when they have written to the port.
pub const AFTER_BREAKPOINT: u64 = 0x0c;
pub const AFTER_DEBUG: u64 = 0x22;
/// The ways back to user mode.
pub const IRETQ: u64 = 0x40;
pub const SYSRETQ: u64 = 0x48;
/// Stores rsi at rdi, and forgets all translations of all address spaces; where it ends.
pub const STORE: u64 = 0x50;
pub const AFTER_STORE: u64 = STORE + 26;
/// All of it.
pub const SIZE: usize = 0x90;
/// Addresses of the kernel's own entries.
const BREAKPOINT_ENTRY: usize = 0x80;
const DEBUG_ENTRY: usize = 0x88;

/// What user mode calls the kernel with begins like this: `ukernel_abi::layout::GATE`.
const GATE_HIGH: u32 = 0x7fff;
/// Bytes of OUT with an immediate port, which is how all writes here are made, and those to which ways out of the kernel are patched.
pub const OUT: [u8; 2] = [0xe6, PORT];
const PORT: u8 = DEBUGGER as u8;
const _: () = assert!(DEBUGGER < 0x100);

/// The page's code, for a kernel with these entries for #DB and #BP.
pub fn code(debug_entry: u64, breakpoint_entry: u64) -> [u8; SIZE] {
    let mut code = [0xcc; SIZE];
    let mut put = |at: u64, bytes: &[u8]| code[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    let gate = GATE_HIGH.to_le_bytes();
    // cmp dword ptr [rsp + 4], GATE_HIGH
    put(ON_BREAKPOINT, &[0x81, 0x7c, 0x24, 0x04, gate[0], gate[1], gate[2], gate[3]]);
    // je to behind the out
    put(ON_BREAKPOINT + 8, &[0x74, 0x02]);
    put(ON_BREAKPOINT + 10, &OUT);
    put(AFTER_BREAKPOINT, &jump_by(AFTER_BREAKPOINT, BREAKPOINT_ENTRY));
    put(ON_DEBUG, &OUT);
    put(AFTER_DEBUG, &jump_by(AFTER_DEBUG, DEBUG_ENTRY));
    put(IRETQ, &[0x48, 0xcf]);
    put(SYSRETQ, &[0x48, 0x0f, 0x07]);
    // mov [rdi], rsi
    put(STORE, &[0x48, 0x89, 0x37]);
    // mov rax, cr4
    put(STORE + 3, &[0x0f, 0x20, 0xe0]);
    // Twice: flip CR4.PGE, which takes the translations of all spaces and the global ones (SDM vol. 3, 5.10.4.1).
    for at in [STORE + 6, STORE + 15] {
        // xor rax, 0x80; mov cr4, rax
        put(at, &[0x48, 0x35, 0x80, 0, 0, 0, 0x0f, 0x22, 0xe0]);
    }
    put(STORE + 24, &OUT);
    put(BREAKPOINT_ENTRY as u64, &breakpoint_entry.to_le_bytes());
    put(DEBUG_ENTRY as u64, &debug_entry.to_le_bytes());
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
        let code = code(0x1111, 0x2222);
        for after in [AFTER_BREAKPOINT, AFTER_DEBUG, AFTER_STORE] {
            let after = after as usize;
            assert_eq!(code[after - 2..after], [0xe6, 0xf8], "{after:#x}");
        }
        // And nowhere else.
        assert_eq!(code.windows(2).filter(|two| **two == OUT).count(), 3);
    }

    #[test]
    fn behind_the_ways_in_are_the_kernel_s_own() {
        let code = code(0x1111, 0x2222);
        for (at, entry) in [(AFTER_BREAKPOINT, 0x2222u64), (AFTER_DEBUG, 0x1111)] {
            let at = at as usize;
            assert_eq!(code[at..at + 2], [0xff, 0x25]);
            let distance = i32::from_le_bytes(code[at + 2..at + 6].try_into().unwrap());
            let slot = at + 6 + distance as usize;
            assert_eq!(code[slot..slot + 8], entry.to_le_bytes());
        }
        // The gate page's INT3 takes the same way as one that goes on.
        assert_eq!(code[9] as usize + 10, AFTER_BREAKPOINT as usize);
    }
}
