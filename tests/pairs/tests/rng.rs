//! The entropy device and its driver.

use devices::virtio::rng::Rng as Device;
use driver::mock::server::{Board, Death, Server};
use pairs::{Pair, Ram};
use rng::{Random, Rng};

const REGION: usize = 16 << 10;
type Driver = Rng<Pair, Ram>;

/// A source that gives a counter, so that what comes out says what went in.
fn counter() -> impl FnMut(&mut [u8]) -> usize + Send {
    let mut next = 0u64;
    move |bytes: &mut [u8]| {
        for byte in &mut *bytes {
            *byte = (next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            next += 1;
        }
        bytes.len()
    }
}

fn server(pair: &Pair) -> Server<Driver, Pair> {
    let (device, queue, pool) = (pair.clone(), pair.memory(8192), pair.memory(4096));
    Server::new(pair, REGION, move || Rng::new(device.clone(), queue.clone(), pool.clone()).unwrap())
}

#[test]
fn bytes_come_and_none_comes_twice() {
    let pair = Pair::new(|_| Box::new(Device::new(counter())));
    let server = server(&pair);
    let mut random = Random::open(server.clone(), REGION).unwrap();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for round in 0..50u64 {
        if round % 5 == 0 {
            let death = if round % 2 == 0 { Death::Before } else { Death::After };
            server.dies(server.calls() + 1 + round % 3, death);
        }
        for len in [48, 20_000] {
            let mut bytes = vec![0; len];
            random.fill(&mut bytes).unwrap();
            seen.extend([bytes[..48].to_vec(), bytes[len - 48..].to_vec()]);
            if len == 48 {
                seen.pop();
            }
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
    assert!(random.client().recoveries() > 0 && pair.is_active());
}
