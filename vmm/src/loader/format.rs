//! Tells what the file behind `--kernel` is.

use super::defect::{Defect, KernelError};
use super::file::Input;
use super::{bzimage, note};
use std::os::unix::fs::FileExt;

/// How a kernel is loaded and entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// An ELF file with the 64-bit entry of `vmm_abi::boot`.
    Native,
    /// An ELF file with the PVH entry: a vmlinux, or another kernel that QEMU takes with `-kernel`.
    Pvh,
    /// Linux as it is installed: `vmlinuz`.
    BzImage,
}

impl Format {
    /// Whether the kernel was made for a PC, and not for `ukvmm`.
    pub fn is_stock(self) -> bool {
        self != Self::Native
    }

    /// Tells what `input` is. Our own kernel has a PVH entry too, for QEMU; what tells it from others is that it goes with a
    /// server set.
    pub fn of(input: &Input, has_servers: bool) -> Result<Self, KernelError> {
        let format = match head(input) {
            Ok(head) if bzimage::is_one(&head) => Ok(Self::BzImage),
            Ok(head) if head.starts_with(b"\x7fELF") => {
                let pvh = if has_servers { Ok(None) } else { note::pvh_entry(input) };
                pvh.map(|entry| if entry.is_some() { Self::Pvh } else { Self::Native })
            }
            Ok(head) => Err(Defect::NoKernel(description(&head))),
            Err(defect) => Err(defect),
        };
        format.map_err(|what| KernelError { path: input.path.clone(), what })
    }
}

/// Bytes that are looked at.
const HEAD: usize = 1024;

fn head(input: &Input) -> Result<Vec<u8>, Defect> {
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match input.file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(Defect::Read(error.kind())),
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// What files are that people take for kernels: offset, bytes, words.
const KNOWN: &[(usize, &[u8], &str)] = &[
    (0, b"\x1f\x8b", "it is compressed by gzip; unpack it first"),
    (0, b"\xfd7zXZ\0", "it is compressed by xz; unpack it first"),
    (0, b"BZh", "it is compressed by bzip2; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "it is compressed by zstd; unpack it first"),
    (0, b"\x02\x21\x4c\x18", "it is compressed by lz4; unpack it first"),
    (0, b"\x04\x22\x4d\x18", "it is compressed by lz4; unpack it first"),
    (0, b"07070", "it is a cpio archive; a root file system goes with --initrd"),
    (0, b"\x27\x05\x19\x56", "it is an image for U-Boot"),
    (0x38, b"ARM\x64", "it is Linux for ARM64"),
    (0x38, b"RSC\x05", "it is Linux for RISC-V"),
    (0, b"MZ", "it is a program for EFI or Windows"),
    (0, b"!<arch>\n", "it is a package or library; a kernel's package has it in boot/"),
    (0, b"#!", "it is a script"),
    (0x1fe, b"\x55\xaa", "it begins with a boot sector; a disk goes with --disk"),
];

/// What a file is that begins like this.
fn description(head: &[u8]) -> &'static str {
    if head.is_empty() {
        return "it is empty";
    }
    let known = KNOWN.iter().find(|(at, bytes, _)| head.get(*at..at + bytes.len()) == Some(bytes));
    known.map_or("it begins with nothing that is known", |(.., words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::file;

    fn of(bytes: &[u8]) -> Result<Format, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kernel");
        std::fs::write(&path, bytes).unwrap();
        Format::of(&file::open("kernel", &path, "").unwrap(), false).map_err(|e| e.what.to_string())
    }

    #[test]
    fn what_is_no_kernel_is_called_by_its_name() {
        for (bytes, expected) in [
            (&b""[..], "it is empty"),
            (b"#!/bin/sh", "it is a script"),
            (b"\x1f\x8b\x08", "compressed by gzip"),
            (b"070701", "goes with --initrd"),
            (b"MZ", "EFI"),
            (b"hello", "nothing that is known"),
            (b"\x7fEL", "nothing that is known"),
        ] {
            let error = of(bytes).unwrap_err();
            assert!(
                error.contains(expected) && error.contains("neither an ELF file nor a bzImage"),
                "{error}"
            );
        }
        let mut arm = vec![0; 64];
        arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert!(of(&arm).unwrap_err().contains("ARM64"));
        let mut sector = vec![0; 512];
        sector[510..].copy_from_slice(b"\x55\xaa");
        assert!(of(&sector).unwrap_err().contains("--disk"));
    }

    #[test]
    fn a_broken_elf_file_is_told_as_such() {
        assert!(of(b"\x7fELF\x02").unwrap_err().contains("truncated"));
    }
}
