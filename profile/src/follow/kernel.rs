//! What the kernel says: who comes in, who gets a message, who goes out.

use super::Follower;
use crate::cost::Cost;
use crate::cpu::Mode;
use crate::kind::{Entered, Kind};
use crate::phase::Phase;
use crate::point::Point;
use crate::sink::{Activity, Interrupt, Sink, Stretch};
use crate::span::Open;
use std::ops::DerefMut;
use ukernel_abi::ThreadId;
use vmm_abi::trace::{Event, Record};

impl<S: DerefMut<Target: Sink>> Follower<S> {
    /// A record of the ring of `cpu`; whether it can be.
    pub(super) fn kernel(&mut self, cpu: u16, record: &Record, cost: Cost) -> bool {
        match record.event() {
            Event::ENTER_SYSCALL | Event::ENTER_TRAP | Event::ENTER_PAGE_FAULT => {
                self.enter(cpu, record, cost)
            }
            Event::COMMIT => self.commit(cpu, record, cost),
            Event::EXIT => self.exit(cpu, record, cost),
            Event::IDLE_INTERRUPT => self.wake(cpu, record, cost),
            _ => false,
        }
    }

    fn enter(&mut self, cpu: u16, record: &Record, cost: Cost) -> bool {
        let (thread, tsc) = (record.thread, record.tsc);
        let point = self.point(cpu, tsc, cost);
        let state = self.cpu(cpu);
        // Only from user mode can a system call come; anything else may have come from the kernel itself.
        if state.entered.is_some() && record.event() != Event::ENTER_SYSCALL {
            self.counts.nested += 1;
            return true;
        }
        let mode = std::mem::replace(&mut state.mode, Mode::Kernel);
        let since = std::mem::replace(&mut state.since, point);
        state.entered = Some((thread, tsc));
        state.delivered = None;
        let entered = Entered::of(record);
        if let Entered::Interrupt(vector) = entered {
            state.interrupt = Some((vector, point));
        }
        if let Mode::User(running) = mode {
            self.ran(cpu, Activity::User(running), since, point);
        }
        let Some(state) = self.threads.get(thread) else { return false };
        state.cpu = Some(cpu);
        state.entry = Some((entered, point));
        match entered {
            Entered::Request(kind) => {
                self.sink.asked(thread, kind);
                self.open(thread, kind, record.argument, point);
            }
            Entered::Interrupt(_) => {}
        }
        true
    }

    /// `thread` asks for something.
    fn open(&mut self, thread: u64, kind: Kind, argument: u64, point: Point) {
        let Some(state) = self.threads.get(thread) else { return };
        let broken = state.open.take();
        let mut open = Open::new(thread, kind, argument, point);
        let mut in_place = None;
        if kind.may_be_ipc() {
            // What was a trampoline's affair is a message now.
            if let Some(mut reflected) = state.reflected.take() {
                reflected.go(Phase::Entry, point);
                open = reflected;
            }
        } else if matches!(kind, Kind::Linux(_)) {
            in_place = state.reflected.take();
        }
        let replied = if kind.may_be_ipc() { state.replying.take() } else { None };
        state.open = Some(open);
        if let Some(mut in_place) = in_place {
            if let Kind::Trampoline(number) = in_place.span.kind {
                in_place.span.kind = Kind::InPlace(number);
            }
            // How long the trampoline took nobody has seen.
            let end = in_place.since;
            self.sink.span(&in_place.finish(end));
        }
        self.counts.broken += u64::from(broken.is_some_and(|open| !open.span.kind.may_be_ipc()));
        if let Some(client) = replied
            && let Some(open) = self.threads.open(client)
            && open.span.server == Some(thread)
        {
            open.reply_entry.get_or_insert(point);
        }
    }

    fn commit(&mut self, cpu: u16, record: &Record, cost: Cost) -> bool {
        let (from, to) = (record.thread, record.argument);
        let point = self.point(cpu, record.tsc, cost);
        self.cpu(cpu).delivered = Some(to);
        if self.whole {
            self.roles.sent(from, to);
        }
        let Some(sender) = self.threads.get(from) else { return false };
        let server = (sender.back, sender.entry.map(|(_, point)| point));
        if let Some(open) = &mut sender.open
            && open.span.server.is_none()
            && open.phase == Phase::Entry
        {
            open.go(Phase::IpcOut, point);
            (open.span.server, open.span.fast_out) = (Some(to), true);
        }
        let Some(open) = self.threads.open(to) else { return ThreadId(to).is_valid() };
        let kind = open.span.kind;
        let is_answer = match open.span.server {
            Some(server) => server == from,
            None => !kind.may_be_ipc() && !kind.is_kernels_own(),
        };
        if is_answer {
            open.span.server = Some(from);
            open.answered(server, point);
        }
        true
    }

    fn exit(&mut self, cpu: u16, record: &Record, cost: Cost) -> bool {
        let (thread, tsc) = (record.thread, record.tsc);
        let point = self.point(cpu, tsc, cost);
        let state = self.cpu(cpu);
        let mode = std::mem::replace(&mut state.mode, Mode::User(thread));
        let since = std::mem::replace(&mut state.since, point);
        let entered = state.entered.take();
        let delivered = state.delivered.take();
        let interrupt = state.interrupt.take();
        if mode == Mode::Kernel {
            self.ran(cpu, Activity::Kernel, since, point);
            if let Some((thread, _)) = entered {
                self.sink.in_kernel(thread, Stretch { start: since.tsc, end: tsc });
            }
        }
        if let Some((vector, start)) = interrupt {
            let stretch = Stretch { start: start.tsc, end: tsc };
            self.sink.interrupt(&Interrupt { cpu, vector, stretch, cost: start.cost_until(&point) });
        }
        let Some(state) = self.threads.get(thread) else { return false };
        state.cpu = Some(cpu);
        let is_call = state.entry.is_some_and(|(entered, _)| entered.is_call());
        if is_call || delivered == Some(thread) {
            state.back = Some(point);
        }
        if let Some(open) = state.open.take() {
            let alone = entered == Some((thread, open.span.start));
            self.close(open, point, alone, record.argument);
        }
        true
    }

    /// The thread of `open` goes on in user mode.
    fn close(&mut self, mut open: Open, point: Point, alone: bool, rax: u64) {
        let thread = open.span.thread;
        match open.span.kind {
            // As if nothing had happened: it goes on in its trampoline.
            Kind::Linux(number) if alone && open.span.server.is_none() && number == rax => {
                open.phase = Phase::Kernel;
                open.go(Phase::Library, point);
                open.span.kind = Kind::Trampoline(number);
                if let Some(state) = self.threads.get(thread) {
                    state.reflected = Some(open);
                }
            }
            kind if kind.may_be_ipc() => {
                let span = open.close(point, alone);
                let is_client = |server| self.roles.is_client(thread, server);
                if span.answered && span.server.is_some_and(is_client) {
                    self.sink.span(&span);
                }
            }
            _ => {
                let span = open.close(point, alone);
                self.sink.span(&span);
            }
        }
    }

    /// An interrupt while nobody was running.
    fn wake(&mut self, cpu: u16, record: &Record, cost: Cost) -> bool {
        let point = self.point(cpu, record.tsc, cost);
        let state = self.cpu(cpu);
        let since = std::mem::replace(&mut state.since, point);
        let mode = std::mem::replace(&mut state.mode, Mode::Kernel);
        state.entered = None;
        state.interrupt = Some((record.argument as u8, point));
        if mode == Mode::Kernel {
            // The few instructions before are counted as idle too: nobody has recorded where they ended.
            self.ran(cpu, Activity::Idle, since, point);
        }
        true
    }

    /// `cpu` has done something between these points.
    fn ran(&mut self, cpu: u16, activity: Activity, since: Point, until: Point) {
        let stretch = Stretch { start: since.tsc, end: until.tsc };
        self.sink.ran(cpu, activity, stretch, since.cost_until(&until));
    }
}
