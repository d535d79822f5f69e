//! What a driver does to its device, as bytes.
//!
//! Any bytes are a script: what is missing at the end is zero. Operands are made to fit more often than not: an address is within RAM, a
//! length is short, unless their top bit is set. So a mutation changes what is done, and seldom turns all of it into nonsense.

use devices::virtio::mock::{Descriptor, RAM};

/// Steps of a script at most.
pub const STEPS_MAX: usize = 48;
/// Buffers of a request, in each direction, at most.
const BUFFERS_MAX: u8 = 6;
const TOP: u32 = 1 << 31;

/// Address and length, as an operand.
pub type Buffer = (u32, u32);

/// A step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Writes to memory.
    Store { at: u32, bytes: Vec<u8> },
    /// Puts a request into a queue.
    Put { queue: u8, readable: Vec<Buffer>, writable: Vec<Buffer> },
    /// Rings a doorbell.
    Ring { queue: u8 },
    /// A source of the backend's becomes ready.
    Ready { source: u8 },
    /// Writes a descriptor of a queue as it pleases.
    Describe { queue: u8, index: u16, descriptor: Descriptor },
    /// Makes a chain available.
    Offer { queue: u8, head: u16 },
    /// Sets the available index.
    Available { queue: u8, index: u16 },
    /// Writes a register, or the configuration, with `width` bytes.
    Write { register: u16, width: u8, value: u64 },
    /// Reads one.
    Read { register: u16, width: u8 },
    /// Resets the device and sets it up, with these features.
    SetUp { features: u64 },
    /// Something that only the target knows.
    Extra { what: u8, value: u16 },
}

/// The address that an operand stands for.
pub fn address(operand: u32) -> u64 {
    if operand & TOP == 0 { u64::from(operand) % RAM as u64 } else { u64::from(operand) }
}

/// The length that an operand stands for.
pub fn length(operand: u32) -> u32 {
    if operand & TOP == 0 { operand % 0x3000 } else { operand }
}

/// The steps in `bytes`.
pub fn decode(bytes: &[u8]) -> Vec<Step> {
    let mut reader = Reader(bytes);
    let mut steps = Vec::new();
    while !reader.0.is_empty() && steps.len() < STEPS_MAX {
        steps.push(reader.step());
    }
    steps
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let len = N.min(self.0.len());
        taken[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        taken
    }
    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = usize::from(self.u8()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes.to_vec()
    }

    fn buffers(&mut self) -> Vec<Buffer> {
        (0..self.u8() % (BUFFERS_MAX + 1)).map(|_| (self.u32(), self.u32())).collect()
    }

    fn step(&mut self) -> Step {
        match self.u8() % 11 {
            0 => Step::Store { at: self.u32(), bytes: self.bytes() },
            1 => Step::Put { queue: self.u8(), readable: self.buffers(), writable: self.buffers() },
            2 => Step::Ring { queue: self.u8() },
            3 => Step::Ready { source: self.u8() },
            4 => Step::Describe {
                queue: self.u8(),
                index: self.u16(),
                descriptor: Descriptor {
                    addr: self.u64(),
                    len: self.u32(),
                    flags: self.u16(),
                    next: self.u16(),
                },
            },
            5 => Step::Offer { queue: self.u8(), head: self.u16() },
            6 => Step::Available { queue: self.u8(), index: self.u16() },
            7 => Step::Write { register: self.u16(), width: self.u8(), value: self.u64() },
            8 => Step::Read { register: self.u16(), width: self.u8() },
            9 => Step::SetUp { features: self.u64() },
            _ => Step::Extra { what: self.u8(), value: self.u16() },
        }
    }
}

/// The bytes of `steps`: the way back from [`decode`].
pub fn encode(steps: &[Step]) -> Vec<u8> {
    let mut out = Vec::new();
    for step in steps {
        step.encode(&mut out);
    }
    out
}

impl Step {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Store { at, bytes } => {
                out.push(0);
                out.extend(at.to_le_bytes());
                out.push(bytes.len() as u8);
                out.extend(&bytes[..usize::from(bytes.len() as u8)]);
            }
            Self::Put { queue, readable, writable } => {
                out.extend([1, *queue]);
                for buffers in [readable, writable] {
                    out.push(buffers.len() as u8);
                    out.extend(
                        buffers.iter().flat_map(|(at, len)| [at.to_le_bytes(), len.to_le_bytes()].concat()),
                    );
                }
            }
            Self::Ring { queue } => out.extend([2, *queue]),
            Self::Ready { source } => out.extend([3, *source]),
            Self::Describe { queue, index, descriptor: Descriptor { addr, len, flags, next } } => {
                out.extend([4, *queue]);
                out.extend(index.to_le_bytes());
                out.extend(addr.to_le_bytes());
                out.extend(len.to_le_bytes());
                out.extend([flags.to_le_bytes(), next.to_le_bytes()].concat());
            }
            Self::Offer { queue, head: value } => {
                out.extend([&[5, *queue][..], &value.to_le_bytes()].concat())
            }
            Self::Available { queue, index: value } => {
                out.extend([&[6, *queue][..], &value.to_le_bytes()].concat())
            }
            Self::Write { register, width, value } => {
                out.push(7);
                out.extend(register.to_le_bytes());
                out.push(*width);
                out.extend(value.to_le_bytes());
            }
            Self::Read { register, width } => {
                out.push(8);
                out.extend(register.to_le_bytes());
                out.push(*width);
            }
            Self::SetUp { features } => {
                out.push(9);
                out.extend(features.to_le_bytes());
            }
            Self::Extra { what, value } => {
                out.extend([10, *what]);
                out.extend(value.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::TARGETS;

    #[test]
    fn what_is_encoded_is_decoded() {
        let descriptor = Descriptor { addr: 1, len: 2, flags: 3, next: 4 };
        let steps = [
            Step::Store { at: 7, bytes: vec![1, 2, 3] },
            Step::Put { queue: 1, readable: vec![(1, 2), (3, 4)], writable: vec![(5, 6)] },
            Step::Ring { queue: 2 },
            Step::Ready { source: 3 },
            Step::Describe { queue: 1, index: 258, descriptor },
            Step::Offer { queue: 1, head: 259 },
            Step::Available { queue: 1, index: 260 },
            Step::Write { register: 0x70, width: 4, value: 9 },
            Step::Read { register: 0x100, width: 8 },
            Step::SetUp { features: 1 << 40 },
            Step::Extra { what: 1, value: 300 },
        ];
        assert_eq!(decode(&encode(&steps)), steps);
    }

    #[test]
    fn any_bytes_are_a_script() {
        assert_eq!(decode(&[]), []);
        assert_eq!(decode(&[2]), [Step::Ring { queue: 0 }]);
        assert_eq!(decode(&[0xff; 1000]).len(), STEPS_MAX.min(decode(&[0xff; 1000]).len()));
        assert_eq!(decode(&vec![2; 1 << 16]).len(), STEPS_MAX);
        assert!(!TARGETS.is_empty());
    }
}
