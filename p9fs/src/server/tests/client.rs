//! A client of 9P2000.L, as short as will do, and a world for it: a folder that is shared and beside it something that is not.

use crate::server::{Limits, Server};
use crate::share::Share;
use crate::wire::reader::Reader;
use crate::wire::{HEADER, NO_FID, Qid, kind};
use rustix::io::Errno;
use std::path::PathBuf;
use tempfile::TempDir;

/// A message to be.
#[derive(Clone, Debug)]
pub struct Message(Vec<u8>);

impl Message {
    pub fn new(kind: u8) -> Self {
        Message(vec![0, 0, 0, 0, kind, 0x34, 0x12])
    }

    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut message = self.u16(bytes.len().try_into().unwrap());
        message.0.extend(bytes);
        message
    }

    pub fn data(self, bytes: &[u8]) -> Self {
        let mut message = self.u32(bytes.len().try_into().unwrap());
        message.0.extend(bytes);
        message
    }

    /// With the right size in front.
    pub fn bytes(mut self) -> Vec<u8> {
        let size = u32::try_from(self.0.len()).unwrap();
        self.0[..4].copy_from_slice(&size.to_le_bytes());
        self.0
    }
}

/// The fid of the folder shared.
pub const ROOT: u32 = 0;

/// A client that has attached, and all there is around its server.
pub struct Client {
    pub server: Server,
    world: TempDir,
    room: Vec<u8>,
}

impl Client {
    pub fn new() -> Self {
        Self::with(false, true)
    }

    pub fn read_only() -> Self {
        Self::with(true, true)
    }

    /// `world/share` is shared; `world/outside` is not and has a file `secret`.
    pub fn with(read_only: bool, openat2: bool) -> Self {
        let world = tempfile::tempdir().unwrap();
        std::fs::create_dir(world.path().join("share")).unwrap();
        std::fs::create_dir(world.path().join("outside")).unwrap();
        std::fs::write(world.path().join("outside/secret"), "secret").unwrap();
        let share = Share::open(&world.path().join("share"), read_only).unwrap();
        let share = if openat2 { share } else { share.without_openat2() };
        let server = Server::new(share, Limits { fids: 64 });
        let mut client = Client { server, world, room: vec![0; 2 << 20] };
        client.version(1 << 16).unwrap();
        client.attach(ROOT).unwrap();
        client
    }

    /// A path of the host, in the folder shared.
    pub fn path(&self, path: &str) -> PathBuf {
        self.world.path().join("share").join(path)
    }

    /// A path of the host, outside.
    pub fn outside(&self, path: &str) -> PathBuf {
        self.world.path().join("outside").join(path)
    }

    /// Sends a message and gives the body of the reply, after looking at its header.
    pub fn call(&mut self, message: Message) -> Result<Vec<u8>, Errno> {
        let request = message.bytes();
        let length = self.server.answer(&request, &mut self.room).expect("framed");
        let reply = &self.room[..length];
        assert_eq!(reply[..4], u32::try_from(length).unwrap().to_le_bytes());
        assert_eq!(reply[5..HEADER], request[5..HEADER], "the tag");
        if reply[4] == kind::RLERROR {
            assert_eq!(length, HEADER + 4);
            let number = i32::from_le_bytes(reply[HEADER..].try_into().unwrap());
            assert!((1..4096).contains(&number));
            return Err(Errno::from_raw_os_error(number));
        }
        assert_eq!(reply[4], request[4] + 1);
        Ok(reply[HEADER..].to_vec())
    }

    pub fn version(&mut self, msize: u32) -> Result<(u32, Vec<u8>), Errno> {
        let reply = self.call(Message::new(kind::TVERSION).u32(msize).string("9P2000.L"))?;
        let mut reader = Reader::new(&reply);
        Ok((reader.u32().unwrap(), reader.string().unwrap().to_vec()))
    }

    pub fn attach(&mut self, fid: u32) -> Result<Qid, Errno> {
        let message = Message::new(kind::TATTACH).u32(fid).u32(NO_FID).string("root").string("").u32(0);
        self.call(message).map(|reply| qid(&mut Reader::new(&reply)))
    }

    /// The qids on the way.
    pub fn walk(&mut self, fid: u32, new: u32, names: &[&str]) -> Result<Vec<Qid>, Errno> {
        let message = Message::new(kind::TWALK).u32(fid).u32(new).u16(names.len() as u16);
        let reply = self.call(names.iter().fold(message, |message, name| message.string(name)))?;
        let mut reader = Reader::new(&reply);
        Ok((0..reader.u16().unwrap()).map(|_| qid(&mut reader)).collect())
    }

    /// Walks all the way or not at all.
    pub fn to(&mut self, new: u32, path: &[&str]) -> Result<(), Errno> {
        let qids = self.walk(ROOT, new, path)?;
        if qids.len() == path.len() { Ok(()) } else { Err(Errno::NOENT) }
    }

    pub fn clunk(&mut self, fid: u32) -> Result<(), Errno> {
        self.call(Message::new(kind::TCLUNK).u32(fid)).map(drop)
    }

    pub fn open(&mut self, fid: u32, flags: u32) -> Result<Qid, Errno> {
        let reply = self.call(Message::new(kind::TLOPEN).u32(fid).u32(flags))?;
        Ok(qid(&mut Reader::new(&reply)))
    }

    pub fn create(&mut self, fid: u32, name: &str, flags: u32, mode: u32) -> Result<Qid, Errno> {
        let message = Message::new(kind::TLCREATE).u32(fid).string(name).u32(flags).u32(mode).u32(0);
        self.call(message).map(|reply| qid(&mut Reader::new(&reply)))
    }

    pub fn read(&mut self, fid: u32, offset: u64, count: u32) -> Result<Vec<u8>, Errno> {
        let reply = self.call(Message::new(kind::TREAD).u32(fid).u64(offset).u32(count))?;
        Ok(Reader::new(&reply).data().unwrap().to_vec())
    }

    pub fn write(&mut self, fid: u32, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let reply = self.call(Message::new(kind::TWRITE).u32(fid).u64(offset).data(data))?;
        Ok(Reader::new(&reply).u32().unwrap())
    }

    pub fn mkdir(&mut self, fid: u32, name: &str, mode: u32) -> Result<Qid, Errno> {
        let reply = self.call(Message::new(kind::TMKDIR).u32(fid).string(name).u32(mode).u32(0))?;
        Ok(qid(&mut Reader::new(&reply)))
    }

    pub fn symlink(&mut self, fid: u32, name: &str, target: &str) -> Result<Qid, Errno> {
        let reply = self.call(Message::new(kind::TSYMLINK).u32(fid).string(name).string(target).u32(0))?;
        Ok(qid(&mut Reader::new(&reply)))
    }

    pub fn readlink(&mut self, fid: u32) -> Result<Vec<u8>, Errno> {
        let reply = self.call(Message::new(kind::TREADLINK).u32(fid))?;
        Ok(Reader::new(&reply).string().unwrap().to_vec())
    }

    pub fn unlink(&mut self, fid: u32, name: &str, flags: u32) -> Result<(), Errno> {
        self.call(Message::new(kind::TUNLINKAT).u32(fid).string(name).u32(flags)).map(drop)
    }

    pub fn rename(&mut self, from: u32, name: &str, to: u32, new: &str) -> Result<(), Errno> {
        let message = Message::new(kind::TRENAMEAT).u32(from).string(name).u32(to).string(new);
        self.call(message).map(drop)
    }

    pub fn link(&mut self, directory: u32, fid: u32, name: &str) -> Result<(), Errno> {
        self.call(Message::new(kind::TLINK).u32(directory).u32(fid).string(name)).map(drop)
    }

    pub fn getattr(&mut self, fid: u32) -> Result<Attributes, Errno> {
        let reply = self.call(Message::new(kind::TGETATTR).u32(fid).u64(0x3fff))?;
        Ok(Attributes::parse(&reply))
    }

    /// All entries, asked for `count` bytes at a time.
    pub fn list(&mut self, fid: u32, count: u32) -> Result<Vec<Entry>, Errno> {
        let (mut entries, mut offset) = (Vec::<Entry>::new(), 0);
        loop {
            let reply = self.call(Message::new(kind::TREADDIR).u32(fid).u64(offset).u32(count))?;
            let data = Reader::new(&reply).data().unwrap();
            assert!(data.len() <= count as usize);
            let mut rest = data;
            while !rest.is_empty() {
                let (entry, length) = Entry::parse(rest);
                offset = entry.next;
                rest = &rest[length..];
                entries.push(entry);
            }
            if data.is_empty() {
                return Ok(entries);
            }
        }
    }
}

pub fn qid(reader: &mut Reader<'_>) -> Qid {
    Qid { kind: reader.u8().unwrap(), version: reader.u32().unwrap(), path: reader.u64().unwrap() }
}

/// An entry of a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub qid: Qid,
    pub next: u64,
    pub number: u8,
    pub name: Vec<u8>,
}

impl Entry {
    fn parse(bytes: &[u8]) -> (Self, usize) {
        let mut reader = Reader::new(bytes);
        let qid = qid(&mut reader);
        let (next, number) = (reader.u64().unwrap(), reader.u8().unwrap());
        let name = reader.string().unwrap().to_vec();
        let length = 24 + name.len();
        (Entry { qid, next, number, name }, length)
    }
}

/// The reply to `getattr`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attributes {
    pub valid: u64,
    pub qid: Qid,
    pub mode: u32,
    pub owner: u32,
    pub group: u32,
    pub links: u64,
    pub device: u64,
    pub size: u64,
    pub block: u64,
    pub blocks: u64,
    pub accessed: (u64, u64),
    pub modified: (u64, u64),
    pub changed: (u64, u64),
    pub born: (u64, u64),
}

impl Attributes {
    fn parse(body: &[u8]) -> Self {
        let mut reader = Reader::new(body);
        let (valid, qid) = (reader.u64().unwrap(), qid(&mut reader));
        let (mode, owner, group) = (reader.u32().unwrap(), reader.u32().unwrap(), reader.u32().unwrap());
        let mut next = || reader.u64().unwrap();
        let (links, device, size, block, blocks) = (next(), next(), next(), next(), next());
        let (accessed, modified) = ((next(), next()), (next(), next()));
        let (changed, born) = ((next(), next()), (next(), next()));
        assert_eq!((next(), next()), (0, 0));
        reader.end().unwrap();
        Attributes {
            valid,
            qid,
            mode,
            owner,
            group,
            links,
            device,
            size,
            block,
            blocks,
            accessed,
            modified,
            changed,
            born,
        }
    }
}
