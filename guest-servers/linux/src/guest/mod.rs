//! What only the guest binary has: the µ-kernel itself behind the library's traits.
//!
//! - [`kernel`]: `Machine`, made of L4 calls
//! - [`memory`]: frames for programs
//! - [`events`]: the loop that receives messages
//! - [`input`]: the thread that receives what is typed
//! - [`timer`]: the thread that waits for the time
//! - [`disk`]: the thread that waits for the disk's driver

pub mod disk;
pub mod events;
pub mod input;
pub mod kernel;
pub mod memory;
pub mod timer;
