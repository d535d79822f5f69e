//! `--live`: a machine that can be watched while it runs, by `ukvmm top` or any other program.
//!
//! The thread that takes records out of the guest's rings ([`crate::profile::drain`]) hands copies of them over ([`feed`]); another one makes figures of them and serves those who
//! watch ([`watch`]). Neither ever waits for the other, or for a client: what is too much is left out and counted.
//!
//! - [`seats`]: what threads do, read from outside
//! - [`socket`]: where clients come; [`clients`]: those that have come
//! - [`command`]: `ukvmm top`

pub mod clients;
pub mod command;
pub mod feed;
pub mod seats;
pub mod socket;
pub mod watch;
