//! `fuzz corpus` writes the corpus. `fuzz run TARGET SEED [COUNT]` runs a target on mutations of its corpus, for ever or COUNT times; an
//! input that breaks it is left in `crash`, in the current folder. `fuzz one TARGET FILE` runs one input.

use fuzz::corpus;
use fuzz::mutate::{Random, mutated};
use fuzz::targets::{self, TARGETS, Target};
use std::process::ExitCode;
use std::{env, fs};

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!(
                "{error}\nfuzz corpus | fuzz run TARGET SEED [COUNT] | fuzz one TARGET FILE; targets: {names:?}"
            );
            ExitCode::FAILURE
        }
    }
}

fn command(arguments: &[&str]) -> Result<(), Error> {
    match *arguments {
        ["corpus"] => Ok(TARGETS.iter().try_for_each(corpus::write)?),
        ["run", name, seed] => run(target(name)?, seed.parse()?, u64::MAX),
        ["run", name, seed, count] => run(target(name)?, seed.parse()?, count.parse()?),
        ["one", name, file] => {
            (target(name)?.run)(&fs::read(file)?);
            Ok(())
        }
        _ => Err("what is to be done?".into()),
    }
}

fn target(name: &str) -> Result<&'static Target, Error> {
    targets::find(name).ok_or_else(|| format!("no target {name:?}").into())
}

fn run(target: &Target, seed: u64, count: u64) -> Result<(), Error> {
    let corpus: Vec<_> = corpus::read(target)?.into_iter().map(|(_, bytes)| bytes).collect();
    let mut random = Random::new(seed);
    for done in 1..=count {
        let input = mutated(&corpus, &mut random);
        // Before it is run: it may bring us down in any way.
        fs::write("crash", &input)?;
        (target.run)(&input);
        if done.is_multiple_of(10_000) {
            println!("{}: {done}", target.name);
        }
    }
    fs::remove_file("crash")?;
    Ok(())
}
