//! Uses the 9p driver: words behind `--` are `BYTES KILLS`. Ends the machine, with status 0 if all went well.
//!
//! In the shared folder it finds the folder `in` with the file `pattern`, and in its place makes the folder `out` with a copy of that
//! file, of so many bytes that have been checked on the way, and `list`, the names that it has found in `in`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec;
use core::fmt;
use driver::real::ToServer;
use p9::client::kind::open;
use p9::client::{Error, File, Session};
use p9::wire::Wire;
use proto::Refusal;
use userlib::{Me, drivers, log, root, start, trace};
use vmm_abi::boot::ARGV_MODULE;

userlib::server!(main);

const SERVER: &str = "9p";
/// Of the shared memory: messages of half of that.
const REGION_LOG2: u32 = 17;
/// Bytes that are read at once, or written.
const PART: usize = 50_000;

enum Failure {
    Arguments,
    Driver(Refusal),
    Files(&'static str, Error),
    /// The copy's attributes say that it has another size.
    Size(u64),
    /// Byte number so many of the copy.
    Differs(u64),
    Restarts(u64, u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments => f.write_str("the arguments are BYTES KILLS"),
            Self::Driver(why) => write!(f, "there is no driver: {why:?}"),
            Self::Files(what, error) => write!(f, "{what}: {error}"),
            Self::Size(size) => write!(f, "the copy has {size} bytes"),
            Self::Differs(at) => write!(f, "byte {at} of the copy is not what was written"),
            Self::Restarts(found, expected) => {
                write!(f, "the driver was to be killed {expected} times and was restarted {found} times")
            }
        }
    }
}

/// Says what was being done when an error happened.
trait During<T> {
    fn during(self, what: &'static str) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Files(what, error))
    }
}

fn main(_me: Me) -> ! {
    trace::start();
    let status = match options().ok_or(Failure::Arguments).and_then(|(bytes, kills)| run(bytes, kills)) {
        Ok(restarts) => {
            log!("passed: {restarts} restarts");
            0
        }
        Err(failure) => {
            log!("FAILED: {failure}");
            1
        }
    };
    root::exit(status);
    start::stop()
}

fn options() -> Option<(u64, u64)> {
    let text = core::str::from_utf8(root::module(ARGV_MODULE).ok()?).ok()?;
    let mut words = text.split('\0');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

type Files = Session<Wire<ToServer>>;

fn run(bytes: u64, kills: u64) -> Result<u64, Failure> {
    let link = ToServer::new(SERVER, REGION_LOG2).map_err(Failure::Driver)?;
    let wire = Wire::open(link, 1 << REGION_LOG2).map_err(Failure::Driver)?;
    log!("the host shares {:?}", wire.share());
    let mut files = Session::start(wire, 0).during("beginning")?;
    files.make_folder("out", 0o755).during("making a folder")?;
    list(&mut files)?;
    let from = files.open("in/pattern", open::READ).during("opening a file")?;
    let flags = open::READ_WRITE | open::TRUNCATE;
    let to = files.create("out/pattern", flags, 0o644).during("making a file")?;
    copy(&mut files, from, to, bytes, kills)?;
    files.sync(to).during("writing to the disk")?;
    let size = files.attributes(to).during("looking at the copy")?.size;
    if size != bytes {
        return Err(Failure::Size(size));
    }
    files.close(from).during("closing a file")?;
    files.close(to).during("closing the copy")?;
    let restarts = files.restarts();
    if restarts >= kills { Ok(restarts) } else { Err(Failure::Restarts(restarts, kills)) }
}

/// Writes the names in `in` to `out/list`, a line each.
fn list(files: &mut Files) -> Result<(), Failure> {
    let folder = files.open("in", open::READ | open::DIRECTORY).during("opening a folder")?;
    let (mut text, mut from) = (String::new(), 0);
    while files
        .list(folder, from, |entry| {
            from = entry.next;
            if !matches!(entry.name, b"." | b"..") {
                text.push_str(&String::from_utf8_lossy(entry.name));
                text.push('\n');
            }
        })
        .during("listing a folder")?
    {}
    files.close(folder).during("closing a folder")?;
    let to = files.create("out/list", open::WRITE, 0o644).during("making the list")?;
    write(files, to, 0, text.as_bytes())?;
    files.close(to).during("closing the list")
}

fn copy(files: &mut Files, from: File, to: File, bytes: u64, kills: u64) -> Result<(), Failure> {
    let (mut part, mut back) = (vec![0; PART], vec![0; PART]);
    let (mut at, mut killed) = (0, 0);
    while at < bytes {
        // Evenly spread, and while files are open.
        if killed < kills && at >= bytes / kills * killed {
            drivers::kill(SERVER).map_err(Failure::Driver)?;
            killed += 1;
        }
        let want = PART.min((bytes - at) as usize);
        let got = files.read(from, at, &mut part[..want]).during("reading")?;
        if got == 0 {
            return Err(Failure::Size(at));
        }
        write(files, to, at, &part[..got])?;
        let mut checked = 0;
        while checked < got {
            let more =
                files.read(to, at + checked as u64, &mut back[checked..got]).during("reading the copy")?;
            if more == 0 || back[checked..checked + more] != part[checked..checked + more] {
                return Err(Failure::Differs(at + checked as u64));
            }
            checked += more;
        }
        at += got as u64;
    }
    Ok(())
}

fn write(files: &mut Files, to: File, at: u64, bytes: &[u8]) -> Result<(), Failure> {
    let mut done = 0;
    while done < bytes.len() {
        done += files.write(to, at + done as u64, &bytes[done..]).during("writing")?;
    }
    Ok(())
}
