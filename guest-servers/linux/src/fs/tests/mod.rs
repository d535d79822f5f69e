//! Tests of the file half as a whole, by what they are about.

mod archives;
mod contents;
mod descriptors;
mod devices;
mod hostile;
mod naming;
mod oracle;
mod permissions;
mod pipes;
mod polling;
mod processes;
mod resolution;
mod sockets;
pub(crate) mod world;
