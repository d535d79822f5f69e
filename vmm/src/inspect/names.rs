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

impl Names {
    /// Reads what the servers say. Those that say nothing, or whose file is another than the one that runs, are passed over.
    pub fn read(view: &dyn View, kernel: &Kernel, programs: &[Program]) -> Self {
        let mut names = BTreeMap::from([
            (ThreadId::SIGMA0.task(), "sigma0".to_string()),
            (ThreadId::ROOT.task(), ROOT.to_string()),
        ]);
        let table = |task: u16, name: &str| {
            let (_, program) = programs.iter().find(|(program, _)| program == name)?;
            read_table(view, kernel, task, program)
        };
        let servers = table(ThreadId::ROOT.task(), ROOT).unwrap_or_default();
        for (task, server) in &servers {
            names.entry(*task).or_insert_with(|| server.clone());
        }
        for (task, server) in &servers {
            for (process, name) in table(*task, server).unwrap_or_default() {
                names.entry(process).or_insert_with(|| format!("{server}: {name}"));
            }
        }
        Self(names)
    }

    /// The name of task `number`.
    pub fn get(&self, number: u16) -> Option<&str> {
        self.0.get(&number).map(String::as_str)
    }

    /// The task that is called so.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.0.iter().find(|(_, n)| *n == name).map(|(task, _)| *task)
    }

    /// The name of task `number`, or else `task 7`.
    pub fn task(&self, number: u16) -> String {
        self.get(number).map_or_else(|| format!("task {number}"), str::to_string)
    }

    /// What a thread is called: `linux`, `console.1`, `interrupt 4`.
    pub fn thread(&self, id: ThreadId) -> String {
        match id {
            id if id.is_nil() => "nobody".to_string(),
            id if id.is_any() => "anybody".to_string(),
            id => match (id.as_irq(), id.lthread()) {
                (Some(line), _) => format!("interrupt {line}"),
                (None, 0) => self.task(id.task()),
                (None, lthread) => format!("{}.{lthread}", self.task(id.task())),
            },
        }
    }
}

/// The table that the server `task`, which runs `program`, has in its memory.
fn read_table(
    view: &dyn View,
    kernel: &Kernel,
    task: u16,
    program: &std::path::Path,
) -> Option<Vec<(u16, String)>> {
    let address = symbols::find(program, SYMBOL)?.address;
    let mut table = [0; size_of::<names::Names>()];
    let count = paging::read(view, kernel.space(view, task)?, address, &mut table);
    Some(names::decode(&table[..count]).map(|(task, name)| (task, printable(name))).collect())
}

/// What comes from a guest must not do anything to a terminal, or break a line.
fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
