//! Names that servers tell by their records, piece by piece.

use crate::inspect::names::printable;
use profile::file::{Names, Ring};
use std::collections::BTreeMap;
use ukernel_abi::ThreadId;
use ukernel_abi::names::LENGTH;
use vmm_abi::trace::Record;

/// Bytes that a record has room for.
const PIECE: usize = 8;
/// Of a guest that names tasks without end no more are taken at a time.
const MOST: usize = 1 << 14;

#[derive(Default)]
pub struct Told {
    /// The task that writes to a ring.
    writers: BTreeMap<Ring, u16>,
    /// Of each ring the name that is not complete yet, and whose it is.
    pieces: BTreeMap<Ring, (u16, [u8; LENGTH])>,
    complete: Vec<Complete>,
}

/// A whole name.
struct Complete {
    ring: Ring,
    tsc: u64,
    task: u16,
    name: String,
}

impl Told {
    /// Task `task` writes to `ring`.
    pub fn writer(&mut self, ring: Ring, task: u16) {
        self.writers.insert(ring, task);
    }

    /// A record [`vmm_abi::trace::Event::NAMED`] of `ring`.
    pub fn piece(&mut self, ring: Ring, record: &Record) {
        let thread = ThreadId(record.thread);
        let (task, number) = (thread.task(), usize::from(thread.lthread()));
        if number == 0 {
            self.pieces.insert(ring, (task, [0; LENGTH]));
        }
        let Some((of, name)) = self.pieces.get_mut(&ring) else { return };
        let Some(piece) = name.get_mut(number * PIECE..(number + 1) * PIECE) else { return };
        piece.copy_from_slice(&record.argument.to_le_bytes());
        if *of == task && (number + 1) * PIECE == LENGTH && self.complete.len() < MOST {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(LENGTH);
            self.complete.push(Complete { ring, tsc: record.tsc, task, name: printable(&name[..end]) });
        }
    }

    /// The names that are complete, as debuggers write them: `linux: sh[12]`. `name` says what a server is called.
    pub fn take<'n>(&mut self, name: impl Fn(u16) -> Option<&'n str>) -> Vec<Names> {
        let writers = &self.writers;
        let names = self.complete.drain(..).map(|told| {
            let server = writers.get(&told.ring).and_then(|server| name(*server));
            let name = server.map_or_else(|| told.name.clone(), |server| format!("{server}: {}", told.name));
            Names { tsc: told.tsc, tasks: BTreeMap::from([(told.task, name)]) }
        });
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmm_abi::trace::{ANY_CPU, Event};

    const RING: Ring = Ring::User(1);

    fn tell(told: &mut Told, task: u16, name: &str, pieces: impl Iterator<Item = u16>) {
        for piece in pieces {
            let mut bytes = [0; PIECE];
            let rest = name.as_bytes().get(usize::from(piece) * PIECE..).unwrap_or_default();
            let length = rest.len().min(PIECE);
            bytes[..length].copy_from_slice(&rest[..length]);
            let (thread, tsc) = (ThreadId::new(task, piece, 0).0, 100 + u64::from(piece));
            let argument = u64::from_le_bytes(bytes);
            told.piece(RING, &Record::new(Event::NAMED, ANY_CPU, 1, thread, tsc, argument));
        }
    }

    #[test]
    fn pieces_make_a_name() {
        let mut told = Told::default();
        told.writer(RING, 4);
        tell(&mut told, 7, "a name of many letters[1]\n", 0..4);
        let name = |server| (server == 4).then_some("linux");
        let expected = BTreeMap::from([(7, "linux: a name of many letters[1]?".to_string())]);
        assert_eq!(told.take(name), [Names { tsc: 103, tasks: expected }]);
        assert!(told.take(name).is_empty());
        tell(&mut told, 8, "sh", 0..4);
        assert_eq!(told.take(|_| None)[0].tasks[&8], "sh");
    }

    #[test]
    fn what_is_no_name_is_none() {
        let mut told = Told::default();
        tell(&mut told, 7, "no beginning", 1..4);
        tell(&mut told, 7, "no end", 0..3);
        tell(&mut told, 8, "of another", 3..4);
        tell(&mut told, 8, "too long", 4..1023);
        assert!(told.take(|_| None).is_empty());
        for task in 0..=MOST {
            tell(&mut told, task as u16, "x", 0..4);
        }
        assert_eq!(told.take(|_| None).len(), MOST);
    }
}
