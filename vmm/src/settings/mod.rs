//! Flags that are set elsewhere than on the command line: in variables `UKVMM_…`, and in a file in TOML.
//!
//! A flag on the command line counts more than a variable, and a variable more than the file. A flag that may be given often is taken from one of
//! the three as a whole.
//!
//! Nothing here knows any flag. What a variable or a key means follows from the flag as clap has it: whether it takes a value, may be given often, and
//! what its value is called (a `FILE` of a settings file is relative to the folder of that). Variables and keys are turned into words of a command line,
//! which clap reads together with the others. So they are checked by the same code, and a new flag has its variable and its key by itself.
//!
//! - [`flag`]: a flag, and what can be given to it
//! - [`variables`], [`file`]: the two sources; [`table`], [`relative`]: what only a file can have
//! - [`merge`]: the command line that all of them make
//! - [`origin`]: where a setting came from, for messages

mod file;
mod flag;
mod merge;
mod origin;
mod relative;
mod table;
mod variables;

pub use flag::{Flag, Form, Given, flags};
pub use merge::{Read, Refusal, read};
pub use origin::{Origins, Setting};

#[cfg(test)]
mod tests;
