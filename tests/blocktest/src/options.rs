//! What the run is to be: words behind `--` of `ukvmm`'s command line, `SEED KILLS FAILURES`, each of which may be left out.

use userlib::root;
use vmm_abi::boot::ARGV_MODULE;

#[derive(Clone, Copy)]
pub struct Options {
    pub seed: u64,
    /// How often the driver is killed.
    pub kills: u64,
    /// How often it fails in each way that there is.
    pub failures: u64,
}

impl Options {
    const DEFAULT: Self = Self { seed: 1, kills: 100, failures: 5 };

    pub fn read() -> Self {
        // Without words there is no such module.
        let text = root::module(ARGV_MODULE).unwrap_or_default();
        let mut numbers =
            text.split(|byte| *byte == 0).map(|word| core::str::from_utf8(word).ok()?.parse().ok());
        let mut next = |default| numbers.next().flatten().unwrap_or(default);
        Self {
            seed: next(Self::DEFAULT.seed),
            kills: next(Self::DEFAULT.kills),
            failures: next(Self::DEFAULT.failures),
        }
    }
}
