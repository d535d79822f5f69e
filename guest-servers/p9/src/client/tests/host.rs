//! A file server in memory, as much of it as the client uses, and a driver that can be killed.

use crate::client::kind::{self, errno, open};
use crate::client::wire::Reader;
use crate::client::{Channel, Error, Lost};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

pub const ROOM: usize = 4096;
const NOT_A_FOLDER: u32 = 20;
const NOT_EMPTY: u32 = 39;

/// When the driver dies: just before or just after the server does what it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Before,
    After,
}

/// What is done to an answer.
pub type Spoil = fn(&mut Vec<u8>);

#[derive(Default)]
pub struct State {
    /// Bytes of files; `None` for folders. The shared folder has the empty name.
    pub nodes: BTreeMap<String, Option<Vec<u8>>>,
    fids: HashMap<u32, (String, bool)>,
    /// Numbers of exchanges on which the driver dies.
    pub deaths: BTreeMap<u64, Death>,
    /// Types of messages of which the answer is spoilt, and how.
    pub spoil: HashMap<u8, Spoil>,
    pub exchanges: u64,
    pub gone: bool,
    pub dialect: &'static str,
    pub syncs: u64,
    /// The client is lied to: what it does wrong then is refused, and no failure of the test.
    pub lenient: bool,
}

#[derive(Clone)]
pub struct Host(pub Rc<RefCell<State>>);

/// The driver: its memory.
pub struct Wire {
    host: Host,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Host {
    pub fn new() -> Self {
        let nodes = BTreeMap::from([(String::new(), None)]);
        Self(Rc::new(RefCell::new(State { nodes, dialect: kind::DIALECT, ..State::default() })))
    }
    pub fn wire(&self) -> Wire {
        Wire { host: self.clone(), request: vec![0; ROOM], answer: vec![0; ROOM] }
    }
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.0.borrow().nodes.get(path)?.clone()
    }
    pub fn open_fids(&self) -> BTreeSet<u32> {
        self.0.borrow().fids.keys().copied().collect()
    }
}

impl Channel for Wire {
    fn room(&self) -> usize {
        ROOM
    }
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(place) = self.request.get_mut(offset..).and_then(|r| r.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
        }
    }
    fn exchange(&mut self, len: usize) -> Result<usize, Lost> {
        let mut state = self.host.0.borrow_mut();
        if state.gone {
            return Err(Lost::Gone);
        }
        state.exchanges += 1;
        let death = state.exchanges;
        let death = state.deaths.get(&death).copied();
        if death == Some(Death::Before) {
            state.fids.clear();
            return Err(Lost::Restarted);
        }
        self.answer = state.answer(&self.request[..len]);
        if death == Some(Death::After) {
            state.fids.clear();
            return Err(Lost::Restarted);
        }
        Ok(self.answer.len())
    }
    fn get(&self, offset: usize, into: &mut [u8]) {
        for (n, byte) in into.iter_mut().enumerate() {
            *byte = self.answer.get(offset + n).copied().unwrap_or(0);
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn text(r: &mut Reader<'_>) -> String {
    String::from_utf8(r.text().unwrap().to_vec()).unwrap()
}

impl State {
    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let mut r = Reader::new(request);
        let (size, kind, tag) = (r.u32().unwrap(), r.u8().unwrap(), r.u16().unwrap());
        assert_eq!(size as usize, request.len());
        let (kind, body) = match self.act(kind, &mut r) {
            Ok(body) => (kind + 1, body),
            Err(errno) => (kind::LERROR, errno.to_le_bytes().to_vec()),
        };
        let mut answer =
            [&(body.len() as u32 + 7).to_le_bytes()[..], &[kind], &tag.to_le_bytes(), &body].concat();
        if let Some(spoil) = self.spoil.get(&(kind - 1)) {
            spoil(&mut answer);
        }
        answer
    }

    fn qid(&self, path: &str) -> [u8; 13] {
        let mut qid = [0; 13];
        qid[0] = if self.nodes[path].is_none() { 0x80 } else { 0 };
        qid[5..].copy_from_slice(&(path.len() as u64).to_le_bytes());
        qid
    }

    fn path(&self, fid: u32) -> Result<String, u32> {
        self.fids.get(&fid).map(|(path, _)| path.clone()).ok_or(errno::INVALID)
    }

    fn act(&mut self, kind: u8, r: &mut Reader<'_>) -> Result<Vec<u8>, u32> {
        if kind == kind::VERSION {
            self.fids.clear();
            let room = r.u32().unwrap();
            let name = self.dialect.as_bytes();
            return Ok([&room.to_le_bytes()[..], &(name.len() as u16).to_le_bytes(), name].concat());
        }
        let fid = r.u32().unwrap();
        match kind {
            kind::ATTACH => {
                self.fids.insert(fid, (String::new(), false));
                Ok(self.qid("").to_vec())
            }
            kind::WALK => self.walk(fid, r),
            kind::LOPEN => {
                let (path, flags) = (self.path(fid)?, r.u32().unwrap());
                self.open(fid, &path, flags)
            }
            kind::LCREATE => {
                let (name, flags) = (text(r), r.u32().unwrap());
                let path = join(&self.path(fid)?, &name);
                if flags & open::EXCLUSIVE != 0 && self.nodes.contains_key(&path) {
                    return Err(errno::EXISTS);
                }
                self.nodes.entry(path.clone()).or_insert(Some(Vec::new()));
                self.open(fid, &path, flags)
            }
            kind::MKDIR | kind::UNLINKAT => {
                let path = join(&self.path(fid)?, &text(r));
                self.change(kind, &path)
            }
            kind::CLUNK => self.fids.remove(&fid).map(|_| Vec::new()).ok_or(errno::INVALID),
            _ => self.act_on_file(kind, fid, r),
        }
    }

    fn walk(&mut self, fid: u32, r: &mut Reader<'_>) -> Result<Vec<u8>, u32> {
        let (new, count) = (r.u32().unwrap(), r.u16().unwrap());
        let (mut path, mut qids) = (self.path(fid)?, Vec::new());
        for n in 0..count {
            let next = join(&path, &text(r));
            if !self.nodes.contains_key(&next) {
                if n == 0 {
                    return Err(errno::NOT_FOUND);
                }
                break;
            }
            path = next;
            qids.push(self.qid(&path));
        }
        if qids.len() == usize::from(count) {
            if new != fid && self.fids.contains_key(&new) {
                assert!(self.lenient, "fid {new} is in use");
                return Err(errno::INVALID);
            }
            self.fids.insert(new, (path, false));
        }
        Ok([&(qids.len() as u16).to_le_bytes()[..], &qids.concat()].concat())
    }

    fn open(&mut self, fid: u32, path: &str, flags: u32) -> Result<Vec<u8>, u32> {
        let qid = self.qid(path);
        match self.nodes.get_mut(path) {
            Some(None) if flags & 3 != open::READ => return Err(21),
            Some(Some(_)) if flags & open::DIRECTORY != 0 => return Err(NOT_A_FOLDER),
            Some(Some(bytes)) if flags & open::TRUNCATE != 0 => bytes.clear(),
            _ => {}
        }
        self.fids.insert(fid, (path.to_owned(), true));
        Ok([&qid[..], &[0; 4]].concat())
    }

    fn change(&mut self, kind: u8, path: &str) -> Result<Vec<u8>, u32> {
        let there = self.nodes.contains_key(path);
        match kind {
            kind::MKDIR if there => Err(errno::EXISTS),
            kind::MKDIR => {
                self.nodes.insert(path.to_owned(), None);
                Ok(self.qid(path).to_vec())
            }
            _ if !there => Err(errno::NOT_FOUND),
            _ if self.nodes.keys().any(|other| other.starts_with(&format!("{path}/"))) => Err(NOT_EMPTY),
            _ => {
                self.nodes.remove(path);
                Ok(Vec::new())
            }
        }
    }

    fn act_on_file(&mut self, kind: u8, fid: u32, r: &mut Reader<'_>) -> Result<Vec<u8>, u32> {
        let path = self.path(fid)?;
        let is_open = self.fids[&fid].1;
        if !is_open && kind != kind::GETATTR {
            assert!(self.lenient, "{kind} of a file that is not open");
            return Err(errno::INVALID);
        }
        match kind {
            kind::READ => {
                let (offset, count) = (r.u64().unwrap() as usize, r.u32().unwrap() as usize);
                let bytes = self.nodes[&path].as_ref().ok_or(21u32)?;
                let part = &bytes[offset.min(bytes.len())..(offset + count).min(bytes.len())];
                Ok([&(part.len() as u32).to_le_bytes()[..], part].concat())
            }
            kind::WRITE => {
                let (offset, count) = (r.u64().unwrap() as usize, r.u32().unwrap() as usize);
                let bytes = self.nodes.get_mut(&path).unwrap().as_mut().ok_or(21u32)?;
                bytes.resize(bytes.len().max(offset + count), 0);
                bytes[offset..offset + count].copy_from_slice(r.bytes(count).unwrap());
                Ok((count as u32).to_le_bytes().to_vec())
            }
            kind::READDIR => {
                let (offset, count) = (r.u64().unwrap(), r.u32().unwrap() as usize);
                Ok(self.list(&path, offset, count))
            }
            kind::GETATTR => {
                let size = self.nodes[&path].as_ref().map_or(0, Vec::len) as u64;
                let mode = if self.nodes[&path].is_none() { 0o40755u32 } else { 0o100_644 };
                let mut body = [&kind::GETATTR_BASIC.to_le_bytes()[..], &self.qid(&path)].concat();
                body.extend([&mode.to_le_bytes()[..], &[0; 8], &1u64.to_le_bytes(), &[0; 8]].concat());
                body.extend([&size.to_le_bytes()[..], &4096u64.to_le_bytes(), &[0; 8 * 11]].concat());
                Ok(body)
            }
            kind::SETATTR => {
                assert_eq!(r.u32().unwrap(), kind::SETATTR_SIZE);
                let _mode_and_owner = r.bytes(12).unwrap();
                let size = r.u64().unwrap() as usize;
                self.nodes.get_mut(&path).unwrap().as_mut().ok_or(21u32)?.resize(size, 0);
                Ok(Vec::new())
            }
            kind::FSYNC => {
                self.syncs += 1;
                Ok(Vec::new())
            }
            _ => Err(95),
        }
    }

    /// Cookies are places in the list of names.
    fn list(&self, folder: &str, from: u64, room: usize) -> Vec<u8> {
        let below = |path: &str| match path.rsplit_once('/') {
            Some((parent, name)) if parent == folder => Some(name.to_owned()),
            None if folder.is_empty() && !path.is_empty() => Some(path.to_owned()),
            _ => None,
        };
        let mut bytes = Vec::new();
        let names = self.nodes.keys().filter_map(|path| below(path));
        for (n, name) in names.enumerate().skip(from as usize) {
            let qid = self.qid(&join(folder, &name));
            let next = (n as u64 + 1).to_le_bytes();
            let entry = [&qid[..], &next, &[8], &(name.len() as u16).to_le_bytes(), name.as_bytes()].concat();
            if bytes.len() + entry.len() > room {
                break;
            }
            bytes.extend(entry);
        }
        [&(bytes.len() as u32).to_le_bytes()[..], &bytes].concat()
    }
}

/// What the client makes of a refusal.
pub fn refused<T>(errno: u32) -> Result<T, Error> {
    Err(Error::Refused(errno))
}
