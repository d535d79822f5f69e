//! Cores of guests that have died, which people hand each other.

use super::Seed;
use super::bzimage::Image;
use std::io;
use std::path::PathBuf;
use ukvmm::core::debuggee::Exhibit;
use ukvmm::core::layout::{Contents, Layout};
use ukvmm::core::manifest::{Manifest, Program};
use ukvmm::core::open::Core;
use ukvmm::core::pipe;
use ukvmm::debug::programs::Programs;
use ukvmm::debug::registers::Registers;
use ukvmm::debug::view::{NoMemory, View};
use ukvmm::gdb::framing::frame;

/// What a debugger asks.
const QUESTIONS: &[&str] = &[
    "QStartNoAckMode",
    "qSupported:multiprocess+;qXfer:features:read+",
    "?",
    "qfThreadInfo",
    "g",
    "m0,40",
    "mffffffff80000000,40",
    "qRcmd,74736320",
    "vCont;c",
];
/// Bytes that are read of a range of RAM.
const SOME: u64 = 0x1_0000;

pub fn run(bytes: &[u8]) {
    let image = Image::new(bytes);
    let core = match Core::open(image.path()) {
        Ok(core) => core,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for (start, length) in core.ram() {
        let mut memory = vec![0; length.min(SOME) as usize];
        assert!(core.read(start, &mut memory).is_ok(), "what is checked is there");
        assert!(core.read(start + length - 1, &mut [0; 1]).is_ok());
    }
    // The core of a core.
    let manifest = core.manifest().clone();
    let again = Contents { view: &core, signal: 6, threads: Vec::new(), space: Vec::new(), manifest };
    assert!(Layout::of(&again).head.starts_with(b"\x7fELF"));
    let Ok(ram) = core.map() else { return };
    let programs = Programs::new(PathBuf::from("/no/kernel"), Vec::new());
    let Ok(mut exhibit) = Exhibit::new(&core, &ram, None, &programs) else { return };
    let questions: Vec<u8> = QUESTIONS.iter().flat_map(|question| frame(question.as_bytes())).collect();
    // An error, or fine.
    let _ = pipe::serve(&mut exhibit, &questions[..], io::sink());
}

/// A machine of one page and one vCPU.
struct Tiny {
    registers: Option<Registers>,
}

impl View for Tiny {
    fn vcpus(&self) -> usize {
        1
    }
    fn registers(&self, _: usize) -> Option<Registers> {
        self.registers.clone()
    }
    fn tsc(&self, _: usize) -> Option<u64> {
        Some(7)
    }
    fn read(&self, _: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        into.fill(0);
        Ok(())
    }
    fn ram(&self) -> Vec<(u64, u64)> {
        vec![(0, 4096)]
    }
}

/// A core whose RAM is the file's first page, with all that is in it.
fn core(registers: Option<Registers>) -> Vec<u8> {
    let kernel = Program { name: "kernel".into(), path: "/k".into(), size: 1, sha256: "00".into() };
    let manifest = Manifest {
        ukvmm: "0".into(),
        status: 120,
        message: "m".into(),
        vcpus: 1,
        culprit: Some(0),
        kernel,
        servers: Vec::new(),
        ram: Vec::new(),
    };
    let view = Tiny { registers };
    let contents = Contents { view: &view, signal: 6, threads: Vec::new(), space: Vec::new(), manifest };
    let mut bytes = Layout::of(&contents).head;
    let (from, to) = (b"offset = 4096", b"offset = 0   ");
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the RAM is behind the head");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes.resize(4096, 0);
    bytes
}

pub fn seeds() -> Vec<Seed> {
    // Page tables in the file's first page.
    let paging = Registers { cr0: 1 << 31, efer: 1 << 10, rip: u64::MAX, ..Registers::default() };
    vec![
        ("never-started", core(None)),
        ("physical", core(Some(Registers::default()))),
        ("paging", core(Some(paging))),
    ]
}
