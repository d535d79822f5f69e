//! Tests of libtest-mimic, and what they share.

use crate::slots::Slots;
use guest_tests::build::Build;
use guest_tests::guest;
use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};
use std::sync::Arc;

/// What all tests know.
pub struct Context {
    pub build: Build,
    pub slots: Slots,
    arguments: Arguments,
    kvm_missing: Option<String>,
}

impl Context {
    pub fn new(build: Build, arguments: Arguments) -> Self {
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        let slots = Slots::new(arguments.test_threads.unwrap_or_else(cpus));
        Self { build, slots, arguments, kvm_missing: guest::kvm_missing() }
    }

    /// Runs the tests. Each has a thread, and waits in it for a slot or for what others do.
    pub fn run(&self, trials: Vec<Trial>) -> Conclusion {
        let arguments = Arguments { test_threads: Some(trials.len().max(1)), ..self.arguments.clone() };
        libtest_mimic::run(&arguments, trials)
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
    Trial::test(name, move || context.slots.with(|| body(&context)).map_err(Failed::from))
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
        None => context.slots.with(|| body(&context)).map(|()| Completion::Completed).map_err(Failed::from),
    })
}
