//! The jail from inside: threads of every kind try what none of them may, each in a process of its own, for it is the last thing that this does.
//! They enter by the doors that `ukvmm` uses, so the filters are the same. And from outside: what Linux says of a `ukvmm` that runs.

mod common;
use common::*;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::ffi::CString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ukvmm::cli::{Log, LogFormat};
use ukvmm::jail::{self, Access, Kind, Needs};

/// What [`prisoner`] is told: the kind of thread, what it does, and the file that it may read, if any.
const ORDERS: &str = "UKVMM_TEST_PRISONER";
/// How a prisoner ends that has done what it was told.
const DONE: i32 = 42;
/// What nobody may read.
const OTHER_FILE: &str = "/etc/passwd";

/// A system call with these arguments. Its result, or minus the error.
fn call(number: libc::c_long, arguments: [usize; 5]) -> i64 {
    let [a, b, c, d, e] = arguments;
    // SAFETY: none of the calls made here writes to memory of ours or closes what somebody uses: those that would succeed outside of the jail open
    // files, map new memory, or do nothing.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result < 0 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { result }
}

/// What no thread may do.
const FORBIDDEN: [&str; 13] = [
    "execve",
    "socket",
    "ptrace",
    "mmap",
    "mprotect",
    "kill",
    "io_uring_setup",
    "bpf",
    "fork",
    "setuid",
    "unshare",
    "rt_sigaction",
    "process_vm_readv",
];

fn forbidden(what: &str) -> i64 {
    let path = CString::new("/bin/true").unwrap();
    let exec = (libc::PROT_READ | libc::PROT_EXEC) as usize;
    let (private, none) = ((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize, usize::MAX);
    match what {
        "execve" => call(libc::SYS_execve, [path.as_ptr() as usize, 0, 0, 0, 0]),
        // Of a kind that not even the gateway has.
        "socket" => call(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_RAW as usize, 1, 0, 0]),
        "ptrace" => call(libc::SYS_ptrace, [libc::PTRACE_TRACEME as usize, 0, 0, 0, 0]),
        "mmap" => call(libc::SYS_mmap, [0, 4096, exec, private, none]),
        "mprotect" => call(libc::SYS_mprotect, [0x1000, 4096, exec, 0, 0]),
        "kill" => call(libc::SYS_kill, [1, 0, 0, 0, 0]),
        "io_uring_setup" => call(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]),
        "bpf" => call(libc::SYS_bpf, [0, 0, 0, 0, 0]),
        "fork" => call(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0]),
        "setuid" => call(libc::SYS_setuid, [0, 0, 0, 0, 0]),
        "unshare" => call(libc::SYS_unshare, [0, 0, 0, 0, 0]),
        "rt_sigaction" => call(libc::SYS_rt_sigaction, [libc::SIGSYS as usize, 0, 0, 8, 0]),
        "process_vm_readv" => call(libc::SYS_process_vm_readv, [1, 0, 0, 0, 0]),
        other => panic!("{other}?"),
    }
}

fn open(path: &str, flags: i32) -> i64 {
    let path = CString::new(path).unwrap();
    call(libc::SYS_openat, [libc::AT_FDCWD as usize, path.as_ptr() as usize, flags as usize, 0o600, 0])
}

/// What every thread may do.
fn allowed(kind: Kind) {
    let text: Vec<String> = (0..10_000).map(|n| format!("{n}")).collect();
    assert_eq!(text.concat().len(), 38_890);
    // Large memory comes and goes by mappings.
    let mut large = vec![1u8; 64 << 20];
    large.resize(96 << 20, 2);
    drop(large);
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(1));
    assert!(began.elapsed() >= Duration::from_millis(1));
    assert_eq!(std::collections::HashMap::from([(kind, 1)])[&kind], 1);
    let (mut reader, mut writer) = PIPE.with_borrow_mut(|pipe| pipe.take()).unwrap();
    std::io::Write::write_all(&mut writer, b"x").unwrap();
    drop(writer);
    assert_eq!(std::io::read_to_string(&mut reader).unwrap(), "x");
    eprintln!("said by {kind}");
    if matches!(kind, Kind::Disk | Kind::Gdb | Kind::Sampler) {
        assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
    }
}

/// What the thread of a shared folder may do with it, and that it gets nowhere else: by a link in the folder neither, which somebody has put there.
fn share(folder: &str, read_only: bool) {
    let denied = -i64::from(libc::EACCES);
    let at = |name: &str| format!("{folder}/{name}");
    assert!(open(&at("file"), libc::O_RDONLY) >= 0, "it cannot be read");
    assert!(open(folder, libc::O_RDONLY | libc::O_DIRECTORY) >= 0, "it cannot be listed");
    for outside in [OTHER_FILE.to_string(), at("link"), at("../other"), "/".to_string()] {
        assert_eq!(open(&outside, libc::O_RDONLY), denied, "{outside}");
    }
    let made = open(&at("new"), libc::O_WRONLY | libc::O_CREAT);
    assert_eq!(made >= 0, !read_only, "{made}");
    assert_eq!(open(&at("../new"), libc::O_WRONLY | libc::O_CREAT), denied);
}

thread_local! {
    /// Made before the jail is entered.
    static PIPE: std::cell::RefCell<Option<(std::io::PipeReader, std::io::PipeWriter)>> = const { std::cell::RefCell::new(None) };
}

#[test]
#[ignore = "the other tests start it, each time in a new process"]
fn prisoner() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    ukvmm::log::init(&Log { config: None, verbose: 0, log_format: LogFormat::Text });
    let words: Vec<&str> = orders.split(' ').collect();
    let kind = *Kind::ALL.iter().find(|kind| kind.name() == words[0]).unwrap();
    let mut needs = Needs::default();
    if let Some(file) = words.get(2) {
        let access = match words[1] {
            "share" => Access::Share { read_only: false },
            "share-ro" => Access::Share { read_only: true },
            _ => Access::Read,
        };
        needs.add(kind, file, access);
    }
    jail::arm(needs).unwrap();
    let what = words[1].to_string();
    let file = words.get(2).map(|file| file.to_string());
    let thread = std::thread::spawn(move || {
        PIPE.set(Some(std::io::pipe().unwrap()));
        jail::enter(kind);
        match what.as_str() {
            "allowed" => allowed(kind),
            "openat" => assert!(open(OTHER_FILE, libc::O_RDONLY) < 0, "it can be opened"),
            "openat-to-write" => {
                assert!(open(OTHER_FILE, libc::O_WRONLY | libc::O_CREAT) < 0, "it can be opened")
            }
            "its-own" => assert!(open(&file.unwrap(), libc::O_RDONLY) >= 0, "it cannot be opened"),
            "share" => share(&file.unwrap(), false),
            "share-ro" => share(&file.unwrap(), true),
            "abort" => std::process::abort(),
            what => eprintln!("{what} gives {}", forbidden(what)),
        }
    });
    std::process::exit(if thread.join().is_ok() { DONE } else { 1 });
}

/// Starts a prisoner.
fn imprison(kind: Kind, what: &str, file: Option<&Path>) -> Run {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "prisoner", "--nocapture"]);
    let file = file.map_or(String::new(), |file| format!(" {}", file.display()));
    Run::of(command.env(ORDERS, format!("{kind} {what}{file}")).output().unwrap())
}

#[track_caller]
fn expect_refusal(kind: Kind, call: &str, run: &Run) {
    let number = (0..500).find(|&number| vmm_abi::linux::name(number) == Some(call)).unwrap();
    let said =
        format!("the jail has stopped the thread {kind}, which made the system call {call} ({number}).");
    assert!(run.status == Some(125) && run.err.contains(&said), "{kind} {call}: {run:?}");
}

#[test]
fn what_no_thread_may_do_is_its_end() {
    for &kind in Kind::ALL {
        for what in FORBIDDEN {
            // The main thread ends by the signal that has come for it.
            if (kind, what) == (Kind::Main, "rt_sigaction") {
                continue;
            }
            let name = if what == "fork" { "clone" } else { what };
            expect_refusal(kind, name, &imprison(kind, what, None));
        }
        expect_refusal(kind, "openat", &imprison(kind, "openat", None));
    }
}

#[test]
fn what_threads_need_they_may_do() {
    for &kind in Kind::ALL {
        let run = imprison(kind, "allowed", None);
        assert!(run.status == Some(DONE) && run.err.contains(&format!("said by {kind}")), "{kind}: {run:?}");
        assert_eq!(imprison(kind, "abort", None).signal, Some(libc::SIGABRT), "{kind}");
    }
}

#[test]
fn a_thread_that_reads_a_file_reads_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for &kind in Kind::ALL {
        assert_eq!(imprison(kind, "its-own", Some(&file)).status, Some(DONE), "{kind}");
        // For want of Landlock there is no wall here, and ukvmm says so.
        let run = imprison(kind, "openat", Some(&file));
        assert!(run.status == Some(DONE) || run.err.contains("one wall less"), "{kind}: {run:?}");
        expect_refusal(kind, "openat", &imprison(kind, "openat-to-write", Some(&file)));
    }
}

#[test]
fn a_shared_folder_is_no_way_out() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("shared");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "x").unwrap();
    std::fs::write(outside.path().join("other"), "secret").unwrap();
    std::os::unix::fs::symlink("../other", folder.join("link")).unwrap();
    for what in ["share", "share-ro"] {
        let run = imprison(Kind::Share, what, Some(&folder));
        assert!(run.status == Some(DONE) || run.err.contains("one wall less"), "{what}: {run:?}");
    }
    assert!(folder.join("new").exists() && !outside.path().join("new").exists());
}

/// Has `run` start programs on a Linux without Landlock: asked for it, it answers with this error.
fn without_landlock<T: Send>(error: i32, run: impl FnOnce() -> T + Send) -> T {
    let rules = [(libc::SYS_landlock_create_ruleset, Vec::new())].into();
    let (other, refused) = (SeccompAction::Allow, SeccompAction::Errno(error as u32));
    let filter = SeccompFilter::new(rules, other, refused, TargetArch::x86_64).unwrap();
    let filter = BpfProgram::try_from(filter).unwrap();
    // A filter is a thread's own, and that of the programs that it starts.
    let confined = || {
        seccompiler::apply_filter(&filter).unwrap();
        run()
    };
    std::thread::scope(|scope| scope.spawn(confined).join().unwrap())
}

#[test]
fn without_landlock_there_is_a_warning_and_the_other_wall() {
    for (error, why) in [
        (libc::ENOSYS, "this host's Linux has no Landlock (it needs 5.13"),
        (libc::EOPNOTSUPP, "this host's Linux has Landlock but does not use it"),
    ] {
        let doctor = without_landlock(error, || Run::of(ukvmm(&["doctor"]).output().unwrap()));
        assert!(String::from_utf8_lossy(&doctor.out).contains(why), "{why}: {doctor:?}");
        let run = without_landlock(error, || imprison(Kind::Share, "execve", None));
        expect_refusal(Kind::Share, "execve", &run);
        let warning = format!("the jail has one wall less: {why}");
        assert!(run.err.contains(&warning), "{warning}: {run:?}");
        if Path::new("/dev/kvm").exists() {
            let guest = Guest::code(&[&exit(7)]);
            without_landlock(error, || guest.run(&["--rng"])).expect(7, &warning);
        }
    }
}

/// A guest that does nothing, and its `ukvmm`, when all of its threads have found their place.
struct Running {
    child: Child,
    _guest: Guest,
}

impl Running {
    fn start(args: &[&str], is_there: impl Fn(&Self) -> bool) -> Self {
        let guest = Guest::code(&[SPIN]);
        // Descriptors that we did not mean to give it.
        let mut command = Command::new("sh");
        command.args(["-c", "exec 7</dev/null 9>/dev/null; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_ukvmm")]);
        command.args(["--timeout", "60", "--kernel"]).arg(guest.kernel()).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let this = Self { child: command.spawn().unwrap(), _guest: guest };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_there(&this) {
            assert!(Instant::now() < deadline, "it does not come to run: {:?}", this.statuses());
            std::thread::sleep(Duration::from_millis(10));
        }
        this
    }

    fn proc(&self, path: &str) -> String {
        format!("/proc/{}/{path}", self.child.id())
    }

    /// What /proc says of each thread, without those that KVM and io_uring have in the process for themselves: how many is the host's affair.
    fn statuses(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(self.proc("task")).unwrap();
        let all = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
        all.filter(|status| !["Name:\tkvm-", "Name:\tiou-"].iter().any(|name| status.starts_with(name)))
            .collect()
    }

    fn all_say(&self, line: &str, threads: usize) -> bool {
        let all = self.statuses();
        all.len() == threads && all.iter().all(|status| status.lines().any(|other| other == line))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn linux_says_that_every_thread_is_confined() {
    needs_kvm!();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
    let disk = disk.to_str().unwrap();
    let args = ["--rng", "--cpus", "2", "--disk", disk, "--virtio-console", "--net", "user"];
    // The main thread, two vCPUs, four devices.
    let running = Running::start(&args, |it| it.all_say("Seccomp:\t2", 7));
    for status in running.statuses() {
        let says = |line: &str| status.lines().any(|other| other == line);
        assert!(says("NoNewPrivs:\t1"), "{status}");
        assert!(says("CapEff:\t0000000000000000") && says("CapPrm:\t0000000000000000"), "{status}");
    }
    let maps = std::fs::read_to_string(running.proc("maps")).unwrap();
    let both = |line: &&str| {
        line.split(' ').nth(1).is_some_and(|rights| rights.contains('w') && rights.contains('x'))
    };
    assert_eq!(maps.lines().find(both), None, "memory that can be written and run");
}

#[test]
fn nothing_is_open_but_what_is_used() {
    needs_kvm!();
    let running = Running::start(&["--rng"], |it| it.all_say("Seccomp:\t2", 3));
    let descriptors = std::fs::read_dir(running.proc("fd")).unwrap();
    for descriptor in descriptors.flatten().map(|entry| entry.path()) {
        let number: i32 = descriptor.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let target = std::fs::read_link(&descriptor).unwrap();
        let target = target.to_str().unwrap();
        let ours = [
            "anon_inode:[eventfd]",
            "anon_inode:[eventpoll]",
            "anon_inode:[timerfd]",
            "anon_inode:[signalfd]",
        ];
        let of_machine = ["anon_inode:kvm-vm", "anon_inode:kvm-vcpu:0"];
        let is_known = number <= 2
            || ours.contains(&target)
            || of_machine.contains(&target)
            || target.ends_with("/kernel");
        assert!(is_known, "{number}: {target}");
        let info = std::fs::read_to_string(running.proc(&format!("fdinfo/{number}"))).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:\t")).unwrap();
        let flags = i32::from_str_radix(flags, 8).unwrap();
        assert!(
            number <= 2 || flags & libc::O_CLOEXEC != 0,
            "{number}: {target} goes to programs that are started"
        );
    }
}

#[test]
fn it_can_be_turned_off() {
    needs_kvm!();
    let running = Running::start(&["--rng", "--no-sandbox"], |it| it.statuses().len() == 3);
    assert!(running.all_say("Seccomp:\t0", 3) && running.all_say("NoNewPrivs:\t0", 3));
    assert!(Path::new(&running.proc("fd/7")).exists());
}
