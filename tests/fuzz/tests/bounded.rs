//! Every target, on its corpus and on a fixed number of mutations of it: the same inputs in every run.

use fuzz::corpus;
use fuzz::mutate::{Random, mutated};
use fuzz::targets::{self, TARGETS};

/// Runs a target as often as its table entry says.
fn run(name: &str) {
    let target = targets::find(name).unwrap();
    let inputs = corpus::read(target).unwrap();
    for (name, input) in &inputs {
        println!("{}/{name}", target.name);
        (target.run)(input);
    }
    let inputs: Vec<_> = inputs.into_iter().map(|(_, input)| input).collect();
    let mut random = Random::new(1);
    for n in 0..target.runs {
        let input = mutated(&inputs, &mut random);
        // Shown if it fails.
        println!("{}, mutation {n}: {input:02x?}", target.name);
        (target.run)(&input);
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_has_its_test() {
            let tests = [$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(tests));
        }
    };
}

targets! { mmio block rng console net usernet p9 p9fs vsock bzimage elf gdb set options inspect core profile sites control junit analysis }

#[test]
fn the_corpus_is_what_the_targets_make() {
    for target in TARGETS {
        let mut seeds: Vec<_> =
            (target.seeds)().into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect();
        seeds.sort();
        let mut files = corpus::read(target).unwrap();
        files.retain(|(name, _)| !name.starts_with("found-"));
        assert!(files == seeds, "{}: cargo run -p fuzz -- corpus writes the corpus", target.name);
    }
}
