use super::config::{BUFFER, CONNECTIONS_MAX, FIRST_PORT, REFUSALS_MAX};
use super::mock::{Control, Programs};
use super::request::{NO_RECEIVE, NO_SEND};
use super::*;
use crate::virtio::mock::{DATA, Driver, RAM, reg};

const CID: u32 = 7;
/// Where packets from the guest lie, and buffers for those to it.
const OUT: u64 = DATA;
const IN: u64 = DATA + 0x4_0000;
const IN_SIZE: u32 = 0x1000;
const SEQPACKET: u16 = 2;

/// A guest and the programs of its host.
struct Rig {
    driver: Driver,
    programs: Control,
    /// Buffers that the driver has put.
    posted: u64,
}

/// A packet, as the guest sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Packet {
    host: u32,
    guest: u32,
    op: u16,
    flags: u32,
    room: u32,
    used: u32,
    data: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        let programs = Programs::default();
        let control = programs.control();
        let device = Vsock::new(Cid::new(CID).unwrap(), programs);
        Self { driver: Driver::ready(Box::new(device), u64::MAX), programs: control, posted: 0 }
    }

    /// With buffers for packets.
    fn listening() -> Self {
        let mut rig = Self::new();
        rig.post(32);
        rig
    }

    fn post(&mut self, count: u64) {
        for _ in 0..count {
            let at = IN + self.posted % 64 * u64::from(IN_SIZE);
            self.driver.put(RECEIVE, &[], &[(at, IN_SIZE)]);
            self.posted += 1;
        }
        self.driver.ring(RECEIVE);
    }

    /// The guest sends a packet, with 64 KiB of room of its own.
    fn send(&mut self, (host, guest): (u32, u32), op: Op, data: &[u8]) {
        self.say((host, guest), op as u16, 0, (0x1_0000, 0), data);
    }

    fn say(&mut self, ports: (u32, u32), op: u16, flags: u32, room: (u32, u32), data: &[u8]) {
        self.raw(ports, (CID.into(), 2, 1), op, flags, room, data);
    }

    /// With addresses and type.
    fn raw(
        &mut self,
        (host, guest): (u32, u32),
        (from, to, kind): (u64, u64, u16),
        op: u16,
        flags: u32,
        (room, used): (u32, u32),
        data: &[u8],
    ) {
        let mut bytes = [from.to_le_bytes(), to.to_le_bytes()].concat();
        bytes.extend([guest, host, data.len() as u32].map(u32::to_le_bytes).concat());
        bytes.extend([kind, op].map(u16::to_le_bytes).concat());
        bytes.extend([flags, room, used].map(u32::to_le_bytes).concat());
        bytes.extend(data);
        self.driver.store(OUT, &bytes);
        self.driver.request(SEND, &[(OUT, bytes.len() as u32)], &[]);
    }

    /// The next packet that the guest got, if there is one. Its buffer is given back.
    fn got(&mut self) -> Option<Packet> {
        let taken = self.driver.take(RECEIVE)?;
        // Buffers are put and used in the same order.
        let at = IN + self.taken() * u64::from(IN_SIZE);
        let bytes = self.driver.load(at, taken.1 as usize);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(bytes[..16], [2u64.to_le_bytes(), u64::from(CID).to_le_bytes()].concat());
        assert_eq!(word(24) as usize, bytes.len() - HEADER);
        let op = u16::from_le_bytes([bytes[30], bytes[31]]);
        let (flags, room, used) = (word(32), word(36), word(40));
        Some(Packet {
            host: word(16),
            guest: word(20),
            op,
            flags,
            room,
            used,
            data: bytes[HEADER..].to_vec(),
        })
    }

    fn taken(&mut self) -> u64 {
        let before = self.driver.load(IN - 8, 8);
        let before = u64::from_le_bytes(before.try_into().unwrap());
        self.driver.store(IN - 8, &(before + 1).to_le_bytes());
        before % 64
    }

    fn got_op(&mut self) -> Option<(u16, Vec<u8>)> {
        self.got().map(|packet| (packet.op, packet.data))
    }

    /// Something has happened on the host.
    fn ready(&mut self) {
        self.driver.mmio.ready(0);
        while self.driver.mmio.again() {}
    }

    fn program(&mut self, id: u64, change: impl FnOnce(&mut mock::End)) {
        self.programs.with(id, change);
        self.ready();
    }

    fn received(&self, id: u64) -> Vec<u8> {
        self.programs.state().streams[&id].received.clone()
    }

    fn is_dropped(&self, id: u64) -> bool {
        self.programs.state().streams[&id].dropped
    }

    /// A connection from the guest's port 5000 to the host's port 80.
    fn connected(&mut self) {
        self.send(P, Op::Request, &[]);
        assert_eq!(self.got_op(), Some((Op::Response as u16, vec![])));
    }
}

/// The ports of a connection, host's and guest's.
const P: (u32, u32) = (80, 5000);

fn op(op: Op) -> Option<(u16, Vec<u8>)> {
    Some((op as u16, vec![]))
}

#[test]
fn the_configuration_is_the_address() {
    let rig = Rig::new();
    let mut space = [0; 8];
    rig.driver.mmio.read(reg::CONFIG, &mut space[..4]);
    rig.driver.mmio.read(reg::CONFIG + 4, &mut space[4..]);
    assert_eq!((rig.driver.get(8), u64::from_le_bytes(space)), (19, CID.into()));
    assert_eq!(rig.driver.offered() & 0xff_ffff, 1);
    assert!([0, 1, 2, u32::MAX].map(Cid::new).iter().all(Result::is_err));
}

#[test]
fn a_guest_connects_and_both_sides_talk() {
    let mut rig = Rig::listening();
    rig.send(P, Op::Request, &[]);
    let answer = rig.got().unwrap();
    assert_eq!((answer.host, answer.guest, answer.op), (80, 5000, Op::Response as u16));
    assert_eq!((answer.room, answer.used), (BUFFER, 0));
    rig.send(P, Op::Data, b"question");
    assert_eq!(rig.received(1), b"question");
    rig.program(1, |end| end.sent.extend(b"answer"));
    let packet = rig.got().unwrap();
    assert_eq!((packet.op, &packet.data[..], packet.used), (Op::Data as u16, &b"answer"[..], 8));
    assert_eq!(rig.got(), None);
}

#[test]
fn a_program_of_the_host_connects() {
    let mut rig = Rig::listening();
    let id = rig.programs.want(22);
    rig.ready();
    let asked = rig.got().unwrap();
    assert_eq!((asked.host, asked.guest, asked.op), (FIRST_PORT, 22, Op::Request as u16));
    rig.program(id, |end| end.sent.extend(b"early"));
    assert_eq!(rig.got(), None, "not before the guest has answered");
    rig.send((FIRST_PORT, 22), Op::Response, &[]);
    assert_eq!(rig.programs.state().streams[&id].accepted, Some(FIRST_PORT));
    assert_eq!(rig.got_op(), Some((Op::Data as u16, b"early".to_vec())));
    // A second one has another port.
    rig.programs.want(22);
    rig.ready();
    assert_eq!(rig.got().unwrap().host, FIRST_PORT + 1);
    // The guest refuses it.
    rig.send((FIRST_PORT + 1, 22), Op::Reset, &[]);
    assert!(rig.is_dropped(2) && !rig.is_dropped(1));
    assert_eq!(rig.got(), None, "a refusal is not refused");
}

#[test]
fn where_nobody_listens_there_is_a_refusal() {
    let mut rig = Rig::listening();
    rig.send((1000, 5000), Op::Request, &[]);
    let packet = rig.got().unwrap();
    assert_eq!((packet.host, packet.guest, packet.op), (1000, 5000, Op::Reset as u16));
}

#[test]
fn what_belongs_to_no_connection_is_refused() {
    let mut rig = Rig::listening();
    for number in [2, 4, 5, 6, 7, 0, 8, 0xffff] {
        rig.say(P, number, 0, (0, 0), &[]);
        assert_eq!(rig.got_op(), op(Op::Reset), "{number}");
    }
    rig.raw(P, (CID.into(), 2, SEQPACKET), 1, 0, (0, 0), &[]);
    assert_eq!(rig.got_op(), op(Op::Reset));
    // Packets for others, or from others, are not for us.
    rig.raw(P, (CID.into(), 3, 1), 1, 0, (0, 0), &[]);
    rig.raw(P, (3, 2, 1), 1, 0, (0, 0), &[]);
    assert_eq!(rig.got(), None);
    assert!(!rig.driver.is_broken());
}

#[test]
fn the_guests_room_is_not_overrun() {
    let mut rig = Rig::listening();
    rig.say(P, Op::Request as u16, 0, (10, 0), &[]);
    assert_eq!(rig.got_op(), op(Op::Response));
    rig.program(1, |end| end.sent.extend(b"0123456789abcdef"));
    assert_eq!(rig.got_op(), Some((Op::Data as u16, b"0123456789".to_vec())));
    assert_eq!(rig.got_op(), op(Op::CreditRequest));
    assert_eq!(rig.got(), None, "asked once");
    rig.say(P, Op::CreditUpdate as u16, 0, (10, 4), &[]);
    assert_eq!(rig.got_op(), Some((Op::Data as u16, b"abcd".to_vec())));
    assert_eq!(rig.got_op(), op(Op::CreditRequest));
    // Nonsense: it has used more than it got, and has less room than is used.
    rig.say(P, Op::CreditUpdate as u16, 0, (3, 0xffff_fff0), &[]);
    rig.say(P, Op::CreditUpdate as u16, 0, (0, 0), &[]);
    while let Some(packet) = rig.got() {
        assert_ne!(packet.op, Op::Data as u16);
    }
    rig.say(P, Op::CreditUpdate as u16, 0, (u32::MAX, 14), &[]);
    assert_eq!(rig.got_op(), Some((Op::Data as u16, b"ef".to_vec())));
}

#[test]
fn our_room_is_given_and_held_to() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.program(1, |end| end.takes = 0);
    let half = vec![1; BUFFER as usize / 2];
    rig.send(P, Op::Data, &half);
    rig.send(P, Op::Data, &half);
    assert_eq!((rig.got(), rig.received(1).len()), (None, 0));
    rig.program(1, |end| end.takes = 100);
    assert_eq!((rig.got(), rig.received(1).len()), (None, 100), "not worth telling");
    rig.program(1, |end| end.takes = half.len());
    let told = rig.got().unwrap();
    assert_eq!((told.op, told.used), (Op::CreditUpdate as u16, 100 + BUFFER / 2));
    rig.send(P, Op::CreditRequest, &[]);
    assert_eq!(rig.got().unwrap().used, 100 + BUFFER / 2);
    // One byte more than there is room for.
    rig.send(P, Op::Data, &half);
    assert_eq!(rig.got(), None);
    rig.send(P, Op::Data, &[2; 101]);
    assert_eq!(rig.got_op(), op(Op::Reset));
    assert!(rig.is_dropped(1));
}

#[test]
fn an_end_in_one_direction_is_not_the_end() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.program(1, |end| {
        end.sent.extend(b"last words");
        end.sent_all = true;
    });
    assert_eq!(rig.got_op(), Some((Op::Data as u16, b"last words".to_vec())));
    let end = rig.got().unwrap();
    assert_eq!((end.op, end.flags), (Op::Shutdown as u16, NO_SEND));
    rig.send(P, Op::Data, b"still");
    assert_eq!(rig.received(1), b"still");
    rig.say(P, Op::Shutdown as u16, NO_SEND, (0x1_0000, 0), &[]);
    assert!(rig.programs.state().streams[&1].finished);
    assert_eq!(rig.got(), None);
    rig.say(P, Op::Shutdown as u16, NO_RECEIVE, (0x1_0000, 0), &[]);
    assert_eq!(rig.got_op(), op(Op::Reset));
    assert!(rig.is_dropped(1));
}

#[test]
fn what_was_sent_before_the_end_arrives() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.program(1, |end| end.takes = 2);
    rig.send(P, Op::Data, b"data");
    rig.say(P, Op::Shutdown as u16, NO_SEND | NO_RECEIVE, (0x1_0000, 0), &[]);
    assert_eq!((rig.got(), rig.is_dropped(1)), (None, false));
    rig.program(1, |end| end.takes = 2);
    assert_eq!(rig.received(1), b"data");
    assert_eq!(rig.got_op(), op(Op::Reset));
    assert!(rig.is_dropped(1));
}

#[test]
fn a_program_that_goes_ends_the_connection() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.programs.with(1, |end| end.gone = true);
    rig.send(P, Op::Data, b"too late");
    assert_eq!(rig.got_op(), op(Op::Reset));
    assert!(rig.is_dropped(1));
}

#[test]
fn a_guest_that_sends_after_its_end_loses_the_connection() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.say(P, Op::Shutdown as u16, NO_SEND, (0x1_0000, 0), &[]);
    rig.send(P, Op::Data, b"more");
    assert_eq!(rig.got_op(), op(Op::Reset));
    assert_eq!(rig.received(1), b"");
}

#[test]
fn nothing_is_read_for_a_guest_that_receives_no_more() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.say(P, Op::Shutdown as u16, NO_RECEIVE, (0x1_0000, 0), &[]);
    rig.program(1, |end| end.sent.extend(b"unheard"));
    assert_eq!(rig.got(), None);
}

#[test]
fn a_second_request_ends_the_first_connection() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.send(P, Op::Request, &[]);
    assert_eq!(rig.got_op(), op(Op::Reset));
    assert!(rig.is_dropped(1));
    rig.connected();
    // Nor is an answer wanted that nobody has asked for.
    rig.send(P, Op::Response, &[]);
    assert_eq!(rig.got_op(), op(Op::Reset));
}

#[test]
fn without_buffers_the_guest_is_told_later() {
    let mut rig = Rig::new();
    rig.send(P, Op::Request, &[]);
    rig.programs.with(1, |end| end.sent.extend(b"data"));
    rig.ready();
    assert_eq!(rig.got(), None);
    rig.post(1);
    assert_eq!(rig.got_op(), op(Op::Response));
    assert_eq!(rig.got(), None);
    rig.post(5);
    assert_eq!(rig.got_op(), Some((Op::Data as u16, b"data".to_vec())));
}

#[test]
fn refusals_that_nobody_takes_stop_the_guests_sending() {
    let mut rig = Rig::new();
    for _ in 0..REFUSALS_MAX + 10 {
        rig.driver.put(SEND, &[(OUT, HEADER as u32)], &[]);
    }
    let header = Header {
        from: CID.into(),
        to: 2,
        ..Header::to_guest(Ports { host: HostPort(1), guest: 1 }, Op::Data, 1)
    };
    let mut bytes = header.bytes(Cid::new(CID).unwrap());
    bytes[8..16].copy_from_slice(&2u64.to_le_bytes());
    rig.driver.store(OUT, &bytes);
    rig.driver.ring(SEND);
    let taken = |rig: &mut Rig| std::iter::from_fn(|| rig.driver.take(SEND)).count();
    assert_eq!(taken(&mut rig), REFUSALS_MAX);
    rig.post(40);
    rig.post(24);
    while rig.driver.mmio.again() {}
    assert_eq!(taken(&mut rig), 10, "it goes on when there is room");
}

#[test]
fn there_are_only_so_many_connections() {
    let mut rig = Rig::listening();
    for port in 0..CONNECTIONS_MAX as u32 {
        rig.send((80, port), Op::Request, &[]);
        assert_eq!(rig.got_op(), op(Op::Response));
        rig.post(1);
    }
    rig.send((80, 9999), Op::Request, &[]);
    assert_eq!(rig.got_op(), op(Op::Reset));
    let id = rig.programs.want(22);
    rig.ready();
    assert!(rig.is_dropped(id));
    rig.send((80, 3), Op::Reset, &[]);
    rig.send((80, 9999), Op::Request, &[]);
    assert_eq!(rig.got_op(), op(Op::Response));
}

#[test]
fn connections_take_turns() {
    let mut rig = Rig::new();
    for port in 1..=3 {
        rig.send((80, port), Op::Request, &[]);
    }
    rig.post(3);
    for _ in 0..3 {
        assert_eq!(rig.got_op(), op(Op::Response));
    }
    for id in 1..=3 {
        rig.program(id, |end| end.sent.extend(vec![0; 0x3000]));
    }
    rig.post(6);
    let turns: Vec<_> = std::iter::from_fn(|| rig.got()).map(|packet| packet.guest).collect();
    assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn packets_that_are_none_stop_the_device() {
    type Case<'a> = (&'a [(u64, u32)], usize);
    let long = BUFFER + 1;
    let cases: [(Case<'_>, u32); 4] = [
        ((&[(OUT, 43)], 43), 0),
        ((&[(OUT, 44)], 44), 1),
        ((&[(OUT, 44 + long)], 44), long),
        ((&[(RAM as u64 - 4, 44)], 0), 0),
    ];
    for ((buffers, stored), len) in cases {
        let mut rig = Rig::listening();
        let mut bytes = [0; 44];
        bytes[24..28].copy_from_slice(&len.to_le_bytes());
        rig.driver.store(OUT, &bytes[..stored]);
        rig.driver.request(SEND, buffers, &[]);
        assert!(rig.driver.is_broken(), "{buffers:?} {len}");
        rig.driver.set_up(u64::MAX);
        assert!(!rig.driver.is_broken());
    }
    // A buffer for packets that not even a header fits into.
    let mut rig = Rig::new();
    rig.driver.put(RECEIVE, &[], &[(IN, 43)]);
    rig.driver.ring(RECEIVE);
    rig.send(P, Op::Request, &[]);
    assert!(rig.driver.is_broken());
}

#[test]
fn a_reset_ends_all_connections() {
    let mut rig = Rig::listening();
    rig.connected();
    rig.driver.set(reg::STATUS, 0);
    assert!(rig.is_dropped(1));
}
