use super::request::BYTES_MAX;
use super::*;
use crate::virtio::mock::{DATA, Driver, RAM};

/// "Random" bytes 1, 2, …, 250, 1, …
fn counting() -> impl Entropy {
    let mut last = 0;
    move |bytes: &mut [u8]| {
        bytes.fill_with(|| {
            last = last % 250 + 1;
            last
        });
        bytes.len()
    }
}

fn driver() -> Driver {
    Driver::ready(Box::new(Rng::new(counting())), u64::MAX)
}

#[test]
fn buffers_are_filled_one_after_the_other() {
    let mut driver = driver();
    assert_eq!(driver.request(0, &[], &[(DATA, 3), (DATA + 16, 5)]), Some(8));
    assert_eq!(driver.load(DATA, 4), [1, 2, 3, 0]);
    assert_eq!(driver.load(DATA + 16, 6), [4, 5, 6, 7, 8, 0]);
    assert_eq!(driver.request(0, &[(DATA, 8)], &[(DATA, 1)]), Some(1), "what it could read is left alone");
    assert_eq!(driver.load(DATA, 4), [9, 2, 3, 0]);
}

#[test]
fn nobody_gets_more_than_the_limit_at_once() {
    let mut driver = driver();
    let huge = [(DATA, RAM as u32 - DATA as u32); 8];
    assert_eq!(driver.request(0, &[], &huge), Some(BYTES_MAX as u32));
    assert_eq!(driver.load(DATA + BYTES_MAX as u64, 16), [0; 16]);
}

#[test]
fn many_requests_at_once_are_all_answered() {
    let mut driver = driver();
    let heads: Vec<u16> = (0..64).map(|n| driver.put(0, &[], &[(DATA + n, 1)])).collect();
    driver.ring(0);
    for head in heads {
        assert_eq!(driver.take(0), Some((head, 1)));
    }
    assert_eq!(driver.load(DATA, 64), (1..=64).collect::<Vec<u8>>());
}

#[test]
fn a_source_that_runs_dry_is_no_reason_to_give_zeros() {
    let dry = |bytes: &mut [u8]| {
        bytes[..2].fill(7);
        2
    };
    let mut driver = Driver::ready(Box::new(Rng::new(dry)), u64::MAX);
    driver.store(DATA, &[9; 8]);
    assert_eq!(driver.request(0, &[], &[(DATA, 8)]), Some(2));
    assert_eq!(driver.load(DATA, 4), [7, 7, 9, 9]);
}

#[test]
fn nothing_to_fill_breaks_the_device_until_it_is_reset() {
    let mut driver = driver();
    assert_eq!(driver.request(0, &[(DATA, 8)], &[]), None);
    assert!(driver.is_broken());
    driver.set_up(u64::MAX);
    assert_eq!(driver.request(0, &[], &[(DATA, 1)]), Some(1));
}
