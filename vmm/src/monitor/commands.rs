//! Which commands there are, and what a line of the user's means.

use super::{Scene, caps, exits, ipc, irqs, mappings, space, tasks, threads, trace, tsc};
use crate::inspect::Kernel;
use std::fmt::Write;

/// What a command is for: the machine, whatever it runs, or the µ-kernel.
enum Work {
    Machine(fn(&Scene<'_>) -> String),
    Kernel(fn(&Scene<'_>, &Kernel, &[&str]) -> Result<String, String>),
}

struct Command {
    name: &'static str,
    /// Names of the arguments, all of which have to be there.
    arguments: &'static [&'static str],
    about: &'static str,
    work: Work,
}

const COMMANDS: &[Command] = &[
    Command::kernel("tasks", &[], "tasks: who made them, threads, kernel memory", tasks::run),
    Command::kernel("threads", &[], "threads: priority, CPU, pager, what they do", threads::run),
    Command::kernel("space", &["T"], "what task T (a number or a name) has mapped", space::run),
    Command::kernel(
        "mappings",
        &["T", "ADDR"],
        "from whom task T has the page at ADDR, and who from it",
        mappings::run,
    ),
    Command::kernel("ipc", &[], "who waits for whom, and deadlocks", ipc::run),
    Command::kernel("irqs", &[], "interrupt lines: who is attached, what is pending", irqs::run),
    Command::kernel("trace", &[], "the kernel's last events", trace::run),
    Command::kernel("caps", &[], "what tasks may do: ports, interrupt lines, kernel memory", caps::run),
    Command::machine("exits", "how often vCPUs have left the guest, and why", exits::run),
    Command::machine("tsc", "time-stamp counters", tsc::run),
];

impl Command {
    const fn kernel(
        name: &'static str,
        arguments: &'static [&'static str],
        about: &'static str,
        work: fn(&Scene<'_>, &Kernel, &[&str]) -> Result<String, String>,
    ) -> Self {
        Self { name, arguments, about, work: Work::Kernel(work) }
    }

    const fn machine(name: &'static str, about: &'static str, work: fn(&Scene<'_>) -> String) -> Self {
        Self { name, arguments: &[], about, work: Work::Machine(work) }
    }

    fn usage(&self) -> String {
        [&[self.name], self.arguments].concat().join(" ")
    }

    fn run(&self, scene: &Scene<'_>, arguments: &[&str]) -> Result<String, String> {
        if arguments.len() != self.arguments.len() {
            return Err(format!("use: monitor {}", self.usage()));
        }
        match self.work {
            Work::Machine(work) => Ok(work(scene)),
            Work::Kernel(work) => match scene.kernel {
                Some(kernel) => work(scene, kernel, arguments),
                None => Err(format!(
                    "monitor {} is about the µ-kernel, which this guest does not run, or not yet",
                    self.name
                )),
            },
        }
    }
}

/// Does the command `line`.
pub(super) fn run(scene: &Scene<'_>, others: &[(&str, &str)], line: &str) -> Result<String, String> {
    let words: Vec<_> = line.split_whitespace().collect();
    match words.as_slice() {
        [] | ["help", ..] => Ok(help(others)),
        [name, arguments @ ..] => match COMMANDS.iter().find(|command| command.name == *name) {
            Some(command) => command.run(scene, arguments),
            None => Err(unknown(name, others)),
        },
    }
}

fn help(others: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let ours = COMMANDS.iter().map(|command| (command.usage(), command.about));
    let others = others.iter().map(|(usage, about)| (usage.to_string(), *about));
    for (usage, about) in ours.chain(others) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "monitor {usage:<18} {about}");
    }
    text
}

/// What is said about a command that there is not: the one that is most like it.
fn unknown(name: &str, others: &[(&str, &str)]) -> String {
    const LIKE: f64 = 0.7;
    let others = others.iter().filter_map(|(usage, _)| usage.split_whitespace().next());
    let known = COMMANDS.iter().map(|command| command.name).chain(others).chain(["help"]);
    let best = known
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(like, _)| *like > LIKE);
    match best {
        Some((_, best)) => format!("there is no command {name:?}; did you mean {best:?}?"),
        None => format!("there is no command {name:?}; monitor help lists them"),
    }
}
