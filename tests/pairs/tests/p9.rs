//! The 9P device with the file server behind it, the driver, and a client that reads and writes files.

use devices::virtio::p9::{Backend, NoAnswer, P9 as Device, Tag};
use driver::mock::server::{Board, Death, Server};
use p9::client::kind::open;
use p9::{P9, Session, Wire};
use p9fs::server::LARGEST_MESSAGE;
use p9fs::{Limits, Share};
use pairs::{Pair, Ram};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const REGION: usize = 128 << 10;
type Driver = P9<Pair, Ram>;
type Files = Session<Wire<Server<Driver, Pair>>>;

struct FileServer(p9fs::Server);

impl Backend for FileServer {
    fn largest(&self) -> usize {
        LARGEST_MESSAGE as usize
    }
    fn answer(&mut self, message: &[u8], reply: &mut [u8]) -> Result<usize, NoAnswer> {
        self.0.answer(message, reply).map_err(|_| NoAnswer)
    }
    fn reset(&mut self) {
        self.0.reset();
    }
}

fn session(folder: &Path) -> (Files, Server<Driver, Pair>, Pair) {
    let share = Share::open(folder, false).unwrap();
    let backend = FileServer(p9fs::Server::new(share, Limits { fids: 100 }));
    let pair = Pair::new(|_| Box::new(Device::new(&Tag::new("files").unwrap(), backend)));
    let (device, queue) = (pair.clone(), pair.memory(8192));
    let server = Server::new(&pair, REGION, move || P9::new(device.clone(), queue.clone()).unwrap());
    let wire = Wire::open(server.clone(), REGION).unwrap();
    assert_eq!(wire.share().tag(), b"files");
    (Session::start(wire, 0).unwrap(), server, pair)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 + n / 1009) as u8).collect()
}

fn write_all(files: &mut Files, path: &str, bytes: &[u8]) {
    let file = files.create(path, open::READ_WRITE | open::TRUNCATE, 0o644).unwrap();
    let mut at = 0;
    while at < bytes.len() {
        at += files.write(file, at as u64, &bytes[at..]).unwrap();
    }
    files.sync(file).unwrap();
    files.close(file).unwrap();
}

fn read_all(files: &mut Files, path: &str) -> Vec<u8> {
    let file = files.open(path, open::READ).unwrap();
    let (mut all, mut part) = (Vec::new(), vec![0; 30_000]);
    loop {
        match files.read(file, all.len() as u64, &mut part).unwrap() {
            0 => break,
            got => all.extend_from_slice(&part[..got]),
        }
    }
    files.close(file).unwrap();
    all
}

#[test]
fn files_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, _, pair) = session(folder.path());
    files.make_folder("a", 0o755).unwrap();
    for len in [0, 1, 4096, 300_000] {
        write_all(&mut files, "a/b", &pattern(len));
        assert!(fs::read(folder.path().join("a/b")).unwrap() == pattern(len), "{len}");
        assert_eq!(files.find("a/b").unwrap().size, len as u64);
        assert!(read_all(&mut files, "/a/b") == pattern(len), "{len}");
    }
    files.remove("a/b", false).unwrap();
    files.remove("a", true).unwrap();
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none() && pair.is_active());
}

#[test]
fn folders_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::from([".".to_owned(), "..".to_owned()]);
    for n in 0..3000 {
        let name = format!("a name that takes some room, {n}");
        fs::write(folder.path().join(&name), "").unwrap();
        expected.insert(name);
    }
    let (mut files, ..) = session(folder.path());
    let root = files.open("", open::READ | open::DIRECTORY).unwrap();
    let (mut found, mut from) = (BTreeSet::new(), 0);
    while files
        .list(root, from, |entry| {
            from = entry.next;
            assert!(found.insert(String::from_utf8(entry.name.to_vec()).unwrap()));
        })
        .unwrap()
    {}
    assert_eq!(found, expected);
}

#[test]
fn nothing_is_lost_with_the_driver() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, server, pair) = session(folder.path());
    for round in 0..40u64 {
        let death = if round % 2 == 0 { Death::Before } else { Death::After };
        server.dies(server.calls() + 1 + round % 9, death);
        let (name, bytes) = (format!("file{round}"), pattern(70_000 + round as usize));
        write_all(&mut files, &name, &bytes);
        assert!(
            read_all(&mut files, &name) == bytes && fs::read(folder.path().join(&name)).unwrap() == bytes
        );
    }
    assert!(files.restarts() >= 30 && pair.is_active(), "{}", files.restarts());
}
