//! Mapping the segments of a program, and of its interpreter if it has one.

use super::image::{HEADER_SIZE, Header, Image, Segment};
use crate::errno::Errno;
use crate::mm::file::MappedFile;
use crate::mm::map::{Place, Request};
use crate::mm::space::Space;
use crate::mm::user::UserMemory;
use crate::mm::vma::{Backing, Prot};
use crate::mm::{Mm, PAGE};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use elf::abi;

/// Where position-independent programs go (`ELF_ET_DYN_BASE` without randomisation). There is none: runs are repeatable.
const PIE_BASE: u64 = 0x5555_5555_4000;

/// Addresses that the auxiliary vector tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where execution starts: the interpreter if there is one.
    pub start: u64,
    /// The program's own entry point.
    pub entry: u64,
    pub phdrs: u64,
    pub phdrs_count: usize,
    /// Where the interpreter was loaded; 0 if there is none.
    pub interpreter_base: u64,
    /// End of the program's data: where the heap starts.
    pub end: u64,
    pub executable_stack: bool,
}

/// A file with its headers read.
pub struct Parsed {
    pub file: MappedFile,
    pub header: Header,
    pub image: Image,
}

impl Parsed {
    /// Reads and checks the headers.
    pub fn new(file: MappedFile) -> Result<Self, Errno> {
        let mut bytes = [0; HEADER_SIZE];
        read_exact(&file, 0, &mut bytes)?;
        let header = Header::parse(&bytes)?;
        let mut phdrs = vec![0; header.phdrs_size()];
        read_exact(&file, header.phdrs_offset, &mut phdrs)?;
        let image = Image::parse(&header, &phdrs)?;
        Ok(Self { file, header, image })
    }

    /// Path of the interpreter that the program wants.
    pub fn interpreter(&self) -> Result<Option<Vec<u8>>, Errno> {
        let Some((offset, size)) = self.image.interpreter else { return Ok(None) };
        let mut path = vec![0; size];
        read_exact(&self.file, offset, &mut path)?;
        if path.pop() != Some(0) {
            return Err(Errno::ENOEXEC);
        }
        Ok(Some(path))
    }
}

/// Reads up to `dst.len()` bytes of a file from its pages. Returns how many there were.
pub fn read_at(file: &MappedFile, offset: u64, dst: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0;
    while done < dst.len() {
        let at = offset.checked_add(done as u64).ok_or(Errno::ENOEXEC)?;
        let Ok(frame) = file.source.page(at / PAGE) else { break };
        let in_page = (at % PAGE) as usize;
        let rest = file.source.size().saturating_sub(at);
        let n =
            (PAGE as usize - in_page).min(dst.len() - done).min(usize::try_from(rest).unwrap_or(usize::MAX));
        if n == 0 {
            break;
        }
        frame.read(in_page, &mut dst[done..done + n]);
        done += n;
    }
    Ok(done)
}

fn read_exact(file: &MappedFile, offset: u64, dst: &mut [u8]) -> Result<(), Errno> {
    let want = dst.len();
    if read_at(file, offset, dst)? == want { Ok(()) } else { Err(Errno::ENOEXEC) }
}

/// Maps a program, and its interpreter, into a new address space.
pub fn load(mm: &Rc<Mm>, program: &Parsed, interpreter: Option<&Parsed>) -> Result<Loaded, Errno> {
    let bias = if program.header.relocatable { place_program(program) } else { 0 };
    let end = map_image(mm, program, bias)?;
    let entry = program.header.entry.wrapping_add(bias);
    let mut loaded = Loaded {
        start: entry,
        entry,
        phdrs: program.image.phdrs_addr.map_or(0, |a| a.wrapping_add(bias)),
        phdrs_count: program.header.phdrs_count,
        interpreter_base: 0,
        end,
        executable_stack: program.image.executable_stack,
    };
    if let Some(interpreter) = interpreter {
        let base = place_interpreter(&mm.space.borrow(), interpreter)?;
        map_image(mm, interpreter, base)?;
        loaded.interpreter_base = base;
        loaded.start = interpreter.header.entry.wrapping_add(base);
    }
    Ok(loaded)
}

fn place_program(program: &Parsed) -> u64 {
    let (start, _) = program.image.bounds();
    PIE_BASE.next_multiple_of(program.image.align).wrapping_sub(start)
}

fn place_interpreter(space: &Space, interpreter: &Parsed) -> Result<u64, Errno> {
    if !interpreter.header.relocatable {
        return Ok(0);
    }
    let (start, end) = interpreter.image.bounds();
    let free = space.find_free(end - start).ok_or(Errno::ENOMEM)?;
    Ok(free.start().wrapping_sub(start))
}

/// Maps all segments. Returns the end of the last.
fn map_image(mm: &Rc<Mm>, program: &Parsed, bias: u64) -> Result<u64, Errno> {
    let mut end = 0;
    for segment in &program.image.segments {
        let addr = segment.addr.wrapping_add(bias);
        end = addr.checked_add(segment.memory_size).ok_or(Errno::ENOEXEC)?.max(end);
        map_segment(mm, &program.file, segment, addr)?;
    }
    end.checked_next_multiple_of(PAGE).ok_or(Errno::ENOEXEC)
}

fn prot_of(flags: u32) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, flags & abi::PF_R != 0);
    prot.set(Prot::WRITE, flags & abi::PF_W != 0);
    prot.set(Prot::EXEC, flags & abi::PF_X != 0);
    prot
}

fn map_segment(mm: &Rc<Mm>, file: &MappedFile, segment: &Segment, addr: u64) -> Result<(), Errno> {
    let prot = prot_of(segment.flags);
    let page = addr & !(PAGE - 1);
    let file_end = addr.checked_add(segment.file_size).ok_or(Errno::ENOEXEC)?;
    let end = addr.checked_add(segment.memory_size).ok_or(Errno::ENOEXEC)?;
    let request = |start: u64, end: u64, backing: Backing| Request {
        place: Place::Fixed(start),
        len: end - start,
        prot,
        backing,
        grows_down: false,
        no_reserve: false,
        label: "",
    };
    let mut zero_from = page;
    if segment.file_size > 0 {
        let backing =
            Backing::File { file: file.clone(), offset: segment.offset & !(PAGE - 1), shared: false };
        mm.space.borrow_mut().mmap(request(page, file_end, backing)).map_err(not_executable)?;
        zero_from = file_end.checked_next_multiple_of(PAGE).ok_or(Errno::ENOEXEC)?;
        // All of the last page's rest is zeros, as on Linux, also what is behind the segment: glibc's dynamic linker allocates there before it can ask for memory, and takes it
        // for empty. Without the right to write there is nobody to miss them.
        if segment.memory_size > segment.file_size && prot.contains(Prot::WRITE) {
            let rest = zero_from - file_end;
            UserMemory::of(mm.clone()).clear(file_end, rest as usize).map_err(|_| Errno::ENOEXEC)?;
        }
    }
    if end > zero_from {
        mm.space.borrow_mut().mmap(request(zero_from, end, Backing::Anonymous)).map_err(not_executable)?;
    }
    Ok(())
}

/// Bad addresses are the file's fault; no memory is not.
fn not_executable(e: Errno) -> Errno {
    if e == Errno::ENOMEM { e } else { Errno::ENOEXEC }
}
