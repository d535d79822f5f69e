//! Samples: where vCPUs are found when one looks, many times a second.
//!
//! A thread of ours has every vCPU leave the guest at once, in the way in which a debugger stops it ([`crate::vcpu::kick`]). The vCPU's own thread notes its registers and a
//! piece of each stack, and goes on; who called whom, and what that is called, is worked out beside it.
//!
//! - [`booth`]: where a vCPU's thread is asked for a sample, and held
//! - [`moment`]: what it notes
//! - [`unwind`]: who called whom; by [`rules`], and by what programs are made of ([`image`], [`in_place`])
//! - [`programs`]: what Linux programs are made of: the guest's files
//! - [`resolve`]: what all that is called
//! - [`sampler`]: the thread

pub mod booth;
pub mod image;
pub mod in_place;
pub mod moment;
pub mod programs;
pub mod resolve;
pub mod rules;
pub mod sampler;
pub mod unwind;
