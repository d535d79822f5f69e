//! Who has written a record.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ring {
    /// The kernel, on this vCPU.
    Cpu(u16),
    /// Servers, and programs.
    User(u16),
    /// The host, about this vCPU.
    Host(u16),
}

impl Ring {
    /// As it is in a file.
    pub(super) fn to_word(self) -> u32 {
        let (kind, number) = match self {
            Self::Cpu(number) => (0, number),
            Self::User(number) => (1, number),
            Self::Host(number) => (2, number),
        };
        kind << 16 | u32::from(number)
    }

    pub(super) fn from_word(word: u32) -> Option<Self> {
        let number = word as u16;
        match word >> 16 {
            0 => Some(Self::Cpu(number)),
            1 => Some(Self::User(number)),
            2 => Some(Self::Host(number)),
            _ => None,
        }
    }
}
