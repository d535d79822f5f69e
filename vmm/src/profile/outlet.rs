//! Where records go that were taken out of the rings: to the profile's file, to those who watch, or to both.

use super::drain::Records;
use crate::live::feed::Feed;
use profile::file::{Names, Ring, Samples};
use std::io;

#[derive(Default)]
pub struct Outlet {
    pub writer: Option<Records>,
    pub feed: Option<Feed>,
    /// Why there is no writer any more.
    failed: Option<io::Error>,
}

impl Outlet {
    pub fn new(writer: Option<Records>, feed: Option<Feed>) -> Self {
        Self { writer, feed, failed: None }
    }

    /// Records of a ring, and how many were dropped behind them.
    pub fn records(&mut self, ring: Ring, records: &[u8], dropped: u64) {
        if let Some(feed) = &mut self.feed {
            feed.records(ring, records, dropped);
        }
        self.write(|writer| {
            if !records.is_empty() {
                writer.records(ring, records)?;
            }
            if dropped > 0 {
                writer.dropped(ring, dropped)?;
            }
            Ok(())
        });
    }

    pub fn names(&mut self, names: &Names) {
        if let Some(feed) = &mut self.feed {
            feed.names(names);
        }
        self.write(|writer| writer.names(names));
    }

    /// Samples, which nobody watches.
    pub fn samples(&mut self, samples: &Samples) {
        self.write(|writer| writer.samples(samples));
    }

    /// What has been put together so far gets into the file.
    pub fn flush(&mut self) {
        self.write(Records::flush);
    }

    /// A file that cannot be written any more is no reason not to be watched.
    fn write(&mut self, write: impl FnOnce(&mut Records) -> io::Result<()>) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = write(writer)
        {
            self.failed = Some(error);
            self.writer = None;
        }
    }

    /// The writer, for what is still to be written; the error is the first one of writing.
    pub fn end(self) -> io::Result<Option<Records>> {
        self.failed.map_or(Ok(self.writer), Err)
    }
}
