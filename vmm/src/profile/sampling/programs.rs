//! What Linux programs are made of: which of the guest's files is where in a process.
//!
//! Only the Linux server knows, and it is asked as a debugger asks it ([`crate::report`]), for which the guest has to stand still. That takes milliseconds, so it is done once for a
//! file: in another process, the same code at the same address is of the same file. That is looked at each time, in the guest's memory, since processes end and others take
//! their places.

use super::image::Image;
use crate::debug::debuggee::Error;
use crate::debug::programs::Programs;
use crate::debug::view::View;
use crate::inspect::{Kernel, paging};
use crate::memory::GuestMemory;
use crate::report::facts::Facts;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Bytes of code that have to be the same.
const LIKENESS: usize = 64;
/// Files in processes that are kept, and bytes of files.
const MODULES: usize = 4096;
const BYTES: usize = 512 << 20;
/// Processes whose files are known by name.
const PROCESSES: usize = 4096;
/// How often a process is asked about that could not be answered for.
const TRIES: u32 = 3;

/// A Linux process: its task, and its name with its number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Process {
    pub task: u16,
    pub name: String,
}

impl Process {
    /// `None` if a task of this name is a server.
    pub fn of(task: u16, name: &str) -> Option<Self> {
        pid(name).map(|_| Self { task, name: name.into() })
    }

    /// What runs in it: `linux: sh` of `linux: sh[12]`.
    pub fn program(&self) -> &str {
        self.name.rsplit_once('[').map_or(&self.name, |(program, _)| program)
    }
}

fn pid(name: &str) -> Option<u32> {
    name.split_once(": ")?.1.strip_suffix(']')?.rsplit_once('[')?.1.parse().ok()
}

/// A file that is mapped to be executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub range: Range<u64>,
    /// Where in the file it begins.
    pub offset: u64,
    pub path: String,
}

impl Mapping {
    /// A line of `/proc/PID/maps` (proc(5)), if it is of such a file.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let rights = words.next()?;
        let offset = u64::from_str_radix(words.next()?, 16).ok()?;
        // Device and inode come in between.
        let path = words.skip(2).collect::<Vec<_>>().join(" ");
        let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
        (rights.contains('x') && path.starts_with('/')).then_some(Self { range, offset, path })
    }

    /// What is shown if nothing more is known: the file's name.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A file in processes.
struct Module {
    mapping: Mapping,
    /// Which of [`LinuxPrograms::images`].
    image: usize,
    /// Its addresses in a process minus those in the file.
    bias: u64,
}

/// What the Linux server has answered.
pub struct Answer {
    mappings: Vec<Mapping>,
    /// Files by their paths, those that can be had.
    files: HashMap<String, Vec<u8>>,
}

#[derive(Default)]
pub struct LinuxPrograms {
    modules: Vec<Module>,
    images: Vec<Image>,
    /// Those that files are, by their paths.
    files: HashMap<String, usize>,
    bytes: usize,
    processes: HashMap<Process, Known>,
}

#[derive(Default)]
struct Known {
    tries: u32,
    mappings: Vec<Mapping>,
}

impl LinuxPrograms {
    /// The file that has the code at `address` in the space of page-table root `root`, and what is its own address there.
    pub fn find(&self, view: &dyn View, root: u64, address: u64) -> Option<(&Image, u64)> {
        let mut candidates = self.modules.iter().filter(|module| module.mapping.range.contains(&address));
        candidates.find_map(|module| {
            let (image, own) = (&self.images[module.image], address.wrapping_sub(module.bias));
            is_at(image, own, view, root, address).then_some((image, own))
        })
    }

    /// The name of the file that is said to be there.
    pub fn file_name(&self, process: &Process, address: u64) -> Option<&str> {
        let known = self.processes.get(process)?;
        known.mappings.iter().find(|mapping| mapping.range.contains(&address)).map(Mapping::name)
    }

    /// Whether it is worth asking for what is at `address`.
    pub fn is_unknown(&self, process: &Process, address: u64) -> bool {
        let known = self.processes.get(process);
        known.is_none_or(|known| known.tries < TRIES) && self.file_name(process, address).is_none()
    }

    /// Takes what was [asked](ask) about a process; an error is an answer that could not be had.
    pub fn learn(&mut self, process: Process, answer: Result<Answer, Error>) {
        if self.processes.len() >= PROCESSES {
            self.processes.clear();
        }
        let known = self.processes.entry(process).or_default();
        known.tries += 1;
        let Answer { mappings, files } = match answer {
            Ok(answer) => answer,
            Err(error) => return tracing::debug!("no symbols: {error}"),
        };
        known.mappings.clone_from(&mappings);
        for (path, file) in files {
            if self.bytes.saturating_add(file.len()) <= BYTES
                && let Some(image) = Image::parse(&file)
            {
                self.bytes += file.len();
                self.files.insert(path, self.images.len());
                self.images.push(image);
            }
        }
        for mapping in mappings {
            self.add(mapping);
        }
    }

    /// Paths of files that are known, which need not be read again.
    pub fn known_files(&self) -> HashSet<String> {
        self.files.keys().cloned().collect()
    }

    fn add(&mut self, mapping: Mapping) {
        let Some(&image) = self.files.get(&mapping.path) else { return };
        let is_same = |module: &Module| module.mapping == mapping && module.image == image;
        if self.modules.len() < MODULES
            && !self.modules.iter().any(is_same)
            && let Some(address) = self.images[image].address_of(mapping.offset)
        {
            let bias = mapping.range.start.wrapping_sub(address);
            self.modules.push(Module { mapping, image, bias });
        }
    }
}

/// Whether the code at `address` is what the file has at its address `own`.
fn is_at(image: &Image, own: u64, view: &dyn View, root: u64, address: u64) -> bool {
    // On one page, which is there since it was executed.
    let before = address % LIKENESS as u64;
    let of_file = image.code(own.wrapping_sub(before), LIKENESS);
    let mut there = [0; LIKENESS];
    let there = &mut there[..of_file.len()];
    !of_file.is_empty()
        && paging::read(view, root, address - before, there) == there.len()
        && there == of_file
}

/// Asks the Linux server of a guest that stands still what `process` is made of. Files of these paths are not asked for, but for that at `address`: it is
/// another than it was.
pub fn ask(
    view: &dyn View,
    ram: &GuestMemory,
    (kernel, programs): (&Kernel, &Programs),
    (process, address): (&Process, u64),
    known: &HashSet<String>,
) -> Result<Answer, Error> {
    let pid = pid(&process.name).ok_or_else(|| Error::Other(format!("{} is no process", process.name)))?;
    let mut linux = Facts::new(view, ram, Some(kernel), programs).linux()?;
    let maps = linux.read(pid, &format!("/proc/{pid}/maps"))?;
    let mappings: Vec<_> = String::from_utf8_lossy(&maps).lines().filter_map(Mapping::parse).collect();
    let mut files = HashMap::new();
    for mapping in &mappings {
        let Mapping { range, path, .. } = mapping;
        if !files.contains_key(path) && (!known.contains(path) || range.contains(&address)) {
            match linux.read(pid, path) {
                Ok(file) => drop(files.insert(path.clone(), file)),
                Err(error) => tracing::debug!("no symbols: {error}"),
            }
        }
    }
    Ok(Answer { mappings, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::mock::{ALL, Machine};
    use crate::tiny_elf::Elf;

    const MAPS: &str = "00400000-00401000 r--p 00000000 00:02 13 /bin/a\n\
        00401000-00403000 r-xp 00001000 00:02 13                  /bin/a b\n\
        00403000-00404000 r-xp 00000000 00:00 0                   [vdso]\n\
        nonsense\n\n7-x r-xp 0 0 0 /a\n";

    #[test]
    fn executed_files_are_found_in_maps() {
        let found: Vec<_> = MAPS.lines().filter_map(Mapping::parse).collect();
        let want = Mapping { range: 0x40_1000..0x40_3000, offset: 0x1000, path: "/bin/a b".into() };
        assert_eq!(found, [want]);
        assert_eq!(found[0].name(), "a b");
    }

    #[test]
    fn processes_are_told_from_servers() {
        let process = Process::of(7, "linux: a[b][12]").unwrap();
        assert_eq!((process.program(), pid(&process.name)), ("linux: a[b]", Some(12)));
        assert_eq!((Process::of(7, "linux"), Process::of(7, "linux: sh")), (None, None));
    }

    #[test]
    fn a_file_is_where_its_code_is() {
        let file = Elf::new(&[0x90; 100]).bytes();
        let image = Image::parse(&file).unwrap();
        let offset = (0..file.len() as u64)
            .find(|offset| image.address_of(*offset).is_some_and(|at| image.code(at, 100).len() == 100))
            .unwrap();
        let mut machine = Machine::small();
        let root = machine.kernel().space(&machine, 4).unwrap();
        let (frame, start) = (machine.frame(), 0x7000_0000);
        machine.map(root, start, frame, ALL);
        let mapping = Mapping { range: start..start + 4096, offset, path: "/bin/a".into() };
        let process = Process::of(4, "linux: a[1]").unwrap();
        let mut programs = LinuxPrograms::default();
        assert!(programs.is_unknown(&process, start));
        let files = HashMap::from([("/bin/a".to_owned(), file)]);
        programs.learn(process.clone(), Ok(Answer { mappings: vec![mapping], files }));
        assert!(programs.find(&machine, root, start).is_none(), "its code is not there");
        assert_eq!(programs.file_name(&process, start), Some("a"));
        (0..4096).for_each(|n| machine.set_u8(frame + n, 0x90));
        assert!(programs.find(&machine, root, start + 5).is_some());
        assert!(programs.find(&machine, root, start + 4096).is_none());
        assert!(programs.known_files().contains("/bin/a"));
    }

    #[test]
    fn nobody_is_asked_for_ever() {
        let (mut programs, process) = (LinuxPrograms::default(), Process::of(4, "linux: a[1]").unwrap());
        for _ in 0..TRIES {
            assert!(programs.is_unknown(&process, 0));
            programs.learn(process.clone(), Err(Error::ReadOnly));
        }
        assert!(!programs.is_unknown(&process, 0));
    }
}
