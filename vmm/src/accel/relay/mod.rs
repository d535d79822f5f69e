//! Connections that go through the wall of the lab, as many at once as there are.
//!
//! They share the one wire between both ends, so none may hold up the others, however slow who reads it is: of each, no more than a window's bytes are
//! under way in a direction until the other end says that it is rid of some. So neither end ever waits while it should hear what the other one says.
//!
//! A port of the virtio console for each would not do: that somebody has left one and another has come is not seen at its other end.
//!
//! - [`exchange`]: all connections of an end
//! - [`credit`]: how much of one may be sent

mod credit;
pub mod exchange;

pub use exchange::Exchange;
