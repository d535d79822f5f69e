use super::super::mock::*;
use super::super::{Broken, Device, Io, chain};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

/// Answers each request of queue 0 with its own bytes, backwards. Keeps what comes on queue 1 until its backend is ready.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    features: u64,
    resets: u32,
    kept: Vec<u16>,
    config: [u8; 8],
}

impl Device for Echo {
    fn id(&self) -> u32 {
        42
    }
    fn features(&self) -> u64 {
        1 << 5
    }
    fn queue_sizes(&self) -> &[u16] {
        &[64, 16]
    }
    fn read_config(&self, offset: usize, data: &mut [u8]) {
        let config = self.0.lock().unwrap().config;
        for (byte, from) in data.iter_mut().zip(config.iter().skip(offset)) {
            *byte = *from;
        }
    }
    fn write_config(&mut self, offset: usize, data: &[u8], io: &mut Io<'_>) {
        for (to, byte) in self.0.lock().unwrap().config.iter_mut().skip(offset).zip(data) {
            *to = *byte;
        }
        io.config_changed();
    }
    fn activate(&mut self, features: u64, _: &mut Io<'_>) -> Result<(), Broken> {
        self.0.lock().unwrap().features = features;
        Ok(())
    }
    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        while let Some(request) = io.pop(queue)? {
            if queue == 1 {
                self.0.lock().unwrap().kept.push(request.head);
                continue;
            }
            let mut bytes = vec![0; request.readable_len().min(4096) as usize];
            chain::read(io.memory, &request.readable, &mut bytes)?;
            bytes.reverse();
            let written = chain::write(io.memory, &request.writable, &bytes)?;
            io.push(queue, request.head, written as u32)?;
        }
        Ok(())
    }
    fn ready(&mut self, source: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        let kept = std::mem::take(&mut self.0.lock().unwrap().kept);
        kept.into_iter().try_for_each(|head| io.push(1, head, source as u32))
    }
    fn reset(&mut self) {
        let mut seen = self.0.lock().unwrap();
        seen.resets += 1;
        seen.kept.clear();
    }
}

const ALL: u64 = u64::MAX;

fn ready(wanted: u64) -> (Driver, Echo) {
    let echo = Echo::default();
    (Driver::ready(Box::new(echo.clone()), wanted), echo)
}

#[test]
fn a_driver_finds_the_device_and_agrees_on_features() {
    let (driver, echo) = ready(ALL);
    assert_eq!(driver.get(0), u32::from_le_bytes(*b"virt"));
    assert_eq!((driver.get(4), driver.get(8)), (2, 42));
    assert_eq!(driver.offered(), VERSION_1 | EVENT_IDX | INDIRECT | 1 << 5);
    assert_eq!(echo.0.lock().unwrap().features, driver.offered());
    assert_eq!(driver.get(reg::STATUS), 0xf);
    driver.set(reg::QUEUE_SEL, 1);
    assert_eq!((driver.get(reg::QUEUE_NUM_MAX), driver.get(reg::QUEUE_READY)), (16, 1));
    driver.set(reg::QUEUE_SEL, 2);
    assert_eq!((driver.get(reg::QUEUE_NUM_MAX), driver.get(reg::QUEUE_READY)), (0, 0));
    assert_eq!(driver.get(0xb0), u32::MAX, "shared memory, of which there is none");
}

#[test]
fn features_that_are_not_offered_are_refused() {
    for features in [VERSION_1 | 1 << 6, 1 << 5] {
        let driver = Driver::new(Box::new(Echo::default()));
        driver.set(reg::STATUS, status::ACKNOWLEDGE | status::DRIVER);
        for page in 0..2 {
            driver.set(reg::DRIVER_FEATURES_SEL, page);
            driver.set(reg::DRIVER_FEATURES, (features >> (32 * page)) as u32);
        }
        driver.set(reg::STATUS, 3 | status::FEATURES_OK);
        assert_eq!(driver.get(reg::STATUS), 3);
        driver.set(reg::STATUS, 3 | status::DRIVER_OK);
        assert!(driver.is_broken());
    }
}

#[test]
fn requests_are_answered_and_interrupt() {
    for wanted in [0, ALL] {
        let (mut driver, _) = ready(wanted);
        for round in 0..300 {
            driver.store(DATA, b"abcdef");
            // A buffer of no bytes is none.
            let readable = [(DATA, 2), (DATA, 0), (DATA + 2, 4)];
            assert_eq!(driver.request(0, &readable, &[(DATA + 0x100, 3), (DATA + 0x200, 9)]), Some(6));
            assert_eq!(driver.load(DATA + 0x100, 4), b"fed\0");
            assert_eq!(driver.load(DATA + 0x200, 4), b"cba\0");
            assert!(wanted != 0 || driver.interrupts.count() == round + 1);
        }
        assert_eq!(driver.get(reg::INTERRUPT_STATUS), 1);
        driver.set(reg::INTERRUPT_ACK, 1);
        assert_eq!(driver.get(reg::INTERRUPT_STATUS), 0);
    }
}

#[test]
fn requests_in_a_table_of_their_own_are_answered() {
    let (mut driver, _) = ready(ALL);
    driver.store(DATA, b"xyz");
    let table = DATA + 0x1000;
    driver.describe(0, Some(table), 0, Descriptor { addr: DATA, len: 3, flags: NEXT, next: 1 });
    driver.describe(0, Some(table), 1, Descriptor { addr: DATA + 8, len: 3, flags: WRITE, next: 0 });
    driver.describe(0, None, 7, Descriptor { addr: table, len: 32, flags: TABLE, next: 0 });
    driver.offer(0, 7);
    driver.ring(0);
    assert_eq!(driver.take(0), Some((7, 3)));
    assert_eq!(driver.load(DATA + 8, 3), b"zyx");
}

#[test]
fn a_device_may_answer_later_and_loses_what_it_kept_by_a_reset() {
    let (mut driver, echo) = ready(ALL);
    let head = driver.put(1, &[(DATA, 4)], &[]);
    driver.ring(1);
    assert_eq!(driver.take(1), None);
    assert!(!driver.mmio.ready(5));
    assert_eq!(driver.take(1), Some((head, 5)));
    driver.put(1, &[(DATA, 4)], &[]);
    driver.ring(1);
    driver.set_up(ALL);
    driver.mmio.ready(5);
    assert_eq!(driver.take(1), None);
    assert_eq!(echo.0.lock().unwrap().resets, 1);
    assert!(driver.request(0, &[(DATA, 4)], &[(DATA, 4)]).is_some());
}

/// Takes one request a call.
struct OneByOne;

impl Device for OneByOne {
    fn id(&self) -> u32 {
        42
    }
    fn features(&self) -> u64 {
        0
    }
    fn queue_sizes(&self) -> &[u16] {
        &[64]
    }
    fn read_config(&self, _: usize, _: &mut [u8]) {}
    fn activate(&mut self, _: u64, _: &mut Io<'_>) -> Result<(), Broken> {
        Ok(())
    }
    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        io.pop(queue)?.map_or(Ok(()), |request| io.push(queue, request.head, 0))
    }
    fn reset(&mut self) {}
}

#[test]
fn what_is_left_stays_left_whatever_comes_in_between() {
    let mut driver = Driver::ready(Box::new(OneByOne), 0);
    let heads = [0; 3].map(|_| driver.put(0, &[(DATA, 1)], &[]));
    assert!(driver.mmio.doorbell(0));
    assert!(driver.mmio.ready(0), "there is as much left as before");
    assert!(driver.mmio.again());
    assert!(!driver.mmio.again());
    assert_eq!(heads.map(|_| driver.take(0).map(|(head, _)| head)), heads.map(Some));
}

#[test]
fn the_configuration_is_read_in_any_width_and_its_change_is_told() {
    let (driver, _) = ready(ALL);
    driver.mmio.write(reg::CONFIG + 2, &[1, 2, 3]);
    assert_eq!(driver.get(reg::INTERRUPT_STATUS), 2);
    assert_eq!(driver.get(reg::CONFIG_GENERATION), 1);
    let mut data = [9; 8];
    driver.mmio.read(reg::CONFIG, &mut data);
    assert_eq!(data, [0, 0, 1, 2, 3, 0, 0, 0]);
    let mut data = [9; 4];
    driver.mmio.read(reg::CONFIG + 6, &mut data);
    assert_eq!(data, [0; 4]);
}

#[test]
fn what_is_put_before_the_driver_is_ready_is_seen_when_it_is() {
    let echo = Echo::default();
    let mut driver = Driver::ready(Box::new(echo), ALL);
    driver.set(reg::STATUS, 0);
    driver.ring(0);
    driver.set_up(ALL);
    let head = driver.put(0, &[(DATA, 4)], &[(DATA, 4)]);
    assert_eq!(driver.take(0), None);
    // Features again, and ready without the queues being set up anew: as after a driver's late start.
    driver.ring(0);
    assert_eq!(driver.take(0), Some((head, 4)));
}

/// What a hostile driver does, and that it stops the device until the next reset.
fn breaks(name: &str, what: impl Fn(&mut Driver)) {
    let (mut driver, _) = ready(ALL);
    what(&mut driver);
    assert!(driver.is_broken(), "{name}");
    assert_eq!(driver.get(reg::INTERRUPT_STATUS) & 2, 2, "{name}");
    // It does nothing any more.
    let before = driver.take(0);
    assert_eq!(before, None, "{name}");
    driver.put(0, &[(DATA, 4)], &[(DATA, 4)]);
    driver.ring(0);
    driver.mmio.ready(0);
    assert_eq!(driver.take(0), None, "{name}");
    driver.set_up(ALL);
    assert!(!driver.is_broken(), "{name}");
    assert_eq!(driver.request(0, &[(DATA, 4)], &[(DATA, 4)]), Some(4), "{name}");
}

#[test]
fn a_driver_that_breaks_the_rules_stops_its_device() {
    let chain = |d: &mut Driver, descriptors: &[Descriptor]| {
        for (n, descriptor) in (0..).zip(descriptors) {
            d.describe(0, None, n, *descriptor);
        }
        d.offer(0, 0);
        d.ring(0);
    };
    let d = |addr, len, flags, next| Descriptor { addr, len, flags, next };
    breaks("outside of RAM", |driver| chain(driver, &[d(RAM as u64 - 1, 2, 0, 0)]));
    breaks("far outside of RAM", |driver| chain(driver, &[d(u64::MAX, 2, WRITE, 0)]));
    breaks("huge", |driver| chain(driver, &[d(DATA, u32::MAX, 0, 0)]));
    breaks("a loop", |driver| chain(driver, &[d(DATA, 1, NEXT, 1), d(DATA, 1, NEXT, 0)]));
    breaks("a loop of nothing", |driver| chain(driver, &[d(DATA, 0, NEXT, 0)]));
    breaks("next is no index", |driver| chain(driver, &[d(DATA, 1, NEXT, 64)]));
    breaks("readable behind writable", |driver| {
        chain(driver, &[d(DATA, 1, NEXT | WRITE, 1), d(DATA, 1, 0, 0)])
    });
    breaks("no head", |driver| {
        driver.offer(0, 64);
        driver.ring(0);
    });
    breaks("a table of no entries", |driver| chain(driver, &[d(DATA, 0, TABLE, 0)]));
    breaks("a table of half an entry", |driver| chain(driver, &[d(DATA, 24, TABLE, 0)]));
    breaks("a table outside of RAM", |driver| chain(driver, &[d(RAM as u64, 16, TABLE, 0)]));
    breaks("a table in a table", |driver| {
        driver.describe(0, Some(DATA), 0, d(DATA, 16, TABLE, 0));
        chain(driver, &[d(DATA, 16, TABLE, 0)]);
    });
    breaks("a table longer than the queue", |driver| {
        for n in 0..65 {
            driver.describe(0, Some(DATA), n, d(DATA, 1, if n < 64 { NEXT } else { 0 }, n + 1));
        }
        chain(driver, &[d(DATA, 65 * 16, TABLE, 0)]);
    });
    breaks("an index that overtakes", |driver| {
        driver.claim_available(0, 65);
        driver.ring(0);
    });
}

#[test]
fn a_queue_must_be_in_ram_and_aligned() {
    for (register, value) in [
        (reg::QUEUE_DESC, DATA as u32 + 8),
        (reg::QUEUE_DRIVER, DATA as u32 + 1),
        (reg::QUEUE_DEVICE, DATA as u32 + 2),
        (reg::QUEUE_DESC, RAM as u32),
        (reg::QUEUE_DRIVER + 4, 1),
        (reg::QUEUE_DEVICE, RAM as u32 - 8),
        (reg::QUEUE_NUM, 3),
        (reg::QUEUE_NUM, 0),
        (reg::QUEUE_NUM, 128),
        (reg::QUEUE_NUM, 0x1_0040),
    ] {
        let driver = Driver::new(Box::new(Echo::default()));
        driver.set(reg::QUEUE_SEL, 0);
        driver.set(register, value);
        driver.set(reg::QUEUE_READY, 1);
        assert!(driver.is_broken(), "{register:#x} {value:#x}");
        assert_eq!(driver.get(reg::QUEUE_READY), 0);
    }
}

#[test]
fn a_queue_that_is_ready_stays_where_it_is() {
    let (mut driver, _) = ready(ALL);
    driver.set(reg::QUEUE_SEL, 0);
    driver.set(reg::QUEUE_DESC, RAM as u32);
    driver.set(reg::QUEUE_NUM, 3);
    driver.set(reg::QUEUE_READY, 1);
    assert_eq!(driver.request(0, &[(DATA, 4)], &[(DATA, 4)]), Some(4));
    // And one that is not is not served.
    driver.set(reg::QUEUE_READY, 0);
    assert_eq!(driver.request(0, &[(DATA, 4)], &[(DATA, 4)]), None);
    assert!(!driver.is_broken());
}

proptest! {
    /// Any accesses to the registers, and any bytes in the rings: no panic, no hang, and a reset mends everything.
    #[test]
    fn nothing_that_a_driver_does_is_too_much(
        accesses in proptest::collection::vec((0u64..0x110, any::<u32>(), any::<bool>()), 0..60),
        rings in proptest::collection::vec((0u64..0x1_0000, any::<u64>()), 0..40),
    ) {
        let (mut driver, _) = ready(ALL);
        for (at, value) in rings {
            driver.store(0x1_0000 + at, &value.to_le_bytes());
        }
        for (offset, value, write) in accesses {
            if write {
                driver.set(offset & !3, value);
            } else {
                driver.mmio.read(offset, &mut [0; 4]);
            }
        }
        driver.ring(0);
        driver.ring(1);
        driver.set_up(ALL);
        prop_assert_eq!(driver.request(0, &[(DATA, 4)], &[(DATA, 4)]), Some(4));
    }
}
