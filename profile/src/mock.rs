//! A guest that is only thought up: its records, at the times that a test wants.

use crate::cost::Costs;
use crate::file::samples::Tree;
use crate::file::{Header, Names, Ring, RingEnd, Trailer, Writer};
use crate::follow::Follower;
use crate::follow::counts::Counts;
use crate::live::batch::Part;
use crate::merge::{Entry, Timeline};
use crate::sink::Sink;
use std::collections::BTreeMap;
use std::io::Cursor;
use ukernel_abi::ThreadId;
use ukernel_abi::call::Call;
use vmm_abi::trace::{ANY_CPU, Event, Record};

/// The identifier of a thread.
pub const fn thread(task: u16, lthread: u16) -> u64 {
    ThreadId::new(task, lthread, 1).0
}

/// Argument of a server's way into the kernel: an IPC.
pub const IPC: u64 = Call::Ipc.rax();

/// Records of all rings, in the order in which they are made.
#[derive(Clone, Default)]
pub struct Guest {
    pub now: u64,
    rings: BTreeMap<Ring, Vec<Entry>>,
    /// Sequence numbers that nobody has.
    skipped: u32,
    /// Of which stacks are made.
    samples: Tree,
}

impl Guest {
    /// Lets time go by.
    pub fn wait(&mut self, ticks: u64) -> &mut Self {
        self.now += ticks;
        self
    }

    /// A record of the kernel's on this CPU, after so many ticks.
    pub fn kernel(&mut self, cpu: u16, after: u64, event: Event, thread: u64, argument: u64) -> &mut Self {
        self.record(Ring::Cpu(cpu), cpu, after, (event, thread, argument))
    }

    /// A server's.
    pub fn server(&mut self, after: u64, event: Event, thread: u64, argument: u64) -> &mut Self {
        let ring = Ring::User(ThreadId(thread).task());
        self.record(ring, ANY_CPU, after, (event, thread, argument))
    }

    /// An event of `thread`'s own, which `server` records for it.
    pub fn mark(&mut self, after: u64, server: u64, thread: u64, number: u8, argument: u64) -> &mut Self {
        let ring = Ring::User(ThreadId(server).task());
        self.record(ring, ANY_CPU, after, (Event::user(number), thread, argument))
    }

    /// The host's.
    pub fn host(&mut self, cpu: u16, after: u64, event: Event, reason: u64) -> &mut Self {
        self.record(Ring::Host(cpu), cpu, after, (event, 0, reason))
    }

    fn record(
        &mut self,
        ring: Ring,
        cpu: u16,
        after: u64,
        (event, thread, argument): (Event, u64, u64),
    ) -> &mut Self {
        self.now += after;
        let entries = self.rings.entry(ring).or_default();
        let sequence = entries.iter().filter(|entry| matches!(entry, Entry::Record(_))).count() as u64 + 1;
        let sequence = sequence + u64::from(self.skipped);
        entries.push(Entry::Record(Record::new(event, cpu, sequence, thread, self.now, argument)));
        self
    }

    /// Somebody looks, and finds the first CPU here.
    pub fn sample(&mut self, stack: &[&str]) -> &mut Self {
        self.samples.add(self.now, 0, stack.iter().copied());
        self
    }

    /// Leaves out so many numbers of records in each ring.
    pub fn skip(&mut self, records: u32) -> &mut Self {
        self.skipped += records;
        self
    }

    /// Records are lost here.
    pub fn lose(&mut self, ring: Ring, records: u64) -> &mut Self {
        self.rings.entry(ring).or_default().push(Entry::Lost(records));
        self
    }

    /// Records of calibration. Of the kernel's cost, all lies behind the TSC reading on the way in, and before it on the way out.
    pub fn calibrate(&mut self, kernel: u64, server: u64, server_ticks: u64) -> &mut Self {
        for (event, behind) in [(Event::ENTER_SYSCALL, kernel), (Event::COMMIT, kernel), (Event::EXIT, 0)] {
            for _ in 0..4 {
                let argument = event.0.into();
                self.kernel(0, 100, Event::CALIBRATE, 0, argument)
                    .kernel(0, kernel, Event::CALIBRATE, 0, argument)
                    .kernel(0, behind, Event::CALIBRATE, 0, Event::CALIBRATE.0.into());
            }
        }
        for _ in 0..8 {
            self.server(server_ticks, Event::SERVER_CALIBRATE, server, 0);
        }
        self
    }

    /// The same, without these records: of each ring, from this place on, so many.
    pub fn with_holes(&self, holes: &[(usize, usize)]) -> Self {
        let mut this = self.clone();
        for entries in this.rings.values_mut() {
            for (at, length) in holes {
                let at = (*at).min(entries.len());
                let end = (at + length).min(entries.len());
                entries.splice(at..end, [Entry::Lost((end - at) as u64)]);
            }
        }
        this
    }

    /// A Linux system call by the fast path, as all servers and kernels record it: `ticks` are those of entry, IPC out, dispatch, server, reply and exit.
    pub fn call(
        &mut self,
        cpu: u16,
        (client, server): (u64, u64),
        number: u64,
        ticks: [u64; 6],
    ) -> &mut Self {
        let [entry, out, dispatch, work, reply, exit] = ticks;
        self.kernel(cpu, 100, Event::ENTER_SYSCALL, client, number)
            .kernel(cpu, entry, Event::COMMIT, client, server)
            .kernel(cpu, out, Event::EXIT, server, 0)
            .server(dispatch / 2, Event::RECEIVED, server, client)
            .server(dispatch - dispatch / 2, Event::HANDLER_START, server, number)
            .server(work, Event::HANDLER_END, server, 7)
            .server(reply / 4, Event::REPLY, server, client)
            .kernel(cpu, reply / 4, Event::ENTER_SYSCALL, server, IPC)
            .kernel(cpu, reply - 2 * (reply / 4), Event::COMMIT, server, client)
            .kernel(cpu, exit, Event::EXIT, client, 7)
    }

    /// The records of this time, to `until`, as they are taken out of the rings then.
    pub fn between(&self, from: u64, until: u64) -> Vec<Part> {
        let bytes = |entries: &Vec<Entry>| -> Vec<u8> {
            let records = entries.iter().filter_map(|entry| match entry {
                Entry::Record(record) => Some(*record),
                Entry::Lost(_) => None,
            });
            let records = records.filter(|record| (from..until).contains(&record.tsc));
            records.flat_map(Record::to_words).flat_map(u64::to_le_bytes).collect()
        };
        self.rings.iter().map(|(ring, entries)| Part::Records(*ring, bytes(entries))).collect()
    }

    /// Tells `sink` what an analysis finds.
    pub fn follow(&self, sink: &mut dyn Sink) -> (Counts, Costs) {
        self.follow_on(sink, &Header::default())
    }

    /// The same of a run with this header.
    pub fn follow_on(&self, sink: &mut dyn Sink, header: &Header) -> (Counts, Costs) {
        let rings = self.rings.iter().map(|(ring, entries)| (*ring, entries.iter().copied()));
        let mut follower = Follower::new(sink).of(header);
        for moment in Timeline::new(rings) {
            follower.moment(moment);
        }
        follower.end()
    }

    /// The records as a file.
    pub fn file(&self, header: &Header, names: &Names, mut trailer: Trailer) -> Cursor<Vec<u8>> {
        let mut writer = Writer::new(Vec::new(), header).expect("room for a header");
        writer.names(names).expect("room for names");
        writer.samples(&self.samples.clone().take()).expect("room for samples");
        for (ring, entries) in &self.rings {
            let mut end = RingEnd { ring: *ring, records: 0, dropped: 0, incomplete: 0 };
            for part in entries.chunk_by(|one, next| is_record(one) && is_record(next)) {
                if let [Entry::Lost(lost)] = part {
                    end.dropped += lost;
                    writer.dropped(*ring, *lost).expect("room for a number");
                    continue;
                }
                let records = part.iter().filter_map(|entry| match entry {
                    Entry::Record(record) => Some(*record),
                    Entry::Lost(_) => None,
                });
                let bytes: Vec<u8> = records.flat_map(Record::to_words).flat_map(u64::to_le_bytes).collect();
                end.records += part.len() as u64;
                writer.records(*ring, &bytes).expect("room for records");
            }
            trailer.rings.push(end);
        }
        Cursor::new(writer.end(&trailer).expect("room for a trailer"))
    }
}

fn is_record(entry: &Entry) -> bool {
    matches!(entry, Entry::Record(_))
}

/// A file with something of everything: a program makes calls, one of them waits for a disk, and dies.
pub fn sample() -> Cursor<Vec<u8>> {
    let (cat, linux, block) = (thread(10, 0), thread(5, 0), thread(6, 0));
    let mut guest = Guest::default();
    guest.calibrate(3, linux, 5).wait(1000);
    // The server waits.
    guest.kernel(0, 1, Event::ENTER_SYSCALL, linux, IPC).kernel(0, 10, Event::EXIT, cat, 0);
    for _ in 0..20 {
        guest.call(0, (cat, linux), 39, [100, 200, 150, 300, 200, 150]);
    }
    guest.kernel(0, 50, Event::ENTER_TRAP, cat, 0x40).kernel(0, 70, Event::EXIT, cat, 0);
    guest.mark(1, linux, cat, 7, 5).mark(55, linux, cat, 8, 5);
    guest.disk_read(cat, linux, block);
    guest
        .kernel(0, 10, Event::ENTER_PAGE_FAULT, cat, 0x40_1000)
        .kernel(0, 10, Event::COMMIT, cat, linux)
        .kernel(0, 10, Event::EXIT, linux, 0)
        .server(10, Event::RECEIVED, linux, cat)
        .server(10, Event::HANDLER_START, linux, Event::NO_CALL | 14)
        .server(100, Event::HANDLER_END, linux, 0)
        .server(10, Event::REPLY, linux, cat)
        .kernel(0, 10, Event::ENTER_SYSCALL, linux, IPC)
        .kernel(0, 10, Event::COMMIT, linux, cat)
        .kernel(0, 10, Event::EXIT, cat, 0)
        .kernel(0, 10, Event::ENTER_SYSCALL, cat, 231)
        .kernel(0, 10, Event::COMMIT, cat, linux);
    guest.sample(&["linux: cat[7]", "main", "read", "enter_[k]"]).sample(&["linux", "<reply as &Fn>::run"]);
    let header = Header {
        ukvmm: "0.1.0".into(),
        command: ["--servers", "linux", "--", "cat", "<a&b>"].map(String::from).to_vec(),
        tsc_khz: 2_000_000,
        cpus: 1,
        records: true,
        ..Header::default()
    };
    let tasks =
        [(5, "linux"), (6, "block"), (10, "linux: cat[7]")].map(|(task, name)| (task, name.to_string()));
    guest.file(&header, &Names { tsc: 0, tasks: tasks.into() }, Trailer::default())
}

impl Guest {
    /// A `read` that asks the driver `block`, who asks a device.
    fn disk_read(&mut self, client: u64, server: u64, block: u64) -> &mut Self {
        self.kernel(0, 100, Event::ENTER_SYSCALL, client, 0)
            .kernel(0, 100, Event::COMMIT, client, server)
            .kernel(0, 100, Event::EXIT, server, 0)
            .server(10, Event::RECEIVED, server, client)
            .server(10, Event::HANDLER_START, server, 0)
            .server(100, Event::DRIVER_REQUEST, server, block)
            .kernel(0, 10, Event::ENTER_SYSCALL, server, IPC)
            .kernel(0, 100, Event::COMMIT, server, block)
            .kernel(0, 100, Event::EXIT, block, 0)
            .server(10, Event::RECEIVED, block, server)
            .server(10, Event::HANDLER_START, block, 1)
            .server(10, Event::DEVICE_REQUEST, block, 3 << 32 | 1)
            .host(0, 10, Event::VM_EXIT, 2)
            .host(0, 200, Event::VM_ENTRY, 2)
            .server(100, Event::DEVICE_DONE, block, 3 << 32 | 1)
            .server(10, Event::HANDLER_END, block, 0)
            .server(10, Event::REPLY, block, server)
            .kernel(0, 10, Event::ENTER_SYSCALL, block, IPC)
            .kernel(0, 100, Event::COMMIT, block, server)
            .kernel(0, 100, Event::EXIT, server, 0)
            .server(10, Event::DRIVER_DONE, server, block)
            .server(200, Event::HANDLER_END, server, 512)
            .server(10, Event::REPLY, server, client)
            .kernel(0, 10, Event::ENTER_SYSCALL, server, IPC)
            .kernel(0, 100, Event::COMMIT, server, client)
            .kernel(0, 100, Event::EXIT, client, 512)
    }
}
