//! Virtio devices on the command line: a word `virtio_mmio.device=SIZE@BASE:LINE` for each register window.
//!
//! Linux takes the same words (its `drivers/virtio/virtio_mmio.c`), and QEMU's machine `microvm` appends them to the
//! command line, so a guest needs one way to find devices, wherever it runs. SIZE may end in `K`; BASE is a physical
//! address; a further `:ID`, which Linux allows, is passed over. Other words mean nothing here.

use crate::virtio::WORD;
use core::fmt;

/// Bytes of a window that every transport has at least: its registers, and 256 bytes of configuration (virtio 1.2, 4.2.2).
pub const WINDOW_MIN: u64 = 0x200;

/// A window of virtio-mmio registers. `Display` writes its word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transport {
    /// Physical address; a multiple of [`WINDOW_MIN`].
    pub base: u64,
    /// Bytes, at least [`WINDOW_MIN`].
    pub size: u64,
    /// Interrupt line, below [`crate::set::IRQ_LINES`].
    pub line: u8,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD}{}@{:#x}:{}", self.size, self.base, self.line)
    }
}

/// The transports that a command line names, in its order. Words that are malformed are left out: they are no reason not
/// to boot.
pub fn transports(cmdline: &str) -> impl Iterator<Item = Transport> + '_ {
    cmdline.split_ascii_whitespace().filter_map(|word| transport(word.strip_prefix(WORD)?))
}

fn transport(text: &str) -> Option<Transport> {
    let (size, rest) = text.split_once('@')?;
    let mut rest = rest.split(':');
    let (base, line) = (number(rest.next()?)?, rest.next()?);
    let size = match size.strip_suffix(['K', 'k']) {
        Some(kib) => number(kib)?.checked_mul(1 << 10)?,
        None => number(size)?,
    };
    let line = line.parse().ok().filter(|&line: &u8| line < crate::set::IRQ_LINES)?;
    let fits = base.is_multiple_of(WINDOW_MIN) && size >= WINDOW_MIN && base.checked_add(size).is_some();
    fits.then_some(Transport { base, size, line })
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
    let plain = digits.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn words_of_ukvmm_and_of_qemu() {
        let line =
            "quiet virtio_mmio.device=4K@0xfeb00000:16  virtio_mmio.device=512@0xfeb00e00:12 root=/dev/vda";
        let found: Vec<_> = transports(line).collect();
        let want = [
            Transport { base: 0xfeb0_0000, size: 4096, line: 16 },
            Transport { base: 0xfeb0_0e00, size: 512, line: 12 },
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let transport = Transport { base: 0xfeb0_1000, size: 4096, line: 23 };
        assert_eq!(transports(&transport.to_string()).collect::<Vec<_>>(), [transport]);
    }

    #[test]
    fn an_identifier_is_passed_over() {
        assert_eq!(transports("virtio_mmio.device=1K@0x1001e000:74:0").count(), 0, "there is no line 74");
        assert_eq!(transports("virtio_mmio.device=1K@0x1001e000:7:0").count(), 1);
    }

    #[test]
    fn what_is_malformed_is_left_out() {
        for bad in [
            "",
            "virtio_mmio.device",
            "virtio_mmio.device=",
            "virtio_mmio.device=4K",
            "virtio_mmio.device=4K@0xfeb00000",
            "virtio_mmio.device=4K@0xfeb00000:",
            "virtio_mmio.device=4K@0xfeb00000:-1",
            "virtio_mmio.device=4K@0xfeb00001:5",
            "virtio_mmio.device=256@0xfeb00000:5",
            "virtio_mmio.device=K@0xfeb00000:5",
            "virtio_mmio.device=+4K@0xfeb00000:5",
            "virtio_mmio.device=4K@0xffffffffffffff00:5",
            "virtio_mmio.device=4K@0xfffffffffffff200:5",
            "virtio_mmio.device=99999999999999999999K@0:5",
            "virtio_mmio.device=18446744073709551615K@0:5",
            "xvirtio_mmio.device=4K@0xfeb00000:5",
        ] {
            assert_eq!(transports(bad).count(), 0, "{bad}");
        }
    }
}
