//! Writes a core into a file.

use super::PAGE;
use super::layout::{Contents, Layout};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// RAM that is looked at and written at a time.
const CHUNK: usize = 1 << 20;

/// Writes the core. `file` is new and empty. Returns how many bytes of RAM it took; the rest of it is zero, and a hole in the file.
pub fn write(file: &File, contents: &Contents<'_>) -> io::Result<u64> {
    let layout = Layout::of(contents);
    file.write_all_at(&layout.head, 0)?;
    let mut written = 0;
    let mut chunk = vec![0; CHUNK];
    for range in &layout.ram {
        for into in (0..range.length).step_by(CHUNK) {
            let chunk = &mut chunk[..CHUNK.min((range.length - into) as usize)];
            contents.view.read(range.start + into, chunk).map_err(io::Error::other)?;
            written += write_pages(file, range.offset + into, chunk)?;
        }
    }
    let end = layout.ram.last().map_or(layout.head.len() as u64, |last| last.offset + last.length);
    file.set_len(end)?;
    Ok(written)
}

/// Writes the pages of `bytes` that are not zero to `offset`, those that follow each other together.
fn write_pages(file: &File, offset: u64, bytes: &[u8]) -> io::Result<u64> {
    let mut written = 0;
    let mut at = 0;
    let is_zero = |page: &&[u8]| page.iter().all(|&byte| byte == 0);
    let pages: Vec<&[u8]> = bytes.chunks(PAGE as usize).collect();
    for run in pages.chunk_by(|a, b| is_zero(a) == is_zero(b)) {
        let end = at + run.iter().map(|page| page.len()).sum::<usize>();
        if !run.first().is_some_and(is_zero) {
            file.write_all_at(&bytes[at..end], offset + at as u64)?;
            written += (end - at) as u64;
        }
        at = end;
    }
    Ok(written)
}
