//! Random messages: whatever comes, there is an answer that is well formed, and nothing outside is touched.

use super::client::{Client, Message, ROOT};
use crate::wire::kind;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;

const NAMES: [&str; 12] = ["a", "b", "f", "link", "up", "..", ".", "", "a/b", "../outside", "x\0", "secret"];

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&NAMES[..])
}

/// Messages that are well formed, about few fids and names, so that much of it works.
fn plausible() -> impl Strategy<Value = Message> {
    let fid = || 0..6u32;
    let one = (fid(), fid(), name(), name(), any::<u32>(), any::<u64>());
    (0..25usize, one).prop_map(|(which, (fid, other, name, second, number, large))| {
        let new = |kind: u8| Message::new(kind).u32(fid);
        let flags = number & 0o1603;
        match which {
            0..=2 => new(kind::TWALK).u32(other).u16(2).string(name).string(second),
            3..=5 => new(kind::TWALK).u32(other).u16(1).string(name),
            6 => new(kind::TWALK).u32(other).u16(0),
            7 => new(kind::TCLUNK),
            8 => new(kind::TLOPEN).u32(flags),
            9 => new(kind::TLCREATE).string(name).u32(flags).u32(number).u32(0),
            10 => new(kind::TREAD).u64(large % 100).u32(number),
            11 => new(kind::TWRITE).u64(large % 100).data(name.as_bytes()),
            12 => new(kind::TREADDIR).u64(large).u32(number),
            13 => new(kind::TREADDIR).u64(0).u32(number % 1000),
            14 => new(kind::TGETATTR).u64(large),
            15 => new(kind::TSETATTR)
                .u32(number & 0x1f8)
                .u64(0)
                .u32(0)
                .u64(large % 1000)
                .u64(1)
                .u64(2)
                .u64(3)
                .u64(4),
            16 => new(kind::TMKDIR).string(name).u32(0o755).u32(0),
            17 => new(kind::TSYMLINK).string(name).string("../outside/secret").u32(0),
            18 => new(kind::TLINK).u32(other).string(name),
            19 => new(kind::TRENAMEAT).string(name).u32(other).string(second),
            20 => new(kind::TRENAME).u32(other).string(name),
            21 => new(kind::TUNLINKAT).string(name).u32(number & 0x200),
            22 => new(kind::TREMOVE),
            23 => new(kind::TREADLINK),
            _ => new(kind::TXATTRWALK).u32(other).string(name),
        }
    })
}

fn world() -> Client {
    let client = Client::new();
    fs::create_dir_all(client.path("a/b")).unwrap();
    fs::write(client.path("a/f"), "content").unwrap();
    symlink("../outside", client.path("link")).unwrap();
    symlink("..", client.path("a/up")).unwrap();
    client
}

fn untouched(client: &Client) {
    assert_eq!(fs::read(client.outside("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(client.outside("")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(client.path("..")).unwrap().count(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(requests in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..50)) {
        let mut client = world();
        let mut room = [0; 300];
        for mut request in requests {
            // Half of them with a right size and type: otherwise almost none gets past the header.
            if request.len() >= 7 && request[5] & 1 == 0 {
                let size = request.len() as u32;
                request[..4].copy_from_slice(&size.to_le_bytes());
                request[4] &= 0x7e;
            }
            if let Ok(length) = client.server.answer(&request, &mut room) {
                prop_assert_eq!(&room[..4], &(length as u32).to_le_bytes());
                prop_assert_eq!(&room[5..7], &request[5..7]);
                prop_assert!(room[4] == kind::RLERROR || room[4] == request[4] + 1);
            } else {
                prop_assert!(request.len() < 7);
            }
        }
        untouched(&client);
    }

    #[test]
    fn any_sequence_of_messages_stays_inside(messages in prop::collection::vec(plausible(), 1..120)) {
        let mut client = world();
        for message in messages {
            // A client looks at the header and at the tag.
            let _ = client.call(message);
        }
        untouched(&client);
        client.version(8192).unwrap();
        client.attach(ROOT).unwrap();
        client.getattr(ROOT).unwrap();
    }
}
