//! What a client may ask: the only place that takes its bytes apart. Fields that nothing is done with are read and dropped; which,
//! and why, is said at each message.

use super::kind::*;
use super::reader::{Malformed, Reader};
use super::{HEADER, MOST_NAMES};

/// A request. Strings and data are in the message's own memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    Version { msize: u32, version: &'a [u8] },
    Auth,
    Attach { fid: u32, auth: u32, name: &'a [u8] },
    Flush,
    Walk { fid: u32, new: u32, names: Vec<&'a [u8]> },
    Clunk { fid: u32 },
    Remove { fid: u32 },
    Lopen { fid: u32, flags: u32 },
    Lcreate { fid: u32, name: &'a [u8], flags: u32, mode: u32 },
    Read { fid: u32, offset: u64, count: u32 },
    Write { fid: u32, offset: u64, data: &'a [u8] },
    Fsync { fid: u32, data_only: bool },
    Lock { fid: u32 },
    Getlock { fid: u32, start: u64, length: u64, process: u32, client: &'a [u8] },
    Readdir { fid: u32, offset: u64, count: u32 },
    Statfs { fid: u32 },
    Getattr { fid: u32, mask: u64 },
    Setattr { fid: u32, change: Change },
    Readlink { fid: u32 },
    Symlink { directory: u32, name: &'a [u8], target: &'a [u8] },
    Link { directory: u32, fid: u32, name: &'a [u8] },
    Mknod { directory: u32, name: &'a [u8], mode: u32 },
    Mkdir { directory: u32, name: &'a [u8], mode: u32 },
    Rename { fid: u32, directory: u32, name: &'a [u8] },
    Renameat { from: u32, name: &'a [u8], to: u32, new: &'a [u8] },
    Unlinkat { directory: u32, name: &'a [u8], flags: u32 },
    Xattrwalk { fid: u32, new: u32, name: &'a [u8] },
    Xattrcreate { fid: u32, name: &'a [u8], size: u64, flags: u32 },
}

/// What `setattr` is to change; `valid` says which of the rest count (`flags::setattr`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Change {
    pub valid: u32,
    pub mode: u32,
    pub owner: u32,
    pub group: u32,
    pub size: u64,
    /// Seconds, nanoseconds.
    pub accessed: (u64, u64),
    pub modified: (u64, u64),
}

/// Type, tag and body of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub kind: u8,
    pub tag: u16,
    body: Option<&'a [u8]>,
}

impl<'a> Frame<'a> {
    /// The header of a message. `None` if there is not even that. A message that is shorter than it says still has a tag, under
    /// which its sender can be told; what is behind its end is not looked at.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER>()?;
        let size = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let body = usize::try_from(size).ok().and_then(|size| message.get(HEADER..size));
        Some(Frame { kind: header[4], tag: u16::from_le_bytes([header[5], header[6]]), body })
    }

    /// The request; `None` if there is none of this type.
    pub fn request(&self) -> Result<Option<Request<'a>>, Malformed> {
        let mut reader = Reader::new(self.body.ok_or(Malformed)?);
        let request = match self.kind {
            100..=122 => session(self.kind, &mut reader)?,
            _ => file(self.kind, &mut reader)?,
        };
        match request {
            Some(request) => reader.end().map(|()| Some(request)),
            None => Ok(None),
        }
    }
}

/// The messages that 9P2000.L has from 9P2000.
fn session<'a>(kind: u8, reader: &mut Reader<'a>) -> Result<Option<Request<'a>>, Malformed> {
    Ok(Some(match kind {
        TVERSION => Request::Version { msize: reader.u32()?, version: reader.string()? },
        TAUTH => {
            reader.u32()?;
            reader.string()?;
            reader.string()?;
            reader.u32()?;
            Request::Auth
        }
        TATTACH => {
            let (fid, auth) = (reader.u32()?, reader.u32()?);
            // Name and number of the user: who may do what is the guest's affair, and below that the host user's.
            reader.string()?;
            let name = reader.string()?;
            reader.u32()?;
            Request::Attach { fid, auth, name }
        }
        TFLUSH => {
            // Which request: it has been answered already.
            reader.u16()?;
            Request::Flush
        }
        TWALK => {
            let (fid, new, count) = (reader.u32()?, reader.u32()?, usize::from(reader.u16()?));
            if count > MOST_NAMES {
                return Err(Malformed);
            }
            let names = (0..count).map(|_| reader.string()).collect::<Result<_, _>>()?;
            Request::Walk { fid, new, names }
        }
        TREAD => Request::Read { fid: reader.u32()?, offset: reader.u64()?, count: reader.u32()? },
        TWRITE => Request::Write { fid: reader.u32()?, offset: reader.u64()?, data: reader.data()? },
        TCLUNK => Request::Clunk { fid: reader.u32()? },
        TREMOVE => Request::Remove { fid: reader.u32()? },
        _ => return Ok(None),
    }))
}

/// The messages that are 9P2000.L's own.
fn file<'a>(kind: u8, reader: &mut Reader<'a>) -> Result<Option<Request<'a>>, Malformed> {
    Ok(Some(match kind {
        TSTATFS => Request::Statfs { fid: reader.u32()? },
        TLOPEN => Request::Lopen { fid: reader.u32()?, flags: reader.u32()? },
        TREADLINK => Request::Readlink { fid: reader.u32()? },
        TGETATTR => Request::Getattr { fid: reader.u32()?, mask: reader.u64()? },
        TSETATTR => Request::Setattr { fid: reader.u32()?, change: change(reader)? },
        TXATTRWALK => Request::Xattrwalk { fid: reader.u32()?, new: reader.u32()?, name: reader.string()? },
        TXATTRCREATE => Request::Xattrcreate {
            fid: reader.u32()?,
            name: reader.string()?,
            size: reader.u64()?,
            flags: reader.u32()?,
        },
        TREADDIR => Request::Readdir { fid: reader.u32()?, offset: reader.u64()?, count: reader.u32()? },
        TFSYNC => Request::Fsync { fid: reader.u32()?, data_only: reader.u32()? != 0 },
        TLOCK => lock(reader)?,
        TGETLOCK => {
            let fid = reader.u32()?;
            reader.u8()?;
            let (start, length, process) = (reader.u64()?, reader.u64()?, reader.u32()?);
            Request::Getlock { fid, start, length, process, client: reader.string()? }
        }
        TRENAMEAT => Request::Renameat {
            from: reader.u32()?,
            name: reader.string()?,
            to: reader.u32()?,
            new: reader.string()?,
        },
        TRENAME => Request::Rename { fid: reader.u32()?, directory: reader.u32()?, name: reader.string()? },
        TUNLINKAT => {
            Request::Unlinkat { directory: reader.u32()?, name: reader.string()?, flags: reader.u32()? }
        }
        TLINK => Request::Link { directory: reader.u32()?, fid: reader.u32()?, name: reader.string()? },
        _ => return create(kind, reader),
    }))
}

/// The messages that make something. The group that it is to have comes last, and is dropped: what a guest makes belongs to the
/// host user who runs it.
fn create<'a>(kind: u8, reader: &mut Reader<'a>) -> Result<Option<Request<'a>>, Malformed> {
    let request = match kind {
        TLCREATE => Request::Lcreate {
            fid: reader.u32()?,
            name: reader.string()?,
            flags: reader.u32()?,
            mode: reader.u32()?,
        },
        TSYMLINK => {
            Request::Symlink { directory: reader.u32()?, name: reader.string()?, target: reader.string()? }
        }
        TMKNOD => {
            let (directory, name, mode) = (reader.u32()?, reader.string()?, reader.u32()?);
            // Major and minor number: no devices are made.
            reader.u64()?;
            Request::Mknod { directory, name, mode }
        }
        TMKDIR => Request::Mkdir { directory: reader.u32()?, name: reader.string()?, mode: reader.u32()? },
        _ => return Ok(None),
    };
    reader.u32()?;
    Ok(Some(request))
}

/// `type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]` are dropped: see `server::lock`.
fn lock<'a>(reader: &mut Reader<'a>) -> Result<Request<'a>, Malformed> {
    let fid = reader.u32()?;
    reader.u8()?;
    reader.u32()?;
    reader.u64()?;
    reader.u64()?;
    reader.u32()?;
    reader.string()?;
    Ok(Request::Lock { fid })
}

fn change(reader: &mut Reader<'_>) -> Result<Change, Malformed> {
    Ok(Change {
        valid: reader.u32()?,
        mode: reader.u32()?,
        owner: reader.u32()?,
        group: reader.u32()?,
        size: reader.u64()?,
        accessed: (reader.u64()?, reader.u64()?),
        modified: (reader.u64()?, reader.u64()?),
    })
}
