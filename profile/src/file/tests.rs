use super::*;
use std::collections::BTreeMap;
use vmm_abi::trace::{Event, Record};

fn header() -> Header {
    let kernel = Program { name: "kernel".into(), path: "/k".into(), size: 9, sha256: "00".into() };
    Header {
        ukvmm: "1.2.3".into(),
        command: vec!["--kernel".into(), "k".into()],
        tsc_khz: 2_600_000,
        cpus: 2,
        records: true,
        kernel_mode: KernelMode::Native,
        kernel,
        ..Header::default()
    }
}

fn record(n: u64) -> Record {
    Record::new(Event::EXIT, 1, n, 0x1_0003, 1000 + n, n << 40)
}

fn bytes(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(|record| record.to_words()).flat_map(u64::to_le_bytes).collect()
}

fn names() -> Names {
    Names { tsc: 5, tasks: BTreeMap::from([(3, "linux".into()), (4, "linux: sh[12]".into())]) }
}

fn samples() -> Samples {
    let taken = vec![Sample { tsc: 3, cpu: 1, call: 1 }];
    Samples { names: vec!["main".into()], calls: vec![(0, 0)], taken }
}

fn trailer() -> Trailer {
    let rings = vec![RingEnd { ring: Ring::Host(1), records: 3, dropped: 1, incomplete: 2 }];
    let alignment = Alignment { offset: u64::MAX, error: 26, ..Alignment::default() };
    let certificate = Certificate {
        ticks: Ticks::Instructions,
        measured_khz: Some(2_600_000.5),
        alignment: Some(alignment),
        vcpus: vec![Vcpu { migrations: 1, run_delay_ns: Some(2), preemptions: None }],
        ..Certificate::default()
    };
    Trailer { ended_ns: 7, rings, certificate, ..Trailer::default() }
}

fn sample() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    writer.records(Ring::Cpu(1), &bytes(&[record(1), record(2)])).unwrap();
    writer.names(&names()).unwrap();
    writer.samples(&samples()).unwrap();
    writer.dropped(Ring::User(0), 17).unwrap();
    writer.records(Ring::User(0), &bytes(&[record(3)])).unwrap();
    writer.end(&trailer()).unwrap()
}

fn all(file: &[u8]) -> Result<(Vec<Block>, bool), ReadError> {
    let mut reader = Reader::new(file)?;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        blocks.push(block);
    }
    Ok((blocks, reader.is_complete()))
}

#[test]
fn what_is_written_is_read() {
    let file = sample();
    let mut reader = Reader::new(&file[..]).unwrap();
    assert_eq!(reader.header(), &header());
    let records = |ring, records| Some(Block::Records { ring, records });
    assert_eq!(reader.next_block().unwrap(), records(Ring::Cpu(1), vec![record(1), record(2)]));
    assert_eq!(reader.next_block().unwrap(), Some(Block::Names(names())));
    assert_eq!(reader.next_block().unwrap(), Some(Block::Samples(samples())));
    let dropped = Block::Dropped { ring: Ring::User(0), records: 17 };
    assert_eq!(reader.next_block().unwrap(), Some(dropped));
    assert_eq!(reader.next_block().unwrap(), records(Ring::User(0), vec![record(3)]));
    assert_eq!(reader.next_block().unwrap(), Some(Block::Trailer(Box::new(trailer()))));
    assert!(reader.is_complete() && reader.next_block().unwrap().is_none());
    assert_eq!(reader.position(), file.len() as u64);
}

#[test]
fn a_file_that_was_cut_off_is_read_as_far_as_it_goes() {
    let file = sample();
    let mut most = 0;
    for length in 0..file.len() {
        match all(&file[..length]) {
            Ok((blocks, complete)) => {
                assert!(!complete);
                let count = |block: &Block| match block {
                    Block::Records { records, .. } => records.len(),
                    _ => 0,
                };
                let records = blocks.iter().map(count).sum();
                assert!(records >= most, "at {length}");
                most = records;
            }
            Err(ReadError::NoProfile | ReadError::NoHeader) => assert_eq!(most, 0),
            Err(error) => panic!("at {length}: {error}"),
        }
    }
    assert_eq!(most, 3);
}

/// The sample with the four bytes at `at` replaced.
fn with(at: usize, word: u32) -> String {
    let mut file = sample();
    file[at..at + 4].copy_from_slice(&word.to_le_bytes());
    all(&file).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_said() {
    let first = sample().windows(8).position(|window| window == [2, 0, 0, 0, 1, 0, 0, 0]).unwrap();
    assert!(with(0, 0).contains("no profile"));
    assert!(with(8, 2).contains("version 2"));
    assert!(with(16, 2).contains("no header"));
    assert!(with(32, 0x2020_2020).contains("the header"));
    assert!(with(first, 1).contains("second header"));
    assert!(with(first, 3).contains("names"));
    assert!(with(first, 6).contains("samples"));
    assert!(with(first + 4, 0x3_0000).contains(&format!("unknown ring 0x30000 at offset {first}")));
    assert!(with(first + 8, BLOCK_MAX as u32 + 1).contains("a block of 4194305 bytes"));
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    writer.names(&names()).unwrap();
    let mut file = writer.end(&trailer()).unwrap();
    let at = file.windows(4).rposition(|window| window == [3, 0, 0, 0]).unwrap();
    file[at] = 99;
    let (blocks, complete) = all(&file).unwrap();
    assert!(complete && matches!(blocks[..], [Block::Trailer(_)]));
    let newer: Names = serde_json::from_str(r#"{"tsc": 1, "more": {}}"#).unwrap();
    assert_eq!(newer, Names { tsc: 1, ..Names::default() });
}

#[test]
fn many_records_are_several_blocks() {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    assert!(writer.records(Ring::Cpu(0), &[0; 31]).is_err());
    writer.records(Ring::Cpu(0), &vec![0; BLOCK_MAX as usize + Record::SIZE]).unwrap();
    let file = writer.end(&trailer()).unwrap();
    let (blocks, complete) = all(&file).unwrap();
    assert!(complete);
    let length = |n: usize| match &blocks[n] {
        Block::Records { ring: Ring::Cpu(0), records } => records.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((blocks.len(), length(0), length(1)), (3, BLOCK_MAX as usize / Record::SIZE, 1));
}
