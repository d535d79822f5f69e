//! Options of options of the command line, which programs compose.

use super::Seed;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use ukvmm::disk::DiskOptions;

pub fn run(given: &[u8]) {
    let given = OsStr::from_bytes(given);
    match DiskOptions::parse(given) {
        Ok(options) => assert!(options.serial.is_none_or(|serial| serial.len() <= 20)),
        Err(error) => assert!(error.to_string().starts_with("--disk")),
    }
}

pub fn seeds() -> Vec<Seed> {
    vec![
        ("disk", b"a,,b.img,ro,serial=X,direct,io=threads".to_vec()),
        ("unknown", b"a.img,rw=1,=2,".to_vec()),
    ]
}
