//! Landlock (landlock(7)): the second wall around files, and the first around what filters cannot see: paths, ports, whom a socket belongs to.
//!
//! Each Linux since 5.13 can do a little more of it; we ask for everything and take what there is. [`Wall::Process`] is around all threads, with what any of
//! them needs; in it each thread has one of its own.

use super::{Access, Kind, Need};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath,
    PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::io;

/// What we know of, and have tried. Newer ones may restrict more than we think of.
const WANTED: ABI = ABI::V6;

/// Around whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wall {
    Process,
    Thread(Kind),
}

/// Leaves the calling thread, and those that it starts, these files; and no TCP ports, unless the gateway of `--net user` is to connect to some.
pub fn confine<'a>(
    needs: impl Iterator<Item = &'a Need> + Clone,
    wall: Wall,
) -> io::Result<RestrictionStatus> {
    let connects = |need: &Need| need.kind == Kind::UserNet;
    let connects = match wall {
        Wall::Process => needs.clone().any(connects),
        Wall::Thread(kind) => kind == Kind::UserNet,
    };
    build(needs, wall, connects).map_err(io::Error::other)
}

fn build<'a>(
    needs: impl Iterator<Item = &'a Need>,
    wall: Wall,
    connects: bool,
) -> Result<RestrictionStatus, RulesetError> {
    let ports = if connects { BitFlags::from(AccessNet::BindTcp) } else { AccessNet::from_all(WANTED) };
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(ports)?;
    if wall == Wall::Process {
        rules = rules.scope(Scope::from_all(WANTED))?;
    }
    let mut rules = rules.create()?;
    for need in needs {
        match PathFd::new(&need.path) {
            Ok(path) => rules = rules.add_rule(PathBeneath::new(path, rights(need)))?,
            // What is not there cannot be used either.
            Err(error) => tracing::debug!("jail: {}: {error}", need.path.display()),
        }
    }
    rules.restrict_self()
}

fn rights(need: &Need) -> BitFlags<AccessFs> {
    let of_folder = rights_beneath(need.access);
    if need.path.is_dir() { of_folder } else { of_folder & AccessFs::from_file(WANTED) }
}

fn rights_beneath(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    match access {
        Access::Read | Access::Share { read_only: true } => read,
        Access::Write => write,
        Access::Device => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev,
        Access::Make => read | write | AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::RemoveFile,
        Access::Remove => AccessFs::RemoveFile.into(),
        // Not to execute, nor to make devices.
        Access::Share { read_only: false } => {
            AccessFs::from_all(WANTED)
                & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
        }
    }
}

/// Tells the user what there is of it.
pub fn report(status: RestrictionStatus) {
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, landlock) => tracing::warn!(
            "the jail has one wall less: {}. Threads that open files can open all that this user can",
            absence(&landlock)
        ),
        (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            tracing::info!(
                "jail: Landlock ABI {effective_abi}, of {WANTED} that we would use: {}",
                lacks(effective_abi)
            );
        }
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            tracing::info!("jail: Landlock ABI {effective_abi}: files, ports, signals");
        }
        (_, landlock) => tracing::info!("jail: Landlock {landlock:?}"),
    }
}

/// Why there is none.
pub fn absence(landlock: &LandlockStatus) -> &'static str {
    match landlock {
        LandlockStatus::NotEnabled => {
            "this host's Linux has Landlock but does not use it (add landlock to its lsm=)"
        }
        LandlockStatus::NotImplemented => {
            "this host's Linux has no Landlock (it needs 5.13, and CONFIG_SECURITY_LANDLOCK)"
        }
        LandlockStatus::Available { .. } => "Landlock has done nothing",
    }
}

/// What an older one leaves open.
pub fn lacks(abi: ABI) -> &'static str {
    match abi {
        ABI::Unsupported => "everything",
        ABI::V1 => {
            "no say in files' lengths, TCP ports, devices' ioctls, signals; files of a share keep their folders"
        }
        ABI::V2 => "no say in files' lengths, TCP ports, devices' ioctls, signals",
        ABI::V3 => "no say in TCP ports, devices' ioctls, signals",
        ABI::V4 => "no say in devices' ioctls, signals",
        ABI::V5 => "no say in signals",
        _ => "nothing",
    }
}
