use super::mock::Mock;
use super::*;
use crate::virtio::mock::{DATA, Driver as Guest, reg, status};
use proptest::prelude::*;

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
const CSUM: u64 = 1 << 0;
const GUEST_CSUM: u64 = 1 << 1;
const MTU: u64 = 1 << 3;
const GUEST_TSO4: u64 = 1 << 7;
const HOST_TSO4: u64 = 1 << 11;
const HOST_TSO6: u64 = 1 << 12;
const MERGE: u64 = 1 << 15;
const ALL: u64 = u64::MAX >> 36;

fn guest(network: &Mock, features: u64) -> Guest {
    Guest::ready(Box::new(Net::new(network.clone(), MAC)), features)
}

/// A frame as a driver puts it into memory.
fn frame(header: &Header, frame: &[u8]) -> Vec<u8> {
    [&header.to_bytes(0)[..], frame].concat()
}

fn segments(size: u16) -> Header {
    Header {
        checksum: Some(Checksum { start: 34, offset: 16 }),
        segments: Some(Segments { protocol: Protocol::Tcp4, size, head: 54, ecn: false }),
    }
}

/// What of `guest`'s buffers of `size` bytes each, from [`DATA`] on, the device has filled: in the order of the used ring.
fn taken(guest: &mut Guest, size: u32) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((head, written)) = guest.take(RECEIVE) {
        all.push(guest.load(DATA + u64::from(head) * u64::from(size), written as usize));
    }
    all
}

fn offer(guest: &mut Guest, count: u16, size: u32) {
    for n in 0..count {
        let at = DATA + u64::from(n) * u64::from(size);
        assert_eq!(guest.put(RECEIVE, &[], &[(at, size)]), n);
    }
    guest.ring(RECEIVE);
}

#[test]
fn the_configuration_says_who_the_guest_is() {
    let network = Mock::able();
    let guest = guest(&network, ALL);
    assert_eq!(guest.get(reg::CONFIG), u32::from_le_bytes([0x52, 0x54, 0, 1]));
    assert_eq!(guest.get(reg::CONFIG + 4), u32::from_le_bytes([2, 3, 1, 0]));
    assert_eq!(guest.get(reg::CONFIG + 8), 1 | 9000 << 16);
    assert_eq!(guest.get(reg::CONFIG + 12), 0);
    let mut odd = [0xff; 3];
    guest.mmio.read(reg::CONFIG + 11, &mut odd);
    assert_eq!(odd, [9000u16.to_le_bytes()[1], 0, 0]);
}

#[test]
fn only_what_the_network_can_do_is_offered() {
    let offered = |network: &Mock| Guest::new(Box::new(Net::new(network.clone(), MAC))).offered();
    let plain = offered(&Mock::default());
    assert_eq!(plain & (CSUM | GUEST_CSUM | MTU | GUEST_TSO4 | HOST_TSO4 | HOST_TSO6), 0);
    assert_eq!(plain & MERGE, MERGE);
    let all = offered(&Mock::able());
    assert_eq!(
        all & (CSUM | GUEST_CSUM | MTU | HOST_TSO4 | HOST_TSO6),
        CSUM | GUEST_CSUM | MTU | HOST_TSO4 | HOST_TSO6
    );
    let mut four = Mock::able();
    four.offloads.tso6 = false;
    assert_eq!(offered(&four) & (HOST_TSO4 | HOST_TSO6), HOST_TSO4);
}

#[test]
fn the_network_hears_what_the_driver_takes() {
    let network = Mock::able();
    let takes = |features| {
        let _guest = guest(&network, features);
        network.state().driver.unwrap()
    };
    let all = Offloads { checksum: true, tso4: true, tso6: true };
    assert_eq!(takes(ALL), Driver { offloads: all, mtu: true });
    assert_eq!(takes(0), Driver::default());
    // Segments without a checksum are none, and large frames need many buffers.
    assert_eq!(takes(GUEST_TSO4 | MTU), Driver::default());
    let some = Offloads { checksum: true, tso4: true, tso6: false };
    assert_eq!(takes(GUEST_CSUM | GUEST_TSO4 | MERGE), Driver { offloads: some, mtu: false });
}

#[test]
fn a_reset_ends_the_driver() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL);
    offer(&mut guest, 4, 2048);
    guest.set(reg::STATUS, 0);
    assert_eq!(network.state().driver, None);
    // Buffers of before are not the device's any more.
    network.state().coming.push_back((Header::default(), vec![1; 100]));
    guest.set_up(ALL);
    assert!(network.state().driver.is_some());
    assert_eq!(taken(&mut guest, 2048), Vec::<Vec<u8>>::new());
    assert_eq!(network.state().coming.len(), 1);
}

#[test]
fn frames_go_whatever_their_buffers() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL);
    let payload: Vec<u8> = (0..60000u32).map(|i| i as u8).collect();
    let bytes = frame(&segments(1448), &payload);
    guest.store(DATA, &bytes);
    for cut in [12, 1, 20, 30000] {
        let buffers = [(DATA, cut), (DATA + u64::from(cut), bytes.len() as u32 - cut)];
        assert_eq!(guest.request(SEND, &buffers, &[]), Some(0));
        assert_eq!(network.state().sent.pop(), Some((segments(1448), payload.clone())));
    }
    assert_eq!(guest.interrupts.count(), 4);
}

#[test]
fn frames_come_each_into_a_buffer_of_its_own() {
    let network = Mock::able();
    let mut guest = guest(&network, MERGE);
    for n in 1..=3 {
        network.state().coming.push_back((Header::default(), vec![n; 100 * usize::from(n)]));
    }
    offer(&mut guest, 4, 2048);
    let expected: Vec<_> = (1..=3u8)
        .map(|n| [&Header::default().to_bytes(1)[..], &vec![n; 100 * usize::from(n)]].concat())
        .collect();
    assert_eq!(taken(&mut guest, 2048), expected);
    assert_eq!(guest.interrupts.count(), 1);
}

#[test]
fn a_large_frame_fills_several_buffers() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL);
    let payload: Vec<u8> = (0..65549u32).map(|i| (i >> 4) as u8).collect();
    network.state().coming.push_back((segments(1460), payload.clone()));
    offer(&mut guest, 64, 1536);
    let buffers = taken(&mut guest, 1536);
    assert_eq!(buffers.len(), 43);
    assert!(buffers[..42].iter().all(|buffer| buffer.len() == 1536));
    assert_eq!(buffers.concat(), [&segments(1460).to_bytes(43)[..], &payload].concat());
}

#[test]
fn without_merging_a_frame_has_one_buffer() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL & !MERGE);
    network.state().coming.push_back((Header::default(), vec![1; 3000]));
    offer(&mut guest, 8, 1536);
    assert_eq!(taken(&mut guest, 1536), Vec::<Vec<u8>>::new());
    assert_eq!(network.state().coming.len(), 1, "it is not taken if it does not fit");
    network.state().coming.push_front((Header::default(), vec![2; 1524]));
    guest.ring(RECEIVE);
    assert_eq!(taken(&mut guest, 1536), [[&Header::default().to_bytes(1)[..], &[2; 1524]].concat()]);
}

#[test]
fn a_frame_waits_until_there_is_room() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL);
    network.state().coming.push_back((Header::default(), vec![7; 3000]));
    offer(&mut guest, 1, 2048);
    assert!(guest.take(RECEIVE).is_none());
    let at = DATA + 2048;
    guest.put(RECEIVE, &[], &[(at, 1000), (at + 1000, 1048)]);
    guest.ring(RECEIVE);
    assert_eq!(taken(&mut guest, 2048).concat(), [&Header::default().to_bytes(2)[..], &[7; 3000]].concat());
}

#[test]
fn what_comes_while_nobody_calls_is_told_by_the_backend() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL);
    offer(&mut guest, 2, 2048);
    let polls = network.state().polls;
    network.state().coming.push_back((Header::default(), vec![7; 60]));
    guest.mmio.ready(0);
    assert_eq!(network.state().polls, polls + 1);
    assert_eq!(taken(&mut guest, 2048).len(), 1);
}

#[test]
fn more_frames_than_the_queue_has_entries() {
    let network = Mock::able();
    let mut guest = guest(&network, ALL);
    let mut count = 0;
    network.state().coming.extend((0..1000u32).map(|n| (Header::default(), n.to_le_bytes().repeat(16))));
    for _ in 0..8 {
        let size = 2048;
        for n in 0..256u64 {
            guest.put(RECEIVE, &[], &[(DATA + n * size, size as u32)]);
        }
        guest.ring(RECEIVE);
        while guest.mmio.again() {}
        for frame in taken(&mut guest, size as u32) {
            assert_eq!(frame[HEADER..HEADER + 4], u32::to_le_bytes(count));
            count += 1;
        }
    }
    assert_eq!(count, 1000);
}

/// Everything that a driver must not do with a frame to send.
#[test]
fn drivers_that_break_the_rules_stop_the_device() {
    let whole = Header::default().to_bytes(0);
    let with = |at: usize, value: u8| {
        let mut bytes = segments(1460).to_bytes(0);
        bytes[at] = value;
        bytes
    };
    let header = |bytes: [u8; HEADER]| bytes.to_vec();
    for (what, features, bytes) in [
        ("no header", ALL, whole[..11].to_vec()),
        ("segments that are none", ALL, header(with(1, 3))),
        (
            "segments of no size",
            ALL,
            header({
                let mut bytes = with(4, 0);
                bytes[5] = 0;
                bytes
            }),
        ),
        ("segments without a checksum", ALL, header(with(0, 0))),
        ("a checksum behind the end", ALL, [&segments(1460).to_bytes(0)[..], &[0; 51]].concat()),
        ("a checksum that was not agreed upon", 0, header(with(1, 0))),
        ("segments that were not agreed upon", CSUM, header(with(0, 1))),
        ("segments of IPv6 that were not agreed upon", CSUM | HOST_TSO4, header(with(1, 4))),
    ] {
        let network = Mock::able();
        let mut guest = guest(&network, features);
        guest.store(DATA, &bytes);
        guest.put(SEND, &[(DATA, bytes.len() as u32)], &[]);
        guest.ring(SEND);
        assert_ne!(guest.get(reg::STATUS) & status::NEEDS_RESET, 0, "{what}");
        assert!(network.state().sent.is_empty(), "{what}");
    }
}

#[test]
fn buffers_that_make_no_sense_stop_the_device() {
    type Buffers<'a> = (&'a [(u64, u32)], &'a [(u64, u32)]);
    let long = (HEADER + FRAME_MAX + 1) as u32;
    let cases: [(usize, Buffers<'_>); 5] = [
        (SEND, (&[(DATA, 100)], &[(DATA, 100)])),
        (SEND, (&[(DATA, long)], &[])),
        (RECEIVE, (&[(DATA, 100)], &[(DATA, 100)])),
        (RECEIVE, (&[], &[(DATA, 12)])),
        (RECEIVE, (&[], &[(u64::MAX - 4096, 2048)])),
    ];
    for (queue, (readable, writable)) in cases {
        let mut guest = guest(&Mock::able(), ALL);
        guest.put(queue, readable, writable);
        guest.ring(queue);
        assert_ne!(guest.get(reg::STATUS) & status::NEEDS_RESET, 0, "{queue} {readable:?} {writable:?}");
        // A reset makes it as good as new.
        guest.set_up(ALL);
        guest.store(DATA, &[0; 100]);
        assert_eq!(guest.request(SEND, &[(DATA, 100)], &[]), Some(0));
    }
}

proptest! {
    #[test]
    fn headers_are_the_same_there_and_back(bytes in any::<[u8; HEADER]>()) {
        let all = Offloads { checksum: true, tso4: true, tso6: true };
        if let Ok(header) = Header::parse(&bytes, all) {
            prop_assert_eq!(Header::parse(&header.to_bytes(1), all), Ok(header));
            prop_assert!(header.segments.is_none_or(|segments| segments.size > 0 && header.checksum.is_some()));
        }
    }

    /// However buffers are cut, frames arrive whole and in order.
    #[test]
    fn buffers_of_any_sizes(sizes in prop::collection::vec(prop::collection::vec(1u32..3000, 1..4), 1..60),
                            frames in prop::collection::vec(14usize..9000, 1..20)) {
        let network = Mock::able();
        let mut guest = guest(&network, ALL);
        for (n, &len) in frames.iter().enumerate() {
            network.state().coming.push_back((Header::default(), vec![n as u8 + 1; len]));
        }
        let (mut at, mut buffers) = (DATA, std::collections::HashMap::new());
        for pieces in sizes.iter().filter(|pieces| pieces.iter().sum::<u32>() > HEADER as u32) {
            let pieces: Vec<(u64, u32)> = pieces.iter().map(|&len| { at += 3000; (at - 3000, len) }).collect();
            buffers.insert(guest.put(RECEIVE, &[], &pieces), pieces);
        }
        guest.ring(RECEIVE);
        let mut stream = Vec::new();
        while let Some((head, written)) = guest.take(RECEIVE) {
            let all: Vec<u8> = buffers[&head].iter().flat_map(|&(addr, len)| guest.load(addr, len as usize)).collect();
            stream.push(all[..written as usize].to_vec());
        }
        let (mut stream, mut done) = (stream.into_iter(), 0);
        while let Some(first) = stream.next() {
            let count = u16::from_le_bytes([first[10], first[11]]);
            let rest: Vec<u8> = stream.by_ref().take(usize::from(count) - 1).flatten().collect();
            let whole = [&first[HEADER..], &rest[..]].concat();
            prop_assert_eq!(whole, vec![done as u8 + 1; frames[done]]);
            done += 1;
        }
        prop_assert_eq!(network.state().coming.len(), frames.len() - done);
        prop_assert_eq!(guest.get(reg::STATUS) & status::NEEDS_RESET, 0);
    }
}
