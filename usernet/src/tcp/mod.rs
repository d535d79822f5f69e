//! TCP: a connection of the guest joined with a connection of the host.
//!
//! Between the guest and here nothing is lost, reordered or delayed but by the guest itself. So there is no congestion control and
//! no reassembly: what the guest sends out of order is not kept, since only a guest that has lost something itself does that. What
//! the guest loses of what it is sent is sent again (RFC 6298, much simplified), since a kernel may drop what it has no memory for.
//!
//! - [`seq`]: sequence numbers; [`segment`]: segments, as bytes and as meaning
//! - [`buffer`]: memory for what one side has sent and the other does not take yet
//! - [`flow`]: a connection; [`inward`]: what its guest sends; [`outward`]: what its guest is sent
//! - [`table`]: all connections, and where new ones come from

pub mod buffer;
pub mod flow;
mod inward;
mod outward;
pub mod segment;
pub mod seq;
pub mod table;

pub use segment::Segment;
pub use table::Table;
