//! Many sessions in one lab, one after the other, since a lab is slow to start.
//!
//! GDB runs on this machine, which keeps the lab small. Each of its connections has a port of the lab's virtio console, which is a socket here; in the
//! lab, `tests/gdb/relay.c` joins it to the debugger's socket of `ukvmm`. A guest's core stays in the lab, where `ukvmm gdb-core` shows it at such a port.

use super::client::{self, Visit};
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

/// Real time for all sessions: there are many, and each takes some times as long where something else is done meanwhile.
const LIMIT: Duration = LAB_LIMIT.saturating_mul(2);
/// Real time until a session begins: the lab has to start before the first. A lab that takes longer stands still.
const START: Duration = Duration::from_secs(120);
/// CPUs of the lab. With one, waiting would take no time, and a guest that waits for somebody would find that hours have passed.
const CPUS: &str = "2";
/// Number of the lab's first port that is a socket.
const FIRST_PORT: usize = 4;
/// So many ports: connections take turns. That one has ended and another come to the same port is not seen in the lab if it happens fast.
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
///
/// A session whose lab has come to a standstill is held once more, in another lab: that is the emulated CPU's doing (`docs/lab.md`). A guest or a
/// debugger that does so is ended by the lab's Linux, and the session fails at once.
pub fn run(build: &Build, sessions: &[Session]) -> Verdicts {
    let mut verdicts = run_once(build, sessions);
    let is_upset = |verdict: &Result<(), String>| {
        verdict.as_ref().is_err_and(|error| error.starts_with(batch::MACHINE_ENDED))
    };
    let again: Vec<_> =
        sessions.iter().filter(|session| is_upset(&verdicts[&session.name])).cloned().collect();
    if !again.is_empty() {
        let names: Vec<_> = again.iter().map(|session| session.name.as_str()).collect();
        eprintln!("==> lab::gdb: a lab stood still; again: {}", names.join(", "));
        verdicts.extend(run_once(build, &again));
    }
    verdicts
}

fn run_once(build: &Build, sessions: &[Session]) -> Verdicts {
    let mut said = HashMap::new();
    let results = prepare(build, sessions).map(|lab| lab.run(&mut said));
    let verdict = |session: &Session| {
        let results = results.as_ref().map_err(Clone::clone)?;
        let (outputs, outcome) = outcome_of(&session.name, &said, results)?;
        let autopsy = match session.autopsy.as_slice() {
            [] => Vec::new(),
            _ => outcome_of(&autopsy_of(session), &said, results)?.0,
        };
        session.check(&Seen { outputs, end: machine::end(outcome), autopsy })
    };
    sessions.iter().map(|session| (session.name.clone(), verdict(session))).collect()
}

/// What GDB and the program in the lab said in the turn `name`.
fn outcome_of<'a>(
    name: &str,
    said: &HashMap<String, Said>,
    results: &'a Results,
) -> Result<(Vec<String>, &'a Outcome), String> {
    let said = said.get(name).cloned().unwrap_or_else(|| Err("it was not started".to_owned()));
    match (said, results.get(name).ok_or("it was not run")?) {
        (Ok(outputs), Ok(outcome)) => Ok((outputs, outcome)),
        (Err(error), Ok(outcome)) => Err(format!("{error}\nthe guest:\n{}", machine::end(outcome))),
        (said, Err(error)) => {
            Err(format!("{error}\nGDB:\n{}", said.unwrap_or_else(|error| vec![error]).concat()))
        }
    }
}

/// The turn in which a session's core is looked at.
fn autopsy_of(session: &Session) -> String {
    format!("{}-core", session.name)
}

/// A program in the lab, and GDB with it.
struct Turn<'a> {
    job: Job,
    visit: Visit<'a>,
    /// Where GDB connects to, each time.
    sockets: Vec<PathBuf>,
}

/// All that the sessions need.
struct Lab<'a> {
    build: &'a Build,
    relay: PathBuf,
    /// Where the sockets are.
    folder: tempfile::TempDir,
    turns: Vec<Turn<'a>>,
}

fn prepare<'a>(build: &'a Build, sessions: &'a [Session]) -> Result<Lab<'a>, String> {
    let relay = build.tests().join("relay");
    programs::compile_c(&repository().join("tests/gdb/relay.c"), &relay)?;
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    link_files(build, folder.path())?;
    let mut lab = Lab { build, relay, folder, turns: Vec::new() };
    let mut ports = (0..PORTS).cycle();
    for (number, session) in sessions.iter().enumerate() {
        let path = format!("/tmp/gdb-{number}");
        // With none, it is nobody's.
        let count = session.connections().max(1);
        lab.turns.push(lab.with_guest(session, &path, ports.by_ref().take(count).collect())?);
        if !session.autopsy.is_empty() {
            let port = ports.next().expect("there is always a next one");
            lab.turns.push(lab.with_core(session, &path, port)?);
        }
    }
    Ok(lab)
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

impl<'a> Lab<'a> {
    /// `path` is where its socket is in the lab.
    fn with_guest(&self, session: &'a Session, path: &str, ports: Vec<usize>) -> Result<Turn<'a>, String> {
        let socket = if session.guest.iter().any(|word| word == "-s") { DEFAULT_PORT } else { path };
        let words = machine::words(session, self.build, path)?;
        let job = self.job(session.name.clone(), &ports, socket, words)?;
        let sockets = ports.iter().map(|&port| self.socket(port)).collect();
        Ok(Turn { job, visit: Visit::of(session), sockets })
    }

    /// What `ukvmm gdb-core` does, with GDB outside.
    fn with_core(&self, session: &'a Session, path: &str, port: usize) -> Result<Turn<'a>, String> {
        let words = ["gdb-core", "--stdio", &machine::core(path)].map(str::to_owned);
        let job = self.job(autopsy_of(session), &[port], "-", words.to_vec())?;
        let kernel = text(&self.build.kernel()?);
        let target = format!("target extended-remote {}", self.socket(port).display());
        let visit = Visit::after(session, &["gdb", &kernel, "-ex", &target]);
        Ok(Turn { job, visit, sockets: Vec::new() })
    }

    /// `ukvmm`, with its `socket` at these ports.
    fn job(&self, name: String, ports: &[usize], socket: &str, words: Vec<String>) -> Result<Job, String> {
        let ports: Vec<_> = ports.iter().map(|port| format!("/dev/vport0p{}", FIRST_PORT + port)).collect();
        let mut argv =
            vec![text(&self.relay), ports.join(","), socket.to_owned(), text(&self.build.ukvmm()?)];
        argv.extend(words);
        Ok(Job { name, argv, stdin: "/dev/null".to_owned(), seconds: client::LIMIT.as_secs() })
    }

    /// What GDB printed goes to `said`.
    fn run(&self, said: &mut HashMap<String, Said>) -> Results {
        let jobs: Vec<_> = self.turns.iter().map(|turn| turn.job.clone()).collect();
        batch::run(&jobs, LIMIT, |script, left| {
            let lab = self.start(script, left)?;
            let deadline = Instant::now() + left;
            for turn in &self.turns {
                let name = &turn.job.name;
                // Those that are not in this lab were in one before.
                if said.contains_key(name) {
                    continue;
                }
                let begin = batch::begin(&lab.stdout, name, deadline.min(Instant::now() + START));
                let Some(begin) = begin else { return lab.finish(Duration::ZERO) };
                // By then the lab's Linux has ended the program. A lab in which it has not is worth no more of the time.
                let latest = Instant::now() + Duration::from_secs(turn.job.seconds) + MARGIN;
                let end_mark = Some(batch::end_mark(name));
                let (sockets, output) = (turn.sockets.clone(), lab.stdout.clone());
                let files = Some(self.folder.path().to_owned());
                let guest = Guest { sockets, output, begin, files, end_mark };
                said.insert(name.clone(), client::run(&turn.visit, &guest, &self.build.path("")));
                if !batch::has_ended(&lab.stdout, name, latest) {
                    return lab.finish(Duration::ZERO);
                }
            }
            lab.finish(deadline.saturating_duration_since(Instant::now()) + MARGIN)
        })
    }

    fn start(&self, script: &str, left: Duration) -> Result<Running, String> {
        let path = self.build.tests().join("gdb.sh");
        let script = format!("ip link set lo up\n{script}");
        std::fs::write(&path, script).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        let mut lab = guest::lab(left);
        for port in 0..PORTS {
            lab.arg("--socket").arg(self.socket(port));
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

    fn socket(&self, port: usize) -> PathBuf {
        self.folder.path().join(port.to_string())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
