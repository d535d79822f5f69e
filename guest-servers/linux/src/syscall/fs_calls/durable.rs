//! Calls that make sure that data outlives the machine: what is on the disk does. All else is in memory, and nowhere else.

use crate::disk::Disk;
use crate::errno::{Errno, Result};
use crate::fs::{File, FileKind};
use crate::syscall::{Ctx, Step, SysResult};
use alloc::boxed::Box;
use alloc::rc::Rc;

/// fsync, fdatasync.
pub(super) fn sync_file(c: &Ctx) -> Result<Step> {
    let file = storage(c)?;
    if file.ops().disk().is_none() {
        return Ok(Step::Done(Ok(0)));
    }
    Ok(Step::Waits(Box::pin(async move { flush(file.ops().disk()).await })))
}

/// sync_file_range: what was written is at the device already, and the call promises no more (sync_file_range(2)).
pub(super) fn sync_range(c: &Ctx) -> SysResult {
    storage(c).map(|_| 0)
}

/// sync, which does not fail.
pub(super) fn sync(c: &Ctx) -> Step {
    let Some(disk) = c.server.disk.clone() else { return Step::Done(Ok(0)) };
    Step::Waits(Box::pin(async move { flush(Some(&disk)).await.or(Ok(0)) }))
}

async fn flush(disk: Option<&Disk>) -> SysResult {
    match disk {
        Some(disk) => disk.flush().await.map(|()| 0),
        None => Ok(0),
    }
}

/// The file that the call is about. EINVAL if there is nothing to be stored.
fn storage(c: &Ctx) -> Result<Rc<File>> {
    let file = c.proc.files().get_open(c.int(0))?;
    let has_storage = matches!(file.kind(), FileKind::Regular | FileKind::Directory | FileKind::Block);
    if has_storage { Ok(file) } else { Err(Errno::EINVAL) }
}
