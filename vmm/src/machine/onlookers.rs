//! Those who look at a machine while it runs, and may have it stand still.

use crate::debug::control::Control;
use crate::debug::listen::Gdb;
use crate::debug::live::run::Live;
use crate::debug::programs::Programs;
use crate::debug::server::Server;
use crate::ending::Ending;
use crate::error::Error;
use crate::events::Mailbox;
use crate::loader::module::Module;
use crate::profile::deposit::Deposit;
use crate::profile::session::Session;
use crate::profile::wish::Wish;
use crate::slots::Slots;
use crate::vm::Vm;
use kvm_ioctls::VcpuFd;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A machine that has not run yet.
pub struct Subject<'a> {
    pub vm: &'a Arc<Vm>,
    pub vcpus: &'a [VcpuFd],
    pub modules: &'a [Module],
    /// What it was made of.
    pub programs: Programs,
    pub mailbox: &'a Mailbox,
}

pub struct Onlookers {
    /// What stops and starts the vCPUs, if anybody may want that.
    pub control: Option<Arc<Control>>,
    pub debugger: Option<Server>,
    pub profile: Option<Session>,
}

impl Onlookers {
    /// Those that are wanted. `is_remote`: there is a control socket, which may hold the machine too. `watchers`: how many look at the profile as it grows.
    pub fn start(
        gdb: Option<Gdb>,
        profile: Option<Wish>,
        is_remote: bool,
        watchers: Arc<AtomicUsize>,
        subject: Subject<'_>,
    ) -> Result<Self, Error> {
        let Subject { vm, vcpus, modules, programs, mailbox } = subject;
        let hold = gdb.as_ref().is_some_and(|gdb| gdb.hold);
        let is_wanted = gdb.is_some() || is_remote;
        let control = is_wanted.then(|| Control::new(vcpus, hold, mailbox.clone())).transpose()?;
        let gdb = gdb.zip(control.clone());
        let debugger = gdb.map(|(gdb, control)| debugger(gdb, vm, control, programs.clone())).transpose()?;
        let profile = profile.map(|wish| Session::start(wish, vm, vcpus, modules, programs, watchers));
        Ok(Self { control, debugger, profile: profile.transpose()? })
    }

    /// The machine has ended: they are told. Returns the profile, if one was wanted.
    pub fn end(self, ending: &Ending) -> Option<Deposit> {
        if let Some(debugger) = self.debugger {
            debugger.end(ending.status.code());
        }
        self.profile.and_then(|session| session.end(ending))
    }
}

/// Starts to serve debuggers.
fn debugger(gdb: Gdb, vm: &Arc<Vm>, control: Arc<Control>, programs: Programs) -> Result<Server, Error> {
    gdb.announce();
    let (its_control, vm) = (control.clone(), vm.clone());
    Server::start(gdb, control, move || {
        let slots = Rc::new(RefCell::new(Slots::new(vm.clone())));
        Box::new(move || {
            let live = Live::attach(its_control.clone(), slots.clone(), vm.memory().clone(), &programs)?;
            Ok(Box::new(live))
        })
    })
}
