//! What tasks are called.
//!
//! The kernel does not know. Whoever makes a task does, and publishes it ([`ukernel_abi::names`]): root for the servers, the Linux server for its
//! processes, whose names are then `linux: sh[12]`.

use super::kernel::Kernel;
use super::paging;
use crate::debug::view::View;
use crate::symbols;
use std::collections::BTreeMap;
use std::path::PathBuf;
use ukernel_abi::ThreadId;
use ukernel_abi::names::{self, SYMBOL};

/// The server that names the others.
const ROOT: &str = "root";

/// The names of a machine's tasks at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names(BTreeMap<u16, String>);

/// A server's program: the name that its task has, and the ELF file, which has a symbol table.
pub type Program = (String, PathBuf);

/// Where servers have their tables of names: found out once, for it takes reading their files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tables(Vec<(String, u64)>);

impl Tables {
    /// Of those of the programs that have one.
    pub fn of(programs: &[Program]) -> Self {
        let table = |(name, path): &Program| Some((name.clone(), symbols::find(path, SYMBOL)?.address));
        Self(programs.iter().filter_map(table).collect())
    }

    /// What the table of the server `name` says, which is task `task`.
    fn read(&self, view: &dyn View, kernel: &Kernel, task: u16, name: &str) -> Option<Vec<(u16, String)>> {
        let (_, address) = self.0.iter().find(|(server, _)| server == name)?;
        let mut table = [0; size_of::<names::Names>()];
        let count = paging::read(view, kernel.space(view, task)?, *address, &mut table);
        Some(names::decode(&table[..count]).map(|(task, name)| (task, printable(name))).collect())
    }
}

impl Names {
    /// Reads what the servers say. Those that say nothing are passed over.
    pub fn read(view: &dyn View, kernel: &Kernel, tables: &Tables) -> Self {
        let mut names = BTreeMap::from([
            (ThreadId::SIGMA0.task(), "sigma0".to_string()),
            (ThreadId::ROOT.task(), ROOT.to_string()),
        ]);
        let table = |task, name: &str| tables.read(view, kernel, task, name).unwrap_or_default();
        let servers = table(ThreadId::ROOT.task(), ROOT);
        for (task, server) in &servers {
            names.entry(*task).or_insert_with(|| server.clone());
        }
        for (task, server) in &servers {
            for (process, name) in table(*task, server) {
                names.entry(process).or_insert_with(|| format!("{server}: {name}"));
            }
        }
        Self(names)
    }

    /// The name of task `number`.
    pub fn get(&self, number: u16) -> Option<&str> {
        self.0.get(&number).map(String::as_str)
    }

    /// All that are known.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str)> {
        self.0.iter().map(|(number, name)| (*number, name.as_str()))
    }

    /// The task that is called so. What comes before `: ` may be left out: `sh[12]`.
    pub fn find(&self, name: &str) -> Option<u16> {
        let own = |full: &str| full.split_once(": ").is_some_and(|(_, own)| own == name);
        self.0.iter().find(|(_, full)| *full == name || own(full)).map(|(task, _)| *task)
    }

    /// The name of task `number`, or else `task 7`.
    pub fn task(&self, number: u16) -> String {
        self.get(number).map_or_else(|| format!("task {number}"), str::to_string)
    }

    /// What a thread is called: `linux`, `interrupt 4`; `console.2` is the second thread of `console`, as debuggers count them.
    pub fn thread(&self, id: ThreadId) -> String {
        match id {
            id if id.is_nil() => "nobody".to_string(),
            id if id.is_any() => "anybody".to_string(),
            id => match (id.as_irq(), id.lthread()) {
                (Some(line), _) => format!("interrupt {line}"),
                (None, 0) => self.task(id.task()),
                (None, lthread) => format!("{}.{}", self.task(id.task()), lthread + 1),
            },
        }
    }
}

/// What comes from a guest must not do anything to a terminal, or break a line.
pub fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::mock::{ALL, Machine};
    use super::*;

    const TABLE: u64 = 0x60_0ff0;

    /// Writes an entry into the table of task `number`, across the border of two pages.
    fn name(machine: &mut Machine, number: u16, entries: &[(u16, &[u8])]) {
        let root = machine.kernel().space(machine, number).unwrap();
        let frames = [machine.frame(), machine.frame(), machine.frame()];
        for (n, frame) in frames.iter().enumerate() {
            machine.map(root, 0x60_0000 + n as u64 * 4096, *frame, ALL);
        }
        for (n, (task, name)) in entries.iter().enumerate() {
            let bytes = [&u64::from(*task).to_le_bytes()[..], name].concat();
            for (at, byte) in (TABLE + n as u64 * 40 - 0x60_0000..).zip(bytes) {
                machine.set_u8(frames[at as usize / 4096] + at % 4096, byte);
            }
        }
    }

    #[test]
    fn servers_and_their_programs_have_the_names_they_were_given() {
        let mut machine = Machine::small();
        name(&mut machine, 2, &[(3, b"linux"), (1, b"not sigma0")]);
        name(&mut machine, 3, &[(4, b"sh[1]\x1b[2J"), (2, b"not root"), (9, b"gone")]);
        let tables = Tables(vec![("root".into(), TABLE), ("linux".into(), TABLE)]);
        let names = Names::read(&machine, &machine.kernel(), &tables);
        let task = |number| names.task(number);
        assert_eq!([task(1), task(2), task(3)], ["sigma0", "root", "linux"]);
        assert_eq!([task(4), task(5)], ["linux: sh[1]?[2J", "task 5"]);
        assert_eq!(names.find("linux"), Some(3));
        assert_eq!(
            (names.find("linux: gone"), names.find("gone"), names.find("none")),
            (Some(9), Some(9), None)
        );
        assert_eq!(names.thread(ThreadId::new(3, 1, 7)), "linux.2");
        assert_eq!(names.thread(ThreadId::irq(4)), "interrupt 4");
    }
}
