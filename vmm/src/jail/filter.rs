//! The filters of `seccomp` of a process. Each is made when the first thread of its kind is started, and used by all of that kind.

use super::program::{self, Calls};
use super::{Kind, Needs, calls};
use seccompiler::BpfProgram;
use std::sync::OnceLock;

/// By kind of thread.
#[derive(Default)]
pub struct Filters([OnceLock<BpfProgram>; Kind::ALL.len()]);

impl Filters {
    /// The filter for threads of `kind`.
    pub fn of(&self, kind: Kind, needs: &Needs) -> &BpfProgram {
        self.0[kind as usize].get_or_init(|| compile(kind, needs))
    }
}

pub(super) fn compile(kind: Kind, needs: &Needs) -> BpfProgram {
    // At each exit of the guest: KVM_RUN.
    let first = (kind == Kind::Vcpu).then_some(libc::SYS_ioctl);
    program::program(&Calls { allowed: &calls::of(kind, needs.of(kind)), first })
}
