//! A network for a guest that needs no privileges on the host.
//!
//! Ethernet frames of the guest come in, frames for the guest go out, and on the other side are ordinary sockets of the
//! host. The guest sees the network that QEMU's users know: it is 10.0.2.15/24, its router is 10.0.2.2, which is also
//! the host's loopback interface, and its name server is 10.0.2.3.
//!
//! Nothing is sent over a wire between the guest and here, so nothing is lost on the way and there is no congestion. A TCP connection
//! is therefore two halves that are joined, each with its own flow control: what the guest sends goes to the host's
//! socket at once and is acknowledged when the socket has taken it; what the host's socket has is read when the guest has room for it, in
//! segments of up to 64 KiB.
//!
//! All logic is in [`Gateway`], which knows neither time nor files: the caller says what time it is, and sockets are a
//! [`Host`]. The guest is hostile: whatever it sends, memory and sockets are bounded.
//!
//! - [`plan`]: who has which address; [`forward`]: what the host lets in
//! - [`frame`]: what crosses to the guest; `packet`: what comes from it, taken apart
//! - [`gateway`]: where a frame goes, and whose turn it is to send one
//! - `arp`, `dhcp`, `icmp`, `udp`, `tcp`: the protocols
//! - [`host`]: what is expected of the host; [`system`]: Linux; [`mock`]: tests

#![forbid(unsafe_code)]

mod arp;
mod dhcp;
pub mod forward;
pub mod frame;
pub mod gateway;
pub mod host;
mod icmp;
pub mod mock;
mod packet;
pub mod plan;
mod resolver;

pub use resolver::PATH as RESOLVER_FILE;
pub mod system;
mod tcp;
mod udp;

pub use forward::{Forward, Protocol};
pub use frame::{Frame, Offers};
pub use gateway::{Config, Gateway};
pub use host::Host;
pub use system::System;
