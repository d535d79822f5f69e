//! A machine whose kernel nobody names, and whose settings come from a file, variables and the command line.

use crate::trials::{Context, on_kvm};
use guest_tests::compare;
use guest_tests::process::{self, End, Outcome};
use libtest_mimic::Trial;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// What the program says of where its variables come from, and of its arguments.
const SCRIPT: &str = "echo $A $B; exit 7";
const FILE: &str = "memory = \"128M\"\nprogram = [\"/bin/sh\", \"-c\", \"echo the file\"]\n[env]\nA = \"file\"\nB = \"file\"\n";

/// The build's `ukvmm` in `folder`, with the settings file there.
fn run(
    context: &Context,
    folder: &Path,
    variables: &[(&str, &str)],
    words: &[&str],
) -> Result<Outcome, String> {
    std::fs::write(folder.join("u.toml"), FILE).map_err(|e| e.to_string())?;
    let mut command = Command::new(context.build.ukvmm()?);
    command.current_dir(folder).args(["--config", "u.toml"]).args(words).envs(variables.iter().copied());
    process::run(command, b"", LIMIT)
}

fn expect(outcome: &Outcome, out: &str, status: i32) -> Result<(), String> {
    let is_so = outcome.stdout == out.as_bytes() && outcome.end == End::Exited(status);
    if is_so { Ok(()) } else { Err(compare::describe(outcome)) }
}

fn sources(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let run = |variables: &[_], words: &[_]| run(context, folder.path(), variables, words);
    expect(&run(&[], &[])?, "the file\n", 0)?;
    let program = format!("/bin/sh\n-c\n{SCRIPT}");
    expect(&run(&[("UKVMM_PROGRAM", &program)], &[])?, "file file\n", 7)?;
    let variables = [("UKVMM_PROGRAM", "/bin/false"), ("UKVMM_ENV", "A=variable\nB=variable")];
    expect(&run(&variables, &["--", "/bin/sh", "-c", SCRIPT])?, "variable variable\n", 7)?;
    expect(&run(&variables, &["--env", "A=flag", "--", "/bin/sh", "-c", SCRIPT])?, "flag\n", 7)
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![on_kvm("settings", context, sources)]
}
