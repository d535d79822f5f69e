//! The tests of a package, as libtest-mimic runs them.

use crate::build::Recipe;
use crate::bundle::{Bundle, FOLDER_VARIABLE};
use crate::case::Test;
use crate::machine;
use crate::tools::Tools;
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};

/// The [`Suite`] of the package that this stands in.
#[macro_export]
macro_rules! suite {
    () => {
        $crate::Suite::new(env!("CARGO_MANIFEST_DIR"), env!("CARGO_TARGET_TMPDIR"))
    };
}

/// Tests, and the system that they start.
#[derive(Clone, Debug)]
pub struct Suite {
    recipe: Recipe,
    set: PathBuf,
    tests: Vec<Test>,
}

/// What all tests start: made by the first one that runs.
struct Machine {
    tools: Tools,
    kernel: PathBuf,
    set: PathBuf,
    bundles: PathBuf,
}

impl Suite {
    /// Of the package in this folder, with a folder for what is made; `suite!()` knows both.
    pub fn new(package: &str, work: &str) -> Self {
        let recipe =
            Recipe { package: package.into(), programs: Vec::new(), work: Path::new(work).join("ukvmm") };
        Self { recipe, set: PathBuf::new(), tests: Vec::new() }
    }

    /// Programs of the package that are servers.
    pub fn programs(mut self, programs: &[&str]) -> Self {
        self.recipe.programs.extend(programs.iter().map(ToString::to_string));
        self
    }

    /// The server set: a file of the package.
    pub fn set(self, path: &str) -> Self {
        Self { set: self.recipe.package.join(path), ..self }
    }

    pub fn test(mut self, test: Test) -> Self {
        self.tests.push(test);
        self
    }

    /// Does what the command line says.
    pub fn run(self) -> ExitCode {
        let Self { recipe, set, tests } = self;
        let machine = Arc::new(OnceLock::new());
        let recipe = Arc::new((recipe, set));
        let trial = |test: Test| {
            let (machine, recipe) = (machine.clone(), recipe.clone());
            let (name, is_ignored) = (test.name.clone(), test.is_ignored);
            let body = move || {
                let made = machine.get_or_init(|| Machine::make(&recipe.0, &recipe.1));
                made.as_ref()
                    .map_err(Clone::clone)
                    .and_then(|machine| machine.run(&test))
                    .map_err(Failed::from)
            };
            Trial::test(name, body).with_ignored_flag(is_ignored)
        };
        let arguments = Arguments::from_args();
        libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
    }
}

impl Machine {
    fn make(recipe: &Recipe, set: &Path) -> Result<Self, String> {
        let tools = Tools::find()?;
        let kernel = recipe.make(&tools)?;
        let named = std::env::var_os(FOLDER_VARIABLE).map(|folder| recipe.package.join(folder));
        let bundles = named.unwrap_or_else(|| recipe.work.join("failed"));
        Ok(Self { tools, kernel, set: set.into(), bundles })
    }

    /// Starts one, and looks what becomes of it.
    fn run(&self, test: &Test) -> Result<(), String> {
        let bundle = Bundle::new(&self.bundles, &test.name)?;
        let command = self.command(test, &bundle);
        bundle.note_command(&command)?;
        let checked = machine::run(command, test.limit, &bundle).and_then(|outcome| test.check(&outcome));
        match checked {
            Ok(()) => bundle.discard(),
            Err(failure) => return Err(bundle.keep(&failure)),
        }
        Ok(())
    }

    fn command(&self, test: &Test, bundle: &Bundle) -> Command {
        let mut command = Command::new(&self.tools.ukvmm);
        command.arg("--kernel").arg(&self.kernel).arg("--servers").arg(&self.set);
        command.arg("--timeout").arg(test.limit.as_secs_f64().to_string());
        command.args(bundle.options()).args(&test.options);
        if !test.words.is_empty() {
            command.arg("--").args(&test.words);
        }
        command
    }
}
