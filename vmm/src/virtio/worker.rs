//! The thread of a device: waits until there is something to do, and has the device do it.
//!
//! Nobody else does: what a backend takes (files, sockets, io_uring) is in the power of this thread alone ([`crate::jail`]). So when the guest
//! writes a register by which a device is reset, set going or driven, the vCPU's thread gives an order, and waits until it is done.

use crate::error::{Error, host};
use crate::events::eventfd;
use crate::jail::{self, Kind};
use devices::virtio::Mmio;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;

/// How many events are taken at once. More only wait a moment longer.
const EVENTS: usize = 16;
const BELL: u64 = u64::MAX;
/// What the numbers of sources begin with; below are those of queues.
const SOURCES: u64 = 1 << 32;

/// The thread of a device.
pub struct Worker {
    orders: Orders,
    stopped: Arc<AtomicBool>,
    ended: Receiver<()>,
    name: String,
}

/// Where its orders are given.
#[derive(Clone)]
pub struct Orders {
    sender: Sender<Order>,
    /// Rings for orders, and for the end.
    bell: Arc<EventFd>,
}

/// What the guest has written to a register.
struct Order {
    offset: u64,
    data: Vec<u8>,
    /// Dropped when it is done, or never will be.
    _done: SyncSender<()>,
}

struct Body {
    mmio: Arc<Mmio>,
    kind: Kind,
    epoll: Epoll,
    orders: Receiver<Order>,
    bell: Arc<EventFd>,
    doorbells: Vec<EventFd>,
    stopped: Arc<AtomicBool>,
    /// Kept open for as long as they are waited for.
    _sources: Vec<OwnedFd>,
    _ended: Sender<()>,
}

impl Worker {
    /// Starts it. `doorbells` are those of its queues.
    pub fn start(
        mmio: Arc<Mmio>,
        kind: Kind,
        doorbells: Vec<EventFd>,
        sources: Vec<OwnedFd>,
    ) -> Result<Self, Error> {
        let bell = Arc::new(eventfd()?);
        let epoll = Epoll::new().map_err(host("epoll_create"))?;
        let wait = |fd, events, token| {
            epoll.ctl(ControlOperation::Add, fd, EpollEvent::new(events, token)).map_err(host("epoll_ctl"))
        };
        wait(bell.as_raw_fd(), EventSet::IN, BELL)?;
        // Edges. A doorbell need not be read then: each time that it rings it is heard. And a device that has no room for what a source has would otherwise
        // be called again and again.
        let edge = EventSet::IN | EventSet::EDGE_TRIGGERED;
        for (n, doorbell) in (0..).zip(&doorbells) {
            wait(doorbell.as_raw_fd(), edge, n)?;
        }
        for (n, source) in (SOURCES..).zip(&sources) {
            wait(source.as_raw_fd(), edge, n)?;
        }
        let (ending, ended) = channel();
        let (sender, orders) = channel();
        let name = mmio.name().to_string();
        let stopped = Arc::new(AtomicBool::new(false));
        let body = Body {
            mmio,
            kind,
            epoll,
            orders,
            bell: bell.clone(),
            doorbells,
            stopped: stopped.clone(),
            _sources: sources,
            _ended: ending,
        };
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || body.run())
            .map_err(host("starting a device's thread"))?;
        Ok(Self { orders: Orders { sender, bell }, stopped, ended, name })
    }

    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Has it do what the guest has asked for already, and end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // It is written once, and has room.
        let _ = self.orders.bell.write(1);
    }

    /// Waits until `deadline` for its end.
    pub fn join(self, deadline: Instant) {
        let time = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        if self.ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("{}: the device does not come to an end; it is left behind", self.name);
        }
    }
}

impl Orders {
    /// The guest writes `data` at `offset` of the device's window. Returns when that is done, or the thread has ended.
    pub fn write(&self, offset: u64, data: &[u8]) {
        let (done, wait) = sync_channel(0);
        if self.sender.send(Order { offset, data: data.to_vec(), _done: done }).is_ok() {
            // One that is full rings already.
            let _ = self.bell.write(1);
            let _ = wait.recv();
        }
    }
}

/// Where the host has a CPU to spare, this thread is woken there. Where it has none, it does not interrupt the vCPU that has just rung: more
/// requests come together then, and there are fewer switches and interrupts for each. (`docs/decisions/005`.)
fn yield_to_vcpus(name: &str) {
    // The kernel's `sched_param`. (musl's function does not ask the kernel, as POSIX would have it of the process and Linux has it of the thread.)
    let priority: libc::c_int = 0;
    // SAFETY: the call reads `priority` and changes nothing but the policy of this thread.
    let failed =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_BATCH, &raw const priority) };
    if failed != 0 {
        tracing::debug!(error = %std::io::Error::last_os_error(), "{name}: no SCHED_BATCH");
    }
}

impl Body {
    fn run(self) {
        yield_to_vcpus(self.mmio.name());
        jail::enter(self.kind);
        let mut events = [EpollEvent::default(); EVENTS];
        loop {
            let count = match self.epoll.wait(-1, &mut events) {
                Ok(count) => count,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
                Err(error) => {
                    tracing::error!(%error, "{}: cannot wait for events; the device stops", self.mmio.name());
                    return;
                }
            };
            for event in &events[..count] {
                let more = match event.data() {
                    BELL => {
                        let _ = self.bell.read();
                        self.obey();
                        if self.stopped.load(Ordering::Relaxed) {
                            return self.finish();
                        }
                        false
                    }
                    token if token >= SOURCES => self.mmio.ready((token - SOURCES) as usize),
                    queue => self.mmio.doorbell(queue as usize),
                };
                if more {
                    self.go_on();
                }
            }
        }
    }

    /// Until nothing is left. A driver that never lets it end keeps only this thread, and not for longer than the machine is there.
    fn go_on(&self) {
        while self.mmio.again() {
            // Not by asking epoll: what a source has to say is an edge, and would be lost.
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            // A reset may be the only end that there is.
            self.obey();
        }
    }

    fn obey(&self) {
        for order in self.orders.try_iter() {
            self.mmio.write(order.offset, &order.data);
        }
    }

    /// Once more each queue: what the guest wrote just before its end is not lost.
    fn finish(self) {
        for queue in 0..self.doorbells.len() {
            self.mmio.doorbell(queue);
        }
    }
}
