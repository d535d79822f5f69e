//! The two threads of the console server.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use console::device::{Output, Source};
use console::real::Machine;
use console::service::Events;
use console::shared::{self, Ring};
use console::uart::{self, Receiver};
use console::virtio::{self, Halves};
use console::{Service, device::NoDevice};
use core::sync::atomic::{AtomicU64, Ordering};
use driver::real::Root;
use proto::console::{Event, Size};
use proto::{Message, Refusal};
use ukernel_abi::kip::FLAG_UKVMM;
use userlib::drivers::{self, Device, Dma};
use userlib::ipc::{self, Answer};
use userlib::lock::Lock;
use userlib::thread::{self, Stack, spawn};
use userlib::window::Window;
use userlib::{Me, Status, ThreadId, irq, kip, root, trace};
use vmm_abi::console::{AREA_LOG2, TX_OFFSET};

userlib::server!(main);

/// The reading half of the device that there is.
enum Input {
    Shared(Ring<Machine, Window>),
    Uart(Receiver<Machine>),
    Virtio(Reader),
}

/// Memory for a queue, and for the buffers of the virtio console's input.
const QUEUE_LOG2: u32 = 13;
const _: () = assert!(driver::queue::bytes(driver::queue::SIZE_MAX) <= 1 << QUEUE_LOG2);
const _: () = assert!(virtio::INPUT <= 1 << QUEUE_LOG2);

/// Where the second thread finds its half.
static INPUT: Lock<Option<Input>> = Lock::new(None);
/// Whom it sends events to; nil until there is a client.
static CLIENT: AtomicU64 = AtomicU64::new(ThreadId::NIL.0);
static STACK: Stack<{ 16 << 10 }> = Stack::new();
const RX: u16 = 1;

fn main(_me: Me) -> ! {
    trace::start();
    if let Err(why) = root::accept_devices() {
        fail(format_args!("no ports and interrupts: {why:?}"));
    }
    let (area, phys) = match root::dma(AREA_LOG2) {
        Ok(block) => block,
        Err(why) => fail(format_args!("no memory for the device: {why:?}")),
    };
    let frame = (phys >> 12) as u32;
    let Some((registers, buffer)) = area.split(TX_OFFSET) else {
        fail(format_args!("the area is too small"))
    };
    let buffer_address = buffer.base();
    match drivers::device(0) {
        Ok(device) => {
            let Halves { printer, reader } =
                claim_virtio(device, Dma { window: buffer, phys: phys + TX_OFFSET as u64 });
            let (flags, size) = (reader.flags(), reader.size());
            serve(printer, Input::Virtio(reader), buffer_address, flags, size)
        }
        // The set gives it none, or the machine has none: then one that needs no finding.
        Err(Refusal::NotFound | Refusal::NoDevice) => {}
        Err(why) => fail(format_args!("root gives it no device: {why:?}")),
    }
    if kip::kip().flags & FLAG_UKVMM != 0 {
        match shared::claim(Machine, registers, buffer, frame) {
            Ok((printer, ring)) => {
                let (flags, size) = (ring.flags(), ring.size());
                serve(printer, Input::Shared(ring), buffer_address, flags, size)
            }
            Err(NoDevice) => fail(format_args!("the machine says it is ukvmm's but has no console device")),
        }
    }
    match uart::claim(Machine, buffer) {
        Ok((transmitter, receiver)) => {
            let (flags, size) = (receiver.flags(), receiver.size());
            serve(transmitter, Input::Uart(receiver), buffer_address, flags, size)
        }
        Err(NoDevice) => fail(format_args!("there is neither ukvmm's console device nor a UART")),
    }
}

type Reader = virtio::Reader<Window, Dma>;

/// The halves of the virtio console, whose output buffer is `output`.
fn claim_virtio(device: Device, output: Dma) -> Halves<Window, Dma, fn(u32)> {
    let memory = || match Dma::new(QUEUE_LOG2) {
        Ok(memory) => memory,
        Err(why) => fail(format_args!("no memory for the device: {why:?}")),
    };
    let second = match drivers::device(0) {
        Ok(second) => second.registers,
        Err(why) => fail(format_args!("root gives it no device: {why:?}")),
    };
    let parts = virtio::Parts { receive: memory(), send: memory(), input: memory(), output };
    let nap: fn(u32) = thread::sleep;
    match virtio::claim([device.registers, second], parts, device.line, nap) {
        Ok(halves) => halves,
        Err(why) => fail(format_args!("the virtio console cannot be used: {}", why.0)),
    }
}

/// The first thread: answers calls. The second one starts with the first client, so that nothing typed before
/// is lost.
fn serve(output: impl Output, input: Input, buffer: u64, flags: u32, size: Size) -> ! {
    *INPUT.lock() = Some(input);
    let mut service = Service::new(output, Root, buffer, flags, size);
    let mut second = Second(None);
    ipc::serve(|from, message| Answer::Reply(service.answer(from, message, &mut second)))
}

/// The second thread, once it runs.
struct Second(Option<ThreadId>);

impl Events for Second {
    fn send_to(&mut self, client: ThreadId) -> ThreadId {
        CLIENT.store(client.0, Ordering::Release);
        *self.0.get_or_insert_with(|| match spawn(RX, &STACK, reader) {
            Ok(thread) => thread,
            Err(status) => fail(format_args!("no second thread: {status:?}")),
        })
    }
}

/// The second thread: waits for the interrupt and sends what has come.
fn reader(me: Me) -> ! {
    match INPUT.lock().take() {
        Some(Input::Shared(ring)) => read(me.id, ring),
        Some(Input::Uart(receiver)) => read(me.id, receiver),
        Some(Input::Virtio(reader)) => read(me.id, reader),
        None => fail(format_args!("the second thread was started twice")),
    }
}

fn read(me: ThreadId, mut source: impl Source) -> ! {
    let line = source.line();
    if let Err(status) = irq::attach(line) {
        fail(format_args!("interrupt line {line}: {status:?}"));
    }
    loop {
        while let Some(event) = source.poll() {
            deliver(me, event);
        }
        if let Err(status) = irq::wait(line) {
            fail(format_args!("interrupt line {line}: {status:?}"));
        }
        trace::event_of(me, trace::Event::RECEIVED, ThreadId::irq(line).0);
    }
}

/// Sends an event to the client, for as long as it takes the client to receive it. One that has died gets
/// none.
fn deliver(me: ThreadId, event: Event) {
    let client = ThreadId(CLIENT.load(Ordering::Acquire));
    trace::event_of(me, trace::Event::REPLY, client.0);
    match ipc::send(client, &Message::from(event), ipc::NEVER) {
        Ok(()) | Err(Status::NotExistent | Status::Aborted) => {}
        Err(status) => userlib::log!("console: an event was not taken: {status:?}"),
    }
}

fn fail(why: core::fmt::Arguments) -> ! {
    userlib::log!("{why}");
    root::fail()
}
