//! A disk for tests: it does what it is asked when it is told to.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::drive::{Drive, Facts, Request, SECTOR};

/// A handle to the disk; a clone is the same.
#[derive(Clone)]
pub(crate) struct MockDrive(Rc<Inner>);

struct Inner {
    facts: Facts,
    content: RefCell<Vec<u8>>,
    buffer: RefCell<Vec<u8>>,
    under_way: Cell<Option<Request>>,
    /// All that it was asked.
    asked: RefCell<Vec<Request>>,
}

impl MockDrive {
    /// With so much memory for data.
    pub fn new(content: Vec<u8>, room: usize) -> Self {
        Self::with(content, room, false)
    }

    /// One that cannot be written to.
    pub fn read_only(content: Vec<u8>, room: usize) -> Self {
        Self::with(content, room, true)
    }

    fn with(content: Vec<u8>, room: usize, read_only: bool) -> Self {
        let sectors = (content.len() / SECTOR) as u64;
        Self(Rc::new(Inner {
            facts: Facts { sectors, block_size: SECTOR as u32, read_only, room },
            content: RefCell::new(content),
            buffer: RefCell::new(vec![0xee; room]),
            under_way: Cell::new(None),
            asked: RefCell::default(),
        }))
    }

    pub fn content(&self) -> Vec<u8> {
        self.0.content.borrow().clone()
    }
    /// What it was asked since this was last asked.
    pub fn asked(&self) -> Vec<Request> {
        self.0.asked.take()
    }
    pub fn is_busy(&self) -> bool {
        self.0.under_way.get().is_some()
    }

    /// Does what it is asked, or not. False if that is nothing.
    pub fn end(&self, does: bool) -> bool {
        let Some(request) = self.0.under_way.take() else { return false };
        let (mut content, mut buffer) = (self.0.content.borrow_mut(), self.0.buffer.borrow_mut());
        let place = |sector: u64, len: usize| sector as usize * SECTOR..sector as usize * SECTOR + len;
        match request {
            _ if !does => {}
            Request::Read { sector, at, len } => {
                buffer[at..at + len].copy_from_slice(&content[place(sector, len)]);
            }
            Request::Write { sector, at, len } => {
                content[place(sector, len)].copy_from_slice(&buffer[at..at + len]);
            }
            Request::Flush => {}
        }
        true
    }
}

impl Drive for MockDrive {
    fn facts(&self) -> Facts {
        self.0.facts
    }
    fn begin(&self, request: Request) {
        if let Request::Read { sector, len, .. } | Request::Write { sector, len, .. } = request {
            assert!(len > 0 && len.is_multiple_of(SECTOR), "{request:?}");
            assert!(sector + (len / SECTOR) as u64 <= self.0.facts.sectors, "{request:?}");
        }
        assert!(!self.is_busy(), "{request:?} while another is under way");
        self.0.under_way.set(Some(request));
        self.0.asked.borrow_mut().push(request);
    }
    fn look(&self, at: usize, into: &mut [u8]) {
        assert!(!self.is_busy(), "the buffer is the device's");
        into.copy_from_slice(&self.0.buffer.borrow()[at..at + into.len()]);
    }
    fn fill(&self, at: usize, from: &[u8]) {
        assert!(!self.is_busy(), "the buffer is the device's");
        self.0.buffer.borrow_mut()[at..at + from.len()].copy_from_slice(from);
    }
}
