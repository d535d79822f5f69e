//! Where a setting came from.

use super::flag::Given;
use std::fmt;
use std::path::PathBuf;

/// A place other than the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    Variable(String),
    File { path: PathBuf, line: usize },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// Something that is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The long name of the flag.
    pub flag: String,
    /// Whether its value is a file, or has one in it.
    pub is_path: bool,
    pub given: Given,
    pub origin: Origin,
}

/// What was set elsewhere than on the command line, and where.
#[derive(Default, Debug)]
pub struct Origins(pub Vec<Setting>);

impl Origins {
    /// Adds to a message where the flags that it is about were set. It is about a flag if it has its name (`--disk a.img,rp: …`) or the file that was
    /// given to it (`kernel k.elf not found`).
    pub fn explain(&self, message: impl fmt::Display) -> String {
        let message = message.to_string();
        let about = |setting: &&Setting| {
            let name = format!("--{}", setting.flag);
            let is_named = message.match_indices(&name).any(|(at, _)| !goes_on(&message[at + name.len()..]));
            let values = setting.given.0.iter().flatten();
            let has_file = |value: &str| !value.is_empty() && message.contains(value);
            is_named || setting.is_path && values.into_iter().any(|value| has_file(&value.to_string_lossy()))
        };
        let notes: Vec<_> = self
            .0
            .iter()
            .filter(about)
            .map(|setting| format!("--{} is from {}", setting.flag, setting.origin))
            .collect();
        if notes.is_empty() { message } else { format!("{message} ({})", notes.join("; ")) }
    }
}

/// Whether a name that `rest` follows is but the beginning of a longer one.
fn goes_on(rest: &str) -> bool {
    rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(flag: &str, value: &str, is_path: bool) -> Origins {
        let origin = Origin::File { path: "u.toml".into(), line: 3 };
        Origins(vec![Setting { flag: flag.into(), is_path, given: Given::value(value), origin }])
    }

    #[test]
    fn a_message_about_a_flag_says_where_that_was_set() {
        let disk = origins("disk", "a.img,rp", true);
        assert_eq!(
            disk.explain("--disk a.img,rp: unknown"),
            "--disk a.img,rp: unknown (--disk is from u.toml:3)"
        );
        assert_eq!(disk.explain("--disks: what?"), "--disks: what?");
        let kernel = origins("kernel", "/x/k.elf", true);
        assert_eq!(
            kernel.explain("kernel /x/k.elf not found"),
            "kernel /x/k.elf not found (--kernel is from u.toml:3)"
        );
        assert_eq!(origins("cpus", "1", false).explain("line 1"), "line 1");
    }
}
