//! Options of an option: `--disk FILE,ro,serial=X`, `--net user,hostfwd=tcp::8080-:80`, `--share tag=T,path=P`.
//!
//! One item after the other, separated by commas: a word at the beginning (if the option has one), `key=value`, or a
//! flag. `,,` stands for a comma in a value, as in QEMU. Values are bytes, since a path need not be UTF-8.
//!
//! An option asks for what it knows, and [`SubOptions::finish`] refuses the rest. So what is known is written down once:
//!
//! ```
//! # use ukvmm::options::SubOptions;
//! # fn parse() -> Result<(), ukvmm::options::SubOptionError> {
//! let mut options = SubOptions::parse("--disk", "a.img,ro,serial=X".as_ref())?;
//! let file = options.path("a file")?;
//! let read_only = options.flag("ro")?;
//! let serial = options.value("serial")?;
//! options.finish()?;
//! # assert_eq!((file.to_str(), read_only, serial.as_deref()), (Some("a.img"), true, Some("X")));
//! # Ok(())
//! # }
//! # parse().unwrap();
//! ```

use crate::similar;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What is wrong, and in which option.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{option}{}{}: {problem}", if given.is_empty() { "" } else { " " }, given.display())]
pub struct SubOptionError {
    option: &'static str,
    /// All that was given to the option.
    given: OsString,
    problem: Problem,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Problem {
    #[error("an item is empty; items are separated by one comma (,, is a comma in a value)")]
    Empty,
    #[error("it begins with {0}, which is missing")]
    NoWord(&'static str),
    #[error("{0}=… is missing")]
    NoValue(&'static str),
    #[error("{0} needs a value: {0}=…")]
    ValueNeeded(&'static str),
    #[error("{0} is a flag and takes no value")]
    NotAFlag(&'static str),
    #[error("{0} is given more than once")]
    Twice(&'static str),
    #[error("{key} is not UTF-8 text")]
    NotText { key: &'static str },
    #[error("unknown {name:?}{}; known: {}", similar::suggestion(name, plain(known)), known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("{value:?} is not {expected}")]
    Value { value: String, expected: String },
}

struct Item {
    name: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// The items of an option that nobody has asked for yet.
pub struct SubOptions {
    option: &'static str,
    given: OsString,
    items: Vec<Item>,
    /// `ro`, `serial=…`: what was asked for.
    known: Vec<String>,
}

impl SubOptions {
    /// Takes apart what was given to `option`, whose name is for the messages.
    pub fn parse(option: &'static str, given: &OsStr) -> Result<Self, SubOptionError> {
        let items =
            split(given.as_bytes()).into_iter().map(|item| match item.iter().position(|&b| b == b'=') {
                Some(at) => Item { name: item[..at].to_vec(), value: Some(item[at + 1..].to_vec()) },
                None => Item { name: item, value: None },
            });
        let this = Self { option, given: given.to_owned(), items: items.collect(), known: Vec::new() };
        match this.items.iter().any(|item| item.name.is_empty()) {
            true if !given.is_empty() => Err(this.error(Problem::Empty)),
            true => Ok(Self { items: Vec::new(), ..this }),
            false => Ok(this),
        }
    }

    /// The item at the beginning, which is one of `words`. Ask for it before everything else.
    pub fn word<'w>(&mut self, words: &[&'w str]) -> Result<&'w str, SubOptionError> {
        let expected = || format!("one of {}", words.join(", "));
        if self.items.is_empty() {
            return Err(self.error(Problem::Value { value: String::new(), expected: expected() }));
        }
        let Item { name, value } = self.items.remove(0);
        match words.iter().find(|word| value.is_none() && word.as_bytes() == name) {
            Some(word) => Ok(word),
            None => Err(self.error(Problem::Unknown {
                name: String::from_utf8_lossy(&name).into_owned(),
                known: words.iter().map(ToString::to_string).collect(),
            })),
        }
    }

    /// The path at the beginning (it may contain `=`); `what` it is, for the message. Ask for it before everything else.
    pub fn path(&mut self, what: &'static str) -> Result<PathBuf, SubOptionError> {
        if self.items.is_empty() {
            return Err(self.error(Problem::NoWord(what)));
        }
        let Item { mut name, value } = self.items.remove(0);
        if let Some(value) = value {
            name.push(b'=');
            name.extend(value);
        }
        Ok(OsString::from_vec(name).into())
    }

    /// Whether the flag `name` is there.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, SubOptionError> {
        self.known.push(name.into());
        match self.take(name).as_slice() {
            [] => Ok(false),
            [None] => Ok(true),
            [Some(_)] => Err(self.error(Problem::NotAFlag(name))),
            _ => Err(self.error(Problem::Twice(name))),
        }
    }

    /// The value of `key`, if it is there.
    pub fn value(&mut self, key: &'static str) -> Result<Option<String>, SubOptionError> {
        let mut all = self.values(key)?;
        match all.len() {
            0 | 1 => Ok(all.pop()),
            _ => Err(self.error(Problem::Twice(key))),
        }
    }

    /// The values of `key`, which may be given often.
    pub fn values(&mut self, key: &'static str) -> Result<Vec<String>, SubOptionError> {
        let values = self.take_values(key)?.into_iter();
        values
            .map(|bytes| String::from_utf8(bytes).map_err(|_| self.error(Problem::NotText { key })))
            .collect()
    }

    /// The value of `key`, which has to be there.
    pub fn required(&mut self, key: &'static str) -> Result<String, SubOptionError> {
        self.value(key)?.ok_or_else(|| self.error(Problem::NoValue(key)))
    }

    /// The value of `key`, if it is there, which is a path.
    pub fn path_of(&mut self, key: &'static str) -> Result<Option<PathBuf>, SubOptionError> {
        let mut all = self.take_values(key)?;
        match (all.pop(), all.len()) {
            (None, _) => Ok(None),
            (Some(path), 0) => Ok(Some(OsString::from_vec(path).into())),
            _ => Err(self.error(Problem::Twice(key))),
        }
    }

    /// The value of `key`, which has to be there and is a path.
    pub fn required_path(&mut self, key: &'static str) -> Result<PathBuf, SubOptionError> {
        self.path_of(key)?.ok_or_else(|| self.error(Problem::NoValue(key)))
    }

    /// The value of `key`, if it is there, which is one of `words`.
    pub fn choice<'w>(
        &mut self,
        key: &'static str,
        words: &[&'w str],
    ) -> Result<Option<&'w str>, SubOptionError> {
        let Some(name) = self.value(key)? else { return Ok(None) };
        let known = || words.iter().map(ToString::to_string).collect();
        let word = words.iter().find(|word| **word == name);
        word.map(|word| Some(*word)).ok_or_else(|| self.error(Problem::Unknown { known: known(), name }))
    }

    /// The error for a value that makes no sense; `expected` is what it is not (`a MAC address such as …`).
    pub fn bad_value(&self, value: impl Display, expected: impl Display) -> SubOptionError {
        self.error(Problem::Value { value: value.to_string(), expected: expected.to_string() })
    }

    /// Refuses what nobody has asked for.
    pub fn finish(mut self) -> Result<(), SubOptionError> {
        let Some(Item { name, .. }) = self.items.pop() else { return Ok(()) };
        let known = std::mem::take(&mut self.known);
        Err(self.error(Problem::Unknown { name: String::from_utf8_lossy(&name).into_owned(), known }))
    }

    fn take_values(&mut self, key: &'static str) -> Result<Vec<Vec<u8>>, SubOptionError> {
        self.known.push(format!("{key}=…"));
        self.take(key)
            .into_iter()
            .map(|value| match value {
                Some(value) if !value.is_empty() => Ok(value),
                _ => Err(self.error(Problem::ValueNeeded(key))),
            })
            .collect()
    }

    fn take(&mut self, name: &str) -> Vec<Option<Vec<u8>>> {
        let named = |item: &mut Item| item.name == name.as_bytes();
        self.items.extract_if(.., named).map(|item| item.value).collect()
    }

    fn error(&self, problem: Problem) -> SubOptionError {
        SubOptionError { option: self.option, given: self.given.clone(), problem }
    }
}

/// At single commas; two are one that belongs to the item.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let mut items = vec![Vec::new()];
    let mut bytes = text.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match items.last_mut() {
            Some(item) if byte != b',' || bytes.next_if_eq(&&b',').is_some() => item.push(byte),
            _ => items.push(Vec::new()),
        }
    }
    items
}

/// The names, without what shows that one has a value.
fn plain(known: &[String]) -> impl Iterator<Item = &str> {
    known.iter().map(|known| known.trim_end_matches("=…"))
}

#[cfg(test)]
mod tests;
