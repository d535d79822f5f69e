//! Sees a run from the command line to its end, and writes down what was asked for: manifest, crash folder, results of tests.
//!
//! It is made before anything else is tried, so that it can testify of runs that fail early too. Whatever it cannot write it says; the exit status stays what the run has earned, but for
//! one thing: tests that failed are no success.

use super::crash::{CrashDir, Folder, complain};
use super::ears::Ears;
use super::options::EvidenceOptions;
use super::prepared::Prepared;
use super::scene::Remains;
use super::wanted::{EvidenceError, Wanted};
use crate::config::Config;
use crate::core::target::Target;
use crate::core::wish::Subject;
use crate::debug::programs::Programs;
use crate::ending::{Ending, Kind, Status};
use crate::error::Error;
use crate::junit::verdict::{End, Verdict};
use crate::loader::file::{self, FileError};
use crate::log;
use crate::manifest::Machine;
use crate::manifest::date::Date;
use crate::manifest::document::{Command, Document, Exit, Item, Time, Ukvmm, VERSION};
use crate::manifest::host::Place;
use crate::memory::GuestMemory;
use crate::profile::clock::Reading;
use crate::settings::Origins;
use crate::vcpu::group::Reports;
use rustix::time::ClockId;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Files above this are not read once more to be hashed.
const HASHED_MAX: u64 = 1 << 30;

/// How a run ended, as far as the evidence goes.
struct Outcome<'a> {
    kind: Kind,
    status: Status,
    message: Option<&'a str>,
}

pub struct Witness {
    command: Command,
    start: Date,
    clock: Instant,
    raw: Reading,
    ears: Arc<Ears>,
    manifest: Option<Prepared>,
    junit: Option<Prepared>,
    crash: Option<CrashDir>,
    /// If somebody wants to know.
    place: Option<Place>,
    machine: Option<Machine>,
    /// What a core would be of.
    subject: Option<Subject>,
    programs: Programs,
    /// The folder of a death.
    folder: Option<Folder>,
    /// What else the run has left behind.
    files: Vec<PathBuf>,
}

impl Witness {
    /// Prepares what `options` ask for. `origins` tells where settings came from that were not on the command line.
    pub fn new(options: &EvidenceOptions, origins: &Origins) -> Result<Self, EvidenceError> {
        let Wanted { manifest, junit, crash } = Wanted::look(options)?;
        let prepare =
            |option, path: Option<PathBuf>| path.map(|path| Prepared::new(option, path)).transpose();
        let (manifest, junit) = (prepare("--manifest", manifest)?, prepare("--junit", junit)?);
        let crash = crash.map(CrashDir::new).transpose()?;
        Ok(Self {
            command: Command::this(origins),
            start: Date::of(SystemTime::now()),
            clock: Instant::now(),
            raw: Reading::of(ClockId::MonotonicRaw),
            ears: Ears::new(crash.as_ref().map(|crash| crash.options.console), junit.is_some()),
            place: (manifest.is_some() || crash.is_some()).then(Place::here),
            manifest,
            junit,
            crash,
            machine: None,
            subject: None,
            programs: Programs::default(),
            folder: None,
            files: Vec::new(),
        })
    }

    /// Runs what is to be witnessed. A panic becomes an error.
    pub fn watch(&mut self, run: impl FnOnce(&mut Self) -> Result<Ending, Error>) -> Result<Ending, Error> {
        catch_unwind(AssertUnwindSafe(|| run(self))).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(Error::Panic(text))
        })
    }

    /// The run got as far as this machine. Files are read for it only if somebody wants to know.
    pub fn sees(&mut self, config: &Config) -> Result<(), FileError> {
        if self.place.is_some() {
            self.machine = Some(Machine::hashed(config)?);
        }
        if let Some(crash) = &self.crash {
            self.programs = Programs::of(&config.kernel, &config.modules);
            let subject = || Subject::new(&config.kernel, &config.modules);
            self.subject = crash.options.core.then(subject).transpose()?;
        }
        Ok(())
    }

    /// What is to hear all that the guest prints.
    pub fn ears(&self) -> Arc<Ears> {
        self.ears.clone()
    }

    /// Whether vCPUs are to leave everything behind that is known of them.
    pub fn wants_state(&self) -> bool {
        self.crash.is_some()
    }

    /// Folders in which files will be made, when everything else is closed.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.manifest, &self.junit].into_iter().flatten();
        files.map(Prepared::folder).chain(self.crash.as_ref().map(|crash| crash.options.folder.as_path()))
    }

    /// Files that will be read then: the programs of the guest, for their symbols.
    pub fn programs(&self) -> impl Iterator<Item = &Path> {
        self.crash.iter().flat_map(|_| self.programs.files())
    }

    /// The machine has ended so, and its memory is still there.
    pub fn autopsy(&mut self, ending: &Ending, reports: &Reports, memory: &GuestMemory) {
        if !ending.kind.is_death() {
            return;
        }
        let subject = self.subject.take();
        let Some(folder) = open(&self.crash, &mut self.folder, self.start, ending.kind) else { return };
        let remains = Remains::new(memory, reports, &self.programs);
        folder.put("registers.txt", remains.registers().as_bytes());
        for (name, text) in [("events.txt", remains.events()), ("threads.txt", remains.threads())] {
            text.into_iter().for_each(|text| folder.put(name, text.as_bytes()));
        }
        if let (Some(subject), Some(status)) = (subject, ending.status.code()) {
            let path = folder.file("core.elf");
            let message = ending.message.as_deref().unwrap_or_default();
            let deposit = subject.write(&Target::new_in(path.clone()), status, message, reports, memory);
            match deposit.written {
                Ok(_) => folder.files.push(path),
                Err(error) => complain(&path, &error),
            }
        }
    }

    /// Writes down how it ended. Returns how the process is to end.
    pub fn testify(mut self, result: &Result<Ending, Error>) -> Status {
        let text;
        let mut outcome = match result {
            Ok(ending) => {
                Outcome { kind: ending.kind, status: ending.status, message: ending.message.as_deref() }
            }
            Err(error) => {
                text = error.to_string();
                Outcome { kind: error.kind(), status: Status::Exit(error.status()), message: Some(&text) }
            }
        };
        if let Ok(ending) = result {
            let core = ending.core.iter().filter(|core| core.written.is_ok()).map(|core| core.path.clone());
            self.files.extend(core);
        }
        outcome.status = self.tests(&outcome);
        self.death(&outcome);
        self.manifest(&outcome);
        if let Some(folder) = &self.folder {
            tracing::warn!("evidence: {}/", folder.path.display());
        }
        outcome.status
    }

    fn tests(&mut self, outcome: &Outcome<'_>) -> Status {
        let (Some(junit), Some((suites, out, err))) = (self.junit.take(), self.ears.tests()) else {
            return outcome.status;
        };
        let end = End { kind: outcome.kind, status: outcome.status, message: outcome.message };
        let verdict = Verdict::new(suites, &end, self.clock.elapsed());
        let status = verdict.status(outcome.status);
        verdict.announce(junit.path());
        let path = junit.path().to_path_buf();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if junit.write(verdict.to_xml(&name, &self.start.plain(), &out, &err).as_bytes()) {
            self.files.push(path);
        }
        status
    }

    /// What is in the folder of a death that needs no machine.
    fn death(&mut self, outcome: &Outcome<'_>) {
        if !outcome.kind.is_death() {
            return;
        }
        let Some(folder) = open(&self.crash, &mut self.folder, self.start, outcome.kind) else { return };
        folder.put("console.log", &self.ears.console().unwrap_or_default());
        folder.put("log.txt", &log::kept());
        let readme = readme(&self.command, self.machine.as_ref(), outcome, self.start);
        folder.put("README.txt", readme.as_bytes());
    }

    fn manifest(&mut self, outcome: &Outcome<'_>) {
        let Some(place) = self.place.take() else { return };
        let files = self.folder.iter().flat_map(|folder| &folder.files).chain(&self.files);
        let evidence: Vec<_> = files.filter_map(|path| item(path)).collect();
        let measured = Reading::of(ClockId::MonotonicRaw).khz_since(&self.raw);
        let document = Document {
            manifest: VERSION,
            ukvmm: Ukvmm::THIS,
            command: &self.command,
            host: &place.host,
            kvm: &place.kvm,
            tsc: &place.tsc.measured(measured),
            machine: self.machine.as_ref(),
            time: Time {
                start: self.start.rfc3339(),
                end: Date::of(SystemTime::now()).rfc3339(),
                seconds: self.clock.elapsed().as_secs_f64(),
            },
            exit: Exit::new(outcome.kind, outcome.status, outcome.message),
            evidence: &evidence,
        };
        let json = document.to_json();
        if let Some(folder) = &mut self.folder {
            folder.put("manifest.json", json.as_bytes());
        }
        if let Some(prepared) = self.manifest.take() {
            prepared.write(json.as_bytes());
        }
    }
}

/// The folder of this death, made now if there is none. Says why if there cannot be one.
fn open<'a>(
    crash: &Option<CrashDir>,
    folder: &'a mut Option<Folder>,
    date: Date,
    kind: Kind,
) -> Option<&'a mut Folder> {
    let crash = crash.as_ref()?;
    if folder.is_none() {
        match crash.make(date, kind) {
            Ok(made) => *folder = Some(made),
            Err(error) => tracing::error!(
                "--crash-dir {}: there is no evidence, no folder can be made: {error}",
                crash.options.folder.display()
            ),
        }
    }
    folder.as_mut()
}

fn item(path: &Path) -> Option<Item> {
    let file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let sha256 = if bytes <= HASHED_MAX { file::sha256(&file).ok() } else { None };
    Some(Item { path: path.to_string_lossy().into_owned(), bytes, sha256 })
}

/// Four lines.
fn readme(command: &Command, machine: Option<&Machine>, outcome: &Outcome<'_>, start: Date) -> String {
    let Outcome { kind, message, .. } = outcome;
    let kernel = machine.map_or("KERNEL", |machine| machine.kernel.file.path.as_str());
    format!(
        "{}, started {}: {}{}\n\
         console.log is what the guest printed, log.txt what ukvmm said, manifest.json what ran where, registers.txt the CPUs; of ukvmm's own kernel, events.txt and threads.txt.\n\
         core.elf is the guest's memory: ukvmm gdb-core core.elf     (threads, servers and programs; of any kernel)\n\
         or without ukvmm:               gdb {kernel} core.elf\n",
        command.line.join(" ").replace('\n', " "),
        start.rfc3339(),
        kind.name(),
        message.map_or(String::new(), |message| format!(" ({})", message.replace('\n', " "))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::file::FileError;
    use vmm_abi::exit;

    fn witness(dir: &Path) -> Witness {
        let options = EvidenceOptions {
            manifest: Some(dir.join("m.json")),
            crash_dir: Some(dir.join("crashes,core=off").into()),
            ..Default::default()
        };
        Witness::new(&options, &Origins::default()).unwrap()
    }

    fn manifest(dir: &Path) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(dir.join("m.json")).unwrap()).unwrap()
    }

    #[test]
    fn a_panic_of_ours_is_an_end_with_evidence() {
        let dir = tempfile::tempdir().unwrap();
        let mut witness = witness(dir.path());
        let result = witness.watch(|_| panic!("number {}", 7));
        assert_eq!(witness.testify(&result), Status::Exit(exit::VMM));
        let manifest = manifest(dir.path());
        assert_eq!(manifest["exit"]["kind"], "vmm-panic");
        assert!(manifest["exit"]["message"].as_str().unwrap().ends_with("a bug: number 7"), "{manifest}");
        let folder = std::fs::read_dir(dir.path().join("crashes")).unwrap().next().unwrap().unwrap().path();
        assert!(folder.join("README.txt").exists() && folder.join("console.log").exists());
        assert_eq!(manifest["evidence"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_folders_that_it_will_write_to_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let witness = witness(dir.path());
        let crashes = dir.path().join("crashes").canonicalize().unwrap();
        assert_eq!(witness.folders().collect::<Vec<_>>(), [dir.path(), &crashes]);
        let error = FileError::NotRegular { what: "kernel".into(), path: "/".into() };
        let result = Err(Error::Config(error.into()));
        assert_eq!(witness.testify(&result), Status::Exit(exit::VMM));
        assert_eq!(manifest(dir.path())["exit"]["kind"], "config-error");
    }
}
