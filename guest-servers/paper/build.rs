//! Servers are linked with a script that makes their pages mappable in place; it is for guest binaries only.

fn main() {
    println!("cargo:rerun-if-changed=../server.ld");
    if std::env::var_os("CARGO_FEATURE_GUEST").is_some() {
        let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo:rustc-link-arg-bins=-T{here}/../server.ld");
        println!("cargo:rustc-link-arg-bins=-zmax-page-size=0x200000");
    }
}
