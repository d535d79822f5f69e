//! A program that is where its file says: a kernel, or a server.
//!
//! What no file has is the page by which the µ-kernel's calls are made. It is called, and pushes nothing, so its caller is found all the same.

use super::image::Image;
use super::unwind::{Code, Rules};
use ukernel_abi::layout::GATE;

/// Bytes of the gate page.
const GATE_SIZE: u64 = 4096;

/// Whether `address` is in the gate page.
pub fn is_gate(address: u64) -> bool {
    (GATE..GATE + GATE_SIZE).contains(&address)
}

/// What is known of such a program.
#[derive(Clone, Copy)]
pub struct InPlace<'a> {
    image: Option<&'a Image>,
    has_frame_pointers: bool,
}

impl<'a> InPlace<'a> {
    /// One that we have built: without frame pointers.
    pub fn ours(image: Option<&'a Image>) -> Self {
        Self { image, has_frame_pointers: false }
    }

    /// One that somebody has built, perhaps with frame pointers.
    pub fn foreign(image: Option<&'a Image>) -> Self {
        Self { image, has_frame_pointers: true }
    }

    /// The name of the function around `address`.
    pub fn name(&self, address: u64) -> Option<&'a str> {
        let function = self.image.and_then(|image| image.function(address));
        function.or_else(|| is_gate(address).then_some("[gate]"))
    }
}

impl Code for InPlace<'_> {
    fn rules(&mut self, address: u64) -> Option<Rules> {
        is_gate(address).then_some(Rules::AT_CALL).or_else(|| self.image?.rules(address))
    }

    fn is_code(&mut self, address: u64) -> bool {
        self.has_frame_pointers && self.image.is_some_and(|image| image.is_code(address))
    }
}
