//! Who hears what has happened. Each output takes what it wants of it.
//!
//! Of one thread, CPU or server things come in the order of time, and they do not overlap.

use crate::kind::Kind;
use crate::span::Span;

pub trait Sink {
    /// A thread has entered the kernel because it wants something.
    fn asked(&mut self, _thread: u64, _kind: Kind) {}
    /// The kernel was at work since this thread entered it, for itself or by an interrupt, until anybody left it.
    fn in_kernel(&mut self, _thread: u64, _stretch: Stretch) {}
    /// A request is over.
    fn span(&mut self, _span: &Span) {}
    /// A CPU has done something; so much of it was measuring.
    fn ran(&mut self, _cpu: u16, _activity: Activity, _stretch: Stretch, _cost: u64) {}
    /// A server has handled a request, or a part of one.
    fn handled(&mut self, _handled: &Handled) {}
    fn interrupt(&mut self, _interrupt: &Interrupt) {}
    /// A device has done what its driver asked for.
    fn device(&mut self, _device: &Device) {}
    /// A vCPU was outside of the guest, for this reason of KVM's.
    fn vm_exit(&mut self, _cpu: u16, _reason: u32, _stretch: Stretch) {}
    /// The host was busy with the records themselves.
    fn drained(&mut self, _stretch: Stretch) {}
    /// A program has recorded something of its own.
    fn marked(&mut self, _mark: &Mark) {}
    /// Nothing is known of this time.
    fn gap(&mut self, _stretch: Stretch) {}
}

/// From one TSC reading to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stretch {
    pub start: u64,
    pub end: u64,
}

impl Stretch {
    pub const fn ticks(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// What a CPU does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Activity {
    /// It runs this thread in user mode.
    User(u64),
    Kernel,
    Idle,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handled {
    pub server: u64,
    pub client: Option<u64>,
    /// Argument of [`vmm_abi::trace::Event::HANDLER_START`].
    pub what: u64,
    pub stretch: Stretch,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupt {
    pub cpu: u16,
    pub vector: u8,
    /// To the kernel's next way out.
    pub stretch: Stretch,
    /// What of it measuring has cost.
    pub cost: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    pub driver: u64,
    pub queue: u32,
    pub stretch: Stretch,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    pub thread: u64,
    /// As its thread numbers them.
    pub event: u8,
    pub argument: u64,
    pub tsc: u64,
    /// The thread's event before, if there was one.
    pub since: Option<Since>,
}

/// What lies between two events of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// The number of the first one.
    pub event: u8,
    pub stretch: Stretch,
    /// What of it measuring has cost.
    pub cost: u64,
}
