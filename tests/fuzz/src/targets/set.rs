//! Server sets: text that people write.

use super::Seed;
use std::path::Path;
use ukvmm::set::ServerSet;

pub fn run(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let Ok(mut set) = ServerSet::parse(text, Path::new("set.toml")) else { return };
    set.add_arg("linux", "--strace");
    set.leave_out(|device| device.index == 0);
    let lines = set.to_lines();
    // What `root` reads: it understands whatever we take.
    for server in vmm_abi::set::servers(&lines) {
        assert!(server.is_ok(), "{:?} in {lines:?}", server.err());
    }
    assert!(set.elfs().iter().all(|elf| !elf.is_empty()));
}

pub fn seeds() -> Vec<Seed> {
    vec![
        (
            "whole",
            b"initrd = \"images/initrd.cpio\"\n\n[[server]]\nname = \"console\"\nelf = \"console\"\nprio = 200\nmemory = \"2M\"\n\
              ports = [[0xb00, 8], [0x3f8, 8]]\nirqs = [5, 4]\nmay_call = []\nrestart = \"never\"\nargs = [\"a\", \"b c\"]\n"
                .to_vec(),
        ),
        ("short", b"[[server]]\nname = \"linux\"\nmemory = \"64M\"\nprio = 1\n".to_vec()),
    ]
}
