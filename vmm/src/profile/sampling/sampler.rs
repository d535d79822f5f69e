//! The thread that takes samples.
//!
//! A round: it asks all vCPUs, then works on what they have given since the last round. Where a process turns up whose files are not known, its samples wait; in one of the next
//! rounds the vCPUs are held, and the Linux server is asked. But for the first of these, that takes no more than a fifth of the time: a shell that makes a process each millisecond
//! shall not stand still for us.

use super::booth::{Booth, Costs};
use super::moment::Moment;
use super::programs::Answer;
use super::resolve::{Question, Resolver};
use crate::debug::debuggee;
use crate::error::{Error, host};
use crate::jail::{self, Kind};
use crate::profile::exits::Log;
use crate::profile::procfs::ThreadFiles;
use profile::file::samples::Tree;
use profile::file::{Samples, Sampling};
use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Samples that wait for an answer at most.
const PENDING: usize = 512;
/// How long vCPUs may take to stand still for a question: they are there at once, unless one writes to somebody who does not read.
const PATIENCE: Duration = Duration::from_millis(250);
/// Time that questions may take, and what part of the time of the run besides.
const CREDIT: Duration = Duration::from_millis(500);
const PART: u32 = 5;

/// What has been made of samples, until somebody takes it.
pub type News = Arc<Mutex<Samples>>;

pub struct Sampler {
    thread: Option<JoinHandle<Sampling>>,
    /// When it goes away, the thread ends.
    running: Option<Sender<()>>,
}

impl Sampler {
    /// Starts it: so many samples a second of each vCPU whose log has a place for it.
    pub fn start(hz: u32, logs: Arc<Vec<Log>>, resolver: Resolver, news: News) -> Result<Self, Error> {
        let (running, stop) = mpsc::channel();
        let mut work = Work {
            logs,
            resolver,
            news,
            tree: Tree::default(),
            pending: VecDeque::new(),
            began: Instant::now(),
            asking: Duration::ZERO,
            asked: 0,
        };
        let body = move || {
            let files = ThreadFiles::open();
            jail::enter(Kind::Sampler);
            let missed = work.rounds(Duration::from_secs(1) / hz, |left| {
                stop.recv_timeout(left) == Err(RecvTimeoutError::Timeout)
            });
            work.end(hz, missed, &files)
        };
        let thread = thread::Builder::new().name("sampler".into()).spawn(body);
        Ok(Self {
            thread: Some(thread.map_err(host("starting the thread that takes samples"))?),
            running: Some(running),
        })
    }

    /// The guest has ended: all that there is to be told is told. `None` if the thread has panicked.
    pub fn end(mut self) -> Option<Sampling> {
        self.stop()
    }

    fn stop(&mut self) -> Option<Sampling> {
        self.running = None;
        self.thread.take()?.join().ok()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Work {
    logs: Arc<Vec<Log>>,
    resolver: Resolver,
    news: News,
    tree: Tree,
    /// Samples of processes of which it is not known what they are made of.
    pending: VecDeque<Moment>,
    began: Instant,
    /// What questions have taken, and how many there were.
    asking: Duration,
    asked: u64,
}

impl Work {
    /// Makes rounds until `wait` says that it is over. Returns how many came too late to be made.
    fn rounds(&mut self, period: Duration, wait: impl Fn(Duration) -> bool) -> u64 {
        let (mut next, mut missed) = (Instant::now() + period, 0);
        while wait(next.saturating_duration_since(Instant::now())) {
            self.round();
            next += period;
            let late = Instant::now().saturating_duration_since(next);
            let rounds = (late.as_nanos() / period.as_nanos()) as u32;
            next += period * rounds;
            missed += u64::from(rounds);
        }
        missed
    }

    fn round(&mut self) {
        let may_ask = self.asking <= CREDIT + self.began.elapsed() / PART;
        if may_ask && !self.pending.is_empty() {
            self.question();
        } else {
            self.booths().for_each(Booth::ask);
        }
        self.sort();
    }

    fn booths(&self) -> impl Iterator<Item = &Booth> {
        self.logs.iter().filter_map(Log::booth)
    }

    /// Names what has been given.
    fn sort(&mut self) {
        let given: Vec<_> = self.booths().flat_map(Booth::take).collect();
        given.into_iter().for_each(|moment| self.put(moment));
        while self.pending.len() > PENDING {
            self.give_up();
        }
        self.tell();
    }

    /// Names a sample, or lets it wait.
    fn put(&mut self, mut moment: Moment) {
        match self.resolver.stack(&mut moment, true) {
            Ok(stack) => self.add(&moment, &stack),
            Err(_) => self.pending.push_back(moment),
        }
    }

    /// Asks about the process of the sample that has waited longest, and names what can be named then.
    fn question(&mut self) {
        let Some(oldest) = self.pending.front_mut() else { return };
        if let Err(question) = self.resolver.stack(oldest, true) {
            let began = Instant::now();
            let answer = self.standing_still(&question);
            self.asking += began.elapsed();
            let Some(answer) = answer else { return };
            self.asked += 1;
            self.resolver.learn(question, answer);
        }
        mem::take(&mut self.pending).into_iter().for_each(|moment| self.put(moment));
    }

    /// Holds all vCPUs while it asks. [`None`] if one cannot be held.
    fn standing_still(&self, question: &Question) -> Option<Result<Answer, debuggee::Error>> {
        let deadline = Instant::now() + PATIENCE;
        self.booths().for_each(|booth| {
            booth.hold();
            booth.ask();
        });
        let stand = self.booths().all(|booth| booth.wait_until_present(deadline));
        let answer = stand.then(|| self.resolver.ask(question));
        self.booths().for_each(Booth::release);
        answer
    }

    /// Names the sample that has waited longest as well as can be.
    fn give_up(&mut self) {
        if let Some(mut moment) = self.pending.pop_front()
            && let Ok(stack) = self.resolver.stack(&mut moment, false)
        {
            self.add(&moment, &stack);
        }
    }

    fn add(&mut self, moment: &Moment, stack: &[String]) {
        self.tree.add(moment.tsc, moment.vcpu as u16, stack.iter().map(String::as_str));
    }

    fn tell(&mut self) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).append(self.tree.take());
    }

    fn end(mut self, hz: u32, rounds_missed: u64, files: &ThreadFiles) -> Sampling {
        self.sort();
        while !self.pending.is_empty() {
            self.give_up();
        }
        self.tell();
        let costs = self.booths().map(Booth::costs).fold(Costs::default(), |sum, costs| Costs {
            taken: sum.taken + costs.taken,
            missed: sum.missed + costs.missed,
            stopped_ns: sum.stopped_ns + costs.stopped_ns,
        });
        Sampling {
            hz,
            taken: costs.taken,
            missed: costs.missed + rounds_missed * self.booths().count() as u64,
            stopped_ns: costs.stopped_ns,
            asked: self.asked,
            sampler_ns: files.read().run_ns,
        }
    }
}
