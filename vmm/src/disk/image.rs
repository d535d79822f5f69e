//! The file behind a disk: found, checked, locked.
//!
//! It is locked as long as it is open (`flock`): by several readers or by one writer. Two writers, or a writer and a reader with its own
//! idea of what is on the disk, would soon have a broken file system. `udev` looks at a block device under such a lock too, whenever somebody
//! who wrote it closes it; so a lock is waited for, a little.
//!
//! With `direct`, there is a second file description that goes past the page cache. It takes only what is aligned to the disk's
//! blocks, in memory too; everything else goes through the first. The kernel keeps both views the same.

use super::backend::Engine;
use super::options::DiskOptions;
use devices::virtio::block::Disk;
use devices::virtio::block::backend::SECTOR;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vmm_abi::exit;

/// Blocks of file systems, and of the disks below them, are no larger on nearly every machine: what is aligned to it can be read and written
/// past the page cache.
const FILE_BLOCK: u32 = 4096;
/// How often, and after how long, a lock is tried again.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// What is wrong with the file at `path`.
#[derive(Debug, thiserror::Error)]
#[error("disk {}: {problem}", path.display())]
pub struct ImageError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("not found; truncate -s 1G FILE makes an empty one")]
    NotFound,
    #[error("there is no permission to write it; with ,ro it is only read")]
    NotWritable,
    #[error("cannot be opened: {0}")]
    Open(#[from] io::Error),
    #[error("this is {0}; a disk is a file or a block device")]
    Kind(&'static str),
    #[error("it is empty; truncate -s 1G FILE gives it a size")]
    Empty,
    #[error("its {0} bytes are no multiple of 512; truncate -s %512 FILE fills its last sector with zeros")]
    Size(u64),
    #[error("another program, or another --disk, {0}")]
    Locked(&'static str),
    #[error("it cannot be used with direct: {0}")]
    NotDirect(&'static str),
}

impl ImageError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self.problem {
            Problem::NotFound => exit::NOT_FOUND,
            _ => exit::VMM,
        }
    }
}

/// An open file, or a block device.
#[derive(Debug)]
pub struct Image {
    pub path: PathBuf,
    pub disk: Disk,
    pub is_device: bool,
    /// Who is to do the work.
    pub engine: Engine,
    file: File,
    direct: Option<File>,
}

impl Image {
    /// Opens and locks what `options` name. `serial` is its name if they give none.
    pub fn open(options: DiskOptions, serial: &str) -> Result<Self, ImageError> {
        let path = options.path.clone();
        Self::check(options, serial).map_err(|problem| ImageError { path, problem })
    }

    fn check(options: DiskOptions, serial: &str) -> Result<Self, Problem> {
        let DiskOptions { path, read_only, serial: given, direct, engine } = options;
        // Before it is opened: a FIFO would be waited for.
        let is_device = check_kind(&path)?;
        let file = open(&path, read_only, 0)?;
        lock(&file, read_only, &path)?;
        // A device has no size in its metadata.
        let size = (&file).seek(SeekFrom::End(0))?;
        if size == 0 {
            return Err(Problem::Empty);
        }
        if !size.is_multiple_of(SECTOR) {
            return Err(Problem::Size(size));
        }
        let (block, physical_block) = match (is_device, direct) {
            (true, _) => device_blocks(&file)?,
            (false, true) => (FILE_BLOCK, FILE_BLOCK),
            (false, false) => (SECTOR as u32, FILE_BLOCK),
        };
        if !size.is_multiple_of(block.into()) {
            return Err(Problem::NotDirect("its size is no multiple of 4096"));
        }
        let direct = if direct { Some(open_direct(&path, read_only)?) } else { None };
        let serial = given.unwrap_or_else(|| serial.to_string()).into_bytes();
        let disk = Disk { size, read_only, block, physical_block, serial };
        Ok(Self { path, disk, is_device, engine, file, direct })
    }

    /// The file to use for what is not aligned, or is not about data.
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file to use for data; `aligned` says whether offset, addresses and lengths are multiples of what it is given.
    pub fn data_fd(&self, aligned: impl FnOnce(u32) -> bool) -> RawFd {
        match &self.direct {
            Some(direct) if aligned(self.disk.block) => direct.as_raw_fd(),
            _ => self.fd(),
        }
    }
}

fn open(path: &Path, read_only: bool, flags: i32) -> Result<File, Problem> {
    let opened = OpenOptions::new().read(true).write(!read_only).custom_flags(flags).open(path);
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            if !read_only && File::open(path).is_ok() =>
        {
            Problem::NotWritable
        }
        _ => error.into(),
    })
}

fn open_direct(path: &Path, read_only: bool) -> Result<File, Problem> {
    open(path, read_only, libc::O_DIRECT).map_err(|problem| match problem {
        Problem::Open(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Problem::NotDirect("its file system has no way past the page cache")
        }
        other => other,
    })
}

/// Whether it is a block device.
fn check_kind(path: &Path) -> Result<bool, Problem> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(Problem::NotFound);
        }
        Err(error) => return Err(error.into()),
    };
    match () {
        () if kind.is_file() => Ok(false),
        () if kind.is_block_device() => Ok(true),
        () if kind.is_dir() => Err(Problem::Kind("a folder")),
        () if kind.is_char_device() => Err(Problem::Kind("a character device")),
        () if kind.is_fifo() => Err(Problem::Kind("a pipe")),
        () => Err(Problem::Kind("a socket")),
    }
}

fn lock(file: &File, read_only: bool, path: &Path) -> Result<(), Problem> {
    for _ in 0..TRIES {
        match if read_only { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "disk {}: cannot be locked; nothing else may use it", path.display());
                return Ok(());
            }
        }
    }
    Err(Problem::Locked(if read_only { "writes it" } else { "has it open" }))
}

/// Bytes of the logical and of the physical blocks of a block device.
fn device_blocks(device: &File) -> io::Result<(u32, u32)> {
    let (mut logical, mut physical): (libc::c_int, libc::c_uint) = (0, 0);
    // SAFETY: BLKSSZGET writes an int to where it is told.
    let failed = unsafe { libc::ioctl(device.as_raw_fd(), libc::BLKSSZGET as _, &mut logical) } < 0;
    if failed || logical < SECTOR as i32 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: BLKPBSZGET writes an unsigned int to where it is told.
    if unsafe { libc::ioctl(device.as_raw_fd(), libc::BLKPBSZGET as _, &mut physical) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let logical = logical as u32;
    Ok((logical, physical.max(logical)))
}
