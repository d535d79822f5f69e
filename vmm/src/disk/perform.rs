//! One operation, done at once by the thread that calls.

use super::image::Image;
use super::vectors::Vectors;
use devices::virtio::Memory;
use devices::virtio::block::Operation;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// Zeros that are written at once where the file system cannot make them.
const ZEROS: usize = 16 << 10;

/// Does `operation` on `image` and `memory`.
pub fn perform(image: &Image, memory: &Memory, operation: &Operation) -> io::Result<()> {
    match operation {
        Operation::Read { offset, into } => {
            let mut vectors = Vectors::default();
            vectors.fill(memory, into)?;
            transfer(image, &mut vectors, *offset, |fd, list, offset| {
                // SAFETY: the list's buffers are in the mapping of `memory`, which outlives the call. That its contents change under the
                // guest is what the guest expects, and nothing of ours refers to them.
                unsafe { libc::preadv(fd, list.as_ptr(), list.len() as i32, offset) }
            })
        }
        Operation::Write { offset, from, durable } => {
            let mut vectors = Vectors::default();
            vectors.fill(memory, from)?;
            transfer(image, &mut vectors, *offset, |fd, list, offset| {
                // SAFETY: the list's buffers are in the mapping of `memory`, which outlives the call.
                unsafe { libc::pwritev(fd, list.as_ptr(), list.len() as i32, offset) }
            })?;
            if *durable { image.file().sync_data() } else { Ok(()) }
        }
        Operation::Flush => image.file().sync_data(),
        Operation::Discard { offset, len } => discard(image, *offset, *len),
        Operation::WriteZeroes { offset, len, unmap, durable } => {
            write_zeroes(image, *offset, *len, *unmap)?;
            if *durable { image.file().sync_data() } else { Ok(()) }
        }
    }
}

/// Reads or writes all of `vectors`, in as many steps as it takes.
fn transfer(
    image: &Image,
    vectors: &mut Vectors,
    mut offset: u64,
    step: impl Fn(i32, &[libc::iovec], i64) -> isize,
) -> io::Result<()> {
    while !vectors.is_empty() {
        let fd = image.data_fd(|block| offset.is_multiple_of(block.into()) && vectors.are_aligned(block));
        let done = step(fd, vectors.left(), offset as i64);
        match u64::try_from(done) {
            Ok(0) => return Err(shrunk()),
            Ok(count) => {
                vectors.advance(count as usize);
                offset += count;
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}

/// Nothing could be read where the disk should still be.
pub fn shrunk() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the file has become shorter than the disk")
}

/// The contents of `len` bytes do not matter any more. A hint: what cannot be done is none the worse.
fn discard(image: &Image, offset: u64, len: u64) -> io::Result<()> {
    let done = if image.is_device {
        let range = [offset, len];
        // SAFETY: BLKDISCARD reads two 64-bit numbers from where it is told.
        result(unsafe { libc::ioctl(image.fd(), BLKDISCARD as _, &range) })
    } else {
        allocate(image, libc::FALLOC_FL_PUNCH_HOLE, offset, len)
    };
    match done {
        Err(error) if is_unsupported(&error) => Ok(()),
        done => done,
    }
}

fn write_zeroes(image: &Image, offset: u64, len: u64, unmap: bool) -> io::Result<()> {
    let modes = [libc::FALLOC_FL_PUNCH_HOLE, libc::FALLOC_FL_ZERO_RANGE];
    for mode in if unmap { &modes[..] } else { &modes[1..] } {
        match allocate(image, *mode, offset, len) {
            Err(error) if is_unsupported(&error) => {}
            done => return done,
        }
    }
    fill(image.file(), offset, len)
}

/// Writes `len` zeros.
pub(super) fn fill(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let zeros = [0; ZEROS];
    let mut done = 0;
    while done < len {
        let count = (len - done).min(ZEROS as u64);
        file.write_all_at(&zeros[..count as usize], offset + done)?;
        done += count;
    }
    Ok(())
}

fn allocate(image: &Image, mode: i32, offset: u64, len: u64) -> io::Result<()> {
    // SAFETY: fallocate touches no memory of ours.
    result(unsafe {
        libc::fallocate(image.fd(), mode | libc::FALLOC_FL_KEEP_SIZE, offset as i64, len as i64)
    })
}

fn result(returned: i32) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The file, its file system or the device below does not know how.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::ENOTTY | libc::EINVAL))
}

/// `linux/fs.h`: `_IO(0x12, 119)`.
const BLKDISCARD: u32 = 0x1277;
