//! The list of threads.
//!
//! gdb reads it as XML, with a line on each thread, in one go (`qXfer:threads:read`; GDB manual, "Thread List Format"). It asks for it at each
//! stop that it shows, and would ask for each thread's line by itself otherwise. Other debuggers know `qfThreadInfo` alone.
//!
//! When gdb (13) finds a new process in the list, that becomes its current one. At a breakpoint that is not what one wants to look at. So the
//! first list after a stop, which gdb reads to show the stop, has no new processes in it; the next, which `info threads` reads, has.

use super::framing::PACKET_SIZE;
use super::session::{MALFORMED, Session};
use super::{ids, translate};
use crate::debug::thread::{Process, Thread};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The longest thread id in a list, `p10000.ffff,`, and some room.
const ID: usize = 16;
const AT_ONCE: usize = PACKET_SIZE / ID - 1;

/// What gdb knows of the list, and what it is reading.
#[derive(Default)]
pub(super) struct Lists {
    known: BTreeSet<Process>,
    /// gdb has not read it since the last stop.
    fresh: bool,
    /// Threads for which there was no room in the last packet.
    rest: Vec<Thread>,
    /// The whole list, of which it reads pieces.
    xml: String,
}

impl Lists {
    /// The machine has stopped, and gdb has been told.
    pub fn stopped(&mut self) {
        self.fresh = true;
    }

    /// gdb gets to know `process` by a stop in it.
    pub fn meets(&mut self, process: Process) {
        self.known.insert(process);
    }

    pub fn has_several_processes(&self) -> bool {
        self.known.len() > 1
    }

    /// Those of `threads` that gdb is to see now. The machine has stopped in process `stopped`.
    fn not_too_new(&mut self, mut threads: Vec<Thread>, stopped: Process) -> Vec<Thread> {
        if std::mem::take(&mut self.fresh) {
            threads.retain(|thread| thread.process == stopped || self.known.contains(&thread.process));
        }
        self.known = threads.iter().map(|thread| thread.process).collect();
        threads
    }
}

impl Session<'_> {
    /// Does a packet about the list of threads, or says that it is none.
    pub(super) fn about_lists(&mut self, body: &[u8]) -> bool {
        match body {
            b"qfThreadInfo" => {
                let answers = self.stub.ask(&mut self.target, body);
                let threads = answers.iter().flat_map(|answer| translate::thread_list(answer)).collect();
                self.lists.rest = self.lists.not_too_new(threads, self.stop.thread.process);
                self.next_threads();
            }
            b"qsThreadInfo" => self.next_threads(),
            _ => match body.strip_prefix(b"qXfer:threads:read::") {
                Some(range) => self.threads_as_xml(range),
                None => return false,
            },
        }
        true
    }

    /// Sends as many threads of the list as fit into a packet.
    fn next_threads(&mut self) {
        let rest = self.lists.rest.split_off(self.lists.rest.len().min(AT_ONCE));
        let now = std::mem::replace(&mut self.lists.rest, rest);
        if now.is_empty() {
            return self.out.send(b"l");
        }
        let ids: Vec<String> = now.into_iter().map(|thread| ids::write(thread, self.multiprocess)).collect();
        self.out.send(format!("m{}", ids.join(",")).as_bytes());
    }

    fn threads_as_xml(&mut self, range: &[u8]) {
        let mut numbers = range.split(|&byte| byte == b',').map(ids::hex);
        let (Some(Some(offset)), Some(Some(length)), None) = (numbers.next(), numbers.next(), numbers.next())
        else {
            return self.out.send(MALFORMED);
        };
        if offset == 0 {
            self.lists.xml = self.xml();
        }
        let text = self.lists.xml.as_bytes();
        let rest = &text[text.len().min(offset as usize)..];
        // It may be twice as long on the wire.
        let count = rest.len().min(length as usize).min(PACKET_SIZE / 2 - ID);
        let kind = if count == rest.len() { b'l' } else { b'm' };
        let mut answer = vec![kind];
        rest[..count].iter().for_each(|&byte| escape(byte, &mut answer));
        self.out.send(&answer);
    }

    fn xml(&mut self) -> String {
        let mut text = String::from("<?xml version=\"1.0\"?>\n<threads>\n");
        let threads = self.target.threads();
        for thread in self.lists.not_too_new(threads, self.stop.thread.process) {
            let line = self.target.debuggee().describe(thread).unwrap_or_default();
            let id = ids::write(thread, self.multiprocess);
            let _ = writeln!(text, "<thread id=\"{id}\">{}</thread>", in_xml(&line));
        }
        text += "</threads>\n";
        text
    }
}

/// A program gives itself any name that it likes.
fn in_xml(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '&' => safe += "&amp;",
            _ if character.is_control() => safe.push('?'),
            _ => safe.push(character),
        }
    }
    safe
}

/// A byte of binary data in a packet (GDB manual, "Overview", *Binary Data*).
fn escape(byte: u8, into: &mut Vec<u8>) {
    if matches!(byte, b'#' | b'$' | b'}' | b'*') {
        into.extend([b'}', byte ^ 0x20]);
    } else {
        into.push(byte);
    }
}
