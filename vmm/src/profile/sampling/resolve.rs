//! What is called what in a sample: from addresses to a stack of names.

use super::image::Image;
use super::in_place::{InPlace, is_gate};
use super::moment::{Doing, Guest, Moment, Place, Running};
use super::programs::{self, Answer, LinuxPrograms, Process};
use super::unwind::{Code, Rules, walk};
use crate::debug::debuggee::Error;
use crate::debug::programs::Programs;
use crate::debug::view::View;
use crate::inspect::names::Names;
use crate::inspect::paging;
use crate::profile::names::view;
use profile::stacks::{IDLE, KERNEL_MARK};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the names of tasks are taken for what they were.
const NAMES_LAST: Duration = Duration::from_millis(5);
/// The task that is shown when there is none.
const NOBODY: &str = "kernel";
const UNKNOWN: &str = "[unknown]";

/// Names things in a guest.
pub struct Resolver {
    guest: Arc<Guest>,
    programs: Programs,
    kernel: Option<Image>,
    servers: HashMap<String, Image>,
    linux: LinuxPrograms,
    names: Names,
    read: Option<Instant>,
}

/// A process that has to be asked about, and where it was.
pub struct Question {
    pub process: Process,
    address: u64,
}

impl Resolver {
    /// Reads the files that the guest is made of: now, not while it runs.
    pub fn new(guest: Arc<Guest>, programs: Programs) -> Self {
        programs.tables();
        let servers = programs.servers().iter();
        Self {
            kernel: guest.kernel.as_ref().and_then(|_| Image::read(programs.kernel())),
            servers: servers.filter_map(|(name, path)| Some((name.clone(), Image::read(path)?))).collect(),
            linux: LinuxPrograms::default(),
            names: Names::default(),
            read: None,
            guest,
            programs,
        }
    }

    /// The stack of a sample, the task first and then from the outermost function to the innermost. `asks`: rather than to name it as well as can be, say whom to ask.
    pub fn stack(&mut self, moment: &mut Moment, asks: bool) -> Result<Vec<String>, Question> {
        let running = match &mut moment.doing {
            Doing::Idle => return Ok(vec![IDLE.into()]),
            Doing::Foreign { user: true } => return Ok(vec!["user mode".into()]),
            Doing::Foreign { user: false } => return Ok(vec!["kernel mode".into()]),
            Doing::Running(running) => running,
        };
        if running.name.is_none() {
            running.name = running.task.map(|task| self.name(task, running));
        }
        let name = running.task.zip(running.name.clone());
        let process = name.as_ref().and_then(|(task, name)| Process::of(*task, name));
        let seen = view(&self.guest.memory);
        if asks && let (Some(process), Some(place)) = (&process, &running.user) {
            self.is_known(&seen, process, place)?;
        }
        let mut stack = vec![match (&process, name) {
            (Some(process), _) => process.program().to_owned(),
            (None, Some((_, name))) => name,
            (None, None) => NOBODY.to_owned(),
        }];
        let task = stack[0].clone();
        let (user, kernel) = (running.user.as_ref(), running.kernel.as_ref());
        stack.extend(user.into_iter().flat_map(|place| self.user(&seen, &task, process.as_ref(), place)));
        stack.extend(kernel.into_iter().flat_map(|place| self.kernel(place)));
        Ok(stack)
    }

    /// Asks about a process, with the guest standing still.
    pub fn ask(&self, question: &Question) -> Result<Answer, Error> {
        let none = || Error::Other("there is no kernel of ours".into());
        let made_of = (self.guest.kernel.as_ref().ok_or_else(none)?, &self.programs);
        let Question { process, address } = question;
        let memory = &self.guest.memory;
        programs::ask(&view(memory), memory, made_of, (process, *address), &self.linux.known_files())
    }

    pub fn learn(&mut self, question: Question, answer: Result<Answer, Error>) {
        self.linux.learn(question.process, answer);
    }

    /// What a task is called. Names are read again from time to time, and when there is something new.
    fn name(&mut self, task: u16, running: &Running) -> String {
        let now = Instant::now();
        let is_old = self.read.is_none_or(|read| now.duration_since(read) >= NAMES_LAST);
        if (is_old || self.names.get(task).is_none() || self.has_changed(task, running))
            && let Some(kernel) = &self.guest.kernel
        {
            self.names = Names::read(&view(&self.guest.memory), kernel, self.programs.tables());
            self.read = Some(now);
        }
        self.names.task(task)
    }

    /// Whether a process runs something that is not known: then it may have another name, too.
    fn has_changed(&self, task: u16, running: &Running) -> bool {
        let process = self.names.get(task).and_then(|name| Process::of(task, name));
        let (Some(process), Some(place)) = (process, &running.user) else { return false };
        self.is_known(&view(&self.guest.memory), &process, place).is_err()
    }

    fn is_known(&self, view: &dyn View, process: &Process, place: &Place) -> Result<(), Question> {
        let address = place.registers.instruction();
        match is_gate(address)
            || self.linux.find(view, place.root, address).is_some()
            || !self.linux.is_unknown(process, address)
        {
            true => Ok(()),
            false => Err(Question { process: process.clone(), address }),
        }
    }

    fn kernel(&self, place: &Place) -> Vec<String> {
        let mut code = InPlace::ours(self.kernel.as_ref());
        let addresses = walk(&place.registers, &place.stack, &mut code);
        let name = |address| code.name(address).unwrap_or(UNKNOWN);
        addresses.into_iter().rev().map(|address| format!("{}{KERNEL_MARK}", name(address))).collect()
    }

    fn user(&self, view: &dyn View, task: &str, process: Option<&Process>, place: &Place) -> Vec<String> {
        let Some(process) = process else {
            let mut code = InPlace::ours(self.servers.get(task));
            let addresses = walk(&place.registers, &place.stack, &mut code);
            let name = |address| code.name(address).unwrap_or(UNKNOWN).to_owned();
            return addresses.into_iter().rev().map(name).collect();
        };
        let mut code = InProcess { linux: &self.linux, view, root: place.root };
        let addresses = walk(&place.registers, &place.stack, &mut code);
        let name = |address| match code.linux.find(view, place.root, address) {
            Some((image, own)) if image.function(own).is_some() => {
                image.function(own).unwrap_or(UNKNOWN).to_owned()
            }
            _ => self.linux.file_name(process, address).map_or(UNKNOWN.into(), |file| format!("[{file}]")),
        };
        addresses.into_iter().rev().map(name).collect()
    }
}

struct InProcess<'a> {
    linux: &'a LinuxPrograms,
    view: &'a dyn View,
    root: u64,
}

impl Code for InProcess<'_> {
    fn rules(&mut self, address: u64) -> Option<Rules> {
        let (image, own) = self.linux.find(self.view, self.root, address)?;
        image.rules(own)
    }

    fn is_code(&mut self, address: u64) -> bool {
        paging::translate(self.view, self.root, address).is_some_and(|page| page.user && page.executable)
    }
}
