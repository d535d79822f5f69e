//! σ0: hands all memory of the machine to root, its one client.
//!
//! The kernel gives σ0 the machine: what σ0 maps to somebody else is named by its physical address. So σ0
//! needs no memory but its image and stack, and keeps only one thing: which RAM is still free.
//!
//! - [`service`]: requests and answers
//!
//! The set of free addresses is `userlib::ranges`. The binary is the receive loop.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod service;

pub use service::Service;
