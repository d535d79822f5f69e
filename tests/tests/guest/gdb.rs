//! Sessions of GDB with a guest, on this machine's KVM and in the lab. They are files in `tests/gdb`.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::build::repository;
use guest_tests::gdb::lab::{self, Verdicts};
use guest_tests::gdb::machine;
use guest_tests::gdb::session::{Place, Session};
use libtest_mimic::Trial;
use std::path::PathBuf;
use std::sync::Arc;

/// The files, in the order of their names.
fn files() -> Vec<PathBuf> {
    let folder = repository().join("tests/gdb");
    let entries =
        folder.read_dir().expect("the folder is in the repository").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "session")).collect();
    files.sort();
    files
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut in_lab = Vec::new();
    for file in files() {
        let name = format!("gdb::{}", file.file_stem().unwrap_or_default().to_string_lossy());
        match Session::read(&file) {
            Ok(session) => {
                if session.only != Some(Place::Lab) {
                    let session = session.clone();
                    trials.push(on_kvm(&name, context, move |context| {
                        machine::run_here(&session, &context.build)
                    }));
                }
                if session.only != Some(Place::Kvm) {
                    in_lab.push(session);
                }
            }
            Err(error) => trials.push(plain(name, context, move |_| Err(error))),
        }
    }
    trials.extend(lab_trials(in_lab, context));
    trials
}

/// All that are asked for, in one lab.
fn lab_trials(mut sessions: Vec<Session>, context: &Arc<Context>) -> Vec<Trial> {
    let test = |session: &Session| format!("lab::gdb::{}", session.name);
    let names: Vec<_> = sessions.iter().map(|session| (session.name.clone(), test(session))).collect();
    sessions.retain(|session| context.is_selected(&test(session)));
    let verdicts = Arc::new(Shared::<Verdicts>::new());
    let sessions = Arc::new(sessions);
    let trial = |(name, test): (String, String)| {
        let (verdicts, sessions) = (verdicts.clone(), sessions.clone());
        plain(test, context, move |context| {
            let verdicts = verdicts.get(&context.slots, || lab::run(&context.build, &sessions));
            verdicts.get(&name).cloned().unwrap_or_else(|| Err("it was not run".to_owned()))
        })
    };
    names.into_iter().map(trial).collect()
}
