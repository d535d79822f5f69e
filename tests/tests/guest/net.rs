//! The network driver, killed while it is used: an address, a ping, and data to and from a server on this machine.

use crate::driven::Run;
use crate::driver_profile::DriverProfile;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::peer;
use libtest_mimic::Trial;
use std::sync::Arc;

/// Of each of the two transfers.
const BYTES: &str = "1000000";
const KILLS: &str = "4";
/// What the host's loopback interface is to a guest with a user-mode network, under QEMU and under `ukvmm`.
const HOST: &str = "10.0.2.2";

/// Runs the set with a server for it.
fn run(body: impl FnOnce(Run<'_>) -> Result<(), String>) -> Result<(), String> {
    let port = peer::start().map_err(|e| format!("cannot start a server: {e}"))?;
    let server = format!("{HOST}:{port}");
    body(Run { set: "nettest", words: &[&server, BYTES, KILLS] })
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("qemu::net".to_owned(), context, |context| {
            let options = ["-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net"];
            run(|run| run.in_qemu(context, &options))
        }),
        plain("lab::accel::net".to_owned(), context, |context| {
            run(|run| run.by_accel(context, &["--net", "user"]))
        }),
        on_kvm("net", context, |context| {
            let profile = DriverProfile::new("nettest", "net")?;
            run(|run| run.on_kvm(context, &["--net", "user", "--profile", &profile.file()]))?;
            profile.check()
        }),
    ]
}
