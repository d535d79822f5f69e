//! What is counted of one window.

use crate::cpu::CPUS;
use crate::kind::Kind;
use crate::sink::{Activity, Device, Interrupt, Mark, Sink, Stretch};
use crate::span::Span;
use crate::summary::Summary;
use std::collections::BTreeMap;

/// Threads, and pairs of threads, that are told apart.
const THREADS: usize = 4096;
const PAIRS: usize = 1024;

#[derive(Default)]
pub struct Tally {
    /// When the window began.
    pub start: u64,
    /// Requests, CPUs, and time of threads in user mode.
    pub summary: Summary,
    pub threads: BTreeMap<u64, Work>,
    /// By client and server.
    pub pairs: BTreeMap<(u64, u64), Calls>,
}

/// What a thread has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    pub user: u64,
    pub kernel: u64,
    pub ipc: u64,
    pub page_faults: u64,
    pub system_calls: u64,
    /// When it was last seen: later, its number may be another's.
    pub last: u64,
}

/// Calls of one thread to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    pub count: u64,
    pub sum: u64,
    pub max: u64,
    /// When the last one ended.
    pub last: u64,
}

impl Tally {
    pub fn since(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    fn thread(&mut self, thread: u64) -> Option<&mut Work> {
        let room = self.threads.len() < THREADS || self.threads.contains_key(&thread);
        room.then(|| self.threads.entry(thread).or_default())
    }
}

impl Sink for Tally {
    fn asked(&mut self, thread: u64, kind: Kind) {
        let Some(work) = self.thread(thread) else { return };
        match kind {
            Kind::Linux(_) | Kind::Trampoline(_) | Kind::InPlace(_) => work.system_calls += 1,
            Kind::PageFault => work.page_faults += 1,
            kind if kind.may_be_ipc() => work.ipc += 1,
            Kind::Exception(_) | Kind::L4(_) | Kind::Gate => {}
        }
    }

    fn in_kernel(&mut self, thread: u64, stretch: Stretch) {
        if let Some(work) = self.thread(thread) {
            work.kernel = work.kernel.saturating_add(stretch.ticks());
            work.last = work.last.max(stretch.end);
        }
    }

    fn span(&mut self, span: &Span) {
        self.summary.span(span);
        let Some(server) = span.server else { return };
        let pair = (span.thread, server);
        if self.pairs.len() < PAIRS || self.pairs.contains_key(&pair) {
            let ticks = span.corrected().total();
            let calls = self.pairs.entry(pair).or_default();
            calls.count += 1;
            calls.sum = calls.sum.saturating_add(ticks);
            calls.max = calls.max.max(ticks);
            calls.last = span.end;
        }
    }

    fn ran(&mut self, cpu: u16, activity: Activity, stretch: Stretch, cost: u64) {
        debug_assert!(cpu < CPUS);
        self.summary.ran(cpu, activity, stretch, cost);
        if let Activity::User(thread) = activity
            && let Some(work) = self.thread(thread)
        {
            work.user = work.user.saturating_add(stretch.ticks());
            work.last = work.last.max(stretch.end);
        }
    }

    fn interrupt(&mut self, interrupt: &Interrupt) {
        self.summary.interrupt(interrupt);
    }

    fn device(&mut self, device: &Device) {
        self.summary.device(device);
    }

    /// What has begun before the window counts from there on.
    fn vm_exit(&mut self, cpu: u16, reason: u32, stretch: Stretch) {
        let start = stretch.start.max(self.start);
        self.summary.vm_exit(cpu, reason, Stretch { start, ..stretch });
    }

    fn marked(&mut self, mark: &Mark) {
        self.summary.marked(mark);
    }

    fn gap(&mut self, stretch: Stretch) {
        self.summary.gap(stretch);
    }
}
