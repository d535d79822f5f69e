//! The client against a file server in memory.

mod host;

use super::kind::{self, errno, open};
use super::*;
use host::{Death, Host, ROOM, Spoil, Wire, refused};

fn session(host: &Host) -> Session<Wire> {
    Session::start(host.wire(), 0).unwrap()
}

fn write_all(s: &mut Session<Wire>, file: File, bytes: &[u8]) -> Result<(), Error> {
    let mut at = 0;
    while at < bytes.len() {
        at += s.write(file, at as u64, &bytes[at..])?;
    }
    Ok(())
}

fn read_all(s: &mut Session<Wire>, file: File) -> Result<Vec<u8>, Error> {
    let (mut all, mut part) = (Vec::new(), [0; 3000]);
    loop {
        match s.read(file, all.len() as u64, &mut part)? {
            0 => return Ok(all),
            n => all.extend(&part[..n]),
        }
    }
}

fn names(s: &mut Session<Wire>, path: &str) -> Result<Vec<String>, Error> {
    let folder = s.open(path, open::READ | open::DIRECTORY)?;
    let (mut names, mut from) = (Vec::new(), 0);
    while s.list(folder, from, |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        from = entry.next;
    })? {}
    s.close(folder)?;
    Ok(names)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[test]
fn what_is_written_is_read() {
    let host = Host::new();
    let mut s = session(&host);
    s.make_folder("a", 0o755).unwrap();
    let file = s.create("a/b", open::READ_WRITE, 0o644).unwrap();
    let bytes = pattern(3 * ROOM + 5);
    write_all(&mut s, file, &bytes).unwrap();
    assert_eq!(read_all(&mut s, file).unwrap(), bytes);
    assert_eq!(host.file("a/b").unwrap(), bytes);
    s.set_size(file, 10).unwrap();
    s.sync(file).unwrap();
    let attributes = s.attributes(file).unwrap();
    assert_eq!((attributes.size, attributes.mode, attributes.links), (10, 0o100_644, 1));
    s.close(file).unwrap();
    assert_eq!(s.attributes(file), refused(9));
    assert_eq!(host.open_fids().len(), 1, "the shared folder alone");
    assert_eq!(host.0.borrow().syncs, 1);
}

#[test]
fn folders_are_listed_to_the_end() {
    let host = Host::new();
    let all: Vec<String> = (0..500).map(|n| format!("file-{n:03}")).collect();
    for name in &all {
        host.0.borrow_mut().nodes.insert(name.clone(), Some(Vec::new()));
    }
    assert_eq!(names(&mut session(&host), "").unwrap(), all);
}

#[test]
fn paths_are_walked_in_parts() {
    let host = Host::new();
    let mut s = session(&host);
    let mut path = String::new();
    for n in 0..40 {
        path = format!("{path}/{n}");
        s.make_folder(&path, 0o755).unwrap();
    }
    assert!(s.find(&path).unwrap().qid.is_directory());
    for missing in ["/0/1/x", "/0/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/x", &format!("{path}/x"), "x/y"] {
        assert_eq!(s.find(missing), refused(errno::NOT_FOUND), "{missing}");
        assert_eq!(s.open(missing, open::READ), refused(errno::NOT_FOUND));
    }
    assert_eq!(host.open_fids().len(), 1);
}

#[test]
fn names_that_are_none() {
    let host = Host::new();
    let mut s = session(&host);
    assert_eq!(s.create("a\0b", open::WRITE, 0), Err(Error::BadName));
    assert_eq!(s.create("", open::WRITE, 0), Err(Error::BadName));
    assert_eq!(s.make_folder(&"x".repeat(ROOM), 0), Err(Error::BadName));
    assert_eq!(s.make_folder(&"x".repeat(70_000), 0), Err(Error::BadName));
    assert_eq!(host.open_fids().len(), 1);
    assert!(s.make_folder("fine", 0).is_ok());
}

#[test]
fn what_the_server_refuses() {
    let host = Host::new();
    let mut s = session(&host);
    s.make_folder("d", 0o755).unwrap();
    assert_eq!(s.make_folder("d", 0o755), refused(errno::EXISTS));
    assert_eq!(s.open("d", open::WRITE), refused(21));
    assert_eq!(s.remove("x", false), refused(errno::NOT_FOUND));
    let flags = open::WRITE | open::EXCLUSIVE;
    let file = s.create("d/f", flags, 0o600).unwrap();
    assert_eq!(s.create("d/f", flags, 0o600), refused(errno::EXISTS));
    assert_eq!(s.remove("d", true), refused(39));
    s.close(file).unwrap();
    s.remove("d/f", false).unwrap();
    s.remove("d", true).unwrap();
    assert_eq!(host.open_fids().len(), 1);
}

/// The same work, with a driver that dies at one exchange after the other.
#[test]
fn a_driver_that_dies_anywhere_is_not_noticed() {
    let bytes = pattern(2 * ROOM);
    let work = |host: &Host| -> Result<(Vec<u8>, Vec<String>), Error> {
        let mut s = Session::start(host.wire(), 0)?;
        s.make_folder("d", 0o755)?;
        let other = s.create("d/other", open::READ_WRITE | open::EXCLUSIVE, 0o644)?;
        let file = s.create("d/f", open::READ_WRITE | open::TRUNCATE, 0o644)?;
        write_all(&mut s, file, &bytes)?;
        write_all(&mut s, other, b"hello")?;
        let found = s.find("d/f")?.size;
        assert_eq!(found as usize, bytes.len());
        let read = read_all(&mut s, file)?;
        s.close(file)?;
        s.close(other)?;
        s.remove("d/f", false)?;
        let names = names(&mut s, "d")?;
        assert_eq!(host.open_fids().len(), 1);
        Ok((read, names))
    };
    let host = Host::new();
    let expected = work(&host).unwrap();
    let exchanges = host.0.borrow().exchanges;
    assert!(exchanges > 20);
    for death in [Death::Before, Death::After] {
        for at in 1..=exchanges {
            let host = Host::new();
            host.0.borrow_mut().deaths.insert(at, death);
            assert!(work(&host).as_ref() == Ok(&expected), "exchange {at}");
        }
        for seed in 1..20u64 {
            let host = Host::new();
            let random = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ seed;
            let deaths = (1..1000).filter(|n| random(n * seed).is_multiple_of(16)).map(|n| (n, death));
            host.0.borrow_mut().deaths.extend(deaths);
            assert!(work(&host).as_ref() == Ok(&expected), "seed {seed}");
        }
    }
}

#[test]
fn a_file_that_is_gone_when_the_driver_comes_back() {
    let host = Host::new();
    let mut s = session(&host);
    let (a, b) = (s.create("a", open::READ_WRITE, 0).unwrap(), s.create("b", open::READ_WRITE, 0).unwrap());
    write_all(&mut s, b, b"still here").unwrap();
    host.0.borrow_mut().nodes.remove("a");
    let next = host.0.borrow().exchanges + 1;
    host.0.borrow_mut().deaths.insert(next, Death::Before);
    assert_eq!(s.read(a, 0, &mut [0; 5]), Err(Error::Stale(errno::NOT_FOUND)));
    assert_eq!(read_all(&mut s, b).unwrap(), b"still here");
    assert_eq!(s.restarts(), 1);
    s.close(a).unwrap();
    s.close(b).unwrap();
}

#[test]
fn a_driver_that_only_dies() {
    let host = Host::new();
    let mut s = session(&host);
    host.0.borrow_mut().deaths.extend((0..1000).map(|n| (n, Death::Before)));
    assert_eq!(s.make_folder("d", 0), Err(Error::Gone));
    host.0.borrow_mut().deaths.clear();
    assert!(s.make_folder("d", 0).is_ok(), "and then lives");
    host.0.borrow_mut().gone = true;
    assert_eq!(s.make_folder("e", 0), Err(Error::Gone));
}

#[test]
fn a_server_that_speaks_something_else() {
    let host = Host::new();
    host.0.borrow_mut().dialect = "9P2000";
    assert_eq!(Session::start(host.wire(), 0).err(), Some(Error::Dialect));
}

#[test]
fn answers_that_make_no_sense() {
    let spoil: [(u8, Spoil); 9] = [
        (kind::READ, |a| a[7] = 200),
        (kind::READ, |a| a[0] += 1),
        (kind::READ, |a| a[4] = kind::WRITE + 1),
        (kind::READ, |a| a[5] = 9),
        (kind::READ, |a| a.truncate(3)),
        (kind::READ, |a| a.clear()),
        (kind::WALK, |a| a[7] = 17),
        (kind::GETATTR, |a| {
            a.truncate(50);
            a[0] = 50;
        }),
        (kind::WRITE, |a| a[7..11].fill(0xff)),
    ];
    for (n, (kind, how)) in spoil.into_iter().enumerate() {
        let host = Host::new();
        let mut s = session(&host);
        let file = s.create("f", open::READ_WRITE, 0).unwrap();
        write_all(&mut s, file, b"0123456789").unwrap();
        host.0.borrow_mut().spoil.insert(kind, how);
        let results = [
            s.read(file, 0, &mut [0; 5]).err(),
            s.find("f").err(),
            s.attributes(file).err(),
            s.write(file, 0, b"x").err(),
        ];
        assert!(results.contains(&Some(Error::Garbled)), "{n}: {results:?}");
    }
}

#[test]
fn entries_that_make_no_sense() {
    fn list(bytes: &[u8]) -> Vec<Result<Entry<'_>, Error>> {
        entries::Entries::new(bytes).collect()
    }
    let good = [&[0; 22][..], &[1, 0, b'x']].concat();
    assert!(matches!(list(&good)[..], [Ok(Entry { name: b"x", .. })]));
    for cut in 1..good.len() {
        assert_eq!(list(&good[..cut]), [Err(Error::Garbled)], "{cut}");
    }
    for name in [&b"a/b"[..], b"\0", b""] {
        let entry = [&[0; 22][..], &(name.len() as u16).to_le_bytes(), name].concat();
        assert_eq!(list(&entry), [Err(Error::Garbled)]);
    }
}

/// A driver, or a file server, that changes some bytes of each answer.
struct Liar {
    wire: Wire,
    random: u64,
    /// Changes of the answer: places and bytes.
    changes: Vec<(usize, u8)>,
}

impl Liar {
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Channel for Liar {
    fn room(&self) -> usize {
        self.wire.room()
    }
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.wire.put(offset, bytes);
    }
    fn exchange(&mut self, len: usize) -> Result<usize, Lost> {
        let len = self.wire.exchange(len)?;
        self.changes.clear();
        // Most answers are what they were, or the conversation would soon be over.
        for _ in 0..(self.next() % 12).saturating_sub(8) {
            let (place, byte) = (self.next() as usize % (len + 4).min(64), self.next() as u8);
            self.changes.push((place, byte));
        }
        // Now and then another length, or another conversation.
        match self.next() % 64 {
            0 => Ok(self.next() as usize % (2 * ROOM)),
            1 => Err(Lost::Restarted),
            _ => Ok(len),
        }
    }
    fn get(&self, offset: usize, into: &mut [u8]) {
        self.wire.get(offset, into);
        for (place, byte) in &self.changes {
            if let Some(target) = place.checked_sub(offset).and_then(|at| into.get_mut(at)) {
                *target = *byte;
            }
        }
    }
}

#[test]
fn lies_are_errors_or_wrong_data_and_nothing_worse() {
    let (mut errors, mut calls) = (0, 0);
    for seed in 1..2000u64 {
        let host = Host::new();
        host.0.borrow_mut().lenient = true;
        for n in 0..20 {
            host.0.borrow_mut().nodes.insert(format!("file{n}"), Some(pattern(3000)));
        }
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Ok(mut s) = Session::start(Liar { wire: host.wire(), random, changes: Vec::new() }, 0) else {
            continue;
        };
        let mut bytes = [0; 2000];
        let mut note = |failed: bool| (errors, calls) = (errors + u32::from(failed), calls + 1);
        for n in 0..10 {
            let file = s.open(&format!("file{n}"), open::READ_WRITE);
            note(file.is_err());
            let Ok(file) = file else { continue };
            let got = s.read(file, 0, &mut bytes);
            assert!(got.is_err() || got.unwrap() <= bytes.len());
            let taken = s.write(file, 0, &bytes);
            assert!(taken.is_err() || taken.unwrap() <= bytes.len());
            note(s.attributes(file).is_err());
            note(s.close(file).is_err());
        }
        if let Ok(folder) = s.open("", open::READ | open::DIRECTORY) {
            note(s.list(folder, 0, |entry| assert!(!entry.name.is_empty())).is_err());
        }
    }
    assert!(calls > 10_000 && errors > calls / 10 && errors < calls, "{errors} of {calls}");
}
