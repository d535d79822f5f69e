//! The vector registers as XSAVE and FXSAVE have them in memory (SDM vol. 1, 10.5.1 and 13.4, standard format).
//!
//! What surprises: of the tag word only "empty or not" is stored, so the rest of it is told from the registers' contents; and the bytes of a
//! component whose bit in XSTATE_BV is clear mean nothing, for it is in its initial state.

use super::registers::Vector;

/// Bytes of an FXSAVE area, with which an XSAVE area begins.
pub const FXSAVE: usize = 512;
/// Bytes of an XSAVE area of a machine without AVX.
pub const XSAVE_WITHOUT_AVX: usize = YMM_HIGH;
/// Bytes of an XSAVE area with the upper halves of ymm0–ymm15, in the format that is the same on all CPUs.
pub const XSAVE: usize = YMM_HIGH + 256;

const FCTRL: usize = 0;
const FSTAT: usize = 2;
const TAGS: usize = 4;
const FOP: usize = 6;
const FIOFF: usize = 8;
const FISEG: usize = 12;
const FOOFF: usize = 16;
const FOSEG: usize = 20;
const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
const ST: usize = 32;
const XMM: usize = 160;
/// Left to software. Linux has XCR0 there in the files and signal frames that it writes, and debuggers look for it (Linux,
/// `arch/x86/include/uapi/asm/sigcontext.h`).
const SOFTWARE_XCR0: usize = 464;
const XSTATE_BV: usize = 512;
const YMM_HIGH: usize = 576;

/// Components, in XSTATE_BV and XCR0.
const X87: u64 = 1;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;

/// What FNINIT and a reset leave (SDM vol. 3, table 11-1).
const INITIAL_FCTRL: u16 = 0x37f;
const INITIAL_MXCSR: u32 = 0x1f80;
const ALL_EMPTY: u16 = 0xffff;
/// Bits that every CPU of 64 bits lets one set in MXCSR.
const MXCSR_BITS: u32 = 0xffff;

/// Some bytes of an area; zeroes where it is too short.
fn part<const N: usize>(area: &[u8], at: usize) -> [u8; N] {
    area.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

impl Vector {
    /// From an FXSAVE area.
    pub fn from_fxsave(area: &[u8; FXSAVE]) -> Self {
        Self::from_components(area, X87 | SSE, false)
    }

    /// From an XSAVE area in the standard format. `avx`: whether the machine has AVX.
    pub fn from_xsave(area: &[u8; XSAVE], avx: bool) -> Self {
        Self::from_components(area, u64::from_le_bytes(part(area, XSTATE_BV)), avx)
    }

    fn from_components(area: &[u8], components: u64, avx: bool) -> Self {
        let u16_at = |at| u16::from_le_bytes(part(area, at));
        let u32_at = |at| u32::from_le_bytes(part(area, at));
        let row = |base: usize| std::array::from_fn(|i| u128::from_le_bytes(part(area, base + 16 * i)));
        let mut this =
            Self { fctrl: INITIAL_FCTRL, ftag: ALL_EMPTY, mxcsr: INITIAL_MXCSR, ..Default::default() };
        if components & X87 != 0 {
            this.st = std::array::from_fn(|i| part(area, ST + 16 * i));
            (this.fctrl, this.fstat, this.fop) = (u16_at(FCTRL), u16_at(FSTAT), u16_at(FOP));
            (this.fioff, this.fiseg) = (u32_at(FIOFF), u16_at(FISEG));
            (this.fooff, this.foseg) = (u32_at(FOOFF), u16_at(FOSEG));
            this.ftag = full_tags(area[TAGS], this.fstat, &this.st);
        }
        if components & (SSE | AVX) != 0 {
            this.mxcsr = u32_at(MXCSR);
        }
        if components & SSE != 0 {
            this.xmm = row(XMM);
        }
        this.ymm_high = avx.then(|| if components & AVX != 0 { row(YMM_HIGH) } else { [0; 16] });
        this
    }

    /// As an FXSAVE area.
    pub fn to_fxsave(&self) -> [u8; FXSAVE] {
        let mut area = [0; FXSAVE];
        let mut put = |at: usize, bytes: &[u8]| area[at..at + bytes.len()].copy_from_slice(bytes);
        for (at, value) in [(FCTRL, self.fctrl), (FSTAT, self.fstat), (FOP, self.fop)] {
            put(at, &value.to_le_bytes());
        }
        put(TAGS, &[abridged_tags(self.ftag)]);
        for (at, offset, selector) in [(FIOFF, self.fioff, self.fiseg), (FOOFF, self.fooff, self.foseg)] {
            put(at, &offset.to_le_bytes());
            put(at + FISEG - FIOFF, &selector.to_le_bytes());
        }
        put(MXCSR, &self.mxcsr.to_le_bytes());
        put(MXCSR_MASK, &MXCSR_BITS.to_le_bytes());
        for (i, st) in self.st.iter().enumerate() {
            put(ST + 16 * i, st);
        }
        for (i, xmm) in self.xmm.iter().enumerate() {
            put(XMM + 16 * i, &xmm.to_le_bytes());
        }
        area
    }

    /// As an XSAVE area in the standard format, with XCR0 where Linux has it in its files.
    pub fn to_xsave(&self) -> [u8; XSAVE] {
        let mut area = [0; XSAVE];
        area[..FXSAVE].copy_from_slice(&self.to_fxsave());
        let components = if self.ymm_high.is_some() { X87 | SSE | AVX } else { X87 | SSE };
        for at in [SOFTWARE_XCR0, XSTATE_BV] {
            area[at..at + 8].copy_from_slice(&components.to_le_bytes());
        }
        for (to, half) in area[YMM_HIGH..].chunks_exact_mut(16).zip(self.ymm_high.iter().flatten()) {
            to.copy_from_slice(&half.to_le_bytes());
        }
        area
    }
}

const VALID: u16 = 0;
const ZERO: u16 = 1;
const SPECIAL: u16 = 2;
const EMPTY: u16 = 3;

/// The tag word, of which `abridged` says which registers are not empty (SDM vol. 1, table 10-3). Tags are of the physical registers, of which the
/// status word says which is st0.
fn full_tags(abridged: u8, fstat: u16, st: &[[u8; 10]; 8]) -> u16 {
    let top = usize::from(fstat >> 11 & 7);
    let tag = |physical: usize| match abridged >> physical & 1 {
        0 => EMPTY,
        _ => tag_of(&st[(physical + 8 - top) % 8]),
    };
    (0..8).fold(0, |tags, physical| tags | tag(physical) << (2 * physical))
}

fn tag_of(st: &[u8; 10]) -> u16 {
    let significand = u64::from_le_bytes(part(st, 0));
    let exponent = u16::from_le_bytes(part(st, 8)) & 0x7fff;
    match exponent {
        0 if significand == 0 => ZERO,
        1..=0x7ffe if significand >> 63 == 1 => VALID,
        _ => SPECIAL,
    }
}

fn abridged_tags(full: u16) -> u8 {
    (0..8)
        .filter(|physical| full >> (2 * physical) & 3 != EMPTY)
        .fold(0, |tags, physical| tags | 1 << physical)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1.0, 0.0 and infinity in the top three registers, of which st0 is physical register 5.
    fn vector() -> Vector {
        let mut this = Vector {
            fctrl: 0x27f,
            fstat: 5 << 11,
            fop: 0x123,
            fioff: 0x1000,
            fiseg: 0x33,
            fooff: 0x2000,
            foseg: 0x2b,
            mxcsr: 0x1fa0,
            xmm: std::array::from_fn(|i| (i as u128) << 100 | 7),
            ymm_high: Some(std::array::from_fn(|i| (i as u128) << 90 | 9)),
            ..Default::default()
        };
        this.st[0] = [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f];
        this.st[2] = [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f];
        this.ftag = VALID << 10 | ZERO << 12 | SPECIAL << 14 | 0x3ff;
        this
    }

    #[test]
    fn what_is_written_is_read() {
        let all = vector();
        assert_eq!(Vector::from_xsave(&all.to_xsave(), true), all);
        let without = Vector { ymm_high: None, ..all };
        assert_eq!(Vector::from_xsave(&without.to_xsave(), false), without);
        assert_eq!(Vector::from_fxsave(&without.to_fxsave()), without);
    }

    #[test]
    fn components_in_their_initial_state_have_no_bytes() {
        let mut area = vector().to_xsave();
        area[XSTATE_BV] = 0;
        let initial = Vector::from_xsave(&area, true);
        let Vector { fctrl, ftag, mxcsr, xmm, ymm_high, .. } = initial;
        assert_eq!((fctrl, ftag, mxcsr), (0x37f, 0xffff, 0x1f80));
        assert_eq!((xmm, ymm_high), ([0; 16], Some([0; 16])));
        area[XSTATE_BV] = AVX as u8;
        let upper = Vector::from_xsave(&area, true);
        assert_eq!((upper.mxcsr, upper.xmm, upper.ymm_high), (0x1fa0, [0; 16], vector().ymm_high));
    }

    #[test]
    fn denormal_numbers_are_special() {
        assert_eq!(tag_of(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), SPECIAL);
        assert_eq!(tag_of(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0]), SPECIAL, "the integer bit is missing");
        assert_eq!(tag_of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]), ZERO, "-0");
    }
}
