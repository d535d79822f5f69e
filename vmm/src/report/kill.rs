//! `monitor kill-server NAME`
//!
//! Root ends servers and starts them again, but nobody can ask root anything while the machine stands still, and afterwards root waits for its servers
//! alone. So the server is made to crash: its threads are set to an address at which nothing is mapped, and root does what it does whenever a server of
//! this kind dies. A thread that waits crashes when its wait is over.

use super::facts::Facts;
use crate::debug::thread::Thread;
use ukernel_abi::ThreadId;

/// For `monitor help`.
pub const COMMAND: (&str, &str) = ("kill-server NAME", "ends server NAME, which is then started again");
/// Where a thread goes that is to crash. No server has anything there.
pub const NOWHERE: u64 = 0;

/// The server that a command is to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Victim {
    pub name: String,
    /// All of them are to go [`NOWHERE`].
    pub threads: Vec<Thread>,
}

impl Victim {
    /// What is said when it has been done.
    pub fn done(&self) -> String {
        format!("server {} ends as soon as it has something to do, and root starts it again\n", self.name)
    }
}

/// Whom `command` is to end, or why that is impossible. `None`: it is another command.
pub fn victim(facts: &Facts<'_>, command: &str) -> Option<Result<Victim, String>> {
    match command.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["kill-server", name] => Some(find(facts, name)),
        ["kill-server", ..] => Some(Err(format!("use: monitor {}\n", COMMAND.0))),
        _ => None,
    }
}

fn find(facts: &Facts<'_>, name: &str) -> Result<Victim, String> {
    let none = || format!("there is no server {name:?}; monitor tasks lists them\n");
    let kernel = facts.kernel.ok_or_else(none)?;
    let task = facts.names().find(name).and_then(|number| kernel.task(facts.view, number));
    // What root has made, and root and σ0 themselves; no Linux program.
    let root = ThreadId::ROOT.task();
    let task = task.filter(|task| task.chief == root || task.number <= root).ok_or_else(none)?;
    if !facts.programs.restarts(name) {
        return Err(format!(
            "server {name} cannot be killed: the machine would end with it; restart = \"always\" in its server set has it started again\n"
        ));
    }
    Ok(Victim { name: name.into(), threads: kernel.threads_of(facts.view, &task) })
}
