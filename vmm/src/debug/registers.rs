//! The registers of a thread or vCPU.

/// All registers that a debugger shows. A thread that does not run has no control registers of its own but CR3, its address space; the others
/// are then those of the vCPU it ran on last, or 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Registers {
    /// rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8–r15: the order that GDB has them in.
    pub general: [u64; 16],
    pub rip: u64,
    pub rflags: u64,
    /// Selectors: cs, ss, ds, es, fs, gs.
    pub segments: [u16; 6],
    pub fs_base: u64,
    pub gs_base: u64,
    /// MSR IA32_KERNEL_GS_BASE.
    pub kernel_gs_base: u64,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub cr8: u64,
    pub efer: u64,
    pub vector: Vector,
}

/// x87, SSE and AVX state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Vector {
    /// st0–st7, 80 bits each.
    pub st: [[u8; 10]; 8],
    /// Control, status and tag word; the last in its full form, two bits a register.
    pub fctrl: u16,
    pub fstat: u16,
    pub ftag: u16,
    /// Last instruction's opcode, address (offset, selector) and operand's address.
    pub fop: u16,
    pub fioff: u32,
    pub fiseg: u16,
    pub fooff: u32,
    pub foseg: u16,
    pub xmm: [u128; 16],
    pub mxcsr: u32,
    /// Upper halves of ymm0–ymm15; `None` where the machine has no AVX.
    pub ymm_high: Option<[u128; 16]>,
}

/// Indices into [`Registers::general`].
pub mod general {
    pub const RAX: usize = 0;
    pub const RBX: usize = 1;
    pub const RCX: usize = 2;
    pub const RDX: usize = 3;
    pub const RSI: usize = 4;
    pub const RDI: usize = 5;
    pub const RBP: usize = 6;
    pub const RSP: usize = 7;
    pub const R8: usize = 8;
    pub const R15: usize = 15;
}

/// Indices into [`Registers::segments`].
pub mod segment {
    pub const CS: usize = 0;
    pub const SS: usize = 1;
    pub const DS: usize = 2;
    pub const ES: usize = 3;
    pub const FS: usize = 4;
    pub const GS: usize = 5;
}

impl Registers {
    /// Whether it is in user mode: told by the code selector's privilege level.
    pub fn in_user_mode(&self) -> bool {
        self.segments[segment::CS] & 3 == 3
    }

    /// Whether it is in 64-bit mode or its compatibility mode (EFER.LMA; SDM vol. 4, MSR C000_0080H).
    pub fn in_long_mode(&self) -> bool {
        self.efer & 1 << 10 != 0
    }

    pub fn rsp(&self) -> u64 {
        self.general[general::RSP]
    }
}
