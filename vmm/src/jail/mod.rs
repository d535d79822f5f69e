//! The jail: what is left to `ukvmm` once everything is set up.
//!
//! A guest is hostile. Should one ever get the better of a thread of ours, that thread finds itself with the few system calls that its work
//! takes, the files that the command line names, and no privileges. So a machine is set up first: files are opened, sockets are bound. Then it is
//! [armed](arm), which takes away from the whole process what nobody needs any more; and each thread [enters](enter) before it looks at
//! anything of the guest's, which leaves it the rest of what its [`Kind`] needs and no more.
//!
//! What surprised: `seccomp` knows nothing of what io_uring does, so a ring for disks is made such that it can do nothing but disks' work
//! ([`crate::disk`]); and both filters and Landlock are a thread's own and its offspring's, so order matters: the process' share before the first
//! thread, the main thread's own after the last.
//!
//! - [`kind`]: the kinds of threads
//! - [`needs`]: which files they need; *the place to add to when a feature opens anything later on*
//! - [`calls`]: which system calls they need, likewise; [`device_calls`]: those that do the work of devices
//! - [`filter`]: made into filters of `seccomp`; [`refusal`]: what is said when one has refused a call
//! - [`files`]: the rules of Landlock
//! - [`privileges`]: capabilities, and descriptors of others
//! - [`options`]: how it is turned off
//!
//! What it is for and what it is not: `docs/jail.md`.

pub mod calls;
pub mod device_calls;
pub mod files;
pub mod filter;
pub mod kind;
pub mod needs;
pub mod options;
pub mod privileges;
pub mod refusal;

pub use kind::Kind;
pub use needs::{Access, Need, Needs};

use crate::terminal;
use files::Wall;
use filter::Filters;
use std::io;
use std::sync::OnceLock;
use vmm_abi::exit;

/// The jail of this process, once it is armed.
static JAIL: OnceLock<Jail> = OnceLock::new();

struct Jail {
    needs: Needs,
    filters: Filters,
}

#[derive(Debug, thiserror::Error)]
pub enum JailError {
    #[error("the jail: {what}: {source}; --no-sandbox runs without it")]
    Host { what: &'static str, source: io::Error },
    #[error(
        "the jail: this host's kernel has no seccomp filters for us ({0}); --no-sandbox runs without the jail"
    )]
    Filter(#[from] seccompiler::Error),
}

/// Takes from the whole process what no thread of it needs. To be called by the main thread before it starts any other but those that
/// [enter late](enter_late); once.
pub fn arm(needs: Needs) -> Result<(), JailError> {
    let failed = |what| move |source| JailError::Host { what, source };
    rustix::thread::set_no_new_privs(true).map_err(|e| failed("no new privileges")(e.into()))?;
    privileges::close_inherited().map_err(failed("descriptors of the parent"))?;
    refusal::install().map_err(failed("a handler of SIGSYS"))?;
    files::report(files::confine(needs.all(), Wall::Process).map_err(failed("Landlock"))?);
    let filters = Filters::default();
    // Whether there are any filters is better known now than in a thread.
    filters.compiled(Kind::Vcpu, &needs)?;
    for need in needs.all() {
        tracing::info!("jail: {need}");
    }
    let armed = JAIL.set(Jail { needs, filters }).is_ok();
    debug_assert!(armed, "a process has one machine");
    Ok(())
}

/// Leaves the calling thread what threads of `kind` need. Does nothing where there is no jail. A thread that cannot be confined takes the process
/// along: nothing runs outside of the jail because of an error.
pub fn enter(kind: Kind) {
    let Some(jail) = JAIL.get() else { return };
    if let Err(error) = jail.enter(kind) {
        terminal::restore();
        tracing::error!("the thread {kind} cannot enter the jail: {error}");
        std::process::exit(exit::VMM.into());
    }
}

/// The same for a thread that was there before the jail was [armed](arm).
pub fn enter_late(kind: Kind) {
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        tracing::debug!(%error, "no new privileges");
    }
    enter(kind);
}

/// Confines the calling thread alone, in a process that has no jail: such a thread does what another machine's guest asks for.
pub fn enter_alone(kind: Kind, needs: Needs) -> Result<(), JailError> {
    let failed = |what| move |source| JailError::Host { what, source };
    rustix::thread::set_no_new_privs(true).map_err(|e| failed("no new privileges")(e.into()))?;
    refusal::install().map_err(failed("a handler of SIGSYS"))?;
    Jail { needs, filters: Filters::default() }.enter(kind)
}

/// Whether there is a jail.
pub fn is_armed() -> bool {
    JAIL.get().is_some()
}

impl Jail {
    fn enter(&self, kind: Kind) -> Result<(), JailError> {
        let failed = |what| move |source| JailError::Host { what, source };
        let needs: Vec<_> = self.needs.of(kind).collect();
        let filter = self.filters.compiled(kind, &self.needs)?;
        files::confine(needs.iter().copied(), Wall::Thread(kind)).map_err(failed("Landlock"))?;
        let changes = needs.iter().any(|need| need.access.changes());
        privileges::drop(changes).map_err(failed("capabilities"))?;
        refusal::name_thread(kind);
        tracing::debug!("jail: {kind}: {} instructions of seccomp", filter.len());
        Ok(seccompiler::apply_filter(filter)?)
    }
}
