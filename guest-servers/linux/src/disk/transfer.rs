//! Any bytes of a disk, which itself reads and writes whole sectors.
//!
//! A request is cut into parts that fit into the buffer, and each part stands in line anew, so that a long one keeps nobody from the disk. Of
//! sectors that a write covers only in part, the rest is read first, in the same turn: nobody writes in between.

use core::ops::Range;

use super::drive::{Request, SECTOR};
use super::turns::{Disk, Turn};
use crate::buf::{Sink, Source};
use crate::errno::{Errno, Result};

/// What the buffer is used in units of, and what is copied at once.
const PAGE: usize = 4096;

/// Bytes of the disk that go through the buffer at once.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// The sector that they begin in.
    sector: u64,
    /// Where in it they begin.
    head: usize,
    len: usize,
}

impl Span {
    /// Where the first of their sectors begins on the disk.
    fn start(&self) -> u64 {
        self.sector * SECTOR as u64
    }
    /// Where they end in the buffer.
    fn end(&self) -> usize {
        self.head + self.len
    }
    /// Bytes of all sectors that they are in.
    fn whole(&self) -> usize {
        self.end().next_multiple_of(SECTOR)
    }
}

impl Disk {
    /// Bytes that it has. A file's size is a signed number.
    pub fn size(&self) -> u64 {
        self.facts().sectors.min(i64::MAX as u64 / SECTOR as u64) * SECTOR as u64
    }

    /// Reads from byte `offset` on: as much as there is room for, up to the disk's end.
    pub async fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let len = sink.remaining();
        self.in_parts(offset, len, async |span| self.read_part(span, sink).await).await
    }

    /// Writes from byte `offset` on: as much as there is, up to the disk's end. ENOSPC there, EPERM if it cannot be written to.
    pub async fn write(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        let len = source.remaining();
        if self.facts().read_only {
            return Err(Errno::EPERM);
        }
        if len > 0 && offset >= self.size() {
            return Err(Errno::ENOSPC);
        }
        self.in_parts(offset, len, async |span| self.write_part(span, source).await).await
    }

    /// Makes sure that what has been written outlives a loss of power.
    pub async fn flush(&self) -> Result<()> {
        if self.facts().read_only {
            return Ok(());
        }
        self.turn().await.perform(Request::Flush).await
    }

    /// Does one part after the other, until all is done or one does less than it should. What was done before an error counts.
    async fn in_parts(
        &self,
        offset: u64,
        len: usize,
        mut part: impl AsyncFnMut(Span) -> Result<usize>,
    ) -> Result<usize> {
        let mut done = 0;
        while let Some(span) = self.span(offset.saturating_add(done as u64), len - done) {
            let result = part(span).await;
            match result {
                Ok(n) => done += n,
                Err(e) if done == 0 => return Err(e),
                Err(_) => {}
            }
            if result != Ok(span.len) {
                break;
            }
        }
        Ok(done)
    }

    /// The first part of `len` bytes from `offset` on. `None` if there is nothing there.
    fn span(&self, offset: u64, len: usize) -> Option<Span> {
        let left = usize::try_from(self.size().checked_sub(offset)?).unwrap_or(usize::MAX);
        let (sector, head) = (offset / SECTOR as u64, (offset % SECTOR as u64) as usize);
        let len = len.min(left).min(self.part_max() - head);
        (len > 0).then_some(Span { sector, head, len })
    }

    /// Bytes of the buffer that a part may have; behind them is room for one sector more.
    fn part_max(&self) -> usize {
        (self.facts().room - SECTOR) / PAGE * PAGE
    }

    async fn read_part(&self, span: Span, sink: &mut dyn Sink) -> Result<usize> {
        let turn = self.turn().await;
        let at = match self.ahead.find(span.start(), span.end()) {
            Some(at) => at,
            None => self.fetch(&turn, &span).await?,
        };
        let n = self.put(at + span.head..at + span.end(), sink)?;
        self.ahead.read_to(span.start() + (span.head + n) as u64);
        Ok(n)
    }

    /// Reads what is asked into the buffer, and perhaps what follows. Where it is there.
    async fn fetch(&self, turn: &Turn<'_>, span: &Span) -> Result<usize> {
        self.ahead.forget();
        let (start, asked) = (span.start(), span.whole());
        let left = usize::try_from(self.size() - start).unwrap_or(usize::MAX);
        let mut len = self.ahead.wanted(start + span.head as u64, asked).min(left).min(self.part_max());
        let mut read = turn.perform(Request::Read { sector: span.sector, at: 0, len }).await;
        if read.is_err() && len > asked {
            // What was not asked for may be what could not be read.
            len = asked;
            read = turn.perform(Request::Read { sector: span.sector, at: 0, len }).await;
        }
        read?;
        self.ahead.hold(start, len);
        Ok(0)
    }

    async fn write_part(&self, span: Span, source: &mut dyn Source) -> Result<usize> {
        let turn = self.turn().await;
        self.ahead.forget();
        let len = self.take(span.head..span.end(), source)?;
        let span = Span { len, ..span };
        if len == 0 {
            return Ok(0);
        }
        self.keep(&turn, &span, 0..span.head).await?;
        self.keep(&turn, &span, span.end()..span.whole()).await?;
        turn.perform(Request::Write { sector: span.sector, at: 0, len: span.whole() }).await?;
        Ok(len)
    }

    /// Fills a range of the buffer, which is in one sector, with what the disk has there.
    async fn keep(&self, turn: &Turn<'_>, span: &Span, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let sector = span.sector + (range.start / SECTOR) as u64;
        let beside = self.part_max();
        turn.perform(Request::Read { sector, at: beside, len: SECTOR }).await?;
        let mut block = [0; SECTOR];
        let block = &mut block[..range.len()];
        self.drive.look(beside + range.start % SECTOR, block);
        self.drive.fill(range.start, block);
        Ok(())
    }

    /// Copies a range of the buffer out, up to a fault.
    fn put(&self, range: Range<usize>, sink: &mut dyn Sink) -> Result<usize> {
        in_blocks(range, |at, block| {
            self.drive.look(at, block);
            sink.put(block)
        })
    }

    /// Copies a range of the buffer in, up to a fault.
    fn take(&self, range: Range<usize>, source: &mut dyn Source) -> Result<usize> {
        in_blocks(range, |at, block| {
            let taken = source.take(block)?;
            self.drive.fill(at, &block[..taken]);
            Ok(taken)
        })
    }
}

/// Copies a range of the buffer block by block: `copy` gets the place of each, and memory for it.
fn in_blocks(range: Range<usize>, mut copy: impl FnMut(usize, &mut [u8]) -> Result<usize>) -> Result<usize> {
    let mut memory = [0; PAGE];
    let mut done = 0;
    while done < range.len() {
        let block = &mut memory[..(range.len() - done).min(PAGE)];
        match copy(range.start + done, block) {
            Ok(n) if n == block.len() => done += n,
            Ok(n) => return Ok(done + n),
            Err(e) if done == 0 => return Err(e),
            Err(_) => break,
        }
    }
    Ok(done)
}
