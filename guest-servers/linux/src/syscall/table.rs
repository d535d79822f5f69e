//! Number → entry. Each family of calls has its own list; here they are put together when the server is compiled.

use super::{
    Coverage, Entry, Handler, control, fs_calls, futex, ids, immediate, limits, memory, process, signals,
    system, time,
};
use crate::errno::Errno;
use alloc::string::String;
use core::fmt::Write;

const FAMILIES: &[(&str, &[Entry])] = &[
    ("Processes", process::CALLS),
    ("Starting and ending programs", control::CALLS),
    ("Identity", ids::CALLS),
    ("Memory", memory::CALLS),
    ("Open files", fs_calls::OPEN),
    ("Descriptors and locks", fs_calls::FCNTL),
    ("Reading and writing", fs_calls::TRANSFER),
    ("Copying", fs_calls::COPY),
    ("Names", fs_calls::NAMES),
    ("Attributes", fs_calls::ATTRIBUTES),
    ("Listing", fs_calls::LISTING),
    ("Readiness", fs_calls::READY),
    ("Sockets", fs_calls::SOCKETS),
    ("Devices", fs_calls::IOCTL),
    ("Signals", signals::CALLS),
    ("Time", time::CALLS),
    ("Limits and usage", limits::CALLS),
    ("Threads", futex::CALLS),
    ("System", system::CALLS),
];

/// One more than the highest number that a call here can have.
const SIZE: usize = 512;

static TABLE: [Option<Entry>; SIZE] = build();

const fn build() -> [Option<Entry>; SIZE] {
    let mut table = [None; SIZE];
    let mut family = 0;
    while family < FAMILIES.len() {
        let calls = FAMILIES[family].1;
        let mut i = 0;
        while i < calls.len() {
            let nr = calls[i].nr as usize;
            assert!(table[nr].is_none(), "two entries for one number");
            table[nr] = Some(calls[i]);
            i += 1;
        }
        family += 1;
    }
    table
}

/// The entry for a number, if the call exists here.
pub fn lookup(nr: u64) -> Option<&'static Entry> {
    TABLE.get(usize::try_from(nr).ok()?)?.as_ref()
}

/// What answers the immediate calls, and those that do not exist, in a table of its own: a word an entry.
static IMMEDIATE: [Option<immediate::Function>; SIZE] = {
    let mut functions = [None; SIZE];
    let mut nr = 0;
    while nr < SIZE {
        functions[nr] = match TABLE[nr] {
            Some(Entry { handler: Handler::Immediate(f), .. }) => Some(f),
            Some(_) => None,
            None => MISSING,
        };
        nr += 1;
    }
    functions
};

const MISSING: Option<immediate::Function> = Some(|_| Errno::ENOSYS.to_return_value());

/// What answers a call, if it is an immediate one or does not exist.
#[inline(always)]
pub fn immediate(nr: u32) -> Option<immediate::Function> {
    *IMMEDIATE.get(nr as usize).unwrap_or(&MISSING)
}

/// The table of `docs/linux.md`.
pub fn markdown() -> String {
    let mut out = String::new();
    for (family, calls) in FAMILIES {
        // Writing to a string cannot fail.
        let _ = write!(out, "### {family}\n\n| Call | Coverage |\n|---|---|\n");
        for entry in *calls {
            let coverage = match entry.coverage {
                Coverage::Full => "full",
                Coverage::Partial(missing) => missing,
            };
            let partial = if coverage == "full" { "" } else { "partial: " };
            let _ = writeln!(out, "| `{}` | {partial}{coverage} |", entry.name);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmm_abi::linux;

    #[test]
    fn every_entry_has_the_name_of_its_number() {
        let mut count = 0;
        for (nr, entry) in TABLE.iter().enumerate().filter_map(|(nr, e)| e.as_ref().map(|e| (nr, e))) {
            assert_eq!(linux::name(nr as u64), Some(entry.name));
            count += 1;
        }
        assert!(count > 80, "{count} calls");
    }

    #[test]
    fn wild_numbers_have_no_entry() {
        for nr in [SIZE as u64, u64::MAX, 1 << 31] {
            assert!(lookup(nr).is_none());
        }
    }
}
