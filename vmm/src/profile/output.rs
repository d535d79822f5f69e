//! Where the records go while the guest runs.
//!
//! A raw profile is written to its file as it comes. Any other is made of the records when all are there; until then they are in a file without a name, beside
//! that of the profile, where there is room for it. It goes away however `ukvmm` ends.

use super::options::{Place, ProfileOptions};
use crate::rehearsal::Files;
use profile::format::Format;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("--profile {}: there is no folder {}", .path.display(), .folder.display())]
    NoFolder { path: PathBuf, folder: PathBuf },
    #[error("--profile {place}: cannot be written: {source}")]
    Write { place: Place, source: io::Error },
    #[error("--profile: no file for the records can be made in {}: {source}", .folder.display())]
    Records { folder: PathBuf, source: io::Error },
}

impl OutputError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::NoFolder { .. } => exit::NOT_FOUND,
            _ => exit::VMM,
        }
    }
}

impl Place {
    /// It cannot be written, for this reason.
    pub fn failed(&self, source: io::Error) -> OutputError {
        OutputError::Write { place: self.clone(), source }
    }
}

/// A profile's files.
#[derive(Debug)]
pub struct Output {
    /// For the raw records: written by one, read by another when they are complete.
    pub records: File,
    pub place: Place,
    /// In which the profile is to be, if that is more than the records.
    pub format: Format,
}

impl Output {
    /// Makes the files, so that it is known now whether they can be made. A profile that is there already is written over, as by compilers.
    pub fn open(options: ProfileOptions, files: Files) -> Result<Self, OutputError> {
        let ProfileOptions { place, format, .. } = options;
        let records = match &place {
            Place::StandardOutput => unnamed(&std::env::temp_dir())?,
            Place::File(path) => {
                let folder =
                    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                if !folder.is_dir() {
                    return Err(OutputError::NoFolder { path: path.clone(), folder: folder.into() });
                }
                let file = files.create(path).map_err(|source| place.failed(source))?;
                if format == Format::Raw { file } else { unnamed(folder)? }
            }
        };
        Ok(Self { records, place, format })
    }

    /// Whether there is more to be done than to write the records.
    pub fn is_formatted(&self) -> bool {
        self.format != Format::Raw || self.place == Place::StandardOutput
    }
}

/// A file in `folder` without a name.
fn unnamed(folder: &Path) -> Result<File, OutputError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let made = options.clone().custom_flags(libc::O_TMPFILE).open(folder).or_else(|_| {
        // Not every file system has that.
        let path = folder.join(format!(".ukvmm-profile-{}", std::process::id()));
        let file = options.create_new(true).open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    });
    made.map_err(|source| OutputError::Records { folder: folder.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    fn open(place: impl Into<PathBuf>, format: Format) -> Result<Output, OutputError> {
        Output::open(ProfileOptions { place: Place::File(place.into()), format, hz: None }, Files::Made)
    }

    #[test]
    fn records_of_a_raw_profile_are_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p");
        fs::write(&path, "of another run, and longer").unwrap();
        let mut output = open(&path, Format::Raw).unwrap();
        output.records.write_all(b"records").unwrap();
        assert!(!output.is_formatted());
        assert_eq!(fs::read(&path).unwrap(), b"records");
    }

    #[test]
    fn other_profiles_are_made_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.txt");
        let mut output = open(&path, Format::Table).unwrap();
        output.records.write_all(b"records").unwrap();
        output.records.rewind().unwrap();
        let mut read = String::new();
        output.records.read_to_string(&mut read).unwrap();
        assert_eq!((read.as_str(), output.is_formatted()), ("records", true));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the profile to be has a name");
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_guest_runs() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path().join("no/p"), Format::Raw).unwrap_err();
        assert_eq!((error.status(), error.to_string().contains("there is no folder")), (127, true));
        let error = open(folder.path(), Format::Table).unwrap_err();
        assert_eq!((error.status(), error.to_string().contains("cannot be written")), (125, true));
    }
}
