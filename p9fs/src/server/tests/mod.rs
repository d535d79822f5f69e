//! The server as its clients see it, on folders of the host.

mod client;
mod escapes;
mod files;
mod folders;
mod hostile;
mod random;
mod read_only;
mod session;
