//! TCP, segment by segment: scripts of what both sides do.

mod common;

use common::script::{Script, Seg};
use std::io::ErrorKind;
use std::net::SocketAddrV4;
use std::time::Duration;
use usernet::{Offers, plan};

const PLAIN: Offers = Offers { checksum: false, segments: false, mtu: 1500 };
/// What our window is when nothing waits: 256 KiB, at a scale of 7.
const OPEN: u16 = (256 << 10 >> 7) as u16;
const RETRY: Duration = Duration::from_millis(200);

fn ack(seq: i64, ack: i64, window: u16) -> Seg {
    Seg { seq, ack: Some(ack), window: window / 4, ..Seg::default() }
}

fn data(seq: i64, ack: i64, bytes: &[u8]) -> Seg {
    Seg { seq, ack: Some(ack), window: 10_000, data: bytes.to_vec(), flags: "P", ..Seg::default() }
}

#[test]
fn a_syn_is_answered_when_the_host_has_connected() {
    let mut s = Script::new(&[], PLAIN);
    s.syn();
    s.silence();
    s.syn();
    s.silence();
    assert_eq!(s.world.state().streams.len(), 1);
    assert_eq!(s.world.state().streams[0].to, s.remote.into());
    s.world.ready(0);
    let answer = s.expect("SYN|ACK");
    assert_eq!((answer.seq, answer.ack, answer.flags), (0, Some(1), "S"));
    assert_eq!((answer.mss, answer.scale), (Some(1460), Some(7)));
    s.silence();
}

#[test]
fn a_guest_that_does_not_scale_is_not_scaled_to() {
    let mut s = Script::new(&[], PLAIN);
    s.send(Seg { flags: "S", window: 1000, mss: Some(500), ..Seg::default() });
    s.world.ready(0);
    assert_eq!(s.expect("SYN|ACK").scale, None);
    s.send(Seg { seq: 1, ack: Some(1), window: 1000, ..Seg::default() });
    s.world.sends(0, &[7; 3000]);
    assert_eq!(s.expect("data").data.len(), 500);
    assert_eq!(s.expect("data").window, u16::MAX);
    s.silence();
}

#[test]
fn a_refusal_is_passed_on() {
    let mut s = Script::new(&[], PLAIN);
    s.syn();
    s.world.breaks(0, ErrorKind::ConnectionRefused);
    let reset = s.expect("RST");
    assert_eq!((reset.flags, reset.ack), ("R", Some(1)));
    assert!(s.world.state().streams[0].dropped);
    assert_eq!(s.gateway.flows(), (0, 0));

    s.world.state().refuse = Some(ErrorKind::NetworkUnreachable);
    s.syn();
    assert_eq!(s.expect("RST").flags, "R");
}

#[test]
fn where_nobody_is_nobody_answers_to_a_connection() {
    for nowhere in ["127.0.0.1:80", "10.0.2.3:80", "10.0.2.77:80", "224.0.0.1:80", "255.255.255.255:80"] {
        let mut s = Script::new(&[], PLAIN);
        s.remote = nowhere.parse().unwrap();
        s.syn();
        assert_eq!(s.expect("RST").flags, "R", "{nowhere}");
        assert!(s.world.state().streams.is_empty(), "{nowhere}");
    }
}

#[test]
fn the_router_and_the_name_server_are_the_hosts() {
    for (inside, outside) in [("10.0.2.2:22", "127.0.0.1:22"), ("10.0.2.3:53", "192.0.2.53:53")] {
        let mut s = Script::new(&[], PLAIN);
        s.remote = inside.parse().unwrap();
        s.syn();
        assert_eq!(s.world.state().streams[0].to.to_string(), outside);
    }
}

#[test]
fn a_stray_segment_is_refused_and_a_stray_reset_is_not() {
    let mut s = Script::new(&[], PLAIN);
    s.isn = Some(0);
    s.send(data(5, 77, b"x"));
    let reset = s.expect("RST");
    assert_eq!((reset.flags, reset.seq, reset.ack), ("R", 77, None));
    s.send(Seg { seq: 5, flags: "F", ..Seg::default() });
    let reset = s.expect("RST");
    assert_eq!((reset.flags, reset.seq, reset.ack), ("R", 0, Some(6)));
    s.send(Seg { seq: 5, flags: "R", ..Seg::default() });
    s.silence();
    // A SYN with an acknowledgement begins nothing.
    s.send(Seg { flags: "S", ack: Some(9), ..Seg::default() });
    assert_eq!(s.expect("RST").flags, "R");
    assert!(s.world.state().streams.is_empty());
}

#[test]
fn data_goes_to_the_socket_and_is_acknowledged_once_for_all() {
    let mut s = Script::connected(PLAIN, 60000);
    s.send(data(1, 1, b"hello "));
    s.send(data(7, 1, b"world"));
    assert_eq!(s.world.state().streams[0].outgoing, b"hello world");
    let answer = s.expect("ACK");
    assert_eq!((answer.ack, answer.window, answer.data.len()), (Some(12), OPEN, 0));
    s.silence();
}

#[test]
fn what_comes_again_or_too_early_is_not_taken() {
    let mut s = Script::connected(PLAIN, 60000);
    s.send(data(1, 1, b"hello"));
    s.expect("ACK");
    // Again, and some more.
    s.send(data(1, 1, b"hello again"));
    assert_eq!(s.expect("ACK").ack, Some(12));
    // Nothing new.
    s.send(data(3, 1, b"llo"));
    assert_eq!(s.expect("ACK").ack, Some(12));
    // Something is missing.
    s.send(data(13, 1, b"?"));
    assert_eq!(s.expect("ACK").ack, Some(12));
    assert_eq!(s.world.state().streams[0].outgoing, b"hello again");
    // Somebody who wants to know whether we live.
    s.send(ack(11, 1, 60000));
    assert_eq!(s.expect("ACK").ack, Some(12));
}

#[test]
fn a_socket_that_does_not_take_it_shuts_the_window() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.state().streams[0].room = 10_000;
    let block = vec![1; 64 << 10];
    for n in 0..4 {
        s.send(data(1 + n * (64 << 10), 1, &block[..60000]));
        s.expect("ACK");
        s.send(data(1 + n * (64 << 10) + 60000, 1, &block[60000..]));
        s.expect("ACK");
    }
    let sent = 256 << 10;
    s.send(data(1 + sent, 1, &[1; 20_000]));
    let full = s.expect("ACK");
    // 10,000 were taken by the socket, and the rest fills the buffer.
    assert_eq!(full.ack, Some(1 + sent + 10_000));
    assert_eq!(full.window, 0);
    assert_eq!(s.world.state().streams[0].outgoing.len(), 10_000);
    // A little room is not worth telling, more is.
    s.world.state().streams[0].room = 1000;
    s.world.ready(0);
    s.silence();
    s.world.state().streams[0].room = usize::MAX;
    s.world.ready(0);
    let open = s.expect("a window");
    assert_eq!((open.ack, open.window), (Some(1 + sent + 10_000), OPEN));
    assert_eq!(s.world.state().streams[0].outgoing.len(), sent as usize + 10_000);
}

#[test]
fn data_of_the_host_is_cut_to_the_guests_segments_and_window() {
    let mut s = Script::connected(PLAIN, 2400);
    s.world.sends(0, &(0..10_000u32).map(|i| i as u8).collect::<Vec<_>>());
    let first = s.expect("data");
    assert_eq!((first.seq, first.data.len(), first.flags, first.cut), (1, 1000, "", 0));
    assert_eq!(s.expect("data").data.len(), 1000);
    // What is left of the window is less than a segment.
    s.silence();
    s.send(ack(1, 2001, 6000));
    let next = s.expect("data");
    assert_eq!((next.seq, next.data[0]), (2001, 2000u32 as u8));
}

#[test]
fn a_driver_that_cuts_gets_large_segments() {
    let offers = Offers { checksum: false, segments: true, mtu: 1500 };
    let mut s = Script::connected(offers, 60000);
    s.send(ack(1, 1, 60000));
    s.world.sends(0, &vec![1; 59_500]);
    // Without checksums there are none.
    assert_eq!(s.expect("data").data.len(), 1000);

    let offers = Offers { checksum: true, ..offers };
    let mut s = Script::new(&[], offers);
    s.syn();
    s.world.ready(0);
    let (syn, _) = s.receive_up_to(65549).unwrap();
    s.isn = Some(i32::from_be_bytes(syn[38..42].try_into().unwrap()));
    s.send(ack(1, 1, 60000));
    s.world.sends(0, &vec![1; 59_500]);
    let (frame, cut) = s.receive_up_to(65549).unwrap();
    // Whole segments, as long as there are more bytes.
    assert_eq!((frame.len(), cut), (54 + 59_500, 1000));
    s.silence();
}

#[test]
fn a_small_limit_makes_small_segments() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.sends(0, &[1; 3000]);
    assert_eq!(s.receive_up_to(60), None);
    assert_eq!(s.receive_up_to(200).unwrap().0.len(), 200);
    assert_eq!(s.receive_up_to(1054).unwrap().0.len(), 1054);
}

#[test]
fn ends_are_passed_on_one_by_one() {
    let mut s = Script::connected(PLAIN, 60000);
    s.send(Seg { seq: 1, ack: Some(1), flags: "F", window: 10_000, data: b"bye".to_vec(), ..Seg::default() });
    assert_eq!(s.expect("ACK").ack, Some(5));
    {
        let state = s.world.state();
        assert_eq!((&state.streams[0].outgoing[..], state.streams[0].shut_down), (&b"bye"[..], true));
    }
    // The other half goes on.
    s.world.sends(0, b"one more thing");
    assert_eq!(s.expect("data").data, b"one more thing");
    s.send(ack(5, 15, 60000));
    s.world.ends(0);
    let fin = s.expect("FIN");
    assert_eq!((fin.seq, fin.flags, fin.ack), (15, "F", Some(5)));
    assert_eq!(s.gateway.flows(), (1, 0));
    s.send(ack(5, 16, 60000));
    assert_eq!(s.gateway.flows(), (0, 0));
    let state = s.world.state();
    assert_eq!((state.streams[0].dropped, state.streams[0].reset), (true, false));
}

#[test]
fn the_host_ends_first() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.state().streams[0].incoming.extend(b"last words");
    s.world.ends(0);
    assert_eq!(s.expect("data").data, b"last words");
    assert_eq!(s.expect("FIN").flags, "F");
    s.send(ack(1, 12, 60000));
    s.silence();
    s.send(data(1, 12, b"still here"));
    assert_eq!(s.expect("ACK").ack, Some(11));
    assert_eq!(s.world.state().streams[0].outgoing, b"still here");
    s.send(Seg { seq: 11, ack: Some(12), flags: "F", ..Seg::default() });
    assert_eq!(s.gateway.flows(), (0, 0));
    // It is not told any more that its end has come, and asks again: then it is over in another way.
    s.send(Seg { seq: 11, ack: Some(12), flags: "F", ..Seg::default() });
    assert_eq!(s.expect("RST").flags, "R");
}

#[test]
fn an_end_waits_for_what_came_before_it() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.state().streams[0].room = 0;
    s.world.ready(0);
    s.send(Seg {
        seq: 1,
        ack: Some(1),
        flags: "F",
        window: 10_000,
        data: b"wait".to_vec(),
        ..Seg::default()
    });
    assert_eq!(s.expect("ACK").ack, Some(6));
    assert!(!s.world.state().streams[0].shut_down);
    s.world.state().streams[0].room = 100;
    s.world.ready(0);
    s.receive();
    let state = s.world.state();
    assert_eq!((&state.streams[0].outgoing[..], state.streams[0].shut_down), (&b"wait"[..], true));
}

#[test]
fn resets_are_passed_on() {
    let mut s = Script::connected(PLAIN, 60000);
    // Not quite right: the guest is asked.
    s.send(Seg { seq: 100, flags: "R", ..Seg::default() });
    assert_eq!(s.expect("ACK").ack, Some(1));
    s.send(Seg { seq: 1, flags: "R", ..Seg::default() });
    assert!(s.world.state().streams[0].reset && s.world.state().streams[0].dropped);
    s.silence();

    let mut s = Script::connected(PLAIN, 60000);
    s.world.breaks(0, ErrorKind::ConnectionReset);
    let reset = s.expect("RST");
    assert_eq!((reset.flags, reset.seq), ("R", 1));
    assert_eq!(s.gateway.flows(), (0, 0));
}

#[test]
fn a_guest_that_starts_anew_is_asked_and_then_may() {
    let mut s = Script::connected(PLAIN, 60000);
    s.send(Seg { seq: 70_000, flags: "S", window: 1000, ..Seg::default() });
    let asked = s.expect("ACK");
    assert_eq!((asked.ack, asked.flags), (Some(1), ""));
    s.send(Seg { seq: 1, flags: "R", ..Seg::default() });
    assert_eq!(s.gateway.flows(), (0, 0));
    s.syn();
    assert_eq!(s.gateway.flows(), (1, 0));
}

#[test]
fn acknowledgements_of_what_was_never_sent_count_for_nothing() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.sends(0, b"data");
    s.expect("data");
    s.send(data(1, 6, b"x"));
    assert_eq!(s.expect("ACK").ack, Some(1));
    assert!(s.world.state().streams[0].outgoing.is_empty());
    s.wait(RETRY);
    assert_eq!(s.expect("the same again").data, b"data");
}

#[test]
fn what_is_not_acknowledged_is_sent_again_and_at_last_given_up() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.sends(0, b"data");
    s.expect("data");
    let (mut wait, mut tries) = (RETRY, 0);
    loop {
        s.wait(wait - Duration::from_millis(1));
        s.silence();
        s.wait(Duration::from_millis(1));
        let again = s.expect("the same again");
        if again.flags == "R" {
            break;
        }
        assert_eq!((again.seq, &again.data[..]), (1, &b"data"[..]));
        wait = (wait * 2).min(Duration::from_secs(60));
        tries += 1;
    }
    assert_eq!(tries, 15);
    assert!(s.world.state().streams[0].reset);
}

#[test]
fn three_equal_acknowledgements_are_a_loss() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.sends(0, &[1; 4000]);
    (0..4).for_each(|_| drop(s.expect("data")));
    for _ in 0..3 {
        s.silence();
        s.send(ack(1, 1, 60000));
    }
    let again = s.expect("the first again");
    assert_eq!(again.seq, 1);
    s.send(ack(1, 4001, 60000));
    s.silence();
}

#[test]
fn a_shut_window_is_tried_and_nothing_is_lost_by_that() {
    let mut s = Script::connected(PLAIN, 1000);
    s.world.sends(0, &[1; 3000]);
    assert_eq!(s.expect("data").data.len(), 1000);
    s.send(ack(1, 1001, 0));
    s.silence();
    for _ in 0..40 {
        s.wait(Duration::from_secs(61));
        let probe = s.expect("a byte");
        assert_eq!((probe.seq, probe.data.len()), (1001, 1));
        s.send(ack(1, 1001, 0));
        s.silence();
    }
    // It has not taken the byte.
    s.send(ack(1, 1001, 8000));
    let next = s.expect("data");
    assert_eq!((next.seq, next.data.len()), (1001, 1000));
    assert_eq!(s.expect("data").seq, 2001);
}

#[test]
fn a_guest_that_does_not_read_keeps_the_socket_from_being_read() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.sends(0, &vec![1; 1 << 20]);
    while s.receive().is_some() {}
    let left = s.world.state().streams[0].incoming.len();
    assert!(left >= (1 << 20) - (256 << 10), "{left}");
}

#[test]
fn somebody_connects_from_outside() {
    let mut s = Script::new(&["tcp::8080-:80"], PLAIN);
    s.world.arrives(0, "127.0.0.1:4321".parse().unwrap());
    s.guest = SocketAddrV4::new(plan::GUEST, 80);
    s.remote = SocketAddrV4::new(plan::GATEWAY, 4321);
    let syn = s.expect("SYN");
    assert_eq!((syn.seq, syn.ack, syn.flags, syn.mss, syn.scale), (0, None, "S", Some(1460), Some(7)));
    assert_eq!(s.remote.port(), 4321);
    s.send(Seg { flags: "S", ack: Some(1), window: 5000, mss: Some(1000), scale: Some(2), ..Seg::default() });
    let answer = s.expect("ACK");
    assert_eq!((answer.seq, answer.ack, answer.window), (1, Some(1), OPEN));
    s.world.sends(0, b"GET /");
    assert_eq!(s.expect("data").data, b"GET /");
    s.send(data(1, 6, b"200"));
    assert_eq!(s.world.state().streams[0].outgoing, b"200");
}

#[test]
fn nobody_takes_a_forwarded_connection() {
    let mut s = Script::new(&["tcp::8080-:80"], PLAIN);
    s.guest.set_port(80);
    s.remote = SocketAddrV4::new(plan::GATEWAY, 4321);
    s.world.arrives(0, "127.0.0.1:4321".parse().unwrap());
    s.expect("SYN");
    s.send(Seg { flags: "R", ack: Some(1), ..Seg::default() });
    assert!(s.world.state().streams[0].reset && s.world.state().streams[0].dropped);

    // Nor does anybody answer at all.
    s.world.arrives(0, "127.0.0.1:4321".parse().unwrap());
    let mut tries = 0;
    while s.expect("SYN").flags == "S" {
        tries += 1;
        s.wait(Duration::from_secs(61));
    }
    assert_eq!(tries, 9);
    assert!(s.world.state().streams[1].reset);
}

#[test]
fn two_peers_with_the_same_port_are_two_for_the_guest() {
    let mut s = Script::new(&["tcp::8080-:80"], PLAIN);
    s.guest.set_port(80);
    s.remote = SocketAddrV4::new(plan::GATEWAY, 4321);
    for from in ["127.0.0.1:4321", "[::1]:4321"] {
        s.world.arrives(0, from.parse().unwrap());
    }
    let mut ports = [0; 2].map(|_| {
        s.expect("SYN");
        s.remote.port()
    });
    ports.sort();
    assert_eq!(ports, [4321, 49152]);
}

#[test]
fn a_flood_of_connections_ends_at_the_limit() {
    let mut s = Script::new(&[], PLAIN);
    for port in 1..=2000 {
        s.guest.set_port(port);
        s.syn();
    }
    assert_eq!(s.gateway.flows(), (512, 0));
    assert_eq!(s.world.state().streams.len(), 512);
    // Those that are too many are refused; not even all of that is kept for the guest.
    let mut answers = 0;
    while s.receive().is_some() {
        answers += 1;
    }
    assert_eq!(answers, 256);
    // After a long silence the oldest makes way.
    s.wait(Duration::from_secs(301));
    s.guest.set_port(3000);
    s.syn();
    assert_eq!(s.gateway.flows(), (512, 0));
    assert_eq!(s.world.state().streams.iter().filter(|stream| stream.reset).count(), 1);
}

#[test]
fn buffers_are_bounded_and_whoever_waits_for_one_gets_it() {
    let mut s = Script::new(&[], PLAIN);
    s.world.state().accept_all = true;
    let ports = 1..=300;
    // The guest takes nothing, so each connection keeps what it is sent in a buffer: 256 of them.
    for port in ports.clone() {
        s.guest.set_port(port);
        s.syn();
        s.expect("SYN|ACK");
        s.send(ack(1, 1, 0));
        s.world.sends(usize::from(port) - 1, b"data");
        s.silence();
    }
    let unread =
        |s: &Script| s.world.state().streams.iter().filter(|stream| !stream.incoming.is_empty()).count();
    assert_eq!(unread(&s), 44);
    // Each reset makes one free.
    for port in 1..=44 {
        s.guest.set_port(port);
        s.send(Seg { seq: 1, flags: "R", ..Seg::default() });
        while s.receive().is_some() {}
    }
    assert_eq!(unread(&s), 0);
}

#[test]
fn a_connection_outlives_the_driver() {
    let mut s = Script::connected(PLAIN, 60000);
    s.world.sends(0, b"data");
    // This one gets no further than the driver that ends.
    assert_eq!(s.expect("data").data, b"data");
    s.gateway.reset(PLAIN);
    assert_eq!(s.gateway.flows(), (1, 0));
    s.silence();
    s.wait(RETRY);
    assert_eq!(s.expect("the same again").data, b"data");
    s.send(data(1, 5, b"thanks"));
    assert_eq!(s.world.state().streams[0].outgoing, b"thanks");
}
