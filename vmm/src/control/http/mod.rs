//! HTTP/1.1, as much as a control socket needs: requests with a length, answers one after the other, connections that go on.
//!
//! Nothing here knows a socket or a clock: bytes and moments are parameters.
//!
//! - [`request`]: from bytes to a request; [`response`]: from an answer to bytes
//! - [`connection`]: what is to be done next with a connection

pub mod connection;
pub mod request;
pub mod response;
