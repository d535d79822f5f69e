//! Windows as lines of JSON, written by whom nobody has checked.

use super::window::Window;
use serde::{Deserialize, Serialize};

/// Version of the format. Names are only ever added to it; else it is another version.
pub const FORMAT: u32 = 1;
/// Bytes that a line has at most.
pub const LINE_MAX: usize = 1 << 20;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    Window(Box<Window>),
    End(End),
    /// Nobody else can be served.
    Busy(Busy),
}

/// The machine has ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// Exit status of `ukvmm`, if no signal has ended it.
    pub status: Option<u8>,
    pub signal: Option<i32>,
    pub message: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Busy {
    pub clients: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("what it says is no line of `ukvmm --live` ({0})")]
    NoLine(serde_json::Error),
    #[error(
        "it speaks version {0} of the format, and this ukvmm version {FORMAT}: use the ukvmm that runs the machine"
    )]
    Version(u32),
}

/// What every line of every version has.
#[derive(Serialize, Deserialize)]
struct Versioned {
    format: u32,
}

impl Line {
    /// The line, with its end.
    pub fn to_bytes(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Whole<'a> {
            format: u32,
            #[serde(flatten)]
            line: &'a Line,
        }
        // There is nothing in it that JSON does not know.
        let mut bytes = serde_json::to_vec(&Whole { format: FORMAT, line: self }).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        let Versioned { format } = serde_json::from_slice(bytes).map_err(LineError::NoLine)?;
        if format != FORMAT {
            return Err(LineError::Version(format));
        }
        serde_json::from_slice(bytes).map_err(LineError::NoLine)
    }
}
