//! `--control`: a socket by which other programs ask a machine how it is, and tell it what to do. HTTP/1.1 and JSON, so that `curl` is client enough.
//!
//! One thread serves all clients and never waits for one of them, nor for the machine: what takes time is answered when it is done.
//!
//! - [`options`], [`socket`]: whether and where the user wants it
//! - [`remote`]: the whole; [`server`]: the thread; [`http`]: what is said on a connection
//! - [`routes`]: what there is; [`service`]: takes requests to it; [`actions`], [`keys`], [`status`], [`metrics`]: each kind of it
//! - [`machine`]: what is asked of a machine; [`running`]: the real one; [`mock`]: one that is only thought up
//! - [`client`]: `ukvmm ctl`

pub mod actions;
pub mod client;
pub mod http;
pub mod keys;
pub mod machine;
pub mod metrics;
pub mod mock;
pub mod options;
pub mod remote;
pub mod routes;
pub mod running;
pub mod server;
pub mod service;
pub mod socket;
pub mod status;

pub use remote::Remote;
