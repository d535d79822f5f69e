//! The thread that takes records out of the rings and hands them on.
//!
//! It sleeps until the kernel rings the doorbell, and looks by itself every few milliseconds, since who writes from user level may not ring. Where the host has no CPU to
//! spare, the guest stands still meanwhile; so it does little, and leaves a record of its own of when that was.

use super::exits::Log;
use super::names::Sampler;
use super::outlet::Outlet;
use super::procfs::ThreadFiles;
use super::ring::Wait;
use super::rings::Rings;
use super::sampling::sampler::News;
use crate::error::{Error, host};
use crate::jail::{self, Kind};
use crate::vm::host_tsc;
use profile::file::{Ring, RingEnd, Writer};
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use vmm_abi::trace::Event;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::signal::block_signal;

/// How often it looks if nobody rings, in milliseconds: a ring must not fill in that time.
const PERIOD: i32 = 10;
/// How often it looks at the threads, for those who watch.
const SEATS: Duration = Duration::from_secs(1);

/// How much of a run a raw profile lacks at most, if `ukvmm` is killed.
const FLUSH: Duration = Duration::from_secs(1);

/// Where it writes to. Small blocks are put together.
pub type Records = Writer<BufWriter<File>>;

/// The thread.
pub struct Drain {
    thread: Option<JoinHandle<io::Result<Drained>>>,
    bell: Arc<EventFd>,
    ended: Arc<AtomicBool>,
}

/// What it has done.
pub struct Drained {
    /// For the trailer, if there is a file.
    pub writer: Option<Records>,
    pub rings: Vec<RingEnd>,
    /// Nanoseconds for which the thread had a CPU.
    pub run_ns: Option<u64>,
}

/// What it works on.
pub struct Work {
    /// The guest's, if it records.
    pub rings: Option<Rings>,
    /// The vCPUs' threads'.
    pub logs: Arc<Vec<Log>>,
    pub names: Option<Sampler>,
    /// What has been made of samples.
    pub samples: News,
    pub outlet: Outlet,
    /// The guest's TSC minus the host's.
    pub offset: u64,
    /// When it looked at the threads.
    pub seated: Option<Instant>,
}

impl Drain {
    /// Starts it. `bell` is the doorbell.
    pub fn start(work: Work, bell: Arc<EventFd>) -> Result<Self, Error> {
        let ended = Arc::new(AtomicBool::new(false));
        let (its_bell, its_ended) = (bell.clone(), ended.clone());
        let body = move || run(work, &its_bell, &its_ended);
        let thread = thread::Builder::new().name("profile".into()).spawn(body);
        Ok(Self { thread: Some(thread.map_err(host("starting the profile's thread"))?), bell, ended })
    }

    /// The guest has ended: takes out what is left. The error is one of writing.
    pub fn end(mut self) -> io::Result<Drained> {
        self.stop().unwrap_or_else(|| Err(io::Error::other("its thread has panicked, a bug of ukvmm")))
    }

    fn stop(&mut self) -> Option<io::Result<Drained>> {
        self.ended.store(true, Ordering::Release);
        // One that is full rings already.
        let _ = self.bell.write(1);
        self.thread.take()?.join().ok()
    }
}

/// A run that ends by an error of ours leaves the records that there are.
impl Drop for Drain {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn run(mut work: Work, bell: &EventFd, ended: &AtomicBool) -> io::Result<Drained> {
    // A file larger than the user's limit is to be an error, and no death of ours.
    let _ = block_signal(libc::SIGXFSZ);
    let epoll = Epoll::new()?;
    epoll.ctl(ControlOperation::Add, bell.as_raw_fd(), EpollEvent::new(EventSet::IN, 0))?;
    let files = ThreadFiles::open();
    jail::enter(Kind::Profile);
    work.outlet.flush();
    let mut flushed = Instant::now();
    loop {
        // Looked at first: what was written before that is seen then.
        let is_over = ended.load(Ordering::Acquire);
        work.round(if is_over { Wait::No } else { Wait::Until(Instant::now()) });
        if is_over {
            return work.finish(&files);
        }
        if flushed.elapsed() >= FLUSH {
            work.outlet.flush();
            flushed = Instant::now();
        }
        // Whatever ends it, it is time for a look.
        let _ = epoll.wait(PERIOD, &mut [EpollEvent::default()]);
        // Nothing to be read: the time was over.
        let _ = bell.read();
    }
}

impl Work {
    fn round(&mut self, wait: Wait) {
        let began = host_tsc();
        let Self { rings, names, outlet, .. } = self;
        let mut has_taken = false;
        let hand_on = |ring: Ring, records: &[u8], dropped| {
            has_taken = true;
            if let Some(names) = names {
                names.note(ring, records);
            }
            outlet.records(ring, records, dropped);
        };
        if let Some(rings) = rings {
            rings.take(wait, hand_on);
        }
        let mut buffer = Vec::new();
        for log in self.logs.iter() {
            let dropped = log.take(&mut buffer);
            self.outlet.records(Ring::Host(log.cpu()), &buffer, dropped);
            buffer.clear();
        }
        let samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        if !samples.is_empty() {
            self.outlet.samples(&samples);
        }
        if has_taken {
            self.after(began, wait);
        }
        self.look_at_threads(wait);
        if let Some(feed) = &mut self.outlet.feed {
            feed.send(began.wrapping_add(self.offset), host_tsc().wrapping_add(self.offset));
        }
    }

    /// Records have been taken out of the guest's rings.
    fn after(&mut self, began: u64, wait: Wait) {
        let tsc = began.wrapping_add(self.offset);
        if let Some(names) = &mut self.names {
            match wait {
                Wait::Until(now) => names.sample(now, tsc),
                Wait::No => names.read(tsc),
            }
            names.take().iter().for_each(|names| self.outlet.names(names));
        }
        // Afterwards there is no guest to be kept from a CPU.
        if let (Some(log), Wait::Until(_)) = (self.logs.first(), wait) {
            log.record(Event::DRAIN, began, host_tsc().wrapping_sub(began));
        }
    }

    fn look_at_threads(&mut self, wait: Wait) {
        if let (Some(feed), Some(names), Wait::Until(now)) = (&mut self.outlet.feed, &self.names, wait)
            && self.seated.is_none_or(|seated| now.duration_since(seated) >= SEATS)
        {
            self.seated = Some(now);
            feed.seats(names.seats());
        }
    }

    fn finish(self, files: &ThreadFiles) -> io::Result<Drained> {
        let logs = self.logs.iter().map(Log::ring_end).filter(|end| end.records != 0);
        let rings = self.rings.iter().flat_map(Rings::ends).chain(logs).collect();
        Ok(Drained { rings, run_ns: files.read().run_ns, writer: self.outlet.end()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::eventfd;
    use crate::memory::{GuestMemory, allocate};
    use profile::file::{Block, Header, MAGIC, Reader};
    use std::fs::OpenOptions;
    use std::io::{Read, Seek};
    use std::mem::offset_of;
    use std::os::unix::fs::FileExt;
    use vm_memory::{Bytes, GuestAddress};
    use vmm_abi::trace::{self, RING_SIZE, Record, slot};

    /// A guest of one CPU whose memory is its rings, and a file.
    fn work(file: &File) -> (Work, GuestMemory) {
        let memory = allocate(trace::module_size(1)).unwrap();
        let writer = Writer::new(BufWriter::new(file.try_clone().unwrap()), &Header::default()).unwrap();
        let rings = Some(Rings::new(memory.clone(), 0, 1));
        let logs = Arc::new(vec![Log::new(0, 1000)]);
        let outlet = Outlet::new(Some(writer), None);
        (
            Work { rings, logs, names: None, samples: News::default(), outlet, offset: 1000, seated: None },
            memory,
        )
    }

    /// The kernel of such a guest records something in slot `n`.
    fn record(memory: &GuestMemory, n: u64) {
        let words = Record::new(Event::EXIT, 0, n + 1, 7, n, 0).to_words();
        memory.write_obj(words, GuestAddress(slot(n))).unwrap();
        memory.write_obj(n + 1, GuestAddress(offset_of!(trace::Ring, claimed) as u64)).unwrap();
    }

    #[test]
    fn records_of_guest_and_host_get_into_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        let (work, memory) = work(&file);
        let (logs, bell) = (work.logs.clone(), Arc::new(eventfd().unwrap()));
        let drain = Drain::start(work, bell.clone()).unwrap();
        record(&memory, 0);
        bell.write(1).unwrap();
        let taken = || memory.read_obj::<u64>(GuestAddress(offset_of!(trace::Ring, read) as u64)).unwrap();
        while taken() == 0 {
            thread::yield_now();
        }
        // What comes after the last look.
        record(&memory, 1);
        memory.write_obj(3u64, GuestAddress(offset_of!(trace::Ring, claimed) as u64)).unwrap();
        logs[0].record(Event::VM_EXIT, 1, 0);
        let drained = drain.end().unwrap();
        drained.writer.unwrap().end(&profile::file::Trailer::default()).unwrap();
        let kernel = RingEnd { ring: Ring::Cpu(0), records: 2, dropped: 0, incomplete: 1 };
        assert_eq!(drained.rings[0], kernel);
        file.rewind().unwrap();
        let mut reader = Reader::new(&file).unwrap();
        let (mut guest, mut host) = (Vec::new(), Vec::new());
        while let Some(block) = reader.next_block().unwrap() {
            match block {
                Block::Records { ring: Ring::Host(0), records } => host.extend(records),
                Block::Records { records, .. } => guest.extend(records),
                _ => {}
            }
        }
        assert!(guest.iter().map(|record| record.tsc).eq([0, 1]));
        assert_eq!(host.len() as u64, drained.rings[1].records);
        let is_there = |event, tsc| host.iter().any(|record| record.event() == event && record.tsc >= tsc);
        assert!(is_there(Event::VM_EXIT, 1001) && is_there(Event::DRAIN, 1000));
    }

    #[test]
    fn what_is_there_is_written_before_the_end() {
        let file = tempfile::tempfile().unwrap();
        let (work, _memory) = work(&file);
        let drain = Drain::start(work, Arc::new(eventfd().unwrap())).unwrap();
        let mut magic = [0; MAGIC.len()];
        while file.read_at(&mut magic, 0).unwrap() == 0 {
            thread::yield_now();
        }
        assert_eq!(magic, *MAGIC);
        drop(drain);
    }

    #[test]
    fn a_full_disk_is_an_error_and_the_guest_runs_on() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut zero = [1];
        File::open("/dev/full").unwrap().read_exact(&mut zero).unwrap();
        assert_eq!(zero, [0], "it is what it is called");
        let (work, memory) = work(&full);
        let bell = Arc::new(eventfd().unwrap());
        let drain = Drain::start(work, bell.clone()).unwrap();
        // More than is put together before it is written.
        for n in 0..RING_SIZE / 8 / Record::SIZE as u64 {
            record(&memory, n);
        }
        bell.write(1).unwrap();
        let error = drain.end().err().map(|error| error.kind());
        assert_eq!(error, Some(io::ErrorKind::StorageFull));
    }
}
