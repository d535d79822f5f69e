//! An open file whose content is made when it is read, as those of `/proc` are.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::file::{FileOps, Io};
use crate::buf::Sink;
use crate::errno::Result;

type Generate = Box<dyn Fn() -> Result<Vec<u8>>>;

/// The text is made when reading starts at offset 0, and stays as it was then until the next time, so that a reader
/// that goes on sees one consistent text.
pub struct BytesFile {
    generate: Generate,
    text: RefCell<Option<Vec<u8>>>,
}

impl BytesFile {
    pub fn new(generate: impl Fn() -> Result<Vec<u8>> + 'static) -> Self {
        Self { generate: Box::new(generate), text: RefCell::new(None) }
    }
}

impl FileOps for BytesFile {
    fn read(&self, io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        let fresh = io.offset == 0 || self.text.borrow().is_none();
        if fresh {
            let text = (self.generate)()?;
            *self.text.borrow_mut() = Some(text);
        }
        // Taken out while it is copied: the copy may fault, and a fault may come back here.
        let Some(text) = self.text.take() else { return Ok(0) };
        let start = usize::try_from(io.offset).unwrap_or(usize::MAX).min(text.len());
        let result = sink.put(&text[start..]);
        *self.text.borrow_mut() = Some(text);
        result
    }
}
