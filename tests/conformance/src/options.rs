//! Which cases are run: words behind `--` of `ukvmm`'s command line, each the beginning of names. Without words, all.

use userlib::root;
use vmm_abi::boot::ARGV_MODULE;

pub struct Options {
    words: &'static [u8],
}

impl Options {
    pub fn read() -> Self {
        // Without words there is no such module.
        Self { words: root::module(ARGV_MODULE).unwrap_or_default() }
    }

    /// Whether the case `prefix` + `name` is to be run.
    pub fn select(&self, prefix: &str, name: &str) -> bool {
        let mut words = self.words.split(|byte| *byte == 0).filter(|word| !word.is_empty()).peekable();
        words.peek().is_none()
            || words.any(|word| match word.strip_prefix(prefix.as_bytes()) {
                Some(rest) => name.as_bytes().starts_with(rest),
                None => prefix.as_bytes().starts_with(word),
            })
    }
}
