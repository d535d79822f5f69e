use super::*;
use crate::cli::Cli;
use crate::loader::module::Content;
use crate::tiny_elf::Elf;
use clap::Parser;
use std::fs;

/// A folder as `cargo xtask build` leaves it, with a tiny kernel and files that are no programs.
fn build_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("servers")).unwrap();
    fs::create_dir_all(dir.path().join("images/servers")).unwrap();
    fs::write(dir.path().join("guest.elf"), Elf::new(&[0x90]).bytes()).unwrap();
    for file in ["servers/sigma0", "servers/root", "servers/linux", "images/initrd.cpio"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    let set = "initrd = 'images/initrd.cpio'\n[[server]]\nname = 'linux'\nprio = 1\nmemory = '1M'\n";
    fs::write(dir.path().join("images/servers/test.toml"), set).unwrap();
    dir
}

fn config(dir: &Path, args: &[&str]) -> Result<Config, ConfigError> {
    let kernel = dir.join("guest.elf");
    let line = ["ukvmm", "--kernel", kernel.to_str().unwrap()];
    Config::new(Cli::try_parse_from([&line, args].concat()).unwrap().run)
}

fn names(config: &Config) -> Vec<&str> {
    config.modules.iter().map(|m| m.name.as_str()).collect()
}

fn text(config: &Config, name: &str) -> String {
    match &config.modules.iter().find(|m| m.name == name).unwrap().content {
        Content::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        Content::Zeroes { .. } => String::new(),
        Content::File(input) => fs::read_to_string(&input.path).unwrap(),
    }
}

#[test]
fn a_set_brings_its_servers_and_its_root_file_system() {
    let dir = build_dir();
    let config =
        config(dir.path(), &["--servers", "test", "--strace", "--env", "A=1", "--", "/bin/ls", "-l"])
            .unwrap();
    assert_eq!(names(&config), ["sigma0", "root", "linux", "set", "argv", "envp", "initrd"]);
    assert_eq!(text(&config, "argv"), "/bin/ls\0-l\0");
    assert!(text(&config, "set").ends_with(" args=--strace\n"));
    assert!(text(&config, "envp").ends_with("\0A=1\0"));
    assert_eq!(text(&config, "initrd"), "images/initrd.cpio");
}

#[test]
fn a_driver_that_is_optional_comes_with_its_device() {
    let dir = build_dir();
    fs::write(dir.path().join("servers/block"), "block").unwrap();
    let set = "[[server]]\nname = 'block'\nprio = 1\nmemory = '1M'\ndevices = ['block:0']\noptional = true\n\
               [[server]]\nname = 'linux'\nprio = 1\nmemory = '1M'\nmay_call = ['block']\n";
    fs::write(dir.path().join("images/servers/disk.toml"), set).unwrap();
    let image = dir.path().join("disk.img");
    fs::write(&image, [0; 512]).unwrap();
    let servers = |args: &[&str]| {
        let config = config(dir.path(), &[&["--servers", "disk"], args].concat()).unwrap();
        names(&config).into_iter().take_while(|name| *name != "set").skip(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(servers(&[]), "linux");
    assert_eq!(servers(&["--disk", image.to_str().unwrap()]), "block linux");
}

#[test]
fn initrd_can_be_another_one() {
    let dir = build_dir();
    let other = dir.path().join("other");
    fs::write(&other, "other").unwrap();
    let other = other.to_str().unwrap();
    assert_eq!(
        text(&config(dir.path(), &["--servers", "test", "--initrd", other]).unwrap(), "initrd"),
        "other"
    );
    assert_eq!(names(&config(dir.path(), &["--initrd", other]).unwrap()), ["initrd"]);
}

#[test]
fn there_are_as_many_cpus_as_asked_for() {
    let dir = build_dir();
    let cpus = |args: &[&str]| config(dir.path(), args).unwrap().cpus;
    assert_eq!((cpus(&[]), cpus(&["--cpus", "2"]), cpus(&["--cpus=64"])), (1, 2, 64));
}

#[test]
fn variables_given_replace_those_that_are_there() {
    let given = ["HOME=/tmp".into(), "HOME=/x".into(), "EMPTY=".into()];
    let all = environment(&given, Some("xterm".into())).unwrap();
    let all: Vec<&str> = all.iter().map(|s| s.to_str().unwrap()).collect();
    assert!(all.contains(&"TERM=xterm"));
    assert_eq!(all[all.len() - 2..], ["HOME=/x", "EMPTY="]);
    assert_eq!(all.iter().filter(|s| s.starts_with("HOME=")).count(), 1);
    for bad in ["A", "=1", ""] {
        assert!(matches!(environment(&[bad.into()], None), Err(ConfigError::Env(_))), "{bad}");
    }
}

#[test]
fn what_is_missing_is_named_and_has_status_127() {
    let dir = build_dir();
    let fails = |args: &[&str]| {
        let error = config(dir.path(), args).unwrap_err();
        (error.status(), error.to_string())
    };
    let (status, error) = fails(&["--servers", "absent"]);
    assert!(status == 127 && error.contains("images/servers/absent.toml"), "{error}");
    let (status, error) = fails(&["--servers", "./absent.toml"]);
    assert!(status == 127 && error.contains("absent.toml not found"), "{error}");
    let (status, error) = fails(&["--initrd", "/absent"]);
    assert!(status == 127 && error.contains("initrd /absent not found"), "{error}");
    fs::remove_file(dir.path().join("images/initrd.cpio")).unwrap();
    assert_eq!(fails(&["--servers", "test"]).0, 127);
    fs::remove_file(dir.path().join("servers/linux")).unwrap();
    let (status, error) = fails(&["--servers", "test"]);
    assert!(
        status == 127 && error.contains("server linux") && error.contains("servers/linux not found"),
        "{error}"
    );
    fs::remove_file(dir.path().join("guest.elf")).unwrap();
    let (status, error) = fails(&[]);
    assert!(status == 127 && error.contains("cargo xtask build"), "{error}");
}

#[test]
fn mistakes_have_status_125() {
    let dir = build_dir();
    fs::write(dir.path().join("latin1.toml"), b"\xe4").unwrap();
    fs::write(dir.path().join("bad.toml"), "[").unwrap();
    fs::write(dir.path().join("empty.toml"), "").unwrap();
    let [latin1, bad, empty] = ["latin1.toml", "bad.toml", "empty.toml"].map(|f| dir.path().join(f));
    for (args, expected) in [
        (&["--cpus", "0"][..], "--cpus 0: a guest has at least 1 virtual CPU and at most 64"),
        (&["--cpus", "65"], "--cpus 65"),
        (&["--cpus", "257"], "--cpus 257"),
        (&["--memory", "1M"], "at least 4 MiB"),
        (&["--memory", "4194305"], "multiple of 4 KiB"),
        (&["--memory", "257G"], "at most 256 GiB"),
        (&["--strace"], "--strace needs --servers"),
        (&["--env", "A=1"], "--env needs --servers"),
        (&["--", "ls"], "needs --servers"),
        (&["--servers", "test", "--env", "A"], "NAME=VALUE"),
        (&["--servers", latin1.to_str().unwrap()], "not UTF-8"),
        (&["--servers", bad.to_str().unwrap()], "line 1"),
        (&["--servers", empty.to_str().unwrap(), "--strace"], "no server \"linux\""),
        (&["--servers", "/"], "not a regular file"),
    ] {
        let error = config(dir.path(), args).unwrap_err();
        assert_eq!(error.status(), 125, "{error}");
        assert!(error.to_string().contains(expected), "{args:?}: {error}");
    }
}

/// What of a bzImage tells that it is one.
fn bzimage() -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes
}

#[test]
fn a_stock_kernel_has_a_pc_around_it() {
    let dir = build_dir();
    let native = config(dir.path(), &["--cmdline", "a b"]).unwrap();
    assert_eq!((native.format, native.uart, native.cmdline.as_str()), (Format::Native, false, "a b"));
    fs::write(dir.path().join("guest.elf"), bzimage()).unwrap();
    let initrd = dir.path().join("images/initrd.cpio");
    let stock = config(dir.path(), &["--initrd", initrd.to_str().unwrap(), "--cmdline", "quiet"]).unwrap();
    assert_eq!((stock.format, stock.uart, names(&stock)), (Format::BzImage, true, vec!["initrd"]));
    assert_eq!(stock.cmdline, format!("{STOCK_CMDLINE} quiet"));
    assert_eq!(config(dir.path(), &[]).unwrap().cmdline, STOCK_CMDLINE);
    let error = config(dir.path(), &["--servers", "test"]).unwrap_err();
    assert!(error.to_string().contains("is a stock kernel") && error.status() == 125, "{error}");
}

#[test]
fn a_kernel_without_trace_points_gets_no_rings() {
    let dir = build_dir();
    let profile = dir.path().join("p.html");
    let config = config(dir.path(), &["--memory", "64M", "--profile", profile.to_str().unwrap()]).unwrap();
    assert!(config.modules.is_empty() && config.memory == 64 << 20);
    let wish = config.profile.unwrap();
    assert!(!wish.header.records && wish.module().is_none());
    assert_eq!((wish.header.memory, wish.header.kernel.size), (64 << 20, config.kernel.size));
}

#[test]
fn a_profile_spares_what_the_guest_is_made_of() {
    let dir = build_dir();
    let root = dir.path().join("servers/root");
    let error = config(dir.path(), &["--servers", "test", "--profile", root.to_str().unwrap()]).unwrap_err();
    assert!(error.status() == 125 && error.to_string().contains("made of"), "{error}");
    assert_eq!(fs::read(root).unwrap(), b"servers/root");
}
