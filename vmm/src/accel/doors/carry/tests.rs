use super::*;
use p9fs::{Limits, Share};
use std::thread;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn pair() -> (UnixStream, UnixStream) {
    let (ours, its) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LIMIT)).unwrap();
    (ours, its)
}

#[test]
fn a_folder_s_server_answers_each_message_and_ends_with_its_client() {
    let share = Share::open(std::path::Path::new("/"), true).unwrap();
    let server = Server::new(share, Limits { fids: 64 });
    let (mut client, its) = pair();
    let serves = thread::spawn(move || messages(server, its));
    // Tversion, 8 KiB, 9P2000.L
    let version = b"\x15\0\0\0\x64\xff\xff\x00\x20\0\0\x08\x009P2000.L";
    for _ in 0..2 {
        client.write_all(version).unwrap();
        let mut reply = [0; 21];
        client.read_exact(&mut reply).unwrap();
        assert_eq!((reply[4], &reply[5..]), (0x65, &version[5..]));
    }
    drop(client);
    serves.join().unwrap().unwrap();
}

#[test]
fn a_message_that_cannot_be_one_ends_it() {
    for size in [3u32, u32::MAX] {
        let share = Share::open(std::path::Path::new("/"), true).unwrap();
        let (mut client, its) = pair();
        client.write_all(&size.to_le_bytes()).unwrap();
        assert!(messages(Server::new(share, Limits { fids: 64 }), its).is_err());
    }
}

#[test]
fn frames_go_both_ways() {
    let (mut lab, its) = pair();
    let (mut network, far) = pair();
    let far = Frames::new(far).unwrap();
    let source = far.source().unwrap();
    let its = Frames::new(its).unwrap();
    let edges = Edges::of(&source, &its.file()).unwrap();
    let carries = thread::spawn(move || frames(Box::new(far), its, &edges));
    lab.write_all(b"\0\0\0\x05hello").unwrap();
    let mut heard = [0; 9];
    network.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"\0\0\0\x05hello");
    network.write_all(b"\0\0\0\x02yo\0\0\0\x01!").unwrap();
    let mut heard = [0; 11];
    lab.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"\0\0\0\x02yo\0\0\0\x01!");
    drop(lab);
    carries.join().unwrap().unwrap();
}

#[test]
fn a_port_s_bytes_go_both_ways_however_many() {
    const MUCH: usize = 1 << 20;
    let (mut lab, its) = pair();
    let (mut far, near) = pair();
    near.set_nonblocking(true).unwrap();
    let near = File::from(OwnedFd::from(near));
    let source = OwnedFd::from(near.try_clone().unwrap());
    let port = crate::console::descriptor::Descriptor::new(near, false);
    its.set_nonblocking(true).unwrap();
    let edges = Edges::of(&source, &its).unwrap();
    let its = File::from(OwnedFd::from(its));
    let carries = thread::spawn(move || bytes(Box::new(port), its, &edges));
    thread::scope(|scope| {
        let mut from = far.try_clone().unwrap();
        scope.spawn(move || from.write_all(&vec![1; MUCH]).unwrap());
        let mut to = lab.try_clone().unwrap();
        scope.spawn(move || to.write_all(&vec![2; MUCH]).unwrap());
        let mut heard = vec![0; MUCH];
        lab.read_exact(&mut heard).unwrap();
        assert!(heard.iter().all(|&byte| byte == 1));
        far.read_exact(&mut heard).unwrap();
        assert!(heard.iter().all(|&byte| byte == 2));
    });
    drop(lab);
    carries.join().unwrap().unwrap();
}
