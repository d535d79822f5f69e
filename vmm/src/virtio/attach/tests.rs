use super::*;
use crate::jail::Kind;
use devices::virtio::mock::{Driver, Interrupts};
use devices::virtio::{Broken, Device, Io, Memory};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use vm_memory::GuestAddress;

/// Answers with the number of its source, once that is ready, or at once with 100.
struct Sourced {
    kept: Vec<u16>,
    at_once: bool,
}

impl Device for Sourced {
    fn id(&self) -> u32 {
        77
    }
    fn features(&self) -> u64 {
        0
    }
    fn queue_sizes(&self) -> &[u16] {
        &[16]
    }
    fn read_config(&self, _: usize, _: &mut [u8]) {}
    fn activate(&mut self, _: u64, _: &mut Io<'_>) -> Result<(), Broken> {
        Ok(())
    }
    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        while let Some(request) = io.pop(queue)? {
            match self.at_once {
                true => io.push(queue, request.head, 100)?,
                false => self.kept.push(request.head),
            }
        }
        Ok(())
    }
    fn ready(&mut self, source: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        std::mem::take(&mut self.kept).into_iter().try_for_each(|head| io.push(0, head, source as u32))
    }
    fn reset(&mut self) {}
}

fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < deadline, "nothing came");
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_serves_doorbells_and_sources() {
    for at_once in [false, true] {
        let mut driver = Driver::ready(Box::new(Sourced { kept: Vec::new(), at_once }), 0);
        let doorbell = eventfd().unwrap();
        let sources: Vec<_> = (0..2).map(|_| eventfd().unwrap()).collect();
        let owned = |event: &EventFd| OwnedFd::from(std::fs::File::from(fd_of(event)));
        let mmio = driver.mmio.clone();
        let worker = Worker::start(
            mmio,
            Kind::Rng,
            vec![doorbell.try_clone().unwrap()],
            sources.iter().map(owned).collect(),
        )
        .unwrap();
        for source in [1, 0, 1] {
            let head = driver.put(0, &[], &[(devices::virtio::mock::DATA, 4)]);
            doorbell.write(1).unwrap();
            if !at_once {
                // The request may not have come before the source is ready: then it is ready again.
                wait_for(|| {
                    sources[source].write(1).unwrap();
                    driver.take(0).map(|answer| assert_eq!(answer, (head, source as u32)))
                });
            } else {
                assert_eq!(wait_for(|| driver.take(0)), (head, 100));
            }
        }
        // What was put before the end is done, although the doorbell was not heard.
        let head = driver.put(0, &[], &[(devices::virtio::mock::DATA, 4)]);
        worker.stop();
        worker.join(Instant::now() + Duration::from_secs(20));
        assert_eq!(driver.take(0), at_once.then_some((head, 100)));
    }
}

/// Takes one request a call. At the first, its source becomes ready.
struct OneByOne {
    source: EventFd,
    calls: u32,
    is_ready: Arc<AtomicBool>,
}

impl Device for OneByOne {
    fn id(&self) -> u32 {
        77
    }
    fn features(&self) -> u64 {
        0
    }
    fn queue_sizes(&self) -> &[u16] {
        &[16]
    }
    fn read_config(&self, _: usize, _: &mut [u8]) {}
    fn activate(&mut self, _: u64, _: &mut Io<'_>) -> Result<(), Broken> {
        Ok(())
    }
    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken> {
        let Some(request) = io.pop(queue)? else { return Ok(()) };
        if self.calls == 0 {
            self.source.write(1).unwrap();
        }
        self.calls += 1;
        io.push(queue, request.head, self.calls)
    }
    fn ready(&mut self, _: usize, _: &mut Io<'_>) -> Result<(), Broken> {
        self.is_ready.store(true, Ordering::SeqCst);
        Ok(())
    }
    fn reset(&mut self) {}
}

#[test]
fn a_source_is_heard_that_becomes_ready_while_there_is_more_to_do() {
    let (source, doorbell, is_ready) =
        (eventfd().unwrap(), eventfd().unwrap(), Arc::new(AtomicBool::new(false)));
    let waited = OwnedFd::from(std::fs::File::from(fd_of(&source)));
    let device = OneByOne { source, calls: 0, is_ready: is_ready.clone() };
    let mut driver = Driver::ready(Box::new(device), 0);
    let heads: Vec<_> = (0..3).map(|_| driver.put(0, &[], &[(devices::virtio::mock::DATA, 4)])).collect();
    let worker =
        Worker::start(driver.mmio.clone(), Kind::Rng, vec![doorbell.try_clone().unwrap()], vec![waited])
            .unwrap();
    doorbell.write(1).unwrap();
    for (head, call) in heads.into_iter().zip(1..) {
        assert_eq!(wait_for(|| driver.take(0)), (head, call));
    }
    wait_for(|| is_ready.load(Ordering::SeqCst).then_some(()));
    worker.stop();
    worker.join(Instant::now() + Duration::from_secs(20));
}

fn fd_of(event: &EventFd) -> OwnedFd {
    use std::os::fd::{AsRawFd, BorrowedFd};
    // SAFETY: `event` is open while it is borrowed here.
    unsafe { BorrowedFd::borrow_raw(event.as_raw_fd()) }.try_clone_to_owned().unwrap()
}

/// Windows of two devices, and their threads.
fn two_devices(memory: &Memory) -> (Windows, [Worker; 2]) {
    let workers = [0, 1].map(|_| {
        let device = Box::new(Sourced { kept: Vec::new(), at_once: false });
        let device = Arc::new(Mmio::new("x", device, memory.clone(), Box::new(Interrupts::default())));
        let worker = Worker::start(device.clone(), Kind::Rng, vec![], vec![]).unwrap();
        (Window { device, orders: worker.orders().clone() }, worker)
    });
    let (windows, workers): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
    (Windows(windows.into()), workers.try_into().ok().unwrap())
}

#[test]
fn a_device_is_set_going_by_its_own_thread_until_that_ends() {
    let memory = Memory::from_ranges(&[(GuestAddress(0), 0x1000)]).unwrap();
    let (windows, [worker, _other]) = two_devices(&memory);
    const STATUS: u64 = 0x70;
    let status = |value: Option<u32>| {
        if let Some(value) = value {
            windows.write(base(0) + STATUS, &value.to_le_bytes());
        }
        let mut data = [0; 4];
        windows.read(base(0) + STATUS, &mut data);
        u32::from_le_bytes(data)
    };
    assert_eq!((status(Some(1)), status(Some(3)), status(Some(0))), (1, 3, 0), "done when the write returns");
    worker.stop();
    worker.join(Instant::now() + Duration::from_secs(20));
    assert_eq!(status(Some(1)), 0, "nobody is there, and nobody waits");
}

#[test]
fn a_register_is_found_by_its_address() {
    let memory = Memory::from_ranges(&[(GuestAddress(0), 0x1000)]).unwrap();
    let (windows, _workers) = two_devices(&memory);
    let id = |address| {
        let mut data = [0; 4];
        windows.read(address, &mut data).then_some(u32::from_le_bytes(data))
    };
    assert_eq!((id(base(0) + 8), id(base(1) + 8)), (Some(77), Some(77)));
    assert_eq!((id(base(1) + 0xffc), id(base(2)), id(base(0) - 4), id(0)), (Some(0), None, None, None));
    assert!(windows.write(base(1) + 0x70, &[0; 4]) && !windows.write(base(2) + 0x70, &[0; 4]));
}

#[test]
fn the_command_line_names_each_device() {
    assert_eq!(command_line("a b", 0), "a b");
    assert_eq!(command_line("", 1), "virtio_mmio.device=4K@0xfeb00000:16");
    let line = command_line("x", DEVICES_MAX);
    assert!(line.starts_with("x virtio_mmio.device=4K@0xfeb00000:16 virtio_mmio.device=4K@0xfeb01000:17 "));
    assert!(line.ends_with(" virtio_mmio.device=4K@0xfeb0b000:15"));
}
