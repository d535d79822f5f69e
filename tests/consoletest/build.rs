//! Linked as all servers are; the script is for guest binaries only.

fn main() {
    println!("cargo:rerun-if-changed=../../guest-servers/server.ld");
    if std::env::var_os("CARGO_FEATURE_GUEST").is_some() {
        let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        println!("cargo:rustc-link-arg-bins=-T{here}/../../guest-servers/server.ld");
        println!("cargo:rustc-link-arg-bins=-zmax-page-size=0x200000");
    }
}
