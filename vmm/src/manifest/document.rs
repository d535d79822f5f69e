//! The manifest as a document: JSON whose form is part of our interface. `docs/evidence.md` describes every field, and a test holds both together.

use super::host::{Host, Kvm, Tsc};
use super::machine::Machine;
use crate::ending::{Kind, Status};
use crate::settings::{Origins, Setting};
use serde::Serialize;

/// Changes when a field is renamed, removed or means something else; not when one is added.
pub const VERSION: u32 = 1;

#[derive(Debug, Serialize)]
pub struct Document<'a> {
    pub manifest: u32,
    pub ukvmm: Ukvmm,
    pub command: &'a Command,
    pub host: &'a Host,
    pub kvm: &'a Kvm,
    pub tsc: &'a Tsc,
    /// [`None`] of a run that did not get so far.
    pub machine: Option<&'a Machine>,
    pub time: Time,
    pub exit: Exit<'a>,
    pub evidence: &'a [Item],
}

#[derive(Debug, Serialize)]
pub struct Ukvmm {
    pub version: &'static str,
}

impl Ukvmm {
    pub const THIS: Self = Self { version: env!("CARGO_PKG_VERSION") };
}

/// What was typed, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Command {
    pub line: Vec<String>,
    /// What is set elsewhere.
    pub settings: Vec<Set>,
    pub folder: Option<String>,
    pub pid: u32,
}

/// A flag that was not on the command line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Set {
    pub flag: String,
    /// Empty: it takes none.
    pub values: Vec<String>,
    /// A variable, or a file and its line.
    pub origin: String,
}

impl Command {
    /// Of this process, whose other settings are from `origins`.
    pub fn this(origins: &Origins) -> Self {
        let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
        Self {
            line: std::env::args_os().map(|word| text(&word)).collect(),
            settings: origins.0.iter().map(Set::of).collect(),
            folder: std::env::current_dir().ok().map(|folder| text(folder.as_os_str())),
            pid: std::process::id(),
        }
    }
}

impl Set {
    fn of(setting: &Setting) -> Self {
        let values = setting.given.0.iter().flatten();
        Self {
            flag: setting.flag.clone(),
            values: values.map(|value| value.to_string_lossy().into_owned()).collect(),
            origin: setting.origin.to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Time {
    /// RFC 3339, UTC.
    pub start: String,
    pub end: String,
    /// By a clock that nobody sets.
    pub seconds: f64,
}

/// How the run ended.
#[derive(Debug, Serialize)]
pub struct Exit<'a> {
    pub kind: Kind,
    /// The exit status, if it did not die of a signal.
    pub status: Option<u8>,
    pub signal: Option<i32>,
    pub message: Option<&'a str>,
}

impl<'a> Exit<'a> {
    pub fn new(kind: Kind, status: Status, message: Option<&'a str>) -> Self {
        Self { kind, status: status.code(), signal: status.signal(), message }
    }
}

/// A file that the run has left behind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Item {
    pub path: String,
    pub bytes: u64,
    /// In hex; [`None`] of a file too large to be read once more.
    pub sha256: Option<String>,
}

impl Document<'_> {
    /// As JSON, for people to read as well.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists: nothing that JSON has no form for.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
