use super::mock::{Control, RamDisk};
use super::*;
use crate::virtio::mock::{DATA, Descriptor, Driver, EVENT_IDX, NEXT, RAM, WRITE, ram, reg};

/// Where the tests' requests lie.
const HEADER: u64 = DATA;
const STATUS: u64 = DATA + 0x100;
const BUFFER: u64 = DATA + 0x1000;
const SIZE: usize = 1 << 20;
const ALL: u64 = u64::MAX;

/// A driver with a disk.
struct Rig {
    driver: Driver,
    control: Control,
}

impl Rig {
    fn new() -> Self {
        Self::with(ALL, |_| {})
    }

    /// With these of all features, and with changed properties of the disk.
    fn with(features: u64, change: impl FnOnce(&mut Disk)) -> Self {
        let memory = ram();
        let disk = RamDisk::new(SIZE, memory.clone()).with(change);
        let control = disk.control();
        let mut driver = Driver::on(memory, Box::new(Block::new(disk)));
        driver.set_up(features);
        Self { driver, control }
    }

    /// Writes a header and a status that no device writes.
    fn prepare(&self, kind: u32, sector: u64) {
        self.driver.store(HEADER, &kind.to_le_bytes());
        self.driver.store(HEADER + 4, &[0; 4]);
        self.driver.store(HEADER + 8, &sector.to_le_bytes());
        self.driver.store(STATUS, &[0xee]);
    }

    fn status(&self) -> u8 {
        self.driver.load(STATUS, 1)[0]
    }

    /// A whole request, which is answered at once: the status, and the number of bytes that the device says it wrote.
    fn request(
        &mut self,
        kind: u32,
        sector: u64,
        readable: &[(u64, u32)],
        writable: &[(u64, u32)],
    ) -> (u8, u32) {
        self.prepare(kind, sector);
        let readable = [&[(HEADER, 16)], readable].concat();
        let writable = [writable, &[(STATUS, 1)]].concat();
        let written = self.driver.request(0, &readable, &writable).expect("no answer");
        (self.status(), written)
    }

    /// A request about ranges: sector, number of sectors, flags.
    fn ranges(&mut self, kind: u32, ranges: &[(u64, u32, u32)]) -> u8 {
        let bytes = ranges.iter().flat_map(|(sector, count, flags)| {
            [&sector.to_le_bytes()[..], &count.to_le_bytes(), &flags.to_le_bytes()].concat()
        });
        let bytes: Vec<u8> = bytes.collect();
        self.driver.store(BUFFER, &bytes);
        self.request(kind, 0, &[(BUFFER, bytes.len() as u32)], &[]).0
    }
}

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;
const OK: u8 = 0;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;

#[test]
fn the_configuration_tells_what_the_disk_is() {
    let rig = Rig::with(ALL, |disk| (disk.block, disk.physical_block) = (1024, 4096));
    let space = |at: u64, len: usize| {
        let mut bytes = vec![0; len];
        rig.driver.mmio.read(reg::CONFIG + at, &mut bytes);
        bytes
    };
    assert_eq!(space(0, 8), (SIZE as u64 / 512).to_le_bytes());
    assert_eq!(space(8, 8), [(1u32 << 20).to_le_bytes(), 254u32.to_le_bytes()].concat());
    assert_eq!(space(20, 4), 1024u32.to_le_bytes());
    assert_eq!(space(24, 4), [2, 0, 4, 0]);
    assert_eq!(space(36, 12), [1u32 << 22, 16, 8].map(u32::to_le_bytes).concat());
    assert_eq!(space(48, 9), [&[1u32 << 17, 16].map(u32::to_le_bytes).concat()[..], &[1]].concat());
    // What is behind the end, or across it, reads as zeros.
    assert_eq!((space(58, 8), space(0x800, 4)), (vec![0; 8], vec![0; 4]));
    let bits = |bits: &[u32]| bits.iter().fold(0, |all, bit| all | 1u64 << bit);
    let own = rig.driver.offered() & 0xff_ffff;
    assert_eq!(own, bits(&[1, 2, 6, 9, 10, 13, 14]));
    let rig = Rig::with(ALL, |disk| disk.read_only = true);
    assert_eq!(rig.driver.offered() & 0xff_ffff, bits(&[1, 2, 5, 6, 9, 10]));
}

#[test]
fn what_is_written_is_read_back_whatever_the_buffers_are() {
    let mut rig = Rig::new();
    let data: Vec<u8> = (0..2048u32).map(|n| (n * 7 % 251) as u8).collect();
    rig.driver.store(BUFFER, &data);
    let pieces = [(BUFFER, 1), (BUFFER + 1, 1000), (BUFFER + 1001, 1047)];
    assert_eq!(rig.request(OUT, 3, &pieces, &[]), (OK, 1));
    assert_eq!(rig.control.state().bytes[3 * 512..7 * 512], data);
    let into = BUFFER + 0x2000;
    assert_eq!(rig.request(IN, 3, &[], &[(into, 511), (into + 511, 1537)]), (OK, 2049));
    assert_eq!(rig.driver.load(into, 2048), data);
    // Header and status need not have buffers of their own.
    rig.prepare(IN, 4);
    let header = rig.driver.load(HEADER, 16);
    rig.driver.store(HEADER, &header[..5]);
    rig.driver.store(BUFFER, &header[5..]);
    let written = rig.driver.request(0, &[(HEADER, 5), (BUFFER, 11)], &[(into, 1025)]);
    assert_eq!(written, Some(1025));
    assert_eq!(rig.driver.load(into, 1025), [&data[512..1536], &[OK]].concat());
}

#[test]
fn what_is_not_on_the_disk_is_an_error() {
    let mut rig = Rig::new();
    let last = SIZE as u64 / 512 - 1;
    for (kind, sector, len, status) in [
        (IN, last, 512, OK),
        (IN, last, 1024, IO_ERROR),
        (OUT, last + 1, 512, IO_ERROR),
        (OUT, last + 1, 0, OK),
        (OUT, last + 2, 0, IO_ERROR),
        (IN, u64::MAX, 512, IO_ERROR),
        (IN, u64::MAX / 512, 1024, IO_ERROR),
        (IN, 0, 100, IO_ERROR),
        (OUT, 0, 513, IO_ERROR),
    ] {
        let (readable, writable) = match kind {
            OUT => (&[(BUFFER, len)][..], &[][..]),
            _ => (&[][..], &[(BUFFER, len)][..]),
        };
        let answer = rig.request(kind, sector, readable, writable);
        assert_eq!(answer.0, status, "{kind} at {sector}, {len} bytes");
    }
    assert!(!rig.driver.is_broken());
}

#[test]
fn a_disk_that_is_only_read_is_not_written() {
    let mut rig = Rig::with(ALL, |disk| disk.read_only = true);
    assert_eq!(rig.request(OUT, 0, &[(BUFFER, 512)], &[]).0, IO_ERROR);
    assert_eq!(rig.ranges(DISCARD, &[(0, 8, 0)]), IO_ERROR);
    assert_eq!(rig.ranges(WRITE_ZEROES, &[(0, 8, 0)]), IO_ERROR);
    assert_eq!(rig.request(FLUSH, 0, &[], &[]).0, OK);
    assert_eq!(rig.request(IN, 0, &[], &[(BUFFER, 512)]), (OK, 513));
}

#[test]
fn ranges_are_checked_one_by_one() {
    let mut rig = Rig::new();
    rig.control.state().bytes.fill(7);
    assert_eq!(rig.ranges(WRITE_ZEROES, &[(1, 1, 0), (3, 2, 1)]), OK);
    let sevens = |rig: &Rig| {
        let state = rig.control.state();
        (0..6).map(|sector| state.bytes[sector * 512] == 7).collect::<Vec<_>>()
    };
    assert_eq!(sevens(&rig), [true, false, true, false, false, true]);
    assert_eq!(rig.ranges(DISCARD, &[(0, 1, 0)]), OK);
    assert_eq!(rig.ranges(WRITE_ZEROES, &[(0, 0, 0)]), OK, "nothing to do");
    assert_eq!(rig.ranges(WRITE_ZEROES, &[]), OK, "nothing to do");
    for (kind, ranges, status) in [
        (DISCARD, &[(2, 1, 1)][..], UNSUPPORTED),
        (DISCARD, &[(2, 1, 2)], UNSUPPORTED),
        (WRITE_ZEROES, &[(2, 1, 2)], UNSUPPORTED),
        (WRITE_ZEROES, &[(2, 1, 0), (5, u32::MAX, 0)], IO_ERROR),
        (DISCARD, &[(u64::MAX, 1, 0)], IO_ERROR),
        (DISCARD, &[(u64::MAX, u32::MAX, 0)], IO_ERROR),
        (DISCARD, &[(2, 1, 0); 17], IO_ERROR),
    ] {
        assert_eq!(rig.ranges(kind, ranges), status, "{kind} {ranges:?}");
    }
    assert_eq!(rig.request(DISCARD, 0, &[(BUFFER, 15)], &[]).0, IO_ERROR);
    assert_eq!(sevens(&rig), [false, false, true, false, false, true], "a wrong range spoils the others");
}

#[test]
fn a_long_range_is_refused_even_where_it_fits() {
    let mut rig = Rig::with(ALL, |disk| disk.size = 1 << 40);
    assert_eq!(rig.ranges(WRITE_ZEROES, &[(0, (1 << 17) + 1, 0)]), IO_ERROR);
    assert_eq!(rig.ranges(DISCARD, &[(0, (1 << 22) + 1, 0)]), IO_ERROR);
}

#[test]
fn the_disk_says_who_it_is() {
    let mut rig = Rig::with(ALL, |disk| disk.serial = b"a serial".to_vec());
    assert_eq!(rig.request(GET_ID, 0, &[], &[(BUFFER, 30)]), (OK, 31));
    assert_eq!(rig.driver.load(BUFFER, 20), *b"a serial\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(rig.request(GET_ID, 0, &[], &[(BUFFER, 19)]), (IO_ERROR, 1));
    let mut rig = Rig::with(ALL, |disk| disk.serial = vec![b'x'; 25]);
    assert_eq!(rig.request(GET_ID, 0, &[], &[(BUFFER, 20)]).0, OK);
    assert_eq!(rig.driver.load(BUFFER, 20), [b'x'; 20]);
}

#[test]
fn what_is_not_known_is_unsupported() {
    let mut rig = Rig::new();
    for kind in [2, 3, 10, 14, 0x8000_0001, u32::MAX] {
        assert_eq!(rig.request(kind, 0, &[], &[]), (UNSUPPORTED, 1), "{kind}");
    }
}

#[test]
fn a_driver_that_cannot_flush_has_its_writes_on_the_medium() {
    for (features, durable) in [(ALL, 0), (ALL & !config::FLUSH, 1)] {
        let mut rig = Rig::with(features, |_| {});
        assert_eq!(rig.request(OUT, 0, &[(BUFFER, 512)], &[]).0, OK);
        assert_eq!(rig.control.state().durable, durable);
    }
    let mut rig = Rig::new();
    assert_eq!(rig.request(FLUSH, 0, &[], &[]).0, OK);
    assert_eq!(rig.control.state().flushes, 1);
}

#[test]
fn answers_come_in_any_order() {
    // With EVENT_IDX, a driver would have to say each time that it wants another interrupt.
    let mut rig = Rig::with(ALL & !EVENT_IDX, |_| {});
    rig.control.state().hold = true;
    let heads: Vec<u16> = (0..3u64)
        .map(|n| {
            let at = DATA + n * 0x2000;
            rig.driver.store(at, &IN.to_le_bytes());
            rig.driver.store(at + 4, &[0; 12]);
            rig.driver.put(0, &[(at, 16)], &[(at + 0x1000, 512), (at + 0x100, 1)])
        })
        .collect();
    rig.driver.ring(0);
    assert_eq!(rig.driver.take(0), None);
    for (index, head) in [(2, heads[2]), (0, heads[0]), (0, heads[1])] {
        let before = rig.driver.interrupts.count();
        rig.control.release(index);
        rig.driver.mmio.ready(0);
        assert_eq!(rig.driver.take(0), Some((head, 513)));
        assert_eq!(rig.driver.take(0), None);
        assert_eq!(rig.driver.interrupts.count(), before + 1);
    }
}

#[test]
fn a_failure_of_the_disk_is_told_once_for_all_its_parts() {
    let mut rig = Rig::new();
    rig.control.state().fail = true;
    assert_eq!(rig.request(IN, 0, &[], &[(BUFFER, 512)]), (IO_ERROR, 1));
    assert_eq!(rig.ranges(DISCARD, &[(0, 1, 0), (1, 1, 0), (2, 1, 0)]), IO_ERROR);
    assert_eq!(rig.driver.take(0), None);
}

#[test]
fn who_does_not_wait_for_answers_gets_them_all_the_same() {
    let mut rig = Rig::new();
    rig.control.state().hold = true;
    rig.prepare(FLUSH, 0);
    // One request, made available again and again: more than there are slots.
    let head = rig.driver.put(0, &[(HEADER, 16)], &[(STATUS, 1)]);
    for _ in 1..256 {
        rig.driver.offer(0, head);
    }
    rig.driver.ring(0);
    assert_eq!(rig.control.state().held.len(), 256);
    for _ in 0..100 {
        rig.driver.offer(0, head);
    }
    rig.driver.ring(0);
    assert_eq!(rig.control.state().held.len(), 256, "there are no more slots");
    rig.control.release(0);
    rig.driver.mmio.ready(0);
    assert_eq!(rig.control.state().held.len(), 256, "a slot that has become free is used");
    while !rig.control.state().held.is_empty() {
        rig.control.release(0);
        rig.driver.mmio.ready(0);
    }
    let mut answers = 0;
    while rig.driver.take(0).is_some() {
        answers += 1;
    }
    assert_eq!(answers, 356);
}

#[test]
fn a_reset_forgets_what_was_under_way() {
    let mut rig = Rig::new();
    rig.control.state().hold = true;
    rig.prepare(IN, 0);
    rig.driver.put(0, &[(HEADER, 16)], &[(BUFFER, 512), (STATUS, 1)]);
    rig.driver.ring(0);
    assert_eq!(rig.control.state().held.len(), 1);
    rig.driver.set(reg::STATUS, 0);
    assert!(rig.control.state().held.is_empty());
    rig.driver.mmio.ready(0);
    rig.control.state().hold = false;
    rig.driver.set_up(ALL);
    assert_eq!(rig.request(IN, 0, &[], &[(BUFFER, 512)]), (OK, 513));
}

#[test]
fn a_request_without_a_status_breaks_the_device_and_a_short_one_does_not() {
    let mut rig = Rig::new();
    assert_eq!(rig.driver.request(0, &[(HEADER, 15)], &[(STATUS, 1)]), Some(1));
    assert_eq!(rig.status(), IO_ERROR);
    assert_eq!(rig.driver.request(0, &[], &[(STATUS, 1)]), Some(1));
    assert_eq!(rig.status(), IO_ERROR);
    assert!(!rig.driver.is_broken());
    rig.prepare(OUT, 0);
    assert_eq!(rig.driver.request(0, &[(HEADER, 16), (BUFFER, 512)], &[]), None);
    assert!(rig.driver.is_broken());
    // A reset mends it.
    rig.driver.set_up(ALL);
    assert_eq!(rig.request(IN, 0, &[], &[(BUFFER, 512)]), (OK, 513));
}

#[test]
fn huge_and_overlapping_buffers_are_refused() {
    let mut rig = Rig::with(ALL, |disk| disk.size = 1 << 50);
    rig.prepare(IN, 0);
    // All of RAM, 250 times: within the queue's limits, but not within the device's.
    let head = rig.driver.put(0, &[(HEADER, 16)], &[]);
    for n in 1..=250 {
        let buffer = Descriptor { addr: 0, len: RAM as u32, flags: WRITE | NEXT, next: n + 1 };
        rig.driver.describe(0, None, n, buffer);
    }
    rig.driver.describe(0, None, 251, Descriptor { addr: STATUS, len: 1, flags: WRITE, next: 0 });
    let first = Descriptor { addr: HEADER, len: 16, flags: NEXT, next: 1 };
    rig.driver.describe(0, None, head, first);
    rig.driver.ring(0);
    assert_eq!(rig.driver.take(0), Some((head, 1)));
    assert_eq!(rig.status(), IO_ERROR);
    // Outside of RAM.
    rig.driver.put(0, &[(HEADER, 16)], &[(RAM as u64 - 1, 512), (STATUS, 1)]);
    rig.driver.ring(0);
    assert!(rig.driver.is_broken());
}
