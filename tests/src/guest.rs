//! Command lines of `ukvmm`, here and in the lab.

use crate::batch::{self, Job, Results};
use crate::build::{Build, repository};
use crate::case::{Case, Judge, Place};
use crate::compare;
use crate::process::{self, End, Outcome};
use crate::programs::{self, GUEST_DIR};
use lab::process::{quote, show};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Time that `ukvmm` has beyond the guest's own, to start and to end.
pub const MARGIN: Duration = Duration::from_secs(10);
/// Real time for one group of tests in the lab: some times what the longest takes on an idle machine (about a minute), so
/// that a guest that hangs is noticed while somebody waits.
pub const LAB_LIMIT: Duration = Duration::from_secs(240);
/// A program's share of it at most, in the lab's own time: its clock counts instructions, and a second of computing
/// takes some seconds, while a second of sleeping takes none.
const LAB_SHARE: Duration = Duration::from_secs(30);
/// Directory that a case may use.
const TMP: &str = "/tmp/case";
/// Runs the program that is its arguments, says how it ended, and shows that others still run.
const SURVIVORS: &str = r##""$@"; echo "# status $?"; busybox echo "# alive""##;

/// Why this machine's KVM cannot be used, if it cannot.
pub fn kvm_missing() -> Option<String> {
    let opened = std::fs::File::options().read(true).write(true).open("/dev/kvm");
    opened.err().map(|e| format!("/dev/kvm cannot be opened: {e}"))
}

/// How system calls of Linux programs get to their server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Forwarded,
    Trampoline,
}

impl Entry {
    /// The server set.
    pub fn set(self) -> &'static str {
        match self {
            Self::Forwarded => "linux",
            Self::Trampoline => "linux-trampoline",
        }
    }
}

/// A command line of `ukvmm` that boots the L4 system.
#[derive(Clone, Debug)]
pub struct Boot {
    ukvmm: PathBuf,
    words: Vec<String>,
}

impl Boot {
    /// The Linux server set with the root file system `image`.
    pub fn linux(build: &Build, image: &Path) -> Result<Self, String> {
        Self::linux_by(build, Entry::Forwarded, image)
    }

    /// The same, with this way in for system calls.
    pub fn linux_by(build: &Build, entry: Entry, image: &Path) -> Result<Self, String> {
        let words = ["--kernel", &text(&build.kernel()?), "--servers", entry.set(), "--initrd", &text(image)];
        Ok(Self { ukvmm: build.ukvmm()?, words: words.map(str::to_owned).to_vec() })
    }

    /// Any other command line.
    pub fn words(build: &Build, words: &[&str]) -> Result<Self, String> {
        Ok(Self { ukvmm: build.ukvmm()?, words: words.iter().map(|&word| word.to_owned()).collect() })
    }

    /// An option.
    pub fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// The limit of the guest's run.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(&["--timeout", &timeout.as_secs_f64().to_string()])
    }

    /// The program that the guest runs. Comes last.
    pub fn program<T: AsRef<str>>(mut self, program: &[T]) -> Self {
        self.words.push("--".to_owned());
        self.words.extend(program.iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// The command for this machine.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.ukvmm);
        command.args(&self.words);
        command
    }

    /// Program and arguments.
    pub fn argv(&self) -> Vec<String> {
        [&[text(&self.ukvmm)], &self.words[..]].concat()
    }

    /// The shell script, in which `{boot}` stands for all of it and `{ukvmm}` for the program alone.
    fn script(&self, script: &str) -> String {
        let quoted: Vec<_> = self.argv().iter().map(|word| quote(word)).collect();
        script.replace("{boot}", &quoted.join(" ")).replace("{ukvmm}", &quoted[0])
    }

    /// The files that options name.
    fn files(&self) -> impl Iterator<Item = &str> {
        let options = self.words.iter().take_while(|word| *word != "--");
        options.map(String::as_str).filter(|word| Path::new(word).is_file())
    }

    /// Runs it on this machine's KVM.
    pub fn run_kvm(&self, stdin: &[u8], timeout: Duration) -> Result<Outcome, String> {
        process::run(self.command(), stdin, timeout + MARGIN)
    }

    /// Runs it in the lab, for `limit` of real time at most.
    pub fn run_lab(&self, stdin: &[u8], limit: Duration) -> Result<Outcome, String> {
        let mut lab = lab(limit);
        lab.arg("--").args(&self.words);
        process::run(lab, stdin, limit + MARGIN)
    }
}

/// `cargo xtask`.
pub fn xtask() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("xtask").current_dir(repository());
    command
}

/// `cargo xtask lab` with a limit of real time.
pub fn lab(timeout: Duration) -> Command {
    let mut command = xtask();
    command.args(["lab", "--no-build", "--timeout", &timeout.as_secs().to_string()]);
    command
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs a case in a guest of its own on this machine's KVM and judges it. A program that judges itself is not the
/// first program of the system, so that the second can be asked how it is.
pub fn check_kvm(build: &Build, entry: Entry, case: &Case) -> Result<(), String> {
    let argv = case.guest_argv(GUEST_DIR, TMP);
    let mut words: Vec<&str> = Vec::new();
    if case.judge == Judge::Itself {
        words.extend(["/bin/busybox", "sh", "-c", SURVIVORS, "sh"]);
    }
    words.extend(argv.iter().map(String::as_str));
    let boot = Boot::linux_by(build, entry, &programs::image(build)?)?.timeout(case.timeout).program(&words);
    let outcome = boot.run_kvm(case.stdin, case.timeout)?;
    let explain = |e: String| format!("{}: {e}", show(&boot.command()));
    case.check(&outcome, Place::Kvm, build).map_err(explain)?;
    if case.judge == Judge::Itself {
        survived(&outcome).map_err(|e| explain(format!("{e}\n{}", compare::describe(&outcome))))?;
    }
    Ok(())
}

fn survived(outcome: &Outcome) -> Result<(), String> {
    let stdout = String::from_utf8_lossy(&outcome.stdout);
    match (outcome.end, stdout.ends_with("# status 0\n# alive\n")) {
        (End::Exited(0), true) => Ok(()),
        (End::Exited(0), false) => {
            Err("the program passed its checks, but no other could run after it".to_owned())
        }
        (end, _) => Err(format!("the guest did not survive the program: {end}")),
    }
}

/// Runs cases in one guest in the lab, or more if they take it down.
pub fn run_cases_in_lab(build: &Build, entry: Entry, cases: &[Case]) -> Results {
    let job = |case: &Case| Job {
        name: case.name.to_owned(),
        argv: case.guest_argv(GUEST_DIR, TMP),
        stdin: format!("{GUEST_DIR}/{}.in", case.name),
        seconds: case.timeout.min(LAB_SHARE).as_secs(),
    };
    let jobs: Vec<_> = cases.iter().map(job).collect();
    let inputs: Vec<_> =
        cases.iter().map(|case| (format!("{}.in", case.name), case.stdin.to_vec())).collect();
    batch::run(&jobs, LAB_LIMIT, |script, left| {
        let mut files = inputs.clone();
        files.push(("batch.sh".to_owned(), script.into()));
        let image = programs::image_with(build, &format!("batch-{}.cpio", entry.set()), &files)?;
        let program = ["/bin/busybox", "sh", &format!("{GUEST_DIR}/batch.sh")];
        Boot::linux_by(build, entry, &image)?.program(&program).run_lab(b"", left)
    })
}

/// Judges one case of those that were run in the lab.
pub fn check_in_lab(build: &Build, case: &Case, results: &Results) -> Result<(), String> {
    let result = results.get(case.name).ok_or("the case was not run")?;
    case.check(result.as_ref().map_err(Clone::clone)?, Place::Lab, build)
}

/// Runs a shell script in one lab. `$1` and so on are `files`; `{boot}` in it is the command line of `boot`, whose files are there.
pub fn run_script_in_lab(
    build: &Build,
    name: &str,
    script: &str,
    files: &[&Path],
    boot: &Boot,
    limit: Duration,
) -> Result<Outcome, String> {
    let path = build.tests().join(name);
    std::fs::write(&path, boot.script(script))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    let mut lab = lab(limit);
    lab.args(["--exec", "busybox", "sh"]).arg(&path).args(files);
    lab.args(build.boot_files()?).args(boot.files());
    process::run(lab, b"", limit + MARGIN)
}

/// A command line of `ukvmm` that is run in the lab.
pub struct LabBoot {
    pub name: String,
    pub boot: Boot,
    /// In place of it a shell script; `{boot}` in it is the command line, and `{ukvmm}` the program.
    pub script: Option<&'static str>,
}

/// Runs several command lines of `ukvmm` in one lab, which is called `lab_name`.
pub fn run_boots_in_lab(build: &Build, lab_name: &str, boots: &[LabBoot]) -> Results {
    let argv = |LabBoot { boot, script, .. }: &LabBoot| match script {
        None => boot.argv(),
        Some(script) => vec!["busybox".into(), "sh".into(), "-c".into(), boot.script(script)],
    };
    let job = |boot: &LabBoot| Job {
        name: boot.name.clone(),
        argv: argv(boot),
        stdin: "/dev/null".to_owned(),
        seconds: LAB_SHARE.as_secs(),
    };
    let jobs: Vec<_> = boots.iter().map(job).collect();
    batch::run(&jobs, LAB_LIMIT, |script, left| {
        let path = build.tests().join(format!("{lab_name}.sh"));
        std::fs::write(&path, script).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        let mut lab = lab(left);
        // Every file that is named here is in the lab, at the same path.
        lab.args(["--exec", "busybox", "sh"]).arg(&path).args(build.boot_files()?);
        lab.args(boots.iter().flat_map(|boot| boot.boot.files()));
        process::run(lab, b"", left + MARGIN)
    })
}
