//! The 9p driver, killed while it is used: a folder of this machine, listed, read and written to.

use crate::driven::Run;
use crate::driver_profile::DriverProfile;
use crate::trials::{Context, on_kvm, plain};
use libtest_mimic::Trial;
use nettest::pattern::Pattern;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const BYTES: usize = 1_000_000;
const KILLS: &str = "5";
const TAG: &str = "files";
/// More than fit into one answer.
const NAMES: usize = 1500;

/// Fills a folder, runs the set with it, and looks what has become of it.
fn run(body: impl FnOnce(&Run<'_>, &Path) -> Result<(), String>) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let names = fill(folder.path()).map_err(|e| format!("cannot fill a folder: {e}"))?;
    body(&Run { set: "sharetest", words: &[&BYTES.to_string(), KILLS] }, folder.path())?;
    let out = folder.path().join("out");
    let read = |name: &str| fs::read(out.join(name)).map_err(|e| format!("out/{name}: {e}"));
    if !read("pattern")?.into_iter().eq(Pattern::new(3).take(BYTES)) {
        return Err("the copy is not what was copied".to_owned());
    }
    let list = String::from_utf8_lossy(&read("list")?).into_owned();
    let found: Vec<_> = list.lines().map(str::to_owned).collect();
    let (count, found) = (found.len(), found.into_iter().collect::<BTreeSet<_>>());
    if count != found.len() || found != names {
        return Err(format!(
            "{count} names were found, {} of them different; {} are there",
            found.len(),
            names.len()
        ));
    }
    Ok(())
}

/// Makes what `sharetest` expects. The names in the folder that it lists.
fn fill(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    let from = folder.join("in");
    fs::create_dir(&from)?;
    fs::write(from.join("pattern"), Pattern::new(3).take(BYTES).collect::<Vec<_>>())?;
    let mut names = BTreeSet::from(["pattern".to_owned()]);
    for n in 0..NAMES {
        let name = format!("a file whose name is not short, number {n}");
        fs::write(from.join(&name), "")?;
        names.insert(name);
    }
    Ok(names)
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("qemu::9p".to_owned(), context, |context| {
            run(|run, folder| {
                let files = format!("local,id=files,path={},security_model=none", folder.display());
                let device = format!("virtio-9p-device,fsdev=files,mount_tag={TAG}");
                run.in_qemu(context, &["-fsdev", &files, "-device", &device])
            })
        }),
        plain("lab::accel::share".to_owned(), context, |context| {
            run(|run, folder| {
                let share = format!("tag={TAG},path={}", folder.display());
                run.by_accel(context, &["--share", &share])
            })
        }),
        on_kvm("9p", context, |context| {
            let profile = DriverProfile::new("sharetest", "9p")?;
            run(|run, folder| {
                let share = format!("tag={TAG},path={}", folder.display());
                run.on_kvm(context, &["--share", &share, "--profile", &profile.file()])
            })?;
            profile.check()
        }),
    ]
}
