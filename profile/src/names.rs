//! What tasks and threads are called, at what time.

use crate::file::Names;
use std::collections::BTreeMap;
use ukernel_abi::ThreadId;

/// Names that are kept of one task. A shell's children take each other's numbers.
const NAMES: usize = 4096;
/// Letters of a name: as many as a guest's kernel has bytes for them, and a server's name in front.
const LETTERS: usize = 64;

/// The names of all tasks.
#[derive(Clone, Debug, Default)]
pub struct NameBook {
    /// By task: from when, and what, in the order of time.
    tasks: BTreeMap<u16, Vec<(u64, String)>>,
}

impl NameBook {
    pub fn add(&mut self, names: Names) {
        for (task, name) in names.tasks {
            let known = self.tasks.entry(task).or_default();
            if known.len() < NAMES {
                // Those that servers tell come later than those that were read meanwhile.
                let place = known.partition_point(|(since, _)| *since <= names.tsc);
                known.insert(place, (names.tsc, harmless(&name, LETTERS)));
            }
        }
    }

    /// Forgets all names of a task but the last.
    pub fn forget_old(&mut self) {
        for known in self.tasks.values_mut() {
            known.drain(..known.len().saturating_sub(1));
        }
    }

    /// Of the task at that time: the last name that is not younger; for want of such a one, the first.
    pub fn task(&self, task: u16, tsc: u64) -> Option<&str> {
        let known = self.tasks.get(&task)?;
        let at = known.partition_point(|(since, _)| *since <= tsc);
        known.get(at.saturating_sub(1)).map(|(_, name)| name.as_str())
    }

    /// As people write threads: the task's name or number; for other threads than its first, their number.
    pub fn thread(&self, thread: u64, tsc: u64) -> String {
        let id = ThreadId(thread);
        let lthread = match id.lthread() {
            0 => String::new(),
            lthread => format!(".{lthread}"),
        };
        if let Some(line) = id.as_irq() {
            return format!("irq {line}");
        }
        match self.task(id.task(), tsc) {
            Some(name) => format!("{name}{lthread}"),
            None => match (id.task(), id.lthread()) {
                (1, 0) => "sigma0".into(),
                (2, 0) => "root".into(),
                (task, lthread) => format!("{task}.{lthread}"),
            },
        }
    }
}

/// At most so many letters, and nothing that a terminal would obey: the guest's programs choose what they are called.
pub fn harmless(text: &str, letters: usize) -> String {
    text.chars().take(letters).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_used_again_has_the_name_of_its_time() {
        let mut book = NameBook::default();
        let names = |tsc, name: &str| Names { tsc, tasks: [(5, name.to_string())].into() };
        book.add(names(200, "ls"));
        book.add(names(100, "sh"));
        let at = |tsc| book.thread(ThreadId::new(5, 0, 1).0, tsc);
        assert_eq!([at(0), at(150), at(200), at(u64::MAX)], ["sh", "sh", "ls", "ls"]);
        book.forget_old();
        let at = |tsc| book.thread(ThreadId::new(5, 0, 1).0, tsc);
        assert_eq!([at(0), at(200)], ["ls", "ls"]);
        assert_eq!(book.thread(ThreadId::new(5, 2, 1).0, 0), "ls.2");
        assert_eq!(book.thread(ThreadId::new(6, 2, 1).0, 0), "6.2");
        assert_eq!(book.thread(ThreadId::ROOT.0, 0), "root");
        assert_eq!(book.thread(ThreadId::irq(4).0, 0), "irq 4");
        book.add(Names { tsc: 0, tasks: [(7, format!("\x1b]0;{}", "x".repeat(200)))].into() });
        assert_eq!(book.task(7, 0).unwrap(), format!("\u{fffd}]0;{}", "x".repeat(60)));
    }
}
