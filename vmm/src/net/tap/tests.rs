use super::*;
use devices::virtio::net::{Checksum, Protocol, Segments};
use std::process::Command;
use std::time::{Duration, Instant};

/// Each test has a network of its own, of those that are for tests (RFC 2544).
const fn host(test: u8) -> [u8; 4] {
    [198, 18, 77, 16 * test + 1]
}
const fn guest(test: u8) -> [u8; 4] {
    [198, 18, 77, 16 * test + 2]
}
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// An interface with an address, if this user may have one.
fn interface(test: u8) -> Option<Tap> {
    let name = &format!("ukvmm-test{test}");
    let tap = match Tap::open(name) {
        Ok(tap) => tap,
        Err(error @ (TapError::NoDevice | TapError::NoAccess | TapError::Forbidden(_))) => {
            println!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let address = format!("{}/28", std::net::Ipv4Addr::from(host(test)));
    for arguments in [&["addr", "add", &address, "dev", name][..], &["link", "set", name, "up"]] {
        let done = Command::new("busybox").arg("ip").args(arguments).status().expect("busybox");
        assert!(done.success(), "busybox ip {arguments:?}");
    }
    Some(tap)
}

/// The first frame that `is` what is looked for. `question` is sent until it comes: an interface takes a moment to begin.
fn wait_for(tap: &mut Tap, question: &[u8], is: impl Fn(&[u8]) -> bool) -> (Header, Vec<u8>) {
    let end = Instant::now() + Duration::from_secs(30);
    let mut found = None;
    let mut next = Instant::now();
    while found.is_none() {
        if !question.is_empty() && Instant::now() >= next {
            tap.send(&Header::default(), question);
            next += Duration::from_millis(100);
        }
        tap.poll();
        let got = tap.receive(FRAME_MAX, &mut |header, pieces| {
            let frame = pieces.concat();
            found = is(&frame).then_some((*header, frame));
        });
        if !got {
            assert!(Instant::now() < end, "it does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    found.unwrap()
}

fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let ethernet = [&[0xff; 6][..], &MAC, &[8, 6]].concat();
    [&ethernet[..], &[0, 1, 8, 0, 6, 4, 0, operation], &MAC, &sender, &[0; 6], &target].concat()
}

#[test]
fn the_hosts_kernel_answers_and_gives_back_what_is_too_large_for_the_moment() {
    let Some(mut tap) = interface(0) else { return };
    tap.start(Driver::default());
    let question = arp(1, guest(0), host(0));
    let is_reply = |frame: &[u8]| {
        frame.len() >= 42 && frame[12..14] == [8, 6] && frame[20..22] == [0, 2] && frame[28..32] == host(0)
    };
    let (header, reply) = wait_for(&mut tap, &question, is_reply);
    assert_eq!((header, &reply[..6], &reply[38..42]), (Header::default(), &MAC[..], &guest(0)[..]));

    // It stays until there is room for it.
    tap.send(&Header::default(), &question);
    let end = Instant::now() + Duration::from_secs(30);
    while tap.fetch().is_none() {
        assert!(Instant::now() < end);
        tap.poll();
    }
    assert!(!tap.receive(10, &mut |_, _| panic!("it is too large")));
    wait_for(&mut tap, &question, is_reply);
}

#[test]
fn offloads_cross_in_both_directions() {
    let Some(mut tap) = interface(1) else { return };
    tap.start(Driver { offloads: tap.offloads(), mtu: false });
    // A datagram of the host for the guest: its kernel has left the checksum to the driver.
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::from(host(1)), 0)).unwrap();
    tap.send(&Header::default(), &arp(2, guest(1), guest(1)));
    socket.send_to(b"for the guest", (std::net::Ipv4Addr::from(guest(1)), 7)).unwrap();
    let is_request = |frame: &[u8]| frame.len() >= 42 && frame[12..14] == [8, 6] && frame[38..42] == guest(1);
    let is_datagram = |frame: &[u8]| frame.ends_with(b"for the guest");
    let (_, first) = wait_for(&mut tap, &[], |frame| is_request(frame) || is_datagram(frame));
    let host_mac: [u8; 6] = first[6..12].try_into().unwrap();
    let reply = {
        let mut reply = arp(2, guest(1), host(1));
        reply[..6].copy_from_slice(&host_mac);
        reply
    };
    tap.send(&Header::default(), &reply);
    let (header, frame) = wait_for(&mut tap, &[], is_datagram);
    assert_eq!(header, Header { checksum: Some(Checksum { start: 34, offset: 6 }), segments: None });

    // And back, with the sum of the pseudo header in place of the checksum, as a driver does it.
    let port = socket.local_addr().unwrap().port();
    let mut answer = frame;
    answer[..6].copy_from_slice(&host_mac);
    answer[6..12].copy_from_slice(&MAC);
    answer[26..30].copy_from_slice(&guest(1));
    answer[30..34].copy_from_slice(&host(1));
    answer[34..36].copy_from_slice(&7u16.to_be_bytes());
    answer[36..38].copy_from_slice(&port.to_be_bytes());
    tap.send(&header, &answer);
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut buffer = [0; 64];
    let (size, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..size], from), (&b"for the guest"[..], (guest(1), 7).into()));
}

#[test]
fn an_interface_has_one_user() {
    let Some(_tap) = interface(2) else { return };
    let error = Tap::open("ukvmm-test2").err().expect("it is taken");
    assert!(matches!(error, TapError::Busy), "{error}");
    let error = Tap::open("lo").err().expect("it is no tap interface");
    assert!(matches!(error, TapError::OtherKind | TapError::Busy), "{error}");
}

#[test]
fn headers_are_those_of_the_device() {
    // What tun_get_user reads is struct virtio_net_hdr; its size is set to the device's.
    let segments = Segments { protocol: Protocol::Tcp6, size: 1440, head: 74, ecn: true };
    let header = Header { checksum: Some(Checksum { start: 54, offset: 16 }), segments: Some(segments) };
    assert_eq!(header.to_bytes(0), [1, 0x84, 74, 0, 0xa0, 5, 54, 0, 16, 0, 0, 0]);
}
