//! Tests of libtest-mimic, and what they share.

use guest_tests::build::Build;
use guest_tests::guest;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::sync::Arc;

/// What all tests know.
pub struct Context {
    pub build: Build,
    arguments: Arguments,
    kvm_missing: Option<String>,
}

impl Context {
    pub fn new(build: Build, arguments: Arguments) -> Self {
        Self { build, arguments, kvm_missing: guest::kvm_missing() }
    }

    /// Says before all tests what will not be tested.
    pub fn announce(&self) {
        if let Some(reason) = &self.kvm_missing {
            eprintln!("==> NO KVM: {reason}; every test kvm::* is skipped");
        }
    }

    /// Whether the test of this name is to be run.
    pub fn is_selected(&self, name: &str) -> bool {
        let trial = Trial::test(name, || Ok(()));
        !self.arguments.list && !self.arguments.is_filtered_out(&trial)
    }
}

/// A test that needs no KVM.
pub fn plain(
    name: String,
    context: &Arc<Context>,
    body: impl FnOnce(&Context) -> Result<(), String> + Send + 'static,
) -> Trial {
    let context = context.clone();
    Trial::test(name, move || body(&context).map_err(Failed::from))
}

/// A test that is skipped where this machine's KVM cannot be used.
pub fn on_kvm(
    name: &str,
    context: &Arc<Context>,
    body: impl FnOnce(&Context) -> Result<(), String> + Send + 'static,
) -> Trial {
    let context = context.clone();
    Trial::ignorable_test(format!("kvm::{name}"), move || match &context.kvm_missing {
        Some(reason) => Ok(Completion::ignored_with(reason)),
        None => body(&context).map(|()| Completion::Completed).map_err(Failed::from),
    })
}
