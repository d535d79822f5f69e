//! From a command line to what the lab is to run.
//!
//! The command line is carried out here as far as `--dry-run` does, so that mistakes are found before the lab starts, and what it reads is
//! known by its files' names and not by guessing.

use super::doors::Doors;
use super::{AccelError, host, inside, place, roles, words};
use crate::cli::{Cli, Form, Run};
use crate::config::{self, Config};
use crate::debug::programs::Programs;
use crate::disk::DiskOptions;
use crate::installed;
use crate::loader::module::Content;
use crate::rehearsal::Files;
use clap::Parser;
use lab::profile::Profile;
use lab::{Disk, Job, Lab};
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Memory of the lab beside its files and the guest, in MiB.
const OWN_MEMORY: u64 = 768;
/// How much longer than the guest's time its emulation may take.
const SLOWNESS: u32 = 60;
/// What the lab takes to start and to end, at most.
const AROUND: Duration = Duration::from_secs(300);

/// What the lab is to run, and what is to come back.
pub struct Plan {
    pub lab: Lab,
    pub job: Job,
    pub doors: Arc<Doors>,
    /// Files and folders, absolute.
    pub outputs: Vec<PathBuf>,
}

/// What is to be done for `run`, which all of `words` are.
pub fn plan(run: &Run, words: &[OsString]) -> Result<Plan, AccelError> {
    let wanted = roles::outputs(words)?;
    let lab = place::find(home())?;
    let outputs = wanted.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
    let (program, libraries) = place::ourselves()?;
    let mut config = rehearsed(words)?;
    let (doors, instead) = Doors::of(&mut config)?;
    let mut files = [libraries, read(&config, run, &doors)?].concat();
    files.extend(outputs.iter().filter(|path| path.is_file()).cloned());
    files.sort();
    files.dedup();
    let args = words::inner(words, &instead)?;
    let sockets = [inside::INPUT, inside::CONTROL].map(|name| lab.home.join(name)).to_vec();
    let terminal = std::env::var_os("TERM").map(|value| ("TERM".to_owned(), value));
    let job = Job {
        // Somebody may be typing, or another program may.
        waits: true,
        memory_mib: memory(run, &files),
        profile: Profile::of(&args),
        program,
        args,
        files,
        folders: folders(&outputs),
        disks: disks(run)?,
        environment: [(inside::VARIABLE.to_owned(), "1".into())].into_iter().chain(terminal).collect(),
        limit: run.timeout.map(|timeout| timeout * SLOWNESS + AROUND),
        cpus: cpus(&config),
        sockets,
        ..Job::default()
    };
    // Last, so that nothing is left of a command line that is refused.
    make(&lab.home)?;
    Ok(Plan { lab, job, doors: Arc::new(doors), outputs })
}

/// The folder for the lab's files.
fn home() -> PathBuf {
    std::env::temp_dir().join(format!("ukvmm-lab-{}", std::process::id()))
}

/// Makes a folder that nobody else reads.
fn make(folder: &Path) -> Result<(), AccelError> {
    DirBuilder::new().mode(0o700).create(folder).map_err(host(format!("making {}", folder.display())))
}

/// What the command line is about: everything that it names is found and opened. Nothing is written but by ports of the console, which stay here.
fn rehearsed(words: &[OsString]) -> Result<Config, AccelError> {
    let mut again = Cli::try_parse_from(words).map_err(|error| AccelError::Lab(error.to_string()))?.run;
    again.dry_run = Some(Form::Text);
    let ports = std::mem::take(&mut again.virtio_console);
    let mut config = Config::new(again)?;
    config.console = config::console(&ports, Files::Made)?;
    Ok(config)
}

/// The files that are read, but for disks. With a debugger, those with the symbols of servers too.
fn read(config: &Config, run: &Run, doors: &Doors) -> Result<Vec<PathBuf>, AccelError> {
    let kernel = &config.kernel.path;
    let default = run.kernel.is_none().then(|| Path::new(installed::SERVERS));
    let set = run.servers.as_deref().or(default);
    let set = set.map(|name| config::set_file(name, kernel.parent().unwrap_or(Path::new("")))).transpose()?;
    let modules = config.modules.iter().filter_map(|module| match &module.content {
        Content::File(input) => Some(input.path.clone()),
        _ => None,
    });
    let programs = doors.has_debugger().then(|| Programs::of(&config.kernel, &config.modules));
    let symbols = programs.iter().flat_map(Programs::servers).map(|(_, path)| path.clone());
    modules.chain([kernel.clone()]).chain(set).chain(symbols).map(|path| absolute(&path)).collect()
}

/// In a lab with one CPU a stock kernel is given an interrupt twice now and then, and dies of it or stands still (`docs/lab.md`).
fn cpus(config: &Config) -> u32 {
    let least = if config.format.is_stock() { 2 } else { 1 };
    u32::from(config.cpus).max(least)
}

fn disks(run: &Run) -> Result<Vec<Disk>, AccelError> {
    let disk = |given: &OsString| {
        let options = DiskOptions::parse(given).map_err(config::ConfigError::from)?;
        Ok(Disk { path: absolute(&options.path)?, read_only: options.read_only })
    };
    run.disk.iter().map(disk).collect()
}

/// Those that are there, for files that are written.
fn folders(outputs: &[PathBuf]) -> Vec<PathBuf> {
    let nearest = |path: &PathBuf| path.ancestors().find(|folder| folder.is_dir()).map(Path::to_path_buf);
    outputs.iter().filter_map(nearest).collect()
}

/// In MiB: the lab has its files twice, packed and unpacked. Its file system takes half of its memory at most, and cores are as large as the guest's.
fn memory(run: &Run, files: &[PathBuf]) -> u32 {
    let bytes: u64 = files.iter().filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum();
    let cores = [run.core.is_some(), run.evidence.crash_dir.is_some()].map(u64::from).iter().sum::<u64>();
    let mib = OWN_MEMORY + (2 * bytes).div_ceil(1 << 20) + (1 + 2 * cores) * run.memory.div_ceil(1 << 20);
    u32::try_from(mib).unwrap_or(u32::MAX)
}

fn absolute(path: &Path) -> Result<PathBuf, AccelError> {
    lab::absolute(path).map_err(host(format!("finding {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_has_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(folders(&[dir.path().join("crashes/one")]), [dir.path()]);
        assert_eq!(folders(&[dir.path().into()]), [dir.path()]);
    }
}
