//! Servers are linked with a script that makes their pages mappable in place; it is for guest binaries only.
//!
//! In σ0's address space an address is the physical address that it can map to others. Where its own image
//! is, that is not so; so it is put below 1 MiB, into the addresses of memory that is the firmware's and
//! never given to anybody.

fn main() {
    println!("cargo:rerun-if-changed=../server.ld");
    if std::env::var_os("CARGO_FEATURE_GUEST").is_some() {
        let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo:rustc-link-arg-bins=-T{here}/../server.ld");
        println!("cargo:rustc-link-arg-bins=--defsym=BASE=0x80000");
        println!("cargo:rustc-link-arg-bins=-zmax-page-size=4096");
    }
}
