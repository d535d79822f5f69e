//! Many sessions in one lab, one after the other, since a lab is slow to start.
//!
//! GDB runs on this machine, which keeps the lab small. Each session has a port of the lab's virtio console, which is a socket here; in the lab,
//! `tests/gdb/relay.c` joins it to the debugger's socket of `ukvmm`.

use super::client;
use super::machine::{self, Guest};
use super::session::{Seen, Session};
use crate::batch::{self, Job, Results};
use crate::build::{Build, repository};
use crate::guest::{self, LAB_LIMIT, MARGIN};
use crate::process::{self, Outcome, Running};
use crate::programs;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// CPUs of the lab. With one, waiting would take no time, and a guest that waits for somebody would find that hours have passed.
const CPUS: &str = "2";
/// Number of the lab's first port that is a socket.
const FIRST_PORT: usize = 4;
/// So many ports: sessions take turns. The end of one does not close its port's socket, so the next one does not have the same.
const PORTS: usize = 8;
/// The servers of the set that is debugged.
const SERVERS: [&str; 4] = ["sigma0", "root", "console", "linux"];
/// Where `ukvmm -s` listens.
const DEFAULT_PORT: &str = "1234";

/// What GDB printed, a command each.
type Said = Result<Vec<String>, String>;

/// What became of each session, by name.
pub type Verdicts = HashMap<String, Result<(), String>>;

/// Runs the sessions in as few labs as their behaviour allows.
pub fn run(build: &Build, sessions: &[Session]) -> Verdicts {
    let mut outputs = HashMap::new();
    let results = prepare(build, sessions).map(|lab| lab.run(&mut outputs));
    let mut verdict = |session: &Session| {
        let said = outputs.remove(&session.name).unwrap_or_else(|| Err("it was not started".to_owned()));
        let outcome = results.as_ref().map_err(Clone::clone)?.get(&session.name).ok_or("it was not run")?;
        judge(session, said, outcome)
    };
    sessions.iter().map(|session| (session.name.clone(), verdict(session))).collect()
}

/// What GDB and the guest said.
fn judge(session: &Session, said: Said, outcome: &Result<Outcome, String>) -> Result<(), String> {
    match (said, outcome) {
        (Ok(outputs), Ok(outcome)) => session.check(&Seen { outputs, end: machine::end(outcome) }),
        (Err(error), Ok(outcome)) => Err(format!("{error}\nthe guest:\n{}", machine::end(outcome))),
        (said, Err(error)) => {
            Err(format!("{error}\nGDB:\n{}", said.unwrap_or_else(|error| vec![error]).concat()))
        }
    }
}

/// All that the sessions need.
struct Lab<'a> {
    build: &'a Build,
    sessions: &'a [Session],
    jobs: Vec<Job>,
    relay: PathBuf,
    /// Where the sockets are.
    folder: tempfile::TempDir,
}

fn prepare<'a>(build: &'a Build, sessions: &'a [Session]) -> Result<Lab<'a>, String> {
    let relay = build.tests().join("relay");
    programs::compile_c(&repository().join("tests/gdb/relay.c"), &relay)?;
    let ukvmm = build.ukvmm()?;
    let job = |(number, session): (usize, &Session)| {
        let path = format!("/tmp/gdb-{number}");
        let socket = if session.guest.iter().any(|word| word == "-s") { DEFAULT_PORT } else { &path };
        let port = format!("/dev/vport0p{}", FIRST_PORT + number % PORTS);
        let mut argv = vec![text(&relay), port, socket.to_owned(), text(&ukvmm)];
        argv.extend(machine::words(session, build, &path)?);
        let seconds = client::LIMIT.as_secs();
        Ok(Job { name: session.name.clone(), argv, stdin: "/dev/null".to_owned(), seconds })
    };
    let jobs = sessions.iter().enumerate().map(job).collect::<Result<_, String>>()?;
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    link_files(build, folder.path())?;
    Ok(Lab { build, sessions, jobs, relay, folder })
}

/// Makes the files that a debugger asks for, under the names that they have for it, be those of this machine: to read them out of a guest in the lab
/// takes some ten seconds for each session. On this machine's KVM that is what is done.
fn link_files(build: &Build, folder: &Path) -> Result<(), String> {
    let mut links = vec![
        ("ukvmm/kernel".to_owned(), build.kernel()?),
        ("tests".to_owned(), programs::debug_folder(build)),
    ];
    for name in SERVERS {
        links.push((format!("ukvmm/servers/{name}"), build.require(&format!("servers/{name}.debug"))?));
    }
    links.push(("bin/busybox".to_owned(), "/bin/busybox".into()));
    for (name, file) in links {
        let link = folder.join(name);
        let parent = link.parent().expect("it lies in the folder");
        std::fs::create_dir_all(parent)
            .and_then(|()| std::os::unix::fs::symlink(file, &link))
            .map_err(|e| format!("cannot make {}: {e}", link.display()))?;
    }
    Ok(())
}

impl Lab<'_> {
    /// What GDB printed goes to `outputs`.
    fn run(&self, outputs: &mut HashMap<String, Said>) -> Results {
        batch::run(&self.jobs, LAB_LIMIT, |script, left| {
            let lab = self.start(script, left)?;
            let deadline = Instant::now() + left;
            for (number, session) in self.sessions.iter().enumerate() {
                // Those that are not in this lab were in one before.
                if outputs.contains_key(&session.name) {
                    continue;
                }
                let Some(begin) = batch::begin(&lab.stdout, &session.name, deadline) else { break };
                let end_mark = Some(batch::end_mark(&session.name));
                let (socket, output) = (self.socket(number), lab.stdout.clone());
                let guest =
                    Guest { socket, output, begin, files: Some(self.folder.path().to_owned()), end_mark };
                outputs.insert(session.name.clone(), client::run(session, &guest, &self.build.path("")));
            }
            lab.finish(deadline.saturating_duration_since(Instant::now()) + MARGIN)
        })
    }

    fn start(&self, script: &str, left: Duration) -> Result<Running, String> {
        let path = self.build.tests().join("gdb.sh");
        let script = format!("ip link set lo up\n{script}");
        std::fs::write(&path, script).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        let mut lab = guest::lab(left);
        for number in 0..PORTS {
            lab.arg("--socket").arg(self.socket(number));
        }
        // Every file that is named here is in the lab, at the same path; so many CPUs as are asked for here are in it.
        lab.args(["--exec", "busybox", "sh"]).arg(&path).arg(&self.relay).args(self.build.boot_files()?);
        // What a debugger knows of servers, `ukvmm` reads in the files with their symbols.
        for name in SERVERS {
            lab.arg(self.build.require(&format!("servers/{name}.debug"))?);
        }
        lab.arg(programs::debug_image(self.build)?).args(["--cpus", CPUS]);
        process::start(lab, b"")
    }

    fn socket(&self, number: usize) -> PathBuf {
        self.folder.path().join((number % PORTS).to_string())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
