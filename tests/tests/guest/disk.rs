//! `/dev/vda` of Linux programs: what they read is what the host's file has, and what they write is there afterwards.

use crate::trials::{Context, on_kvm};
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{self, End, Outcome};
use libtest_mimic::Trial;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use ukvmm::loader::file::sha256_of;

/// Bytes of the disk: no whole number of pages.
const SIZE: usize = (320 << 10) + 3 * 512;
/// A file in the archive that the disk begins with.
const MEMBER: &str = "member";
const MEMBER_BYTES: usize = 50_003;
/// What the guest writes, in pieces that begin and end inside of sectors, behind the file system that it makes.
const WRITTEN: std::ops::Range<usize> = 199_998..299_999;
/// A place behind the file systems, and before what the guest writes.
const BEHIND: usize = 195 << 10;
const LIMIT: Duration = Duration::from_secs(150);

/// Status 0, if all that is asked for is done.
const SCRIPT: &str = "
stat -c '%F %a %u:%g %t:%T' /dev/vda
for what in getsize64 getss getro; do blockdev --$what /dev/vda; done
tail -n 1 /proc/partitions
sha256sum </dev/vda
dd if=/dev/vda bs=70001 2>/dev/null | sha256sum
tar xf /dev/vda -C /tmp && sha256sum </tmp/member
yes | head -c 100001 | dd of=/dev/vda bs=33333 seek=6 iflag=fullblock conv=notrunc,fsync 2>/dev/null
sha256sum </dev/vda
dd if=/dev/zero of=/dev/vda bs=512 seek=643 2>&1 | grep -o 'No space left'
mkdosfs /dev/vda 195 >/dev/null && mke2fs -F /dev/vda 195 >/dev/null && sync && echo made
";

/// Any bytes, of which no two sectors have the same.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// The disk as it is first: an archive, and what follows.
fn content() -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    // The same archive each time: its file is always as old.
    fs::write(folder.path().join(MEMBER), pattern(MEMBER_BYTES))
        .and_then(|()| fs::File::options().write(true).open(folder.path().join(MEMBER)))
        .and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))
        .map_err(|e| format!("cannot write {MEMBER}: {e}"))?;
    let mut tar = Command::new("busybox");
    tar.args(["tar", "-c", "-f", "-", MEMBER]).current_dir(folder.path());
    let archive = process::run(tar, b"", LIMIT)?;
    let mut content = pattern(SIZE);
    content[..archive.stdout.len()].copy_from_slice(&archive.stdout);
    Ok(content)
}

fn make(context: &Context, name: &str, content: &[u8]) -> Result<PathBuf, String> {
    let folder = context.build.tests();
    let path = folder.join(name);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, content))
        .map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    Ok(path)
}

/// What the disk is when the guest has written to it, but for the file systems.
fn written(mut content: Vec<u8>) -> Vec<u8> {
    content[WRITTEN].iter_mut().zip(b"y\n".iter().cycle()).for_each(|(to, from)| *to = *from);
    content
}

/// What [`SCRIPT`] prints.
fn expected(content: Vec<u8>) -> String {
    let sum = |bytes: &[u8]| format!("{}  -\n", sha256_of(bytes));
    let mut text = String::from("block special file 660 0:6 fe:0\n");
    let _ = write!(text, "{SIZE}\n512\n0\n");
    let _ = writeln!(text, "{:4}  {:7} {:10} vda", 254, 0, SIZE / 1024);
    text += &sum(&content).repeat(2);
    text += &sum(&pattern(MEMBER_BYTES));
    text += &sum(&written(content));
    text + "No space left\nmade\n"
}

fn boot(context: &Context, set: &str, disk: &Path, script: &str) -> Result<Boot, String> {
    let [kernel, initrd, disk] = [&context.build.kernel()?, &context.build.initrd()?, disk]
        .map(|path: &Path| path.to_string_lossy().into_owned());
    let words = ["--kernel", &kernel, "--servers", set, "--initrd", &initrd, "--disk", &disk];
    Ok(Boot::words(&context.build, &words)?.timeout(LIMIT).program(&["/bin/sh", "-c", script]))
}

fn check(outcome: &Outcome, stdout: &str) -> Result<(), String> {
    let is_good = outcome.end == End::Exited(0) && outcome.stdout == stdout.as_bytes();
    if is_good && outcome.stderr.is_empty() {
        return Ok(());
    }
    Err(format!("expected {stdout:?}; found {}", compare::describe(outcome)))
}

fn used(context: &Context) -> Result<(), String> {
    let content = content()?;
    let disk = make(context, "linux-disk.img", &content)?;
    check(&boot(context, "linux", &disk, SCRIPT)?.run_kvm(b"", LIMIT)?, &expected(content.clone()))?;
    let found = fs::read(&disk).map_err(|e| format!("cannot read {}: {e}", disk.display()))?;
    if found[BEHIND..] != written(content)[BEHIND..] {
        return Err("what was written is not on the host's disk".into());
    }
    let mut look = Command::new("/sbin/e2fsck");
    look.arg("-fn").arg(&disk);
    let looked = process::run(look, b"", LIMIT)?;
    if looked.end == End::Exited(0) { Ok(()) } else { Err(compare::describe(&looked)) }
}

/// The same in the lab. What is written there does not come back, so its checksum is printed.
pub fn in_lab(context: &Context) -> Result<Boot, String> {
    let disk = make(context, LAB_DISK, &content()?)?;
    boot(context, "linux-trampoline", &disk, SCRIPT)
}

pub const IN_LAB: &str = "{boot} || exit 1; for file in {boot}; do case $file in */linux-disk-lab.img) break;; esac; done; \
     busybox tail -c +199681 $file | busybox sha256sum";
const LAB_DISK: &str = "linux-disk-lab.img";

/// What was printed in the lab.
pub fn check_lab(outcome: &Outcome) -> Result<(), String> {
    let content = content()?;
    let on_disk = sha256_of(&written(content.clone())[BEHIND..]);
    check(outcome, &format!("{}{on_disk}  -\n", expected(content)))
}

/// The set `linux`, with a server that has the driver killed.
const KILLED_SET: &str = r#"
[[server]]
name = "console"
prio = 200
memory = "2M"
ports = [[0xb00, 8]]
irqs = [5]

[[server]]
name = "block"
prio = 200
memory = "4M"
devices = ["block:0"]
restart = "always"

[[server]]
name = "killer"
elf = "consoletest"
prio = 210
memory = "1M"
may_kill = ["block"]
args = ["--kill-only=block"]

[[server]]
name = "linux"
prio = 100
memory = "32M"
may_call = ["console", "block"]
"#;

/// Reads all and writes a little, three times at least, and until the killer, which goes before all others, must have been at work for long.
const WHILE_KILLED: &str = "
n=0
until [ $((n += 1)) -gt 3 ] && [ $(cut -d . -f 1 /proc/uptime) -ge 2 ]; do
    sha256sum </dev/vda
    echo the same again | dd of=/dev/vda bs=15 seek=1000 conv=notrunc,fsync 2>/dev/null || exit 1
done
sha256sum </dev/vda; exit 6
";

/// The driver dies again and again; those who read and write do not notice.
fn driver_killed(context: &Context) -> Result<(), String> {
    let mut content = pattern(SIZE);
    content[15_000..15_015].copy_from_slice(b"the same again\n");
    let disk = make(context, "linux-disk-killed.img", &content)?;
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let set = folder.path().join("killed.toml");
    fs::write(&set, KILLED_SET).map_err(|e| format!("cannot write {}: {e}", set.display()))?;
    let outcome = boot(context, &set.to_string_lossy(), &disk, WHILE_KILLED)?.run_kvm(b"", LIMIT)?;
    let sum = format!("{}  -\n", sha256_of(&content));
    let is_same = outcome.stdout.chunks(sum.len()).all(|line| line == sum.as_bytes());
    let was_killed = String::from_utf8_lossy(&outcome.stderr).contains("killer: killed block, 3 of");
    let on_disk = fs::read(&disk).map_err(|e| format!("cannot read {}: {e}", disk.display()))?;
    if outcome.end == End::Exited(6) && is_same && was_killed && on_disk == content {
        Ok(())
    } else {
        Err(format!("expected {sum:?} each time; found {}", compare::describe(&outcome)))
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![on_kvm("disk::used", context, used), on_kvm("disk::driver-killed", context, driver_killed)]
}
