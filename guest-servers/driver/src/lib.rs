//! What virtio drivers are made of, and their clients.
//!
//! A driver server is a [`engine::Driver`] (how its device is spoken to) in an [`Engine`] (everything that is the same for all of
//! them: clients, their regions, requests under way, a device that stops working), run by [`run`](real::run). No part trusts
//! another across a border: not the client its driver, not the driver its clients, not the driver its device, all of which can at worst
//! make requests fail.
//!
//! - [`registers`], [`memory`]: what a driver touches, as traits; servers have the real ones, tests others
//! - [`transport`]: virtio over MMIO: finding, negotiating, starting
//! - [`queue`]: the split virtqueue, the driver's side; [`pipe`]: one that outlives resets
//! - [`engine`]: sessions with clients, requests under way, recovery; [`session`]: one client
//! - [`client`]: the other side: submits, waits, and goes on when the driver has been started again
//! - [`disk`]: a client of the block driver
//! - [`real`]: all of this on the µ-kernel (feature `guest`)
//! - [`trace`]: what all of them record for a profile
//! - [`mock`]: memory and registers for tests (feature `mock`)
//!
//! Why not the crate `virtio-drivers`: `docs/drivers.md`.

#![cfg_attr(not(any(test, feature = "mock")), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod disk;
pub mod engine;
pub mod memory;
#[cfg(any(test, feature = "mock"))]
pub mod mock;
pub mod pipe;
pub mod queue;
#[cfg(feature = "guest")]
pub mod real;
pub mod registers;
pub mod session;
pub mod trace;
pub mod transport;

pub use client::Client;
pub use engine::Engine;
pub use memory::Memory;
pub use queue::{Part, Queue};
pub use registers::Registers;
pub use transport::Transport;

/// The device does not keep to the rules, or does not work: it has to be reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken(pub &'static str);
