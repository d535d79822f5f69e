//! Puts files into a root file system: appends to a cpio archive of the "newc" kind.
//!
//! Layout: `Documentation/driver-api/early-userspace/buffer-format.rst` of Linux. The archive's trailer is taken off
//! and put back behind the new files, so that the result is one archive.

const HEADER: usize = 110;
const TRAILER: &str = "TRAILER!!!";
const DIRECTORY: u32 = 0o040755;
const PROGRAM: u32 = 0o100755;

/// A cpio archive that can grow.
pub struct Archive {
    bytes: Vec<u8>,
    next_inode: u32,
}

impl Archive {
    /// Takes over an archive, less its trailer.
    pub fn open(mut bytes: Vec<u8>) -> Result<Self, String> {
        let (mut at, mut next_inode) = (0, 1);
        loop {
            let header = Header::parse(&bytes, at)?;
            if header.name == TRAILER.as_bytes() {
                bytes.truncate(at);
                return Ok(Self { bytes, next_inode });
            }
            next_inode = next_inode.max(header.inode.wrapping_add(1));
            at = header.end;
        }
    }

    pub fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY, 2, &[]);
    }

    /// Adds an executable file. `name` has no leading slash.
    pub fn program(&mut self, name: &str, data: &[u8]) {
        self.entry(name, PROGRAM, 1, data);
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, 1, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, links: u32, data: &[u8]) {
        let inode = if name == TRAILER { 0 } else { self.next_inode };
        self.next_inode += 1;
        let fields = [inode, mode, 0, 0, links, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

struct Header<'a> {
    inode: u32,
    name: &'a [u8],
    /// Where the next header is.
    end: usize,
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8], at: usize) -> Result<Self, String> {
        let bad = |what: &str| format!("cpio archive, offset {at}: {what}");
        let header = bytes.get(at..at + HEADER).ok_or_else(|| bad("ends without a trailer"))?;
        if &header[..6] != b"070701" {
            return Err(bad("not a newc header"));
        }
        let field = |n: usize| {
            let digits =
                std::str::from_utf8(&header[6 + 8 * n..14 + 8 * n]).map_err(|_| bad("not hexadecimal"))?;
            u32::from_str_radix(digits, 16).map_err(|_| bad("not hexadecimal"))
        };
        let (inode, size, name_size) = (field(0)?, field(6)? as usize, field(11)? as usize);
        let name_end = at + HEADER + name_size;
        let name = bytes.get(at + HEADER..name_end).ok_or_else(|| bad("name is cut off"))?;
        let name = name.strip_suffix(b"\0").ok_or_else(|| bad("name has no end"))?;
        let end = (name_end.next_multiple_of(4) + size).next_multiple_of(4);
        Ok(Self { inode, name, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;
    use std::process::Command;
    use std::time::Duration;

    fn sample() -> Vec<u8> {
        let mut archive = Archive { bytes: vec![], next_inode: 1 };
        archive.directory("bin");
        archive.program("bin/odd", b"12345");
        archive.finish()
    }

    #[test]
    fn busybox_reads_what_was_appended() {
        let mut archive = Archive::open(sample()).unwrap();
        archive.directory("tests");
        archive.program("tests/new", b"#!/bin/sh\n");
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("busybox");
        command.args(["cpio", "-idv"]).current_dir(dir.path());
        let outcome = process::run(command, &archive.finish(), Duration::from_secs(10)).unwrap();
        assert_eq!(outcome.end, process::End::Exited(0), "{outcome:?}");
        assert_eq!(std::fs::read(dir.path().join("bin/odd")).unwrap(), b"12345");
        assert_eq!(std::fs::read(dir.path().join("tests/new")).unwrap(), b"#!/bin/sh\n");
    }

    #[test]
    fn an_archive_that_is_cut_off_is_refused() {
        let whole = sample();
        for len in 0..whole.len() - "TRAILER!!!\0".len() {
            assert!(Archive::open(whole[..len].to_vec()).is_err(), "{len} bytes");
        }
        assert!(Archive::open(vec![b'x'; 4096]).is_err());
    }
}
