//! The thread that waits for the disk's driver.
//!
//! A call of the driver takes as long as the disk does, and longer when the driver has died and is started again. The event loop cannot be away for so
//! long. So a thread of its own calls the driver; it calls the event loop to say how a request has ended, and the answer is the next request.
//!
//! The thread has the lists of the region that is shared with the driver, and the event loop its data: nothing is used by both.

use linux::disk::{Drive, Facts, Request};
use proto::block::Operation;
use proto::session::{DATA, Opened, Submission};
use proto::{Malformed, Message, Refusal, block};
use ukernel_abi::ThreadId;
use userlib::ipc::{self, NOW};
use userlib::lock::Lock;
use userlib::thread::{Stack, spawn};
use userlib::window::Window;
use userlib::{Me, drivers, start};

use driver::disk::{Disk, DiskError};
use driver::real::ToServer;

/// The driver, by its name in the server set.
const DRIVER: &str = "block";
const NUMBER: u16 = 3;
/// A session is some kilobytes.
static STACK: Stack<{ 32 << 10 }> = Stack::new();
/// log2 of the region.
const REGION_LOG2: u32 = 18;
/// How long the driver may take to say what the disk is, in microseconds: far longer than it takes to start.
const PATIENCE_US: u32 = 10_000_000;
/// The way to the driver, which the thread takes out.
static LINK: Lock<Option<ToServer>> = Lock::new(None);

/// The event loop's side.
pub struct DiskThread {
    thread: ThreadId,
    data: Window,
    facts: Facts,
}

impl DiskThread {
    /// By the calling thread, the first of the task. `None` if the set has no driver for this server, or there is no disk that works; the latter is
    /// logged.
    pub fn open() -> Option<Self> {
        match Self::try_open() {
            Ok(disk) => Some(disk),
            Err(Refusal::NotFound | Refusal::Denied) => None,
            Err(why) => {
                userlib::log!("linux: no disk: {why:?}");
                None
            }
        }
    }

    fn try_open() -> Result<Self, Refusal> {
        let (region, name) = drivers::share(REGION_LOG2, DRIVER)?;
        let (lists, data) = region.split(DATA).ok_or(Refusal::NoMemory)?;
        *LINK.lock() = Some(ToServer::with_lists(DRIVER, lists, name));
        let thread = spawn(NUMBER, &STACK, run).map_err(|_| Refusal::NoMemory)?;
        let opened = ipc::receive(thread, PATIENCE_US).map_err(|_| Refusal::NoDevice)?;
        let disk = block::Disk::try_from(&Opened::try_from(&opened.message.accepted()?)?)?;
        let facts = Facts {
            sectors: disk.sectors,
            block_size: disk.block_size,
            read_only: disk.read_only,
            room: data.size(),
        };
        Ok(Self { thread, data, facts })
    }

    /// Whom the call comes from when a request has ended. Its answer is the next one.
    pub fn thread(&self) -> ThreadId {
        self.thread
    }
}

/// Whether a message of the thread's says that its request has been done.
pub fn is_done(message: &Message) -> bool {
    message.accepted().is_ok()
}

impl Drive for DiskThread {
    fn facts(&self) -> Facts {
        self.facts
    }
    fn begin(&self, request: Request) {
        let (operation, at, len) = match request {
            Request::Read { sector, at, len } => (Operation::Read { sector }, at, len),
            Request::Write { sector, at, len } => (Operation::Write { sector }, at, len),
            Request::Flush => (Operation::Flush, 0, 0),
        };
        // It waits for this.
        let _ = ipc::send(self.thread, &to_message(operation, at, len), NOW);
    }
    fn look(&self, at: usize, into: &mut [u8]) {
        if !self.data.read(at, into) {
            into.fill(0);
        }
    }
    fn fill(&self, at: usize, from: &[u8]) {
        let _inside = self.data.write(at, from);
    }
}

fn to_message(operation: Operation, at: usize, len: usize) -> Message {
    let Submission { operation, arguments, .. } = operation.into();
    Message::ok([operation.into(), arguments[0], at as u64, len as u64])
}

fn from_message(message: &Message) -> Result<(Operation, usize, usize), Malformed> {
    let [operation, sector, at, len] = message.args()?;
    let (operation, length) = (operation as u32, len as u32);
    let submission = Submission { operation, arguments: [sector, 0], len: length, ..Submission::default() };
    Ok((Operation::try_from(&submission)?, at as usize, len as usize))
}

fn run(_me: Me) -> ! {
    let event_loop = start::own_id();
    let link = LINK.lock().take();
    let opened = link.ok_or(Refusal::BadRequest).and_then(|link| Disk::open(link, 1 << REGION_LOG2));
    let (mut disk, mut message) = match opened {
        Ok(disk) => {
            let opened = disk.client().opened();
            (disk, opened.into())
        }
        Err(why) => {
            let _ = ipc::send(event_loop, &Message::refused(why), ipc::NEVER);
            start::stop()
        }
    };
    // An error of a call is that of a thread that is being ended, with the whole server.
    while let Ok(request) = ipc::call(event_loop, &message) {
        let done =
            from_message(&request).map_err(Refusal::from).and_then(|request| perform(&mut disk, request));
        message = Message::reply(done.map(|()| Message::ok([])));
    }
    start::stop()
}

fn perform(
    disk: &mut Disk<ToServer>,
    (operation, at, len): (Operation, usize, usize),
) -> Result<(), Refusal> {
    let done = match operation {
        Operation::Read { sector } => disk.read(sector, at, len),
        Operation::Write { sector } => disk.write(sector, at, len),
        Operation::Flush => disk.flush(),
        Operation::Discard { sector, count } => disk.discard(sector, count),
        Operation::WriteZeroes { sector, count } => disk.write_zeroes(sector, count),
    };
    done.map_err(|why| match why {
        DiskError::Driver(why) => why,
        DiskError::Request(_) | DiskError::Buffer => Refusal::NoDevice,
    })
}
