//! Figures about a machine while it runs, in the text format that Prometheus and its like read.
//!
//! Those who count do it anyway, or at the price of an addition that nobody shares; adding up is done when somebody asks.
//!
//! - [`exposition`]: the format; [`families`]: what there is in it
//! - [`process`]: what Linux says of the process

pub mod exposition;
pub mod families;
pub mod process;
