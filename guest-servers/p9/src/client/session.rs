//! A conversation with the server: its beginning, and how it begins again.

use super::channel::{Channel, Lost};
use super::error::Error;
use super::files::Files;
use super::kind::{
    self, DIALECT, HEADER, LERROR, NO_FID, NO_TAG, READ_HEADER, ROOT_FID, TAG, WALK_MAX, WRITE_HEADER,
};
use super::wire::{Qid, Reader, Writer};

/// Bytes of the longest answer beside bulk data: that to `GETATTR`.
pub(super) const ANSWER: usize = 160;
/// A server that wants shorter messages than this is of no use: a name may have 255 bytes.
const ROOM_MIN: usize = 512;
/// How often a request is repeated. A driver that is restarted more often than this while one request is under way
/// never gets to do anything.
const PATIENCE: u32 = 16;

/// A session as one user. All files are below one folder.
pub struct Session<C> {
    pub(super) channel: C,
    pub(super) files: Files,
    /// Bytes of the longest message that both sides take.
    pub(super) room: usize,
    user: u32,
    /// The server knows nothing of this session.
    lost: bool,
    /// How often the server forgot everything.
    restarts: u64,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failed {
    /// It can be repeated once the session has begun again.
    Lost,
    Error(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// An answer: its fields, copied out.
pub(super) struct Answer {
    bytes: [u8; ANSWER],
    /// Of the fields here.
    len: usize,
    /// Of the message, without its header.
    pub total: usize,
}

impl Answer {
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.bytes[..self.len])
    }
}

impl<C: Channel> Session<C> {
    /// Begins: agrees upon the dialect, and attaches to the shared folder as the user of this number.
    pub fn start(channel: C, user: u32) -> Result<Self, Error> {
        let room = channel.room();
        let mut session = Self { channel, files: Files::default(), room, user, lost: true, restarts: 0 };
        session.repeat(|_| Ok(()))?;
        Ok(session)
    }

    /// How often the server forgot what was open, and the session began again.
    pub const fn restarts(&self) -> u64 {
        self.restarts
    }
    /// Most bytes that one request reads or writes.
    pub const fn most(&self) -> usize {
        let header = if WRITE_HEADER > READ_HEADER { WRITE_HEADER } else { READ_HEADER };
        self.room - header
    }
    pub const fn channel(&self) -> &C {
        &self.channel
    }

    /// Does something until it was not lost on the way.
    pub(super) fn repeat<T>(
        &mut self,
        mut what: impl FnMut(&mut Self) -> Result<T, Failed>,
    ) -> Result<T, Error> {
        for _ in 0..PATIENCE {
            if self.lost {
                match self.begin() {
                    Ok(()) => self.lost = false,
                    Err(Failed::Error(error)) => return Err(error),
                    Err(Failed::Lost) => continue,
                }
            }
            match what(self) {
                Ok(value) => return Ok(value),
                Err(Failed::Error(error)) => return Err(error),
                Err(Failed::Lost) => (self.lost, self.restarts) = (true, self.restarts + 1),
            }
        }
        Err(Error::Gone)
    }

    /// The beginning of a session, with everything open that was.
    fn begin(&mut self) -> Result<(), Failed> {
        let most = self.channel.room();
        let len =
            Writer::new(&mut self.channel, kind::VERSION, NO_TAG).u32(most as u32).text(DIALECT).finish()?;
        let answer = self.exchange(kind::VERSION, NO_TAG, len)?;
        let mut r = answer.reader();
        let (room, dialect) = (r.u32()? as usize, r.text()?);
        if dialect != DIALECT.as_bytes() || room < ROOM_MIN {
            return Err(Error::Dialect.into());
        }
        self.room = room.min(most);
        let user = self.user;
        let attach = |w: Writer<'_, C>| w.u32(ROOT_FID).u32(NO_FID).text("").text("").u32(user).finish();
        self.request(kind::ATTACH, attach)?.reader().qid()?;
        self.open_again()
    }

    fn open_again(&mut self) -> Result<(), Failed> {
        let mut files = core::mem::take(&mut self.files);
        let result = files.iter_mut().try_for_each(|(fid, open)| {
            match self.walk(&open.path, fid).and_then(|()| self.open_fid(fid, open.flags)) {
                Ok(()) => open.stale = None,
                Err(Failed::Error(Error::Refused(errno))) => open.stale = Some(errno),
                Err(failed) => return Err(failed),
            }
            Ok(())
        });
        self.files = files;
        result
    }

    /// Makes `fid` stand for what is at `path`, whose parts are separated by `/`. What `fid` stood for before must
    /// be nothing.
    pub(super) fn walk(&mut self, path: &str, fid: u32) -> Result<(), Failed> {
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        let mut from = ROOT_FID;
        loop {
            let mut part = [""; WALK_MAX];
            let mut count = 0;
            for (place, name) in part.iter_mut().zip(names.by_ref()) {
                *place = checked(name)?;
                count += 1;
            }
            let result = self.walk_part(from, fid, &part[..count]);
            if result.is_err() && from == fid {
                self.clunk(fid)?;
            }
            result?;
            from = fid;
            if names.peek().is_none() {
                return Ok(());
            }
        }
    }

    fn walk_part(&mut self, from: u32, to: u32, names: &[&str]) -> Result<(), Failed> {
        let write = |w: Writer<'_, C>| {
            let w = w.u32(from).u32(to).u16(names.len() as u16);
            names.iter().fold(w, |w, name| w.text(name)).finish()
        };
        let answer = self.request(kind::WALK, write)?;
        let found = usize::from(answer.reader().u16()?);
        if found > names.len() || answer.total != 2 + found * Qid::SIZE {
            return Err(Error::Garbled.into());
        }
        // Some names were found, and then one was not: the new fid was not made.
        if found < names.len() { Err(Error::Refused(kind::errno::NOT_FOUND).into()) } else { Ok(()) }
    }

    pub(super) fn open_fid(&mut self, fid: u32, flags: u32) -> Result<(), Failed> {
        let result = self.request(kind::LOPEN, |w| w.u32(fid).u32(flags).finish());
        match result {
            Ok(answer) => Ok(answer.reader().qid().map(drop)?),
            Err(Failed::Error(error)) => {
                self.clunk(fid)?;
                Err(error.into())
            }
            Err(Failed::Lost) => Err(Failed::Lost),
        }
    }

    /// `fid` stands for nothing any more, whatever the server says.
    pub(super) fn clunk(&mut self, fid: u32) -> Result<(), Failed> {
        match self.request(kind::CLUNK, |w| w.u32(fid).finish()) {
            Ok(_) | Err(Failed::Error(Error::Refused(_))) => Ok(()),
            Err(failed) => Err(failed),
        }
    }

    /// A request and its answer.
    pub(super) fn request(
        &mut self,
        kind: u8,
        write: impl FnOnce(Writer<'_, C>) -> Result<usize, Error>,
    ) -> Result<Answer, Failed> {
        let len = write(Writer::new(&mut self.channel, kind, TAG))?;
        if len > self.room {
            return Err(Error::BadName.into());
        }
        self.exchange(kind, TAG, len)
    }

    fn exchange(&mut self, kind: u8, tag: u16, len: usize) -> Result<Answer, Failed> {
        let total = self.channel.exchange(len).map_err(|lost| match lost {
            Lost::Restarted => Failed::Lost,
            Lost::Gone => Failed::Error(Error::Gone),
        })?;
        let mut header = [0; HEADER];
        self.channel.get(0, &mut header);
        let mut r = Reader::new(&header);
        let (size, answered, answered_tag) = (r.u32()? as usize, r.u8()?, r.u16()?);
        if size != total || total < HEADER || total > self.channel.room() || answered_tag != tag {
            return Err(Error::Garbled.into());
        }
        let total = total - HEADER;
        let mut answer = Answer { bytes: [0; ANSWER], len: total.min(ANSWER), total };
        self.channel.get(HEADER, &mut answer.bytes[..answer.len]);
        match answered {
            LERROR => Err(Error::Refused(answer.reader().u32()?).into()),
            _ if answered == kind + 1 => Ok(answer),
            _ => Err(Error::Garbled.into()),
        }
    }
}

/// A name of one thing in a folder.
pub(super) fn checked(name: &str) -> Result<&str, Error> {
    let bad = name.is_empty() || name.bytes().any(|b| matches!(b, 0 | b'/'));
    if bad || name.len() > usize::from(u16::MAX) { Err(Error::BadName) } else { Ok(name) }
}

/// A path's folder and its last name.
pub(super) fn split(path: &str) -> Result<(&str, &str), Error> {
    let (folder, name) =
        path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path.trim_end_matches('/')));
    Ok((folder, checked(name)?))
}
