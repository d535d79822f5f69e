//! How a server is linked: for the build script of its package, wherever that lies.
//!
//! `server_link::server("guest")` is all that it has to do; `server-link` is one of the package's build-dependencies.

#![forbid(unsafe_code)]

/// Has the programs of this package linked as servers if they are built with `feature`, so that their pages can be mapped in place; without
/// it they are programs of the host.
pub fn server(feature: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../server.ld");
    println!("cargo:rerun-if-changed={script}");
    let variable = format!("CARGO_FEATURE_{}", feature.to_uppercase().replace('-', "_"));
    if std::env::var_os(variable).is_some() {
        println!("cargo:rustc-link-arg-bins=-T{script}");
        println!("cargo:rustc-link-arg-bins=-zmax-page-size=0x200000");
    }
}
