//! Trace events of Chrome's, which the Perfetto UI opens (*Trace Event Format*, Google, 2016).
//!
//! Written as it is found, so a long run needs no memory. Times are in microseconds with three digits behind the point; of a clock that counts instructions, an
//! instruction is a nanosecond.
//!
//! | process | its tracks |
//! |---|---|
//! | *CPUs* | of each CPU what it runs; its interrupts; when it was outside of the guest, and why; when the host was busy with the records themselves |
//! | each task | of each thread its requests, with their phases in them; what it does for its clients, if it is a server; its requests to devices |
//!
//! Arrows lead from a request to what the server does for it. What is on one track comes in the order of time, and does not overlap but for being within one another: that is
//! why a thread that is client and server has two.

use crate::clock::Clock;
use crate::metric::{exit_name, kind_name};
use crate::names::NameBook;
use crate::phase::Phase;
use crate::sink::{Activity, Device, Handled, Interrupt, Mark, Sink, Stretch};
use crate::span::Span;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{self, Write};
use ukernel_abi::ThreadId;
use vmm_abi::linux;
use vmm_abi::trace::Event;

/// Number of the process that the CPUs are. No task has it.
const CPUS: u64 = 1 << 16;
/// A track of theirs that is of no CPU.
const DRAIN: u64 = 1 << 16;
/// Tracks of a CPU, …
const RUNS: u64 = 0;
const INTERRUPTS: u64 = 1;
const OUTSIDE: u64 = 2;
/// … and of a thread.
const REQUESTS: u64 = 0;
const SERVES: u64 = 1;
const DEVICES: u64 = 2;
const MARKS: u64 = 3;
/// Tracks of one CPU or thread, at most.
const TRACKS: u64 = 4;

/// The events are written while the [`Sink`] hears of them.
pub struct Trace<'a> {
    out: &'a mut dyn Write,
    names: &'a NameBook,
    clock: Clock,
    /// Where times begin, once it is known.
    start: Option<u64>,
    /// Processes and tracks that have their names.
    named: HashSet<(u64, Option<u64>)>,
    arrows: u64,
    is_empty: bool,
    problem: Option<io::Error>,
}

/// Something that lasts.
#[derive(Serialize)]
struct Slice<'a> {
    ph: &'static str,
    name: &'a str,
    pid: u64,
    tid: u64,
    ts: f64,
    dur: f64,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

/// Where an event belongs.
#[derive(Clone, Copy)]
struct Track {
    process: u64,
    thread: u64,
}

impl<'a> Trace<'a> {
    pub fn new(out: &'a mut dyn Write, names: &'a NameBook, clock: Clock) -> Self {
        let mut this = Self {
            out,
            names,
            clock,
            start: None,
            named: HashSet::new(),
            arrows: 0,
            is_empty: true,
            problem: None,
        };
        this.text("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
        this
    }

    /// Must be called, whatever has happened.
    pub fn end(mut self) -> io::Result<()> {
        self.text("\n]}\n");
        self.problem.map_or(Ok(()), Err)
    }

    fn text(&mut self, text: &str) {
        if self.problem.is_none() {
            self.problem = self.out.write_all(text.as_bytes()).err();
        }
    }

    fn event(&mut self, event: &impl Serialize) {
        self.text(if self.is_empty { "\n" } else { ",\n" });
        self.is_empty = false;
        if self.problem.is_none() {
            self.problem = serde_json::to_writer(&mut *self.out, event).err().map(io::Error::from);
        }
    }

    /// Microseconds.
    fn time(&mut self, tsc: u64) -> f64 {
        let start = *self.start.get_or_insert(tsc);
        // What has begun before anything was heard of begins with it.
        self.clock.nanos(tsc.saturating_sub(start)) as f64 / 1000.0
    }

    /// Something that lasts.
    fn slice(&mut self, track: Track, name: &str, stretch: Stretch, args: Value) {
        let (ts, end) = (self.time(stretch.start), self.time(stretch.end));
        let dur = ((end - ts) * 1000.0).round() / 1000.0;
        self.event(&Slice { ph: "X", name, pid: track.process, tid: track.thread, ts, dur, args });
    }

    fn cpu(&mut self, cpu: u16, track: u64) -> Track {
        self.name(CPUS, None, || "CPUs".into());
        let thread = u64::from(cpu) * TRACKS + track;
        self.name(CPUS, Some(thread), || match track {
            RUNS => format!("CPU {cpu}"),
            INTERRUPTS => format!("CPU {cpu}: interrupts"),
            _ => format!("CPU {cpu}: outside of the guest"),
        });
        Track { process: CPUS, thread }
    }

    fn thread(&mut self, thread: u64, track: u64, tsc: u64) -> Track {
        let (id, names) = (ThreadId(thread), self.names);
        let process = u64::from(id.task());
        self.name(process, None, || names.thread(ThreadId::new(id.task(), 0, 1).0, tsc));
        let number = u64::from(id.lthread()) * TRACKS + track;
        self.name(process, Some(number), || {
            let what = match track {
                REQUESTS => "requests",
                SERVES => "serves",
                DEVICES => "device",
                _ => "events",
            };
            format!("{}: {what}", names.thread(thread, tsc))
        });
        Track { process, thread: number }
    }

    /// Says what a process or track is called, once.
    fn name(&mut self, process: u64, thread: Option<u64>, name: impl FnOnce() -> String) {
        if !self.named.insert((process, thread)) {
            return;
        }
        let name = name();
        let event = match thread {
            None => json!({ "ph": "M", "name": "process_name", "pid": process, "args": { "name": name } }),
            Some(thread) => {
                json!({ "ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": { "name": name } })
            }
        };
        self.event(&event);
    }

    /// An arrow from a request to what is done for it.
    fn arrow(&mut self, from: Track, span: &Span) {
        let at = |phase| span.segments.iter().find(|segment| segment.phase == phase);
        // Of a server that does not record there is nothing to lead to.
        let (Some(server), Some(work), Some(_)) = (span.server, at(Phase::Server), at(Phase::Dispatch))
        else {
            return;
        };
        self.arrows += 1;
        let to = self.thread(server, SERVES, span.start);
        let (ts, end) = (self.time(span.start), self.time(work.start));
        let arrow = |ph, track: Track, ts| json!({ "ph": ph, "bp": "e", "id": self.arrows, "name": "request", "cat": "request", "pid": track.process, "tid": track.thread, "ts": ts });
        let (start, end) = (arrow("s", from, ts), arrow("f", to, end));
        self.event(&start);
        self.event(&end);
    }
}

impl Sink for Trace<'_> {
    fn span(&mut self, span: &Span) {
        let track = self.thread(span.thread, REQUESTS, span.start);
        let name = match span.server {
            Some(server) if span.kind.may_be_ipc() => {
                format!("call {}", self.names.thread(server, span.start))
            }
            _ => kind_name(span.kind),
        };
        let args = json!({ "argument": format!("{:#x}", span.argument), "result": span.result.map(|result| result.cast_signed()), "cost of measuring": span.cost.total() });
        self.slice(track, &name, Stretch { start: span.start, end: span.end }, args);
        for segment in &span.segments {
            let stretch = Stretch { start: segment.start, end: segment.end };
            self.slice(track, segment.phase.name(), stretch, Value::Null);
        }
        self.arrow(track, span);
    }

    fn ran(&mut self, cpu: u16, activity: Activity, stretch: Stretch, _: u64) {
        let track = self.cpu(cpu, RUNS);
        let name = match activity {
            Activity::User(thread) => self.names.thread(thread, stretch.start),
            Activity::Kernel => "kernel".into(),
            Activity::Idle => "idle".into(),
        };
        self.slice(track, &name, stretch, Value::Null);
    }

    fn handled(&mut self, handled: &Handled) {
        let track = self.thread(handled.server, SERVES, handled.stretch.start);
        let name = match handled.what {
            what if what & Event::NO_CALL != 0 => format!("fault {}", what & !Event::NO_CALL),
            number => linux::name(number).map_or_else(|| format!("call {number}"), str::to_string),
        };
        let client = handled.client.map(|client| self.names.thread(client, handled.stretch.start));
        self.slice(track, &name, handled.stretch, json!({ "client": client }));
    }

    fn interrupt(&mut self, interrupt: &Interrupt) {
        let track = self.cpu(interrupt.cpu, INTERRUPTS);
        self.slice(track, &format!("vector {:#x}", interrupt.vector), interrupt.stretch, Value::Null);
    }

    fn device(&mut self, device: &Device) {
        // Requests to a device overlap.
        let track = self.thread(device.driver, DEVICES, device.stretch.start);
        let (start, end) = (self.time(device.stretch.start), self.time(device.stretch.end));
        self.arrows += 1;
        let event = |ph, ts| json!({ "ph": ph, "id": self.arrows, "cat": "device", "name": format!("queue {}", device.queue), "pid": track.process, "tid": track.thread, "ts": ts });
        let (start, end) = (event("b", start), event("e", end));
        self.event(&start);
        self.event(&end);
    }

    fn vm_exit(&mut self, cpu: u16, reason: u32, stretch: Stretch) {
        let track = self.cpu(cpu, OUTSIDE);
        self.slice(track, &exit_name(reason), stretch, Value::Null);
    }

    fn drained(&mut self, stretch: Stretch) {
        self.name(CPUS, None, || "CPUs".into());
        self.name(CPUS, Some(DRAIN), || "host: reads the records".into());
        self.slice(Track { process: CPUS, thread: DRAIN }, "reads", stretch, Value::Null);
    }

    fn marked(&mut self, mark: &Mark) {
        let track = self.thread(mark.thread, MARKS, mark.tsc);
        let ts = self.time(mark.tsc);
        self.event(&json!({ "ph": "i", "s": "t", "name": format!("event {}", mark.event), "pid": track.process, "tid": track.thread, "ts": ts, "args": { "argument": mark.argument } }));
    }

    fn gap(&mut self, stretch: Stretch) {
        let ts = self.time(stretch.start);
        let dur = self.time(stretch.end) - ts;
        let track = self.cpu(0, RUNS);
        self.event(&json!({ "ph": "i", "s": "g", "name": "records are missing", "pid": track.process, "tid": track.thread, "ts": ts, "args": { "for µs": dur } }));
    }
}

#[cfg(test)]
mod tests;
