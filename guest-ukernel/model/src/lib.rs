//! A naive model of the µ-kernel's IPC, and what compares the kernel with it.
//!
//! Random sequences of what threads can do to each other run on the kernel's own code and on a model that is written from the manual and
//! knows no tricks. After every step they must agree about every thread. The same with the assembler fast path in front, interpreted
//! instruction by instruction: then all ways through it must agree with the model as well.
//!
//! - [`world`]: who exists
//! - [`naive`]: the model
//! - [`rig`]: the kernel's code
//! - [`fast`]: the kernel's fast path
//! - [`op`]: what may happen
//! - [`run`]: makes it happen on both sides
//! - [`compare`]: what must agree
//! - [`cpu`]: offsets that the kernel's assembler asks for

pub mod compare;
pub mod cpu;
pub mod fast;
pub mod naive;
pub mod op;
pub mod rig;
pub mod run;
pub mod world;
