//! Ways out of the folder shared: none leads there, on kernels with and without `openat2`.

use super::client::{Client, Message, ROOT};
use crate::server::{Limits, Server};
use crate::share::Share;
use crate::wire::flags::open;
use crate::wire::{NO_FID, kind, qid};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CREATE: u32 = 0o100;

fn clients() -> [Client; 2] {
    [Client::with(false, true), Client::with(false, false)]
}

/// Every message that takes a name in a folder.
fn with_name(fid: u32, name: &str) -> Vec<Message> {
    let new = |kind: u8| Message::new(kind).u32(fid).string(name);
    vec![
        Message::new(kind::TWALK).u32(fid).u32(90).u16(1).string(name),
        Message::new(kind::TWALK).u32(fid).u32(91).u16(2).string(name).string("secret"),
        new(kind::TLCREATE).u32(open::WRITE | CREATE).u32(0o644).u32(0),
        new(kind::TSYMLINK).string("target").u32(0),
        new(kind::TMKNOD).u32(0o100644).u64(0).u32(0),
        new(kind::TMKDIR).u32(0o755).u32(0),
        new(kind::TUNLINKAT).u32(0),
        new(kind::TUNLINKAT).u32(0x200),
        Message::new(kind::TLINK).u32(fid).u32(80).string(name),
        Message::new(kind::TRENAME).u32(80).u32(fid).string(name),
        Message::new(kind::TRENAMEAT).u32(fid).string(name).u32(ROOT).string("stolen"),
        Message::new(kind::TRENAMEAT).u32(ROOT).string("mine").u32(fid).string(name),
    ]
}

#[test]
fn links_are_not_followed() {
    for mut client in clients() {
        fs::create_dir(client.path("d")).unwrap();
        let targets = [
            ("passwd", "/etc/passwd"),
            ("up", ".."),
            ("far", "../outside"),
            ("file", "../outside/secret"),
            ("in", "d"),
        ];
        for (number, (name, target)) in (10..).zip(targets) {
            symlink(target, client.path(name)).unwrap();
            assert_eq!(client.walk(ROOT, number, &[name]).unwrap()[0].kind, qid::SYMLINK);
            assert_eq!(client.readlink(number).unwrap(), target.as_bytes());
            for flags in [open::READ, open::READ_WRITE, open::DIRECTORY, open::WRITE | open::TRUNCATE] {
                assert_eq!(client.open(number, flags), Err(Errno::LOOP), "{name}");
            }
            for step in ["secret", "outside", "..", "x"] {
                assert_eq!(client.walk(ROOT, 20, &[name, step]).unwrap().len(), 1, "{name}/{step}");
                assert_eq!(client.walk(number, 20, &[step]), Err(Errno::NOTDIR), "{name}/{step}");
            }
            assert_eq!(client.mkdir(number, "x", 0o755), Err(Errno::NOTDIR));
            client.walk(ROOT, 21, &[]).unwrap();
            assert_eq!(client.create(21, name, open::WRITE | CREATE, 0o644), Err(Errno::LOOP));
            client.clunk(21).unwrap();
        }
        assert_eq!(fs::read(client.outside("secret")).unwrap(), b"secret");
    }
}

#[test]
fn dots_end_at_the_folder_shared() {
    for mut client in clients() {
        fs::create_dir_all(client.path("a/b")).unwrap();
        let root = client.getattr(ROOT).unwrap().qid;
        for (number, path) in (1..).zip([&[".."][..], &["..", "..", ".."], &["a", "b", "..", "..", ".."]]) {
            assert_eq!(client.walk(ROOT, number, path).unwrap().last(), Some(&root));
        }
        assert_eq!(client.walk(ROOT, 20, &["..", "outside"]).unwrap(), [root]);
        assert_eq!(client.walk(ROOT, 20, &["a", "..", "..", "outside", "secret"]).unwrap().len(), 3);
        client.to(21, &["a", "b"]).unwrap();
        client.walk(21, 22, &[".."]).unwrap();
        assert_eq!(client.walk(22, 23, &["b"]).unwrap()[0], client.getattr(21).unwrap().qid);
        fs::write(client.path("f"), "").unwrap();
        assert_eq!(client.walk(ROOT, 24, &["f", ".."]).unwrap().len(), 1, "a file has no inside");
    }
}

#[test]
fn paths_are_no_names() {
    for mut client in clients() {
        fs::create_dir_all(client.path("a/b")).unwrap();
        fs::write(client.path("mine"), "mine").unwrap();
        client.to(80, &["mine"]).unwrap();
        let paths =
            ["/etc/passwd", "/", "a/b", "a/", "../outside", "../outside/secret", "..\0", "a\0b", "./a", "."];
        for path in paths {
            for message in with_name(ROOT, path) {
                assert_eq!(client.call(message.clone()), Err(Errno::INVAL), "{path:?} {message:?}");
            }
        }
        for message in with_name(ROOT, "..").into_iter().skip(2) {
            assert_eq!(client.call(message.clone()), Err(Errno::INVAL), "{message:?}");
        }
        for message in with_name(ROOT, "") {
            assert_eq!(client.call(message), Err(Errno::NOENT));
        }
        for message in with_name(ROOT, &"x".repeat(256)) {
            assert_eq!(client.call(message), Err(Errno::NAMETOOLONG));
        }
        assert_eq!(fs::read_dir(client.path("")).unwrap().count(), 2);
        assert_eq!(fs::read_dir(client.outside("")).unwrap().count(), 1);
    }
}

#[test]
fn a_folder_that_is_moved_out_is_lost() {
    for mut client in clients() {
        fs::create_dir_all(client.path("d/e")).unwrap();
        fs::write(client.path("d/f"), "inside").unwrap();
        fs::write(client.path("mine"), "mine").unwrap();
        for (fid, path) in [(1, &["d"][..]), (2, &["d", "e"]), (3, &["d", "f"]), (4, &["d"]), (80, &["mine"])]
        {
            client.to(fid, path).unwrap();
        }
        client.to(5, &["d", "f"]).unwrap();
        client.open(5, open::READ_WRITE).unwrap();

        fs::rename(client.path("d"), client.outside("d")).unwrap();
        fs::write(client.outside("d/secret"), "secret").unwrap();
        for fid in [1, 2] {
            for message in with_name(fid, "secret") {
                assert_eq!(client.call(message.clone()), Err(Errno::NOENT), "{message:?}");
            }
            assert_eq!(client.walk(fid, 90, &[".."]), Err(Errno::NOENT));
            assert_eq!(client.open(fid, open::READ), Err(Errno::NOENT));
            assert_eq!(client.getattr(fid), Err(Errno::NOENT));
        }
        assert_eq!(client.open(3, open::READ), Err(Errno::NOENT));
        assert_eq!(client.link(ROOT, 3, "back"), Err(Errno::NOENT));
        let setattr = Message::new(kind::TSETATTR).u32(3).u32(1).u32(0o777).u64(0).u64(0);
        assert_eq!(client.call(setattr.u64(0).u64(0).u64(0).u64(0)), Err(Errno::NOENT));
        assert_eq!(client.call(Message::new(kind::TREMOVE).u32(3)), Err(Errno::NOENT));
        assert_eq!(client.read(5, 0, 10).unwrap(), b"inside", "what is open stays open");
        assert!(client.outside("d/f").exists());
        assert_eq!(fs::read_dir(client.outside("d")).unwrap().count(), 3);

        fs::rename(client.outside("d"), client.path("again")).unwrap();
        client.getattr(1).unwrap();
        client.walk(1, 90, &["secret"]).unwrap();
    }
}

/// Says that the race is over, even if that is so because an assertion failed.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// While `disturb` runs again and again, `attempt` is made often, and until it has got there (says `true`) at least once each way
/// that the disturbance leaves things.
fn race(client: &mut Client, disturb: impl Fn() + Send, mut attempt: impl FnMut(&mut Client) -> bool) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let until = &over;
        scope.spawn(move || {
            while !until.load(Ordering::Relaxed) {
                disturb();
            }
        });
        let _finish = Finish(&over);
        let begun = Instant::now();
        let (mut attempts, mut reached) = (0, 0);
        while attempts < 3000 || reached == 0 || reached == attempts {
            attempts += 1;
            reached += u32::from(attempt(client));
            assert!(begun.elapsed() < Duration::from_secs(60), "no race: {reached} of {attempts}");
        }
    });
}

#[test]
fn a_folder_that_becomes_a_link_while_walking() {
    for mut client in clients() {
        fs::create_dir(client.path("d")).unwrap();
        fs::write(client.path("d/secret"), "public").unwrap();
        symlink("../outside", client.path("l")).unwrap();
        let (a, b) = (client.path("d"), client.path("l"));
        let swap = move || renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
        race(&mut client, swap, |client| {
            if client.to(1, &["d", "secret"]).is_err() {
                return false;
            }
            // It may be the link's by now, but what is held is what was reached.
            if client.open(1, open::READ).is_ok() {
                assert_eq!(client.read(1, 0, 10).unwrap(), b"public");
            }
            client.clunk(1).unwrap();
            true
        });
    }
}

#[test]
fn a_folder_that_moves_out_while_walking() {
    for mut client in clients() {
        fs::create_dir_all(client.path("a/b/c")).unwrap();
        let (inside, outside) = (client.path("a/b"), client.outside("b"));
        let away = move || {
            fs::rename(&inside, &outside).unwrap();
            fs::rename(&outside, &inside).unwrap();
        };
        let above = fs::metadata(client.outside("")).unwrap().ino();
        race(&mut client, away, |client| {
            let mut reached = true;
            for path in [&["a", "b", "c", "..", ".."][..], &["a", "b", ".."], &["a", "b", "..", "secret"]] {
                let qids = client.walk(ROOT, 1, path).unwrap_or_default();
                assert!(qids.iter().all(|qid| qid.path != above));
                if qids.len() == path.len() {
                    client.clunk(1).unwrap();
                } else if path.len() == 3 {
                    reached = false;
                }
            }
            reached
        });
    }
}

#[test]
fn devices_fifos_and_sockets_are_seen_and_not_opened() {
    for mut client in clients() {
        rustix::fs::mkfifoat(CWD, client.path("fifo"), rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(client.path("socket")).unwrap();
        for (fid, name) in [(1, "fifo"), (2, "socket")] {
            client.to(fid, &[name]).unwrap();
            client.getattr(fid).unwrap();
            for flags in [open::READ, open::WRITE, open::READ_WRITE, open::TRUNCATE] {
                assert_eq!(client.open(fid, flags), Err(Errno::NXIO), "{name}");
            }
            client.walk(ROOT, 3, &[]).unwrap();
            assert_eq!(client.create(3, name, open::READ | CREATE, 0o644), Err(Errno::NXIO));
            client.clunk(3).unwrap();
        }
    }
}

#[test]
fn a_fid_stays_the_file_that_it_was() {
    let mut client = Client::new();
    fs::write(client.path("f"), "first").unwrap();
    client.to(1, &["f"]).unwrap();
    fs::rename(client.path("f"), client.path("g")).unwrap();
    symlink("../outside/secret", client.path("f")).unwrap();
    client.open(1, open::READ).unwrap();
    assert_eq!(client.read(1, 0, 10).unwrap(), b"first");
}

/// A client for any folder of this machine, which is not changed.
fn look_at(path: &str) -> (Server, Vec<u8>) {
    let share = Share::open(Path::new(path), true).unwrap();
    (Server::new(share, Limits { fids: 8 }), vec![0; 8192])
}

fn answer((server, room): &mut (Server, Vec<u8>), message: Message) -> (u8, Vec<u8>) {
    let length = server.answer(&message.bytes(), room).unwrap();
    (room[4], room[7..length].to_vec())
}

#[test]
fn magic_links_of_proc_lead_nowhere() {
    let mut at = look_at("/proc/self");
    let attach = Message::new(kind::TATTACH).u32(0).u32(NO_FID).string("").string("").u32(0);
    assert_eq!(answer(&mut at, attach).0, kind::TATTACH + 1);
    let walk = Message::new(kind::TWALK).u32(0).u32(1).u16(2).string("root").string("etc");
    let (kind, reply) = answer(&mut at, walk);
    assert_eq!((kind, reply.len()), (kind::TWALK + 1, 2 + 13), "to the link and no further");
    for name in ["root", "cwd", "exe"] {
        let walk = Message::new(kind::TWALK).u32(0).u32(2).u16(1).string(name);
        assert_eq!(answer(&mut at, walk).0, kind::TWALK + 1);
        let open = Message::new(kind::TLOPEN).u32(2).u32(0);
        assert_eq!(answer(&mut at, open), (kind::RLERROR, 40u32.to_le_bytes().to_vec()), "{name}");
        answer(&mut at, Message::new(kind::TCLUNK).u32(2));
    }
}

#[test]
fn the_root_of_the_host_can_be_shared() {
    let mut at = look_at("/");
    let attach = Message::new(kind::TATTACH).u32(0).u32(NO_FID).string("").string("").u32(0);
    let root = answer(&mut at, attach).1;
    let walk = Message::new(kind::TWALK).u32(0).u32(1).u16(3).string("proc").string("..").string("..");
    let (kind, reply) = answer(&mut at, walk);
    assert_eq!((kind, &reply[2 + 2 * 13..]), (kind::TWALK + 1, &root[..]));
}
