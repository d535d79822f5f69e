//! Opening and making files.

use super::{Kind, Name, Node, Share};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::path::DecInt;
use std::os::fd::{AsFd, OwnedFd};

/// Whether a file that is to be made may be there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    Refuse,
    Open,
}

/// What every open file has: it does not wait for anybody (only FIFOs and devices do, which are refused before, but one flag
/// more is cheap), is nobody's terminal, and does not go to other programs.
const ALWAYS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The bits of a mode that a guest may set. Not set-user-ID and set-group-ID: by a file with these, a guest would choose what is
/// run as the host user who runs it.
pub const MODE_BITS: u32 = 0o1777;

/// A mode as the host is given it.
pub fn mode(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & MODE_BITS)
}

impl Share {
    /// Opens a regular file or a folder. `flags` are the access mode, `APPEND`, `TRUNC`, `SYNC` and the like.
    pub fn open_node(&self, node: &Node, flags: OFlags) -> Result<OwnedFd, Errno> {
        match node.kind() {
            Kind::Regular | Kind::Folder => {}
            Kind::Symlink => return Err(Errno::LOOP),
            Kind::Special => return Err(Errno::NXIO),
        }
        if flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC) {
            self.writable()?;
        }
        self.inside(node)?;
        // The link in /proc leads to the very file that is held, whatever its name is now.
        let link = DecInt::from_fd(node.descriptor());
        rustix::fs::openat(&self.descriptors, link.as_c_str(), flags | ALWAYS, Mode::empty())
    }

    /// Makes a regular file and opens it.
    pub fn create(
        &self,
        folder: &Node,
        name: Name<'_>,
        flags: OFlags,
        wanted: u32,
        existing: Existing,
    ) -> Result<(Node, OwnedFd), Errno> {
        self.writable()?;
        self.inside(folder)?;
        let create = flags | ALWAYS | OFlags::CREATE | OFlags::EXCL;
        match self.enter(folder, name, create, mode(wanted)) {
            Ok(file) => {
                // The process's umask has been applied; the guest has applied its own already, and means what it says.
                rustix::fs::fchmod(&file, mode(wanted))?;
                let link = DecInt::from_fd(file.as_fd());
                let hold = OFlags::PATH | OFlags::CLOEXEC;
                let node = rustix::fs::openat(&self.descriptors, link.as_c_str(), hold, Mode::empty())?;
                Ok((Node::new(node)?, file))
            }
            // Never by the name: what has it may be a link, a FIFO or a device.
            Err(Errno::EXIST) if existing == Existing::Open => {
                let node = self.child(folder, name)?;
                let file = self.open_node(&node, flags)?;
                Ok((node, file))
            }
            Err(error) => Err(error),
        }
    }
}
