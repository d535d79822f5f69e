//! A rehearsed machine for people: a word, and what it is.

use super::described::{CrashDir, Place, RAM, Region, Rehearsal, Space};
use lab::process::quote;
use std::fmt;

/// Columns of the word.
const WIDTH: usize = 10;

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |word: &str, text: &dyn fmt::Display| writeln!(f, "{word:WIDTH$}{text}");
        let machine = &self.machine;
        line(
            "kernel",
            &format_args!(
                "{} ({}, entered at {:#x})",
                machine.kernel.file.path, machine.kernel.format, self.entry
            ),
        )?;
        line("cmdline", &machine.cmdline)?;
        if !machine.program.is_empty() {
            let words: Vec<_> = machine.program.iter().map(|word| quote(word)).collect();
            line("program", &words.join(" "))?;
        }
        line("cpus", &machine.cpus)?;
        if let Some(seconds) = machine.timeout {
            line("timeout", &format_args!("{seconds} s"))?;
        }
        for (n, region) in self.memory_map.iter().enumerate() {
            line(if n == 0 { "memory" } else { "" }, region)?;
        }
        for (n, place) in self.places.iter().enumerate() {
            line(if n == 0 { "devices" } else { "" }, place)?;
        }
        for (n, file) in self.files.iter().enumerate() {
            line(if n == 0 { "files" } else { "" }, file)?;
        }
        for (word, file) in [("core", &self.core), ("manifest", &self.manifest), ("junit", &self.junit)] {
            if let Some(file) = file {
                line(word, file)?;
            }
        }
        if let Some(crash_dir) = &self.crash_dir {
            line("crash-dir", crash_dir)?;
        }
        if let Some(debugger) = &machine.debugger {
            line("debugger", debugger)?;
        }
        match &self.jail {
            None => line("jail", &"off")?,
            Some(needs) => {
                for (n, need) in needs.iter().enumerate() {
                    line(if n == 0 { "jail" } else { "" }, need)?;
                }
            }
        }
        if let Some(kvm) = &self.kvm {
            let mode = match kvm.hardware {
                Some(true) => ", hardware virtualisation",
                Some(false) => ", guest kernel mode is emulated",
                None => "",
            };
            line("kvm", &format_args!("{}{mode}", kvm.device))?;
        }
        Ok(())
    }
}

impl fmt::Display for CrashDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = if self.core { "a core" } else { "no core" };
        write!(f, "{}, with {core} and {} KiB of output", self.folder, self.console >> 10)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, end, content } = self;
        let indent = if content == RAM { "" } else { "  " };
        write!(f, "{start:#012x}-{:#012x}  {indent}{content}", end.saturating_sub(1).max(*start))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (space, last) = (self.space, self.first + self.length - 1);
        let place = match space {
            Space::Ports if self.length == 1 => format!("port {:#x}", self.first),
            Space::Ports => format!("ports {:#x}-{last:#x}", self.first),
            Space::Memory => format!("{:#x}-{last:#x}", self.first),
        };
        let irq = self.irq.map_or(String::new(), |irq| format!("irq {irq}"));
        write!(f, "{place:22} {irq:7} {}", self.device)
    }
}
