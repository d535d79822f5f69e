//! Both ends are real: smoltcp's stack on the guest's side, sockets of this machine's loopback interface on the other.

mod common;

use common::{Guest, PATIENCE};
use smoltcp::socket::{dhcpv4, icmp, tcp, udp};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress, IpEndpoint};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::thread;
use usernet::{Offers, plan};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn large() -> Offers {
    Offers { mtu: 65520, ..Offers::default() }
}

/// Bytes that show where they belong.
fn pattern(size: usize) -> Vec<u8> {
    (0..size as u32).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A port of the loopback interface where nobody listens.
fn unused_port() -> u16 {
    listener().1
}

#[test]
fn an_address_by_dhcp() {
    let mut guest = Guest::real(&[], Offers::default());
    guest.interface.update_ip_addrs(|addresses| addresses.clear());
    let handle = guest.sockets.add(dhcpv4::Socket::new());
    let mut found = None;
    guest.until(|guest| {
        if let Some(dhcpv4::Event::Configured(config)) =
            guest.sockets.get_mut::<dhcpv4::Socket>(handle).poll()
        {
            found = Some((config.address, config.router, config.dns_servers.to_vec(), config.server.address));
        }
        found.is_some()
    });
    let (address, router, dns, server) = found.unwrap();
    assert_eq!((address.address(), address.prefix_len()), (plan::GUEST, 24));
    assert_eq!((router, dns, server), (Some(plan::GATEWAY), vec![plan::RESOLVER], plan::GATEWAY));
}

#[test]
fn the_router_answers_a_ping() {
    let mut guest = Guest::real(&[], Offers::default());
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 4096]);
    let handle = guest.sockets.add(icmp::Socket::new(buffer(), buffer()));
    let socket = guest.sockets.get_mut::<icmp::Socket>(handle);
    socket.bind(icmp::Endpoint::Ident(7)).unwrap();
    let request = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 1, data: b"is anybody there?" };
    let bytes = socket.send(request.buffer_len(), IpAddress::Ipv4(plan::GATEWAY)).unwrap();
    request.emit(&mut Icmpv4Packet::new_unchecked(bytes), &Default::default());
    guest.until(|guest| guest.sockets.get_mut::<icmp::Socket>(handle).can_recv());
    let (bytes, from) = guest.sockets.get_mut::<icmp::Socket>(handle).recv().unwrap();
    let reply = Icmpv4Repr::parse(&Icmpv4Packet::new_checked(bytes).unwrap(), &Default::default()).unwrap();
    assert_eq!(reply, Icmpv4Repr::EchoReply { ident: 7, seq_no: 1, data: b"is anybody there?" });
    assert_eq!(from, IpAddress::Ipv4(plan::GATEWAY));
}

/// Sends `sent` from the guest, ends that direction, and returns all that comes back until the other end. Of that, `lose` frames are
/// lost on the way.
fn exchange(
    guest: &mut Guest<usernet::System>,
    handle: smoltcp::iface::SocketHandle,
    sent: &[u8],
    mut lose: usize,
) -> Vec<u8> {
    let (mut at, mut received) = (0, Vec::new());
    guest.until(|guest| {
        let socket = guest.socket(handle);
        if at < sent.len() && socket.can_send() {
            at += socket.send_slice(&sent[at..]).unwrap();
            if at == sent.len() {
                socket.close();
            }
        }
        while socket.can_recv() {
            received.extend(socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap());
        }
        let ended = !socket.may_recv();
        if received.len() > 100_000 {
            guest.wire.lose += std::mem::take(&mut lose);
        }
        at == sent.len() && ended
    });
    assert_eq!((lose, guest.wire.lose), (0, 0));
    received
}

fn echo_of_megabytes(offers: Offers, lose: usize) {
    let (listener, port) = listener();
    let echo = thread::spawn(move || {
        let mut stream = patient(listener.accept().unwrap().0);
        let mut all = Vec::new();
        // The guest has ended its half before this one begins.
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
        all.len()
    });
    let mut guest = Guest::real(&[], offers);
    let handle = guest.tcp(512 << 10);
    guest.connect(handle, plan::GATEWAY, port);
    guest.until(|guest| guest.socket(handle).may_send());
    let sent = pattern(3 << 20);
    let received = exchange(&mut guest, handle, &sent, lose);
    assert_eq!(echo.join().unwrap(), sent.len());
    assert!(received == sent, "{} bytes came back", received.len());
}

#[test]
fn megabytes_there_and_back_through_a_half_closed_connection() {
    echo_of_megabytes(large(), 0);
}

#[test]
fn the_same_in_small_frames() {
    echo_of_megabytes(Offers::default(), 0);
}

#[test]
fn what_the_guest_loses_is_sent_again() {
    echo_of_megabytes(Offers::default(), 3);
}

#[test]
fn a_port_where_nobody_listens_refuses_at_once() {
    let mut guest = Guest::real(&[], Offers::default());
    let handle = guest.tcp(4096);
    guest.connect(handle, plan::GATEWAY, unused_port());
    guest.until(|guest| guest.socket(handle).state() == tcp::State::Closed);
    assert_eq!(guest.gateway.flows(), (0, 0));
}

#[test]
fn a_forwarded_connection_reaches_the_guest() {
    let (probe, port) = listener();
    drop(probe);
    let mut guest = Guest::real(&[&format!("tcp:127.0.0.1:{port}-:80")], large());
    let address = guest.gateway.forwards()[0].host;
    let handle = guest.tcp(256 << 10);
    guest.socket(handle).listen(80).unwrap();
    let data = pattern(1 << 20);
    let sent = data.clone();
    let client = thread::spawn(move || {
        let mut stream = patient(TcpStream::connect(address).unwrap());
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let mut received = Vec::new();
    guest.until(|guest| {
        let socket = guest.socket(handle);
        while socket.can_recv() {
            received.extend(socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap());
        }
        received.len() == data.len() && !socket.may_recv()
    });
    assert!(received == data);
    assert_eq!(guest.socket(handle).remote_endpoint().unwrap().addr, IpAddress::Ipv4(plan::GATEWAY));
    guest.socket(handle).send_slice(b"thank you").unwrap();
    guest.socket(handle).close();
    guest.until(|guest| guest.gateway.flows() == (0, 0));
    assert_eq!(client.join().unwrap(), "thank you");
}

#[test]
fn whoever_does_not_read_makes_the_other_wait() {
    let (listener, port) = listener();
    let mut guest = Guest::real(&[], large());
    let handle = guest.tcp(64 << 10);
    guest.connect(handle, plan::GATEWAY, port);
    guest.until(|guest| guest.socket(handle).may_send());
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();

    // The host sends until the guest's window, our buffer and the sockets of the host are full.
    let block = pattern(64 << 10);
    let (mut sent, mut full) = (0, 0);
    while full < 50 {
        match (&stream).write(&block) {
            Ok(count) => (sent, full) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => full += usize::from(!guest.step()),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(guest.socket(handle).recv_queue() > 32 << 10, "the guest's own buffer is nearly full");

    // Then the guest reads all of it.
    let mut received = 0;
    guest.until(|guest| {
        received += guest.socket(handle).recv(|bytes| (bytes.len(), bytes.len())).unwrap_or(0);
        received == sent
    });

    // The same the other way.
    let (mut sent, mut full) = (0, 0);
    while full < 50 {
        let socket = guest.socket(handle);
        let count = socket.send_slice(&block).unwrap();
        sent += count;
        full = if count > 0 { 0 } else { full + usize::from(!guest.step()) };
    }
    let mut received = 0;
    let mut buffer = vec![0; 64 << 10];
    guest.until(|_| {
        received += (&stream).read(&mut buffer).unwrap_or(0);
        received == sent
    });
}

#[test]
fn a_reset_crosses_in_both_directions() {
    let (listener, port) = listener();
    let mut guest = Guest::real(&[], Offers::default());
    for by_guest in [true, false] {
        let handle = guest.tcp(4096);
        guest.connect(handle, plan::GATEWAY, port);
        guest.until(|guest| guest.socket(handle).may_send());
        let (mut stream, _) = listener.accept().unwrap();
        if by_guest {
            guest.socket(handle).abort();
            guest.until(|guest| guest.gateway.flows() == (0, 0));
            stream = patient(stream);
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        } else {
            // Closing a socket that has unread data resets the connection.
            guest.socket(handle).send_slice(b"unread").unwrap();
            stream.set_nonblocking(true).unwrap();
            guest.until(|_| stream.peek(&mut [0; 6]).is_ok());
            drop(stream);
            guest.until(|guest| guest.socket(handle).state() == tcp::State::Closed);
        }
    }
}

fn udp_socket(guest: &mut Guest<usernet::System>, port: u16) -> smoltcp::iface::SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 128 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    guest.sockets.add(socket)
}

fn udp_answer(
    guest: &mut Guest<usernet::System>,
    handle: smoltcp::iface::SocketHandle,
) -> (Vec<u8>, IpEndpoint) {
    guest.until(|guest| guest.sockets.get_mut::<udp::Socket>(handle).can_recv());
    let (data, meta) = guest.sockets.get_mut::<udp::Socket>(handle).recv().unwrap();
    (data.to_vec(), meta.endpoint)
}

#[test]
fn datagrams_there_and_back() {
    let server = UdpSocket::bind(LOOPBACK).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = server.local_addr().unwrap().port();
    let mut guest = Guest::real(&[], large());
    let handle = udp_socket(&mut guest, 5000);
    for size in [0, 1, 1472, 60000] {
        let data = pattern(size);
        let socket = guest.sockets.get_mut::<udp::Socket>(handle);
        socket.send_slice(&data, (IpAddress::Ipv4(plan::GATEWAY), port)).unwrap();
        let mut buffer = vec![0; 65536];
        server.set_nonblocking(true).unwrap();
        let mut got = None;
        guest.until(|_| {
            got = server.recv_from(&mut buffer).ok();
            got.is_some()
        });
        let (count, from) = got.unwrap();
        assert!(buffer[..count] == data);
        server.send_to(&buffer[..count], from).unwrap();
        let (answer, endpoint) = udp_answer(&mut guest, handle);
        assert!(answer == data);
        assert_eq!(endpoint, (IpAddress::Ipv4(plan::GATEWAY), port).into());
    }
    assert_eq!(guest.gateway.flows(), (0, 1));
}

#[test]
fn forwarded_datagrams() {
    let port = UdpSocket::bind(LOOPBACK).unwrap().local_addr().unwrap().port();
    let mut guest = Guest::real(&[&format!("udp::{port}-:53")], Offers::default());
    let handle = udp_socket(&mut guest, 53);
    let client = UdpSocket::bind(LOOPBACK).unwrap();
    client.set_nonblocking(true).unwrap();
    client.send_to(b"question", guest.gateway.forwards()[0].host).unwrap();
    let (question, endpoint) = udp_answer(&mut guest, handle);
    assert_eq!(question, b"question");
    let seen = (IpAddress::Ipv4(plan::GATEWAY), client.local_addr().unwrap().port());
    assert_eq!(endpoint, seen.into());
    guest.sockets.get_mut::<udp::Socket>(handle).send_slice(b"answer", endpoint).unwrap();
    let mut buffer = [0; 64];
    let mut got = None;
    guest.until(|_| {
        got = client.recv_from(&mut buffer).ok();
        got.is_some()
    });
    assert_eq!(got, Some((6, guest.gateway.forwards()[0].host)));
    assert_eq!(&buffer[..6], b"answer");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let (_listener, port) = listener();
    let config = common::config(&[&format!("tcp:127.0.0.1:{port}-:80")]);
    let error = usernet::Gateway::new(&config, usernet::System::new().unwrap()).err().unwrap().to_string();
    assert!(
        error.starts_with(&format!("cannot listen at tcp 127.0.0.1:{port}: Address already in use")),
        "{error}"
    );
}

#[test]
fn many_connections_at_a_time() {
    let (listener, port) = listener();
    let server = thread::spawn(move || {
        let streams: Vec<TcpStream> = (0..50).map(|_| patient(listener.accept().unwrap().0)).collect();
        for mut stream in streams {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        }
    });
    let mut guest = Guest::real(&[], large());
    let handles: Vec<_> = (0..50).map(|_| guest.tcp(16 << 10)).collect();
    for &handle in &handles {
        guest.connect(handle, plan::GATEWAY, port);
    }
    for (number, &handle) in handles.iter().enumerate() {
        guest.until(|guest| guest.socket(handle).may_send());
        guest.socket(handle).send_slice(&[number as u8; 1000]).unwrap();
        guest.socket(handle).close();
    }
    for (number, &handle) in handles.iter().enumerate() {
        guest.until(|guest| guest.socket(handle).recv_queue() == 1000);
        let same = guest.socket(handle).recv(|bytes| (bytes.len(), bytes.iter().all(|&b| b == number as u8)));
        assert_eq!(same, Ok(true));
    }
    guest.until(|guest| guest.gateway.flows() == (0, 0));
    server.join().unwrap();
}
