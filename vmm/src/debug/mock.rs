//! A machine that is only thought up, for tests and fuzzers of what debugs one.
//!
//! Every thread goes round in a loop of [`ROUND`] instructions of one byte each, and counts its instructions in eight bytes at [`COUNTER`] of
//! its process. Nothing happens by itself: when the machine is let run, all threads go [`PATIENCE`] rounds by turns, unless one of them comes
//! to a breakpoint or touches a watched place, and then the machine "runs" until it is interrupted or told to do something
//! ([`Mock::will`]).
//!
//! Its monitor repeats what it is told and, told `will exit`, `will crash`, `will segfault` or `will fork`, does that next.
//!
//! It panics when it is asked what can be asked only while it stands still, or when its monitor is told `panic`.

use super::debuggee::{Debuggee, Error, Event, File, Plan, Point};
use super::registers::{Registers, Vector, segment};
use super::thread::{Process, Thread};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;

/// Where each process has its code, and how much memory there is.
pub const CODE: u64 = 0x40_0000;
pub const SIZE: u64 = 0x2000;
/// Length of a thread's loop. Thread n of a process begins n rounds behind [`CODE`].
pub const ROUND: u64 = 16;
pub const COUNTER: u64 = CODE + 0x1000;
const PATIENCE: usize = 2;
/// The status of a machine that has crashed.
const CRASHED: u8 = 120;
/// Whatever `repeat` is told.
const MOST_LINES: usize = 10_000;

struct Task {
    name: &'static str,
    threads: BTreeMap<u32, Registers>,
    memory: Vec<u8>,
    executable: Option<String>,
}

pub struct Mock {
    tasks: BTreeMap<Process, Task>,
    points: BTreeSet<(Process, Point)>,
    files: BTreeMap<String, Vec<u8>>,
    running: bool,
    read_only: bool,
    /// What happens when it is let run next.
    script: VecDeque<Event>,
    event: Option<Event>,
    bell: UnixStream,
    ringer: UnixStream,
    /// What it has been told, in order.
    pub plans: Vec<Plan>,
    pub detached: u32,
    pub killed: bool,
    /// Hears of it when the debugger leaves.
    pub farewell: Option<Sender<()>>,
}

impl Mock {
    /// A kernel with two vCPUs, three servers, and two Linux programs of which the first has two threads.
    pub fn new() -> Self {
        let (bell, ringer) = UnixStream::pair().expect("two ends");
        bell.set_nonblocking(true).expect("an end");
        let mut mock = Self {
            tasks: BTreeMap::new(),
            points: BTreeSet::new(),
            files: BTreeMap::new(),
            running: false,
            read_only: false,
            script: VecDeque::new(),
            event: None,
            bell,
            ringer,
            plans: Vec::new(),
            detached: 0,
            killed: false,
            farewell: None,
        };
        for (process, name, threads) in [
            (Process::KERNEL, "kernel", 2),
            (Process(1), "sigma0", 1),
            (Process(2), "root", 1),
            (Process(5), "linux", 2),
            (Process(12), "sh[12]", 2),
            (Process(13), "cat[13]", 1),
        ] {
            mock.begin(process, name, threads);
        }
        mock
    }

    /// A process begins.
    pub fn begin(&mut self, process: Process, name: &'static str, threads: u32) {
        let threads = (1..=threads).map(|number| (number, registers(process, number))).collect();
        // Code is `nop`; each process has its number at the end of its memory.
        let mut memory = vec![0x90; SIZE as usize];
        memory[(COUNTER - CODE) as usize..].fill(0);
        memory[SIZE as usize - 4..].copy_from_slice(&process.0.to_le_bytes());
        self.tasks.insert(process, Task { name, threads, memory, executable: None });
    }

    /// A process ends.
    pub fn end(&mut self, process: Process) {
        self.tasks.remove(&process);
        self.points.retain(|(of, _)| *of != process);
    }

    /// The process runs the program `path`, which has these bytes.
    pub fn runs(&mut self, process: Process, path: &str, bytes: Vec<u8>) {
        if let Some(task) = self.tasks.get_mut(&process) {
            task.executable = Some(path.to_string());
        }
        self.files.insert(path.to_string(), bytes);
    }

    /// What happens when it is let run next.
    pub fn will(&mut self, event: Event) {
        self.script.push_back(event);
    }

    /// It runs without a debugger.
    pub fn run(&mut self) {
        self.running = true;
    }

    pub fn is_running(&self) -> bool {
        self.running
    }

    pub fn has_crashed(&self) -> bool {
        self.read_only
    }

    pub fn points(&self) -> &BTreeSet<(Process, Point)> {
        &self.points
    }

    /// Something happens while it runs.
    pub fn happens(&mut self, event: Event) {
        assert!(self.running, "it stands still");
        self.running = false;
        self.read_only |= matches!(event, Event::Crashed { .. });
        if self.event.replace(event).is_none() {
            self.ringer.write_all(&[0]).expect("room");
        }
    }

    fn standing(&self) {
        assert!(!self.running, "the machine runs");
    }

    fn task(&mut self, process: Process) -> Result<&mut Task, Error> {
        self.standing();
        self.tasks.get_mut(&process).ok_or(Error::NoProcess(process))
    }

    fn thread(&mut self, thread: Thread) -> Result<&mut Registers, Error> {
        let task = self.task(thread.process)?;
        task.threads.get_mut(&thread.number).ok_or(Error::NoThread(thread))
    }

    /// `thread` does its next instruction. The event is what comes of that.
    fn instruction(&mut self, thread: Thread) -> Option<Event> {
        let task = self.tasks.get_mut(&thread.process)?;
        let registers = task.threads.get_mut(&thread.number)?;
        let start = loop_of(thread.number);
        registers.rip = start + (registers.rip.wrapping_sub(start) + 1) % ROUND;
        let counter = &mut task.memory[(COUNTER - CODE) as usize..][..8];
        let count = u64::from_le_bytes(counter.try_into().expect("eight bytes"));
        counter.copy_from_slice(&(count + 1).to_le_bytes());
        self.points.iter().find_map(|&(process, point)| match point {
            Point::Data { address, length, access } if process == thread.process => {
                let touched = address < COUNTER + 8 && COUNTER < address.saturating_add(length);
                touched.then_some(Event::Watchpoint { thread, address: address.max(COUNTER), access })
            }
            _ => None,
        })
    }

    fn at_breakpoint(&mut self, thread: Thread) -> Option<Event> {
        let rip = self.tasks.get(&thread.process)?.threads.get(&thread.number)?.rip;
        self.points.contains(&(thread.process, Point::Code(rip))).then_some(Event::Breakpoint(thread))
    }

    /// Steps `thread`, which a thread in a range goes on doing.
    fn step(&mut self, thread: Thread, while_in: Option<(u64, u64)>) -> Event {
        for _ in 0..ROUND {
            if let Some(event) = self.instruction(thread) {
                return event;
            }
            let rip = self.tasks[&thread.process].threads[&thread.number].rip;
            if !while_in.is_some_and(|(start, end)| (start..end).contains(&rip)) {
                break;
            }
            if let Some(event) = self.at_breakpoint(thread) {
                return event;
            }
        }
        Event::Stepped(thread)
    }

    /// Lets all threads run by turns.
    fn turns(&mut self) -> Option<Event> {
        let threads = all_threads(&self.tasks);
        for _ in 0..PATIENCE * ROUND as usize {
            for &thread in &threads {
                let event = self.instruction(thread).or_else(|| self.at_breakpoint(thread));
                if event.is_some() {
                    return event;
                }
            }
        }
        None
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self::new()
    }
}

fn all_threads(tasks: &BTreeMap<Process, Task>) -> Vec<Thread> {
    let of = |(&process, task): (&Process, &Task)| {
        task.threads.keys().map(move |&number| Thread { process, number }).collect::<Vec<_>>()
    };
    tasks.iter().flat_map(of).collect()
}

fn loop_of(thread: u32) -> u64 {
    CODE + u64::from(thread) * ROUND
}

fn registers(process: Process, thread: u32) -> Registers {
    let mut registers = Registers {
        rip: loop_of(thread),
        rflags: 0x202,
        cr0: 0x8000_0011,
        cr3: u64::from(process.0) << 12,
        efer: 0xd01,
        vector: Vector {
            fctrl: 0x37f,
            ftag: 0xffff,
            mxcsr: 0x1f80,
            ymm_high: Some([0; 16]),
            ..Vector::default()
        },
        ..Registers::default()
    };
    registers.general[super::registers::general::RSP] = CODE + SIZE - 0x10;
    registers.segments[segment::CS] = if process.is_kernel() { 8 } else { 0x33 };
    registers
}

impl Debuggee for Mock {
    fn threads(&mut self) -> Vec<Thread> {
        self.standing();
        all_threads(&self.tasks)
    }

    fn describe(&mut self, thread: Thread) -> Result<String, Error> {
        let Task { name, .. } = self.task(thread.process)?;
        Ok(format!("{name}, ready"))
    }

    fn registers(&mut self, thread: Thread) -> Result<Registers, Error> {
        self.thread(thread).cloned()
    }

    fn set_registers(&mut self, thread: Thread, registers: &Registers) -> Result<(), Error> {
        let read_only = self.read_only;
        let old = self.thread(thread)?;
        if read_only {
            return Err(Error::ReadOnly);
        }
        old.clone_from(registers);
        Ok(())
    }

    fn read(&mut self, process: Process, address: u64, into: &mut [u8]) -> Result<usize, Error> {
        let memory = &self.task(process)?.memory;
        let start =
            address.checked_sub(CODE).filter(|&start| start < SIZE).ok_or(Error::NotMapped(address))?;
        let rest = &memory[start as usize..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write(&mut self, process: Process, address: u64, from: &[u8]) -> Result<(), Error> {
        let read_only = self.read_only;
        let memory = &mut self.task(process)?.memory;
        if read_only {
            return Err(Error::ReadOnly);
        }
        let start =
            address.checked_sub(CODE).filter(|&start| start < SIZE).ok_or(Error::NotMapped(address))?;
        let rest = &mut memory[start as usize..];
        rest.get_mut(..from.len()).ok_or(Error::NotMapped(CODE + SIZE))?.copy_from_slice(from);
        Ok(())
    }

    fn insert(&mut self, process: Process, point: Point) -> Result<(), Error> {
        self.task(process)?;
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        assert!(self.points.insert((process, point)), "it is there already");
        Ok(())
    }

    fn remove(&mut self, process: Process, point: Point) -> Result<(), Error> {
        self.task(process)?;
        assert!(self.points.remove(&(process, point)), "there is none");
        Ok(())
    }

    fn resume(&mut self, plan: Plan) -> Result<(), Error> {
        self.standing();
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        for &thread in plan.step.iter().chain(plan.signal.as_ref().map(|(thread, _)| thread)) {
            self.thread(thread)?;
        }
        self.plans.push(plan.clone());
        self.running = true;
        let event = match (self.script.pop_front(), plan.step.first()) {
            (Some(event), _) => Some(event),
            (None, Some(&thread)) => Some(self.step(thread, plan.while_in)),
            (None, None) => self.turns(),
        };
        if let Some(event) = event {
            self.happens(event);
        }
        Ok(())
    }

    fn interrupt(&mut self) {
        if self.running {
            let thread = all_threads(&self.tasks).first().copied().unwrap_or(Thread::vcpu(0));
            self.happens(Event::Interrupted(thread));
        }
    }

    fn ready(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn event(&mut self) -> Option<Event> {
        let event = self.event.take()?;
        self.bell.read_exact(&mut [0]).expect("it has rung");
        Some(event)
    }

    fn detach(&mut self) {
        self.standing();
        self.points.clear();
        self.detached += 1;
        self.running = true;
        if let Some(farewell) = &self.farewell {
            // Nobody need listen.
            let _ = farewell.send(());
        }
        if self.read_only {
            self.happens(Event::Exited(CRASHED));
        }
    }

    fn kill(&mut self) {
        self.killed = true;
    }

    fn executable(&mut self, process: Process) -> Option<String> {
        self.task(process).ok()?.executable.clone()
    }

    fn auxv(&mut self, process: Process) -> Option<Vec<u8>> {
        // AT_ENTRY and AT_NULL (getauxval(3)).
        let task = self.task(process).ok()?;
        task.name.contains('[').then(|| [9, CODE, 0, 0].map(u64::to_le_bytes).concat())
    }

    fn open(&mut self, process: Process, path: &str) -> Result<Box<dyn File>, Error> {
        self.task(process)?;
        let bytes =
            self.files.get(path).cloned().ok_or_else(|| Error::Other(format!("there is no {path}")))?;
        Ok(Box::new(Bytes(bytes)))
    }

    fn read_link(&mut self, process: Process, path: &str) -> Result<String, Error> {
        self.task(process)?;
        match path {
            "/proc/self" => Ok(process.to_string()),
            _ => Err(Error::Other(format!("there is no {path}"))),
        }
    }

    fn monitor(&mut self, thread: Thread, command: &str) -> String {
        self.standing();
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["repeat", count] => {
                return "a line of text\n".repeat(count.parse().unwrap_or(1).min(MOST_LINES));
            }
            ["panic"] => panic!("as it was told"),
            ["will", "exit"] => self.will(Event::Exited(3)),
            ["will", "crash"] => self.will(Event::Crashed { thread, message: "it is all over".to_string() }),
            ["will", "segfault"] => self.will(Event::Signal(thread, 11)),
            ["will", "fork"] => self.begin(Process(14), "new[14]", 1),
            _ => {}
        }
        format!("{command} in {thread}\n")
    }
}

/// A file of these bytes.
struct Bytes(Vec<u8>);

impl File for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let count = into.len().min(self.0.len() - start);
        into[..count].copy_from_slice(&self.0[start..start + count]);
        Ok(count)
    }
}
