//! Where FPU state is kept while others use the registers, and how it gets there.
//!
//! With XSAVE, one instruction saves everything that user mode can have (SDM vol. 1, chapter 13), into a frame that the thread has
//! for it. Without, FXSAVE saves x87 and SSE into the TCB; then user mode has no more than that, or has it where the
//! kernel cannot get at it ([`super::fpu`]).
//!
//! The method is chosen when it is known what sort of machine this is ([`super::features`]).
//!
//! *Two surprises.* XSAVEOPT leaves out a component that is in its initial state, so what lies in the area is meaningless unless
//! XSTATE_BV says that it is there. It also leaves out what has not changed since XRSTOR from the same address: an area
//! may be changed only if it is loaded again before it is next saved to, which is why whoever changes one also
//! makes the registers forget it.

use core::arch::asm;
use core::cell::Cell;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use ukernel_abi::utcb::FpuState;
use ukernel_core::thread::{FpuArea, Thread};

use super::insn::*;
use super::layout::{PAGE, phys_to_virt};

/// Bit of CPUID leaf 1, ecx.
const CPUID_XSAVE: u32 = 1 << 26;
/// Bit of CPUID leaf 0xd, subleaf 1, eax.
const CPUID_XSAVEOPT: u32 = 1 << 0;
const CPUID_XSTATE: u32 = 0xd;
/// Number of the register that enables components.
const XCR0: u32 = 0;

/// State components (SDM vol. 1, 13.1).
const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;
/// Opmask, ZMM_Hi256, Hi16_ZMM: all or none.
const AVX512: u64 = 7 << 5;
/// The components that FXSAVE does not have and that programs may use. In the standard format they end at byte 2688 of an area.
/// AMX tiles are left out, which are 8 KiB; so are MPX, which is dead, and PKRU, which only has a meaning with CR4.PKE.
pub const VECTORS: u64 = AVX | AVX512;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Method {
    /// FXSAVE, and nothing else that would have to be saved.
    Fxsave,
    /// FXSAVE, and a stub in user mode for what it leaves out.
    Stub,
    Xsave,
    Xsaveopt,
}

static METHOD: AtomicU8 = AtomicU8::new(Method::Fxsave as u8);
/// Components that XCR0 enables.
static ENABLED: AtomicU64 = AtomicU64::new(X87 | SSE);
/// Bits of MXCSR that may be set. To begin with those that every processor has (SDM vol. 1, 11.6.6).
static MXCSR_MASK: AtomicU32 = AtomicU32::new(0xffbf);

/// What a thread with FPU state needs besides its TCB.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// A frame of the kernel's.
    Frame,
    /// A page at `layout::vector_area`.
    UserPage,
}

fn method() -> Method {
    match METHOD.load(Ordering::Relaxed) {
        m if m == Method::Xsaveopt as u8 => Method::Xsaveopt,
        m if m == Method::Xsave as u8 => Method::Xsave,
        m if m == Method::Stub as u8 => Method::Stub,
        _ => Method::Fxsave,
    }
}

pub fn needs() -> Needs {
    match method() {
        Method::Fxsave => Needs::Nothing,
        Method::Stub => Needs::UserPage,
        Method::Xsave | Method::Xsaveopt => Needs::Frame,
    }
}

/// Kernel mode is emulated.
pub fn choose_for_emulated() {
    learn_mxcsr_mask();
    if has_xsave() {
        METHOD.store(Method::Stub as u8, Ordering::Relaxed);
    }
}

/// Kernel mode is the processor's own.
pub fn choose_for_native() {
    learn_mxcsr_mask();
    if !has_xsave() {
        return;
    }
    let [low, _, _, high] = cpuid_sub(CPUID_XSTATE, 0);
    let there = low as u64 | (high as u64) << 32;
    if there & AVX == 0 {
        // FXSAVE leaves nothing out.
        return;
    }
    let avx512 = if there & AVX512 == AVX512 { AVX512 } else { 0 };
    ENABLED.store(X87 | SSE | AVX | avx512, Ordering::Relaxed);
    let opt = cpuid_sub(CPUID_XSTATE, 1)[0] & CPUID_XSAVEOPT != 0;
    let method = if opt { Method::Xsaveopt } else { Method::Xsave };
    METHOD.store(method as u8, Ordering::Relaxed);
}

/// Set this CPU up for the method that was chosen.
pub fn enable() {
    if needs() == Needs::Frame {
        // SAFETY: CPUID has XSAVE, kernel mode is the processor's own, and XCR0 gets a valid set: x87 always, AVX-512 only whole and
        // with AVX, nothing that CPUID has not (SDM vol. 1, 13.3). The kernel itself uses none of these registers.
        unsafe {
            set_cr4(cr4() | CR4_OSXSAVE);
            xsetbv(XCR0, ENABLED.load(Ordering::Relaxed));
        }
        let size = cpuid_sub(CPUID_XSTATE, 0)[1];
        assert!(size as u64 <= PAGE, "{size} bytes of FPU state, but a frame has {PAGE}");
    }
}

fn has_xsave() -> bool {
    cpuid(1)[2] & CPUID_XSAVE != 0
}

/// FXSAVE says which bits MXCSR has.
fn learn_mxcsr_mask() {
    let area = FpuArea(Cell::new(FpuState::INIT));
    fxsave(&area);
    match u32_at(&area.0.get(), MXCSR_MASK_AT) {
        // The manual's way to say that it is the default.
        0 => {}
        mask => MXCSR_MASK.store(mask, Ordering::Relaxed),
    }
}

/// A thread's frame, in the standard format of XSAVE (SDM vol. 1, 13.4). What follows the header only instructions touch.
#[repr(C, align(4096))]
struct Area {
    legacy: Cell<FpuState>,
    /// XSTATE_BV: components that are in the area; all others are in their initial state.
    present: Cell<u64>,
    /// XCOMP_BV and what is reserved: zero.
    _header: [Cell<u64>; 7],
    _vectors: [Cell<u8>; PAGE as usize - 576],
}

const _: () = assert!(size_of::<Area>() == PAGE as usize);

/// The frame of `t`, if it is what `needs` says.
fn area(t: &Thread) -> Option<&'static Area> {
    let frame = t.vector_frame.get();
    if frame == 0 || needs() != Needs::Frame {
        return None;
    }
    // SAFETY: from `Tasks::set_up` until its death the thread has this frame, which is the kernel's alone, mapped in the physmap and
    // page-aligned; any bits are an `Area`, and all fields are cells.
    Some(unsafe { &*(phys_to_virt(frame) as *const Area) })
}

/// `t` has its frame, zeroed: make it the state of a new thread. XRSTOR takes MXCSR from an area even if no component is in it.
pub fn prepare(t: &Thread) {
    if let Some(area) = area(t) {
        area.legacy.set(FpuState::INIT);
        area.present.set(0);
    }
}

/// Save the registers as those of `t`.
pub fn save(t: &Thread) {
    let Some(area) = area(t) else { return fxsave(&t.fpu) };
    let at = area as *const Area;
    // SAFETY: CR4.OSXSAVE is set (`enable`); the area is 64-aligned, larger than all that is enabled, and has a valid header; it is made
    // of cells: nobody holds a reference into it.
    unsafe {
        match method() {
            Method::Xsaveopt => {
                asm!("xsaveopt64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack))
            }
            _ => asm!("xsave64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack)),
        }
    }
}

/// Load the registers with the state of `t`.
pub fn load(t: &Thread) {
    let (area, fx) = (area(t).map(|a| a as *const Area), t.fpu.0.as_ptr());
    // SAFETY: the areas hold what `save` wrote, or `FpuState::INIT`, or a state whose MXCSR `set` has made loadable; the rest of a header
    // stays zero, and XSTATE_BV has only bits that XCR0 has. User registers are nothing to the kernel.
    unsafe {
        match area {
            Some(at) => {
                asm!("xrstor64 [{}]", in(reg) at, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack))
            }
            None => asm!("fxrstor64 [{}]", in(reg) fx, options(nostack)),
        }
    }
}

fn fxsave(area: &FpuArea) {
    // SAFETY: the area is 512 bytes, 16-aligned, and a Cell: nobody holds a reference into it.
    unsafe { asm!("fxsave64 [{}]", in(reg) area.0.as_ptr(), options(nostack)) };
}

/// What FXSAVE would have saved of the state of `t`.
pub fn get(t: &Thread) -> FpuState {
    let Some(area) = area(t) else { return t.fpu.0.get() };
    let mut state = area.legacy.get();
    let present = area.present.get();
    if present & X87 == 0 {
        state.0[..MXCSR_AT].copy_from_slice(&FpuState::INIT.0[..MXCSR_AT]);
        state.0[ST0_AT..XMM0_AT].fill(0);
    }
    if present & SSE == 0 {
        state.0[XMM0_AT..XMM_END].fill(0);
    }
    state
}

/// Replace x87 and SSE in the saved state of `t` by what may come from user memory; the upper parts stay. Reserved bits of MXCSR, which
/// no instruction would load (SDM vol. 1, 10.5.1.2), become zero.
pub fn set(t: &Thread, mut state: FpuState) {
    let clean = u32_at(&state, MXCSR_AT) & MXCSR_MASK.load(Ordering::Relaxed);
    state.0[MXCSR_AT..MXCSR_MASK_AT].copy_from_slice(&clean.to_le_bytes());
    match area(t) {
        Some(area) => {
            area.legacy.set(state);
            area.present.set(area.present.get() | X87 | SSE);
        }
        None => t.fpu.0.set(state),
    }
}

/// Make the saved state of `t` that of a new thread.
pub fn reset(t: &Thread) {
    t.fpu.0.set(FpuState::INIT);
    prepare(t);
}

/// Places in the format of FXSAVE64 (SDM vol. 1, table 10-2).
const MXCSR_AT: usize = 24;
const MXCSR_MASK_AT: usize = 28;
const ST0_AT: usize = 32;
const XMM0_AT: usize = 160;
const XMM_END: usize = 416;

fn u32_at(state: &FpuState, at: usize) -> u32 {
    let b = &state.0;
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}
