//! What one may ask the server `mean`.

#![no_std]
#![forbid(unsafe_code)]

use ukernel_abi::Label;

/// One word: a number. The answer: how many there are now.
pub const ADD: Label = Label(0x1001);
/// No words. The answer: the mean of all numbers, rounded down.
pub const MEAN: Label = Label(0x1002);
