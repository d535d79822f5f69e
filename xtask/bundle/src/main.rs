//! `bundle BUILD SET OUT [WORD…]`: packs the server set described in the file `SET`, from the folder `BUILD`, into one file, and with
//! it the words that `ukvmm` takes behind `--`.
//!
//! Boot loaders that load a single module (QEMU's `-initrd`) boot the system with it. This is a program of its own
//! and not a part of xtask because it needs ukvmm's library, which knows what a set is: xtask is to be there
//! quickly, and to work when ukvmm does not compile.

#![forbid(unsafe_code)]

mod pack;

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use ukvmm::set::{IMPLIED, ServerSet};
use vmm_abi::boot::{ARGV_MODULE, INITRD_MODULE, SET_MODULE};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bundle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[OsString]) -> Result<()> {
    let [build, set, out, words @ ..] = args else { bail!("usage: bundle BUILD SET OUT [WORD…]") };
    let bytes = bundle(Path::new(build), Path::new(set), words)?;
    fs::write(out, bytes).with_context(|| format!("cannot write {}", Path::new(out).display()))
}

/// The modules in the order in which ukvmm would load them.
fn bundle(build: &Path, path: &Path, words: &[OsString]) -> Result<Vec<u8>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut set = ServerSet::parse(&text, path)?;
    // What the machine has is decided when it starts, and by somebody else.
    set.leave_out(|_| false);
    let mut modules = Vec::new();
    for name in IMPLIED.into_iter().chain(set.elfs()) {
        modules.push((name, read(&build.join("servers").join(name))?));
    }
    modules.push((SET_MODULE, set.to_lines().into_bytes()));
    if !words.is_empty() {
        let argv = words.iter().flat_map(|word| [word.as_bytes(), &[0]].concat());
        modules.push((ARGV_MODULE, argv.collect()));
    }
    if let Some(initrd) = &set.initrd {
        modules.push((INITRD_MODULE, read(&build.join(initrd))?));
    }
    pack::pack(&modules)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
