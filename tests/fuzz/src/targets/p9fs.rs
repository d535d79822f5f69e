//! The file server: messages, on a folder with something beside it that must not be touched.
//!
//! The input is a sequence of messages, each behind its length (one byte): its type, and its fields. Size and tag are put in front, since with
//! a wrong size nothing of a message is looked at; a length with its top bit set says that the size is there and is taken as it is.

use super::Seed;
use p9fs::wire::kind;
use p9fs::{Limits, Server, Share};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Messages of an input at most.
const MOST: usize = 64;
const SECRET: &[u8] = b"not to be touched";
const RAW: u8 = 0x80;

pub fn run(input: &[u8]) {
    // In memory, where that is possible: a message may ask for all to be written to the disk.
    let world = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    prepare(world.path()).expect("files");
    let share = Share::open(&world.path().join("share"), false).expect("a share");
    let mut server = Server::new(share, Limits { fids: 16 });
    let mut reply = [0; 1024];
    for message in messages(input) {
        answer(&mut server, &message, &mut reply);
    }
    // A client of good faith comes after all that.
    for message in [version(), attach(0), with_fid(kind::TGETATTR, 0, &[0xff; 8])] {
        let message = framed(&message);
        answer(&mut server, &message, &mut reply);
        assert_eq!(reply[4], message[4] + 1, "the server is not what it was");
    }
    let outside = world.path().join("outside");
    assert_eq!(fs::read(outside.join("secret")).expect("the secret"), SECRET);
    assert_eq!(fs::read_dir(outside).expect("a folder").count(), 1);
    assert_eq!(fs::read_dir(world.path()).expect("a folder").count(), 2);
}

fn prepare(world: &Path) -> std::io::Result<()> {
    fs::create_dir_all(world.join("share/a/b"))?;
    fs::create_dir(world.join("outside"))?;
    fs::write(world.join("outside/secret"), SECRET)?;
    fs::write(world.join("share/a/f"), "content")?;
    symlink("../outside", world.join("share/l"))
}

fn answer(server: &mut Server, message: &[u8], reply: &mut [u8]) {
    match server.answer(message, reply) {
        Ok(len) => {
            assert_eq!(reply[..4], (len as u32).to_le_bytes());
            assert_eq!(reply[5..7], message[5..7]);
            assert!(reply[4] == kind::RLERROR || reply[4] == message[4].wrapping_add(1));
        }
        Err(_) => assert!(message.len() < 7, "a message with a header is answered"),
    }
}

fn messages(mut input: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((&length, rest)) = input.split_first() {
        if messages.len() == MOST {
            break;
        }
        let (message, rest) = rest.split_at(rest.len().min((length & !RAW).into()));
        messages.push(if length & RAW == 0 { framed(message) } else { message.to_vec() });
        input = rest;
    }
    messages
}

/// A message with its header, from type and fields.
fn framed(message: &[u8]) -> Vec<u8> {
    let (kind, fields) = message.split_first().unwrap_or((&0, &[]));
    let size = (7 + fields.len()) as u32;
    [&size.to_le_bytes()[..], &[*kind, 1, 0], fields].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

fn with_fid(kind: u8, fid: u32, fields: &[u8]) -> Vec<u8> {
    [&[kind][..], &fid.to_le_bytes(), fields].concat()
}

fn version() -> Vec<u8> {
    [&[kind::TVERSION][..], &8192u32.to_le_bytes(), &string("9P2000.L")].concat()
}

fn attach(fid: u32) -> Vec<u8> {
    with_fid(kind::TATTACH, fid, &[&[0xff; 4][..], &string("root"), &string(""), &[0; 4]].concat())
}

fn walk(fid: u32, new: u32, names: &[&str]) -> Vec<u8> {
    let count = (names.len() as u16).to_le_bytes();
    let names: Vec<u8> = names.iter().flat_map(|name| string(name)).collect();
    with_fid(kind::TWALK, fid, &[&new.to_le_bytes()[..], &count, &names].concat())
}

fn create(fid: u32, name: &str) -> Vec<u8> {
    let flags_mode_group = [0o102u32, 0o644, 0].map(u32::to_le_bytes).concat();
    with_fid(kind::TLCREATE, fid, &[string(name), flags_mode_group].concat())
}

fn open(fid: u32, flags: u32) -> Vec<u8> {
    with_fid(kind::TLOPEN, fid, &flags.to_le_bytes())
}

/// Read and readdir have the same fields.
fn read(kind: u8, fid: u32, offset: u64, count: u32) -> Vec<u8> {
    with_fid(kind, fid, &[&offset.to_le_bytes()[..], &count.to_le_bytes()].concat())
}

fn write(fid: u32, offset: u64, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_le_bytes();
    with_fid(kind::TWRITE, fid, &[&offset.to_le_bytes()[..], &length, data].concat())
}

/// A name in a folder, and what comes behind it.
fn named(kind: u8, fid: u32, name: &str, rest: &[u8]) -> Vec<u8> {
    with_fid(kind, fid, &[&string(name)[..], rest].concat())
}

fn link(directory: u32, fid: u32, name: &str) -> Vec<u8> {
    with_fid(kind::TLINK, directory, &[&fid.to_le_bytes()[..], &string(name)].concat())
}

fn rename(from: u32, name: &str, to: u32, new: &str) -> Vec<u8> {
    named(kind::TRENAMEAT, from, name, &[&to.to_le_bytes()[..], &string(new)].concat())
}

fn input(messages: &[Vec<u8>]) -> Vec<u8> {
    [version(), attach(0)].iter().chain(messages).flat_map(|m| [&[m.len() as u8][..], m].concat()).collect()
}

pub fn seeds() -> Vec<Seed> {
    let fid = |kind, fid| with_fid(kind, fid, &[]);
    let set_all = [&0x1ffu32.to_le_bytes()[..], &[0; 12], &100u64.to_le_bytes(), &[1; 32]].concat();
    let xattr = |fid, new: u32, name| {
        with_fid(kind::TXATTRWALK, fid, &[&new.to_le_bytes()[..], &string(name)].concat())
    };
    vec![
        (
            "read",
            input(&[walk(0, 1, &["a", "f"]), open(1, 0), read(kind::TREAD, 1, 2, 100), fid(kind::TCLUNK, 1)]),
        ),
        ("write", input(&[walk(0, 1, &[]), create(1, "new"), write(1, 5, b"data"), fid(kind::TREMOVE, 1)])),
        ("list", input(&[walk(0, 1, &["a"]), open(1, 0), read(kind::TREADDIR, 1, 0, 300)])),
        (
            "links",
            input(&[walk(0, 1, &["l", "secret"]), walk(0, 2, &["l"]), open(2, 2), fid(kind::TREADLINK, 2)]),
        ),
        (
            "dots",
            input(&[walk(0, 1, &["a", "b", "..", "..", "..", "outside"]), walk(0, 2, &["..", "outside"])]),
        ),
        (
            "make",
            input(&[
                named(kind::TMKDIR, 0, "d", &[0; 8]),
                named(kind::TSYMLINK, 0, "s", &[&string("../outside/secret")[..], &[0; 4]].concat()),
                named(kind::TMKNOD, 0, "n", &[&0o100644u32.to_le_bytes()[..], &[0; 12]].concat()),
                walk(0, 1, &["s"]),
                open(1, 1),
                link(0, 1, "s2"),
                named(kind::TUNLINKAT, 0, "d", &0x200u32.to_le_bytes()),
            ]),
        ),
        (
            "rename",
            input(&[
                walk(0, 1, &["a"]),
                rename(1, "f", 0, "g"),
                rename(0, "a", 0, "../outside/a"),
                walk(0, 2, &["g"]),
                with_fid(kind::TRENAME, 2, &[&1u32.to_le_bytes()[..], &string("h")].concat()),
            ]),
        ),
        (
            "attributes",
            input(&[
                walk(0, 1, &["a", "f"]),
                with_fid(kind::TGETATTR, 1, &[0xff; 8]),
                with_fid(kind::TSETATTR, 1, &set_all),
                fid(kind::TSTATFS, 1),
                xattr(1, 2, ""),
                xattr(1, 3, "user.x"),
                named(kind::TXATTRCREATE, 1, "user.x", &[&4u64.to_le_bytes()[..], &[0; 4]].concat()),
                write(1, 0, b"four"),
                fid(kind::TCLUNK, 1),
            ]),
        ),
        (
            "locks",
            input(&[
                walk(0, 1, &["a", "f"]),
                open(1, 2),
                with_fid(kind::TLOCK, 1, &[&[0; 25][..], &string("guest")].concat()),
                with_fid(kind::TGETLOCK, 1, &[&[0; 21][..], &string("guest")].concat()),
                with_fid(kind::TFSYNC, 1, &[0; 4]),
                vec![kind::TFLUSH, 1, 0],
            ]),
        ),
        ("sizes", [&[RAW | 11][..], &[0xff, 0xff, 0xff, 0xff, kind::TCLUNK, 1, 0, 0, 0, 0, 0]].concat()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise mutations would begin with what is refused at once.
    #[test]
    fn seeds_are_messages() {
        for (name, input) in seeds() {
            for message in messages(&input).iter().filter(|_| name != "sizes") {
                let frame = p9fs::wire::request::Frame::parse(message).unwrap();
                assert!(frame.request().unwrap().is_some(), "{name}: {message:?}");
            }
        }
    }
}
