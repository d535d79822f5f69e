//! What the run is to be: words behind `--` of `ukvmm`'s command line, `SEED CALLS`, each of which may be left out.

use userlib::root;
use vmm_abi::boot::ARGV_MODULE;

pub struct Options {
    pub seed: u64,
    /// System calls that the fuzzer has to make.
    pub calls: u64,
}

impl Options {
    const DEFAULT: Self = Self { seed: 1, calls: 100_000 };

    pub fn read() -> Self {
        // Without words there is no such module.
        let text = root::module(ARGV_MODULE).unwrap_or_default();
        let mut numbers = text.split(|byte| *byte == 0).map(|word| {
            let word = core::str::from_utf8(word).ok()?;
            word.parse::<u64>().ok()
        });
        let mut next = |default| numbers.next().flatten().unwrap_or(default);
        Self { seed: next(Self::DEFAULT.seed), calls: next(Self::DEFAULT.calls) }
    }
}
