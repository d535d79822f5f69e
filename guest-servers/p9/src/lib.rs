//! p9: the host's files, by 9P2000.L.
//!
//! - [`client`]: what a client says to the file server on the host, and how it goes on when the driver was restarted

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
