use super::flag::Form;
use super::*;
use crate::cli::{self, Cli, LogFormat, Strace};
use clap::Command;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// What is read of a command line and variables.
fn run(words: &[&str], variables: &[(&str, &str)]) -> Result<Read, String> {
    let words = std::iter::once("ukvmm").chain(words.iter().copied()).map(OsString::from).collect();
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    read(words, variables).map_err(|refusal| refusal.to_string())
}

fn cli(words: &[&str], variables: &[(&str, &str)]) -> Cli {
    run(words, variables).unwrap_or_else(|error| panic!("{words:?} {variables:?}: {error}")).cli
}

/// A settings file, in a folder that goes when this does.
struct File(tempfile::TempDir);

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("u.toml"), text).unwrap();
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("u.toml").to_str().unwrap().into()
    }

    fn below(&self, name: &str) -> OsString {
        self.0.path().join(name).into()
    }

    /// The command line of a run with this file.
    fn cli(&self, words: &[&str]) -> Cli {
        cli(&[&["--config", &self.path()], words].concat(), &[])
    }

    /// The error of such a run.
    fn error(&self, words: &[&str]) -> String {
        run(&[&["--config", &self.path()], words].concat(), &[]).unwrap_err()
    }
}

fn built() -> Command {
    let mut command = cli::command();
    command.build();
    command
}

/// Something that `flag` takes: as a variable, and in TOML.
fn sample(flag: Flag) -> (String, String) {
    match flag.form() {
        Form::Switch => ("1".into(), "true".into()),
        Form::Count => ("2".into(), "2".into()),
        _ => {
            let choices = flag.arg.get_possible_values();
            let value = choices.first().map_or("1".into(), |value| value.get_name().to_string());
            (value.clone(), format!("{value:?}"))
        }
    }
}

#[test]
fn every_flag_has_a_variable_and_a_key() {
    let command = built();
    let kernel = |name: &str| if name == "kernel" { vec![] } else { vec!["--kernel", "k"] };
    let mut seen = 0;
    for flag in flags(&command) {
        let (variable, toml) = sample(flag);
        if flag.name() == "config" {
            continue;
        }
        // What a flag takes that this does not know is refused, but in its name: it has been read.
        let is_read = |result: Result<Read, String>, place: &str| match result {
            Ok(read) => assert!(
                read.origins.0.iter().any(|setting| setting.flag == flag.name()),
                "{} is not read from {place}",
                flag.name()
            ),
            Err(error) => {
                assert!(error.contains(place) && error.contains(flag.name()), "{}: {error}", flag.name())
            }
        };
        is_read(run(&kernel(flag.name()), &[(&flag.variable(), &variable)]), &flag.variable());
        let file = File::new(&format!("{} = {toml}\n", flag.name()));
        let path = file.path();
        let words = [&["--config", &path], &kernel(flag.name())[..]].concat();
        is_read(run(&words, &[]), "u.toml:1");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn flags_without_a_long_name_are_short_for_another() {
    let command = built();
    let short_alone = command.get_arguments().filter(|arg| arg.get_long().is_none() && !arg.is_last_set());
    assert_eq!(short_alone.map(|arg| arg.get_short()).collect::<Vec<_>>(), [Some('s'), Some('S')]);
}

#[test]
fn a_flag_counts_more_than_a_variable_and_that_more_than_the_file() {
    let file = File::new("kernel = \"of-file\"\nmemory = \"1G\"\ncpus = 3\ntimeout = 2.5\n");
    let variables = [("UKVMM_MEMORY", "2G"), ("UKVMM_CPUS", "4"), ("UKVMM_CONFIG", &file.path())];
    let cli = cli(&["--cpus", "5"], &variables);
    assert_eq!((cli.run.memory, cli.run.cpus), (2 << 30, 5));
    assert_eq!(cli.run.kernel.unwrap().as_os_str(), file.below("of-file"));
    assert_eq!(cli.run.timeout, Some(Duration::from_millis(2500)));
}

#[test]
fn an_empty_variable_is_none() {
    let file = File::new("kernel = \"k\"\nmemory = \"1G\"\n");
    let cli = cli(&["--config", &file.path()], &[("UKVMM_MEMORY", ""), ("UKVMM_RNG", "")]);
    assert_eq!((cli.run.memory, cli.run.rng), (1 << 30, false));
}

#[test]
fn switches_are_on_or_off() {
    let file = File::new("kernel = \"k\"\nrng = true\nuart = true\nstrace = true\nverbose = 2\n");
    let cli = |variables: &[_]| cli(&["--config", &file.path()], variables);
    let on = cli(&[]);
    assert_eq!((on.run.rng, on.run.uart, on.run.strace, on.log.verbose), (true, true, Some(Strace::All), 2));
    let off = cli(&[("UKVMM_RNG", "0"), ("UKVMM_STRACE", "off"), ("UKVMM_VERBOSE", "0")]);
    assert_eq!((off.run.rng, off.run.uart, off.run.strace, off.log.verbose), (false, true, None, 0));
    assert_eq!(cli(&[("UKVMM_STRACE", "summary")]).run.strace, Some(Strace::Summary));
    let error = run(&["--kernel", "k"], &[("UKVMM_RNG", "maybe")]).unwrap_err();
    assert!(error.starts_with("UKVMM_RNG: ") && error.contains("maybe"), "{error}");
    let error = run(&["--kernel", "k"], &[("UKVMM_VERBOSE", "much")]).unwrap_err();
    assert!(error.contains("0 to 255"), "{error}");
}

#[test]
fn what_may_be_given_often_is_a_line_each_or_a_list() {
    let variable =
        cli(&["--kernel", "k"], &[("UKVMM_DISK", "a b.img,ro\nc.img\n"), ("UKVMM_PROGRAM", "ls\n-l")]);
    assert_eq!(variable.run.disk, ["a b.img,ro", "c.img"]);
    assert_eq!(variable.run.program, ["ls", "-l"]);
    let file = File::new(
        "kernel = \"k\"\ndisk = [\"/a.img,ro\", \"c.img\"]\nprogram = [\"ls\", \"-l\"]\nenv = [\"A=b\"]\n",
    );
    let of_file = file.cli(&[]);
    assert_eq!(of_file.run.disk, [OsString::from("/a.img,ro"), file.below("c.img")]);
    assert_eq!((of_file.run.program, of_file.run.env), (vec!["ls".into(), "-l".into()], vec!["A=b".into()]));
    let other = file.cli(&["--disk", "x", "--", "ps"]);
    assert_eq!((other.run.disk, other.run.program), (vec!["x".into()], vec!["ps".into()]));
    assert!(file.cli(&["--"]).run.program.is_empty(), "a shell was asked for");
}

#[test]
fn items_may_be_a_table() {
    let file = File::new(
        "kernel = \"k\"\n[env]\nA = \"b c\"\nN = 1\n[[disk]]\nserial = \"x,y\"\nfile = \"a,b.img\"\nro = true\ndirect = false\n\
         [[net]]\ntype = \"user\"\nhostfwd = [\"tcp::1-:2\", \"udp::3-:4\"]\nmtu = 0x5dc\n[[share]]\ntag = \"t\"\npath = \"src\"\n\
         [profile]\nfile = \"-\"\nformat = \"html\"\n",
    );
    let cli = file.cli(&[]);
    assert_eq!(cli.run.env, ["A=b c", "N=1"]);
    let disk = crate::disk::DiskOptions::parse(&cli.run.disk[0]).unwrap();
    assert_eq!((disk.path.as_os_str(), disk.read_only, disk.direct), (&*file.below("a,b.img"), true, false));
    assert_eq!(disk.serial.as_deref(), Some("x,y"));
    assert_eq!(cli.run.net, ["user,hostfwd=tcp::1-:2,hostfwd=udp::3-:4,mtu=1500"]);
    let mut share = OsString::from("tag=t,path=");
    share.push(file.below("src"));
    assert_eq!(cli.run.share, [share]);
    assert_eq!(cli.run.profile.unwrap(), "-,format=html");
}

#[test]
fn mistakes_in_a_file_have_its_name_and_line() {
    for (text, says) in [
        ("kernel = \"k\"\nmemroy = \"1G\"", "u.toml:2: unknown key \"memroy\" (did you mean memory?)"),
        ("config = \"x\"", "u.toml:1: a settings file cannot name another one"),
        (
            "\ncpus = [1]",
            "u.toml:2: cpus is a list; expected is text or a number, but it can be given once only",
        ),
        ("cpus = true", "u.toml:1: cpus is true or false; expected is text or a number"),
        ("cpus = \"x\"", "u.toml:1: invalid value 'x' for '--cpus <N>'"),
        ("rng = \"on\"", "u.toml:1: rng is text; expected is true or false"),
        ("verbose = 256", "u.toml:1: verbose 256 is no number from 0 to 255"),
        ("memory = 1979-05-27", "u.toml:1: memory is a date"),
        ("[memory]\nsize = 1", "u.toml:1: memory is a table; expected is SIZE"),
        ("\n[[disk]]\nro = true", "u.toml:2: disk file = \"…\" is missing"),
        ("[env]\nA = [1]", "u.toml:1: env A: is a list; expected is text or a number"),
        ("disk = [[1]]", "u.toml:1: disk is a list; expected is text or a number"),
        ("kernel = ", "u.toml:1: "),
        ("a\n= 1", "u.toml:1: "),
    ] {
        let error = File::new(text).error(&[]);
        assert!(error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn a_file_is_read_only_if_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let words = |path: &Path| vec!["ukvmm".into(), "--config".into(), path.into()];
    let status = |path: &Path| read(words(path), std::iter::empty()).unwrap_err().status();
    assert_eq!(status(&folder.path().join("absent")), 127);
    assert_eq!(status(folder.path()), 125);
    let latin = folder.path().join("latin");
    std::fs::write(&latin, b"kernel = \"\xe4\"").unwrap();
    assert_eq!(status(&latin), 125);
}

#[test]
fn errors_say_which_source_the_value_came_from() {
    let error = run(&["--kernel", "k"], &[("UKVMM_MEMORY", "lots")]).unwrap_err();
    assert!(error.starts_with("UKVMM_MEMORY: invalid value 'lots'"), "{error}");
    let error = run(&["--kernel", "k"], &[("UKVMM_STRACE", "some")]).unwrap_err();
    assert!(error.starts_with("UKVMM_STRACE: ") && error.contains("summary"), "{error}");
    let file = File::new("kernel = \"absent\"\n");
    let read = run(&["--config", &file.path()], &[("UKVMM_DISK", "a.img,rp")]).unwrap();
    let error = crate::config::Config::new(read.cli.run).unwrap_err();
    let error = read.origins.explain(error);
    assert!(error.contains("(--kernel is from ") && error.ends_with("u.toml:1)"), "{error}");
    let disk = read.origins.explain("--disk a.img,rp: unknown");
    assert!(disk.ends_with("(--disk is from UKVMM_DISK)"), "{disk}");
}

#[test]
fn what_excludes_a_flag_of_the_command_line_gives_way() {
    let file = File::new("kernel = \"k\"\ngdb = \"tcp:1\"\n");
    assert!(file.cli(&["-s"]).run.gdb.is_none());
    assert!(file.cli(&["-S"]).run.gdb.is_some());
    assert!(cli(&["--kernel", "k", "-s"], &[("UKVMM_GDB", "tcp:1")]).run.gdb.is_none());
}

#[test]
fn subcommands_take_the_general_flags_alone() {
    let file = File::new("kernel = \"k\"\nlog-format = \"json\"\n");
    for words in [&["doctor", "--config", &file.path()][..], &["doctor"]] {
        let variables = [("UKVMM_CONFIG", &*file.path()), ("UKVMM_VERBOSE", "3"), ("UKVMM_MEMORY", "lots")];
        let cli = cli(words, &variables);
        assert!(matches!(cli.command, Some(crate::cli::Command::Doctor)));
        assert_eq!((cli.log.verbose, cli.log.log_format), (3, LogFormat::Json));
    }
    let cli = cli(&["report", "p", "-v"], &[("UKVMM_VERBOSE", "3")]);
    assert_eq!(cli.log.verbose, 1);
}

#[test]
fn a_variable_that_nobody_reads_is_told_if_it_is_like_one_of_ours() {
    let variables =
        [("UKVMM_MEMROY", "1G"), ("UKVMM_BUILD", "b"), ("UKVMM_KVM_DEVICE", "d"), ("UKVMM_XYZZY", "x")];
    let read = run(&["--kernel", "k"], &variables).unwrap();
    assert_eq!(read.warnings, ["nobody reads the variable UKVMM_MEMROY (did you mean UKVMM_MEMORY?)"]);
}

#[test]
fn questions_are_answered_and_mistakes_of_the_line_told_as_ever() {
    let status = |words: &[&str]| {
        let words = std::iter::once("ukvmm").chain(words.iter().copied()).map(OsString::from).collect();
        read(words, [("UKVMM_MEMORY".into(), "1G".into())].into_iter()).unwrap_err().status()
    };
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["--version"]), 0);
    assert_eq!(status(&["report", "--help"]), 0);
    assert_eq!(status(&["--memroy", "1G"]), 125);
    let error = run(&["--kernel", "k", "--memroy", "1G"], &[]).unwrap_err();
    assert!(error.contains("similar argument exists: '--memory'"), "{error}");
}
