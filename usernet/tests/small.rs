//! Everything but TCP: ARP, DHCP, ICMP, UDP, and frames that are not well-formed.

mod common;

use common::script::{GUEST, REMOTE, Script, Seg, ip_frame, udp_frame};
use common::{MAC, config};
use proptest::prelude::*;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame,
    EthernetProtocol, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, UdpPacket,
};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};
use usernet::frame::FRAME_MAX;
use usernet::mock::World;
use usernet::{Gateway, Offers, plan};

const PLAIN: Offers = Offers { checksum: false, segments: false, mtu: 1500 };

fn script() -> Script {
    Script::new(&[], PLAIN)
}

/// A UDP datagram for the guest: from where, to where, and what.
fn udp(frame: &[u8]) -> (SocketAddrV4, SocketAddrV4, Vec<u8>) {
    let ethernet = EthernetFrame::new_checked(frame).unwrap();
    let ip = Ipv4Packet::new_checked(ethernet.payload()).unwrap();
    let udp = UdpPacket::new_checked(ip.payload()).unwrap();
    assert!(ip.verify_checksum() && udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
    let ends = [(ip.src_addr(), udp.src_port()), (ip.dst_addr(), udp.dst_port())];
    let [from, to] = ends.map(|(ip, port)| SocketAddrV4::new(ip, port));
    (from, to, udp.payload().to_vec())
}

fn arp(target: Ipv4Addr, source: Ipv4Addr, operation: ArpOperation) -> Vec<u8> {
    let arp = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(MAC),
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut frame = vec![0; 14 + arp.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(EthernetAddress(MAC));
    ethernet.set_dst_addr(EthernetAddress::BROADCAST);
    ethernet.set_ethertype(EthernetProtocol::Arp);
    arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
    frame
}

#[test]
fn arp_finds_the_router_and_the_name_server_and_nobody_else() {
    for (target, found) in
        [(plan::GATEWAY, true), (plan::RESOLVER, true), (plan::GUEST, false), (plan::BROADCAST, false)]
    {
        let mut s = script();
        s.gateway.send(&arp(target, plan::GUEST, ArpOperation::Request), false, s.now);
        let Some(frame) = s.receive() else {
            assert!(!found, "{target}");
            continue;
        };
        let ethernet = EthernetFrame::new_checked(&frame[..]).unwrap();
        assert_eq!(ethernet.dst_addr(), EthernetAddress(MAC));
        let reply = ArpRepr::parse(&ArpPacket::new_checked(ethernet.payload()).unwrap()).unwrap();
        assert_eq!(
            reply,
            ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: EthernetAddress(plan::GATEWAY_MAC),
                source_protocol_addr: target,
                target_hardware_addr: EthernetAddress(MAC),
                target_protocol_addr: plan::GUEST,
            }
        );
        s.gateway.send(&arp(target, plan::GUEST, ArpOperation::Reply), false, s.now);
        s.silence();
    }
}

fn dhcp(message_type: DhcpMessageType, wanted: Option<Ipv4Addr>) -> DhcpRepr<'static> {
    DhcpRepr {
        message_type,
        transaction_id: 0x1234_5678,
        secs: 0,
        client_hardware_address: EthernetAddress(MAC),
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: wanted,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

fn ask(s: &mut Script, question: &DhcpRepr<'_>) -> Option<Vec<u8>> {
    let mut message = vec![0; question.buffer_len()];
    question.emit(&mut DhcpPacket::new_unchecked(&mut message)).unwrap();
    let from = SocketAddrV4::new(question.client_ip, 68);
    s.gateway.send(&udp_frame(from, SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), &message), false, s.now);
    s.receive()
}

#[test]
fn dhcp_gives_the_one_address_there_is() {
    let mut s = Script::new(&[], Offers { mtu: 9000, ..PLAIN });
    for (question, answer) in [
        (DhcpMessageType::Discover, DhcpMessageType::Offer),
        (DhcpMessageType::Request, DhcpMessageType::Ack),
    ] {
        let frame = ask(&mut s, &dhcp(question, Some(plan::GUEST))).unwrap();
        let (from, to, message) = udp(&frame);
        assert_eq!((from, to), (SocketAddrV4::new(plan::GATEWAY, 67), SocketAddrV4::new(plan::GUEST, 68)));
        let packet = DhcpPacket::new_checked(&message[..]).unwrap();
        let reply = DhcpRepr::parse(&packet).unwrap();
        assert_eq!(
            (reply.message_type, reply.transaction_id, reply.your_ip),
            (answer, 0x1234_5678, plan::GUEST)
        );
        assert_eq!((reply.router, reply.subnet_mask), (Some(plan::GATEWAY), Some(plan::MASK)));
        assert_eq!(reply.dns_servers.unwrap()[..], [plan::RESOLVER]);
        assert_eq!(reply.lease_duration, Some(86400));
        let mtu = packet.options().find(|option| option.kind == 26).unwrap();
        assert_eq!(mtu.data, 9000u16.to_be_bytes());
    }
}

#[test]
fn dhcp_refuses_another_address_so_that_everybody_hears() {
    let mut s = script();
    let frame = ask(&mut s, &dhcp(DhcpMessageType::Request, Some(Ipv4Addr::new(192, 168, 1, 7)))).unwrap();
    let (_, to, message) = udp(&frame);
    assert_eq!(*to.ip(), Ipv4Addr::BROADCAST);
    let reply = DhcpRepr::parse(&DhcpPacket::new_checked(&message[..]).unwrap()).unwrap().message_type;
    assert_eq!(reply, DhcpMessageType::Nak);
}

#[test]
fn dhcp_is_silent_where_it_is_not_asked() {
    let mut s = script();
    for kind in
        [DhcpMessageType::Release, DhcpMessageType::Decline, DhcpMessageType::Offer, DhcpMessageType::Ack]
    {
        assert_eq!(ask(&mut s, &dhcp(kind, None)), None, "{kind:?}");
    }
    // Another server was chosen.
    let mut other = dhcp(DhcpMessageType::Request, Some(plan::GUEST));
    other.server_identifier = Some(Ipv4Addr::new(10, 0, 2, 9));
    assert_eq!(ask(&mut s, &other), None);
}

#[test]
fn whoever_has_an_address_asks_for_the_rest() {
    let mut s = script();
    let frame =
        ask(&mut s, &DhcpRepr { client_ip: plan::GUEST, ..dhcp(DhcpMessageType::Inform, None) }).unwrap();
    let (_, to, message) = udp(&frame);
    assert_eq!(*to.ip(), plan::GUEST);
    let packet = DhcpPacket::new_checked(&message[..]).unwrap();
    let reply = DhcpRepr::parse(&packet).unwrap();
    assert_eq!((reply.message_type, reply.your_ip), (DhcpMessageType::Ack, Ipv4Addr::UNSPECIFIED));
    assert_eq!((reply.lease_duration, reply.router), (None, Some(plan::GATEWAY)));
}

#[test]
fn a_question_of_the_guest_reaches_the_hosts_name_server_and_its_answer_the_guest() {
    let mut s = script();
    let server = SocketAddrV4::new(plan::RESOLVER, 53);
    s.gateway.send(&udp_frame(GUEST, server, b"who?"), false, s.now);
    let outside: SocketAddr = (usernet::mock::RESOLVER, 53).into();
    assert_eq!(s.world.state().datagrams[0].outgoing, [(outside, b"who?".to_vec())]);
    s.world.datagram(0, outside, b"me");
    assert_eq!(udp(&s.receive().unwrap()), (server, GUEST, b"me".to_vec()));
    s.silence();
}

#[test]
fn nobody_takes_a_datagram() {
    let mut s = script();
    let frame = udp_frame(GUEST, REMOTE, b"hello?");
    s.gateway.send(&frame, false, s.now);
    s.world.state().datagrams[0].refused = true;
    s.world.datagram(0, REMOTE.into(), b"");
    let told = s.receive().unwrap();
    let ip = Ipv4Packet::new_checked(&told[14..]).unwrap();
    assert_eq!((ip.src_addr(), ip.dst_addr()), (*REMOTE.ip(), plan::GUEST));
    let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
    let Icmpv4Repr::DstUnreachable { header, data, .. } =
        Icmpv4Repr::parse(&icmp, &Default::default()).unwrap()
    else {
        panic!("something else");
    };
    assert_eq!((header.src_addr, header.dst_addr), (plan::GUEST, *REMOTE.ip()));
    assert_eq!(data[..4], [GUEST.port().to_be_bytes(), REMOTE.port().to_be_bytes()].concat());
    // Our own addresses have no other ports.
    s.receive();
    s.gateway.send(&udp_frame(GUEST, SocketAddrV4::new(plan::RESOLVER, 123), b"time?"), false, s.now);
    assert!(s.receive().is_some());
    assert_eq!(s.world.state().datagrams.len(), 1);
}

#[test]
fn flows_end_after_a_silence() {
    let mut s = script();
    s.gateway.send(&udp_frame(GUEST, REMOTE, b"1"), false, s.now);
    s.wait(Duration::from_secs(170));
    s.gateway.send(&udp_frame(GUEST, REMOTE, b"2"), false, s.now);
    s.wait(Duration::from_secs(170));
    s.silence();
    assert_eq!(s.gateway.flows(), (0, 1));
    s.wait(Duration::from_secs(10));
    assert!(s.world.state().wake.is_some_and(|wake| wake <= s.now), "somebody wakes us");
    s.silence();
    assert_eq!(s.gateway.flows(), (0, 0));
    assert!(s.world.state().datagrams[0].dropped);
}

#[test]
fn the_flow_that_was_silent_longest_makes_way() {
    let mut s = script();
    for port in 1..=400 {
        s.wait(Duration::from_millis(1));
        s.gateway.send(&udp_frame(SocketAddrV4::new(plan::GUEST, port), REMOTE, b"x"), false, s.now);
    }
    assert_eq!(s.gateway.flows(), (0, 256));
    let state = s.world.state();
    assert!(state.datagrams.iter().take(144).all(|socket| socket.dropped));
    assert!(state.datagrams.iter().skip(144).all(|socket| !socket.dropped));
}

#[test]
fn datagrams_wait_for_room_and_those_that_never_fit_are_dropped() {
    let mut s = script();
    s.gateway.send(&udp_frame(GUEST, REMOTE, b"x"), false, s.now);
    for size in [1473, 1000, 1472] {
        s.world.datagram(0, REMOTE.into(), &vec![size as u8; size]);
    }
    assert_eq!(s.receive_up_to(500), None);
    assert_eq!(s.receive_up_to(1042).unwrap().0.len(), 1042);
    assert_eq!(s.receive_up_to(1042), None);
    // Others are not kept waiting by it.
    let port = SocketAddrV4::new(plan::GUEST, 6);
    s.gateway.send(&udp_frame(port, REMOTE, b"x"), false, s.now);
    s.world.datagram(1, REMOTE.into(), b"short");
    assert_eq!(udp(&s.receive_up_to(1042).unwrap().0), (REMOTE, port, b"short".to_vec()));
    assert_eq!(s.receive_up_to(FRAME_MAX).unwrap().0.len(), 1514);
    s.silence();
}

#[test]
fn datagrams_of_a_forward_make_flows_both_ways() {
    let mut s = Script::new(&["udp:0.0.0.0:5000-:50"], PLAIN);
    let guest = SocketAddrV4::new(plan::GUEST, 50);
    let peers: [SocketAddr; 2] = ["198.51.100.1:7".parse().unwrap(), "127.0.0.1:8".parse().unwrap()];
    let seen: [SocketAddrV4; 2] = ["198.51.100.1:7".parse().unwrap(), "10.0.2.2:8".parse().unwrap()];
    for (peer, seen) in peers.into_iter().zip(seen) {
        s.world.datagram(0, peer, b"ping");
        assert_eq!(udp(&s.receive().unwrap()), (seen, guest, b"ping".to_vec()));
        s.gateway.send(&udp_frame(guest, seen, b"pong"), false, s.now);
        assert_eq!(s.world.state().datagrams[0].outgoing.pop(), Some((peer, b"pong".to_vec())));
    }
    assert_eq!((s.gateway.flows(), s.world.state().datagrams.len()), ((0, 2), 1));
}

#[test]
fn frames_that_are_not_well_formed_are_dropped() {
    let good = udp_frame(GUEST, REMOTE, b"hello");
    let change = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        // The header's checksum is right, whatever else is not.
        if let Ok(mut ip) = Ipv4Packet::new_checked(&mut frame[14..]) {
            ip.fill_checksum();
        }
        frame
    };
    let wrong_checksum = {
        let mut frame = good.clone();
        frame[24] ^= 1;
        frame
    };
    let from = |ip: [u8; 4]| udp_frame(SocketAddrV4::new(ip.into(), 5), REMOTE, b"hello");
    for (what, frame) in [
        ("the UDP checksum", change(46, good[46] ^ 1)),
        ("the IP checksum", wrong_checksum),
        ("the end", good[..good.len() - 1].to_vec()),
        ("half a header", good[..30].to_vec()),
        ("no header", good[..14].to_vec()),
        ("nothing", Vec::new()),
        ("IPv6", change(14, 0x65)),
        ("a short header", change(14, 0x44)),
        ("a long header", change(14, 0x4f)),
        ("a first fragment", change(20, 0x20)),
        ("another fragment", change(21, 1)),
        ("another protocol", change(23, 132)),
        ("another kind of frame", change(12, 0x86)),
        ("for somebody else", change(0, 0x02)),
        ("from a group", change(6, 0x01)),
        ("from the router", from([10, 0, 2, 2])),
        ("from another network", from([192, 168, 0, 1])),
        ("from this machine", from([127, 0, 0, 1])),
        ("from nobody", from([0, 0, 0, 0])),
        ("from everybody", from([10, 0, 2, 255])),
    ] {
        let mut s = script();
        s.gateway.send(&frame, false, s.now);
        s.silence();
        assert!(s.world.state().datagrams.is_empty(), "{what}");
    }
    // What is left to us is not looked at.
    let mut s = script();
    s.gateway.send(&change(46, good[46] ^ 1), true, s.now);
    assert_eq!(s.world.state().datagrams[0].outgoing.len(), 1);
}

proptest! {
    /// Whatever the guest sends, and however it is broken.
    #[test]
    fn random_frames(frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200),
                     prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), any::<bool>()), 1..40)) {
        let world = World::default();
        world.state().accept_all = true;
        let mut gateway = Gateway::new(&config(&["tcp::1-:1", "udp::1-:1"]), world.host()).unwrap();
        gateway.reset(Offers { checksum: true, segments: true, mtu: 65520 });
        let mut script = Script::new(&[], PLAIN);
        script.isn = Some(0);
        let now = Instant::now();
        for (kind, bytes, changes, trusted) in frames {
            let word = i64::from(bytes.first().copied().unwrap_or(0));
            let flags = ["S", "F", "R", "P", ""][kind as usize % 5];
            let mut frame = match kind % 7 {
                0 => bytes,
                1 => udp_frame(GUEST, SocketAddrV4::new(plan::GATEWAY, 67), &bytes),
                2 => ip_frame(plan::GUEST, plan::GATEWAY, IpProtocol::Icmp, &bytes),
                3 => ip_frame(plan::GUEST, *REMOTE.ip(), IpProtocol::Tcp, &bytes),
                4 => udp_frame(GUEST, REMOTE, &bytes),
                _ => script.frame(&Seg { seq: word, ack: (kind & 64 == 0).then_some(word), flags, data: bytes, mss: Some(kind.into()),
                                         ..Seg::default() }),
            };
            for (index, value) in changes {
                if !frame.is_empty() {
                    let at = index.index(frame.len());
                    frame[at] = value;
                }
            }
            gateway.send(&frame, trusted, now);
            gateway.poll(now).unwrap();
            while gateway.receive(usize::from(kind) * 300, now, &mut |frame| assert!(frame.size() <= usize::from(kind) * 300)) {}
        }
    }
}
