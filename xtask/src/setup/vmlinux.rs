//! Takes the ELF file out of a bzImage (Linux, `Documentation/arch/x86/boot.rst`: `payload_offset` and `payload_length`).

use anyhow::{Context, Result, bail, ensure};
use lab::process;
use std::process::Command;

/// Where the setup header has them: setup sectors, magic, payload.
const SETUP_SECTORS: usize = 0x1f1;
const MAGIC: std::ops::Range<usize> = 0x202..0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;
/// The size of what is compressed, behind it.
const SIZE: usize = 4;
/// Largest kernel, far above what one has.
const KERNEL_MAX: usize = 256 << 20;

/// Begins a file of the kind that `lz4 -l` makes: blocks, each behind its size.
const LZ4: &[u8] = b"\x02\x21\x4c\x18";
/// What a block holds at most.
const LZ4_BLOCK: usize = 8 << 20;

/// The kernel in a bzImage.
pub fn extract(image: &[u8]) -> Result<Vec<u8>> {
    let payload = payload(image).context("not a bzImage")?;
    let (packed, size) =
        payload.split_at_checked(payload.len().wrapping_sub(SIZE)).context("an empty kernel")?;
    let size = word(size, 0).unwrap_or(0);
    ensure!(size <= KERNEL_MAX, "a kernel of {size} bytes");
    let kernel = match packed {
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            by_program("xz", packed).context("Debian's package xz-utils has xz")?
        }
        [0x1f, 0x8b, ..] => by_program("gzip", packed)?,
        _ => match packed.strip_prefix(LZ4) {
            Some(blocks) => lz4(blocks, size)?,
            None => bail!("a kernel that is compressed in a way that is not known"),
        },
    };
    ensure!(kernel.len() == size && kernel.starts_with(b"\x7fELF"), "what a kernel unpacks to is none");
    Ok(kernel)
}

fn payload(image: &[u8]) -> Option<&[u8]> {
    image.get(MAGIC).filter(|magic| magic == b"HdrS")?;
    let sectors = usize::from(*image.get(SETUP_SECTORS)?);
    let code = (if sectors == 0 { 4 } else { sectors } + 1) * SECTOR;
    let start = code.checked_add(word(image, PAYLOAD_OFFSET)?)?;
    image.get(start..start.checked_add(word(image, PAYLOAD_LENGTH)?)?)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn lz4(mut blocks: &[u8], size: usize) -> Result<Vec<u8>> {
    let mut kernel = Vec::with_capacity(size);
    while let Some((head, rest)) = blocks.split_first_chunk() {
        let block = rest.split_at_checked(u32::from_le_bytes(*head) as usize);
        let (block, rest) = block.context("a block is not whole")?;
        kernel.extend(lz4_flex::block::decompress(block, LZ4_BLOCK)?);
        ensure!(kernel.len() <= size, "more than it should be");
        blocks = rest;
    }
    Ok(kernel)
}

/// busybox unpacks xz, too, but not with the filter for code that kernels are packed with.
fn by_program(program: &str, packed: &[u8]) -> Result<Vec<u8>> {
    process::filter(Command::new(program).arg("-dc"), packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: &[u8] = b"\x7fELF and more";

    fn image(packed: &[u8], size: usize) -> Vec<u8> {
        let mut image = vec![0; 2 * SECTOR + 8];
        image[SETUP_SECTORS] = 1;
        image[MAGIC].copy_from_slice(b"HdrS");
        image[PAYLOAD_OFFSET..][..4].copy_from_slice(&8u32.to_le_bytes());
        image[PAYLOAD_LENGTH..][..4].copy_from_slice(&(packed.len() as u32 + 4).to_le_bytes());
        image.extend(packed);
        image.extend((size as u32).to_le_bytes());
        image
    }

    /// Of literals alone: a token with their number, and they.
    fn lz4_file() -> Vec<u8> {
        let block = [&[(KERNEL.len() as u8) << 4], KERNEL].concat();
        [LZ4, &(block.len() as u32).to_le_bytes(), &block].concat()
    }

    #[test]
    fn what_is_packed_comes_out() {
        assert_eq!(extract(&image(&lz4_file(), KERNEL.len())).unwrap(), KERNEL);
        let gzip = process::filter(Command::new("gzip").arg("-c"), KERNEL).unwrap();
        assert_eq!(extract(&image(&gzip, KERNEL.len())).unwrap(), KERNEL);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let good = image(&lz4_file(), KERNEL.len());
        for len in 0..good.len() {
            assert!(extract(&good[..len]).is_err(), "{len}");
        }
        assert!(extract(&image(&lz4_file(), KERNEL.len() + 1)).is_err());
        assert!(extract(&image(b"unknown", 7)).is_err());
    }
}
