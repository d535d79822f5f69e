//! Packets on the wire: `$body#checksum`, acknowledged by `+` or, if the checksum is wrong, asked for again by `-`, until both sides agree to
//! do without (GDB manual, "Overview" and "Packet Acknowledgment").
//!
//! A body stays as it comes, with its escapes: only some packets have them, and those who read these packets undo them.

/// The longest packet, both ways, in bytes with its frame. GDB asks for as much memory, or as much of a file, as fits into one.
pub const PACKET_SIZE: usize = 0x1_0000;
/// `$`, `#` and the checksum.
const FRAME: usize = 4;
const INTERRUPT: u8 = 3;

/// What has come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    Packet(Vec<u8>),
    /// Ctrl-C.
    Interrupt,
    /// The other side wants our last packet again.
    Resend,
    /// The checksum is wrong.
    Damaged,
    TooLong,
}

#[derive(Default)]
enum State {
    #[default]
    Between,
    Body,
    /// The number of digits that have come, and their value.
    Checksum(u8, Option<u8>),
}

/// Takes packets out of what comes in, byte by byte.
#[derive(Default)]
pub struct Framer {
    state: State,
    body: Vec<u8>,
    too_long: bool,
}

impl Framer {
    /// Takes `byte`. While the machine runs (`running`), gdb waits and sends nothing but Ctrl-C, so that this is Ctrl-C even in the middle of a
    /// packet; else it may be a byte of binary data there.
    pub fn push(&mut self, byte: u8, running: bool) -> Option<Incoming> {
        if byte == INTERRUPT && (running || matches!(self.state, State::Between)) {
            self.state = State::Between;
            return Some(Incoming::Interrupt);
        }
        match self.state {
            State::Between if byte == b'-' => return Some(Incoming::Resend),
            // A packet whose end has been lost is forgotten when another begins: `$` is escaped in bodies.
            State::Between | State::Body if byte == b'$' => {
                self.state = State::Body;
                self.body.clear();
                self.too_long = false;
            }
            State::Between => {}
            State::Body if byte == b'#' => self.state = State::Checksum(0, Some(0)),
            State::Body if self.body.len() < PACKET_SIZE - FRAME => self.body.push(byte),
            State::Body => self.too_long = true,
            State::Checksum(digits, value) => {
                let digit = (byte as char).to_digit(16).map(|digit| digit as u8);
                let value = value.zip(digit).map(|(value, digit)| value << 4 | digit);
                self.state = State::Checksum(digits + 1, value);
                if digits == 1 {
                    self.state = State::Between;
                    return Some(self.packet(value));
                }
            }
        }
        None
    }

    fn packet(&mut self, claimed: Option<u8>) -> Incoming {
        let body = std::mem::take(&mut self.body);
        match claimed {
            _ if self.too_long => Incoming::TooLong,
            Some(claimed) if claimed == checksum(&body) => Incoming::Packet(body),
            _ => Incoming::Damaged,
        }
    }
}

/// Puts `body` into a frame.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(body.len() + FRAME);
    packet.push(b'$');
    packet.extend(body);
    packet.extend(format!("#{:02x}", checksum(body)).as_bytes());
    packet
}

fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// What goes out.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    last: Vec<u8>,
    without_acknowledgments: bool,
}

impl Outbox {
    pub fn send(&mut self, body: &[u8]) {
        self.last = frame(body);
        self.bytes.extend(&self.last);
    }

    /// Sends the last packet again.
    pub fn resend(&mut self) {
        if !self.without_acknowledgments {
            self.bytes.extend(&self.last);
        }
    }

    /// Says that a packet has come well, or not.
    pub fn acknowledge(&mut self, well: bool) {
        if !self.without_acknowledgments {
            self.bytes.push(if well { b'+' } else { b'-' });
        }
    }

    pub fn stop_acknowledging(&mut self) {
        self.without_acknowledgments = true;
    }

    pub fn acknowledges(&self) -> bool {
        !self.without_acknowledgments
    }

    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `count` bytes have been sent.
    pub fn sent(&mut self, count: usize) {
        self.bytes.drain(..count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], running: bool) -> Vec<Incoming> {
        let mut framer = Framer::default();
        bytes.iter().filter_map(|&byte| framer.push(byte, running)).collect()
    }

    fn packet(body: &[u8]) -> Incoming {
        Incoming::Packet(body.to_vec())
    }

    #[test]
    fn packets_come_in_pieces_and_between_noise() {
        assert_eq!(all(b"+$g#67xy$?#3f", false), [packet(b"g"), packet(b"?")]);
        assert_eq!(all(b"-+-", false), [Incoming::Resend, Incoming::Resend]);
        assert_eq!(all(b"$g#6", false), []);
    }

    #[test]
    fn damage_is_noticed() {
        assert_eq!(all(b"$g#68", false), [Incoming::Damaged]);
        assert_eq!(all(b"$g#zz$g#67", false), [Incoming::Damaged, packet(b"g")]);
        assert_eq!(all(b"$half of a packe$g#67", false), [packet(b"g")]);
    }

    #[test]
    fn a_packet_has_a_longest_length() {
        let longest = vec![b'a'; PACKET_SIZE - FRAME];
        assert_eq!(all(&frame(&longest), false), [packet(&longest)]);
        let longer = [longest, vec![b'a']].concat();
        assert_eq!(all(&frame(&longer), false), [Incoming::TooLong]);
        assert_eq!(all(&[&frame(&longer)[..], b"$g#67"].concat(), false), [Incoming::TooLong, packet(b"g")]);
    }

    #[test]
    fn ctrl_c_is_heard_when_the_machine_runs_and_between_packets() {
        assert_eq!(all(b"\x03$g#67\x03", false), [Incoming::Interrupt, packet(b"g"), Incoming::Interrupt]);
        assert_eq!(all(b"$g\x03", true), [Incoming::Interrupt]);
        assert_eq!(all(&frame(b"X0,1:\x03"), false), [packet(b"X0,1:\x03")]);
    }

    #[test]
    fn acknowledgments_end_when_both_agree() {
        let mut out = Outbox::default();
        out.acknowledge(true);
        out.send(b"OK");
        out.resend();
        assert_eq!(out.bytes(), b"+$OK#9a$OK#9a");
        out.sent(13);
        out.stop_acknowledging();
        out.acknowledge(false);
        out.resend();
        assert_eq!(out.bytes(), b"");
    }
}
