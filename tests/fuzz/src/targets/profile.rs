//! Profiles, which people hand each other. The records in them are a guest's.

use super::Seed;
use profile::certificate;
use profile::file::samples::Tree;
use profile::file::{BLOCK_MAX, Block, Header, Names, Reader, Ring, RingEnd, Trailer, Writer};
use profile::flame;
use profile::stacks::Stacks;
use std::collections::BTreeMap;
use vmm_abi::trace::{Event, Record};

pub fn run(bytes: &[u8]) {
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let (mut trailer, mut stacks) = (None, Stacks::default());
    while let Ok(Some(block)) = reader.next_block() {
        match block {
            Block::Records { records, .. } => assert!(records.len() as u64 * 32 <= BLOCK_MAX),
            Block::Names(_) | Block::Dropped { .. } => {}
            Block::Samples(samples) => stacks.add(samples),
            Block::Trailer(last) => trailer = Some(last),
        }
    }
    assert!(flame::frames(&stacks).iter().all(|frame| frame.from + frame.samples <= stacks.total()));
    assert_eq!(trailer.is_some(), reader.is_complete());
    assert!(reader.position() <= bytes.len() as u64);
    assert!(!certificate::text(reader.header(), trailer.as_deref()).is_empty());
}

/// Of one system call, up to the trailer.
fn writer() -> Writer<Vec<u8>> {
    let header = Header { tsc_khz: 1_000_000, cpus: 1, records: true, ..Header::default() };
    let mut writer = Writer::new(Vec::new(), &header).expect("memory");
    let events = [Event::ENTER_SYSCALL, Event::COMMIT, Event::EXIT];
    let records = (0..).zip(events).map(|(n, event)| Record::new(event, 0, n + 1, 3, 100 + n, 39));
    let bytes: Vec<u8> = records.flat_map(Record::to_words).flat_map(u64::to_le_bytes).collect();
    writer.records(Ring::Cpu(0), &bytes).expect("whole records");
    writer.names(&Names { tsc: 1, tasks: BTreeMap::from([(3, "linux".into())]) }).expect("a short name");
    let mut tree = Tree::default();
    tree.add(1, 0, ["linux: sh", "main", "read"]);
    tree.add(2, 0, ["idle"]);
    writer.samples(&tree.take()).expect("memory");
    writer
}

pub fn seeds() -> Vec<Seed> {
    let rings = vec![RingEnd { ring: Ring::Cpu(0), records: 3, dropped: 0, incomplete: 0 }];
    let complete = writer().end(&Trailer { rings, ..Trailer::default() }).expect("memory");
    let mut empty = Vec::new();
    Writer::new(&mut empty, &Header::default()).expect("memory");
    vec![("complete", complete), ("empty", empty)]
}
