use super::*;
use crate::settings;
use std::path::Path;

fn config(dir: &Path, args: &[&str]) -> Config {
    let kernel = dir.join("kernel");
    std::fs::write(&kernel, crate::tiny_elf::Elf::new(&[0xf4]).bytes()).unwrap();
    let words = ["ukvmm", "--dry-run", "--kernel", kernel.to_str().unwrap()];
    let words = words.into_iter().chain(args.iter().copied()).map(Into::into).collect();
    Config::new(settings::read(words, std::iter::empty()).unwrap().cli.run).unwrap()
}

#[test]
fn it_says_where_everything_is() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, initrd) = (dir.path().join("disk"), dir.path().join("initrd"));
    std::fs::write(&disk, [7; 512]).unwrap();
    std::fs::write(&initrd, [7; 5000]).unwrap();
    let args =
        ["--memory", "8M", "--rng", "--disk", disk.to_str().unwrap(), "--initrd", initrd.to_str().unwrap()];
    let rehearsal = rehearse(config(dir.path(), &args), &Wanted::default(), None).unwrap();
    let map: Vec<_> = rehearsal.memory_map.iter().map(|region| region.content.as_str()).collect();
    assert_eq!(map, ["RAM", "RAM", "kernel", "ukvmm", "initrd"]);
    assert_eq!((rehearsal.memory_map[0].start, rehearsal.memory_map[1].end), (0, 8 << 20));
    let kernel = &rehearsal.memory_map[2];
    let initrd = &rehearsal.memory_map[4];
    assert!(kernel.end <= initrd.start && initrd.end - initrd.start == 5000, "{rehearsal}");
    let text = rehearsal.to_string();
    for line in [
        "0xfeb00000-0xfeb00fff  irq 16  disk ",
        "0xfeb01000-0xfeb01fff  irq 17  random bytes",
        "ports 0xb00-0xb07      irq 5   console",
        "cmdline   virtio_mmio.device=4K@0xfeb00000:16 virtio_mmio.device=4K@0xfeb01000:17",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("jail      thread main may read /"), "{text}");
    assert!(text.lines().any(|line| line.ends_with(disk.to_str().unwrap())), "{text}");
    let json = serde_json::to_value(&rehearsal).unwrap();
    assert_eq!((&json["cpus"], &json["places"][3]["irq"]), (&1.into(), &16.into()));
}

#[test]
fn what_would_be_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let initrd = dir.path().join("initrd");
    std::fs::write(&initrd, vec![7; 5 << 20]).unwrap();
    let config = config(dir.path(), &["--memory", "4M", "--initrd", initrd.to_str().unwrap()]);
    let error = rehearse(config, &Wanted::default(), None).unwrap_err();
    assert!(error.to_string().starts_with("too little memory"), "{error}");
}

#[test]
fn nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    std::fs::write(path("old.html"), "kept").unwrap();
    let console = format!("name=a,path={}", path("port"));
    let socket = format!("unix:{}", path("gdb"));
    let vsock = format!("cid=3,path={}", path("vsock"));
    let args = ["--core", &path("core"), "--profile", &path("old.html"), "--virtio-console", &console];
    let config = config(dir.path(), &[&args[..], &["--gdb", &socket, "--vsock", &vsock]].concat());
    rehearse(config, &Wanted::default(), None).unwrap();
    let mut left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kernel", "old.html"]);
    assert_eq!(std::fs::read(path("old.html")).unwrap(), b"kept");
}
