//! The network device: frames both ways, whatever their headers and buffers.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::mock::{DATA, Driver};
use devices::virtio::net::mock::Mock;
use devices::virtio::net::request::{FRAME_MAX, HEADER};
use devices::virtio::net::{Checksum, Header, Net, Protocol, Segments};

const AT: u32 = DATA as u32;
const RECEIVE: u8 = 0;
const SEND: u8 = 1;
/// Frames that wait for the driver at most.
const COMING: usize = 64;

pub fn run(script: &[u8]) {
    let network = Mock::able();
    let mut driver = Driver::ready(Box::new(Net::new(network.clone(), [2, 0, 0, 0, 0, 1])), u64::MAX);
    play(&mut driver, script, |driver, what, value| {
        let mut state = network.state();
        if state.coming.len() < COMING {
            let len = usize::from(value) * usize::from(what % 2 + 1);
            state.coming.push_back((Header::default(), vec![what; len.min(FRAME_MAX)]));
        }
        drop(state);
        driver.mmio.ready(0);
    });
    let mut state = network.state();
    for (header, frame) in std::mem::take(&mut state.sent) {
        assert!(frame.len() <= FRAME_MAX);
        let end = header
            .checksum
            .map_or(0, |checksum| usize::from(checksum.start) + usize::from(checksum.offset) + 2);
        assert!(end <= frame.len());
        assert!(header.segments.is_none_or(|segments| segments.size > 0 && header.checksum.is_some()));
    }
    state.coming.clear();
    state.coming.push_back((Header::default(), b"good".repeat(20)));
    drop(state);
    driver.store(DATA, &[0; 100]);
    assert_eq!(driver.request(SEND.into(), &[(DATA, 100)], &[]), Some(0));
    assert_eq!(network.state().sent, [(Header::default(), vec![0; 100 - HEADER])]);
    assert_eq!(driver.request(RECEIVE.into(), &[], &[(DATA, 200)]), Some(92));
    assert_eq!(driver.load(DATA + HEADER as u64, 80), b"good".repeat(20));
}

pub fn seeds() -> Vec<Seed> {
    let ring = |queue| Step::Ring { queue };
    let send = |header: Header, cut: u32| {
        let bytes = [&header.to_bytes(0)[..], &[0x5a; 80]].concat();
        let len = bytes.len() as u32;
        let readable = vec![(AT, cut), (AT + cut, len - cut)];
        vec![Step::Store { at: AT, bytes }, Step::Put { queue: SEND, readable, writable: vec![] }, ring(SEND)]
    };
    let room =
        |n: u32, len| Step::Put { queue: RECEIVE, readable: vec![], writable: vec![(AT + n * 0x1000, len)] };
    let coming = |len| Step::Extra { what: 0, value: len };
    let checksum = Some(Checksum { start: 34, offset: 16 });
    let segments = Some(Segments { protocol: Protocol::Tcp4, size: 1460, head: 54, ecn: false });
    let rooms = |len| (0..8).map(|n| room(n, len)).chain([ring(RECEIVE)]).collect::<Vec<_>>();
    vec![
        ("send", encode(&send(Header::default(), 12))),
        ("send-segments", encode(&send(Header { checksum, segments }, 20))),
        ("send-checksum", encode(&send(Header { checksum, segments: None }, 5))),
        ("receive", encode(&[rooms(2048), vec![coming(60), coming(1514)]].concat())),
        ("merge", encode(&[rooms(1536), vec![coming(9000)], rooms(100)].concat())),
        ("wait", encode(&[vec![coming(60), coming(3000)], rooms(2048)].concat())),
        (
            "plain",
            encode(&[vec![Step::SetUp { features: 1 << 32 }], rooms(2048), vec![coming(1514)]].concat()),
        ),
        (
            "broken",
            encode(&send(Header { checksum: Some(Checksum { start: 80, offset: 1 }), segments: None }, 12)),
        ),
    ]
}
