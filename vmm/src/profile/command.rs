//! `ukvmm report`: makes of a profile's records what a person or a program wants to see.

use crate::cli::Report;
use profile::format::Format;
use profile::report::{self, ReportError};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("profile {}: {source}", .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} {source}", .path.display())]
    Report { path: PathBuf, source: ReportError },
    #[error("--output {}: {source}", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("--output {}: that is the file that the report is to be made of", .0.display())]
    Same(PathBuf),
    #[error("the report cannot be written: {0}")]
    Write(io::Error),
}

impl Error {
    fn status(&self) -> u8 {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => exit::NOT_FOUND,
            _ => exit::VMM,
        }
    }
}

/// Does it, and returns the exit status.
pub fn run(options: &Report) -> u8 {
    match make(options) {
        Ok(()) => 0,
        // Who reads has seen enough.
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            tracing::error!("{error}");
            error.status()
        }
    }
}

fn make(options: &Report) -> Result<(), Error> {
    let path = &options.file;
    let file = File::open(path).map_err(|source| Error::Open { path: path.clone(), source })?;
    let by_extension = options.output.as_deref().and_then(Format::of_path);
    let format = options.format.or(by_extension).unwrap_or(Format::Table);
    let mut out: Box<dyn Write> = match &options.output {
        Some(output) => Box::new(BufWriter::new(create(output, &file)?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    report::write(file, format, &mut out).map_err(|error| match error {
        ReportError::Write(error) => Error::Write(error),
        source => Error::Report { path: path.clone(), source },
    })
}

/// The file for the report, which must not be the one that it is made of.
fn create(output: &Path, of: &File) -> Result<File, Error> {
    let failed = |source| Error::Create { path: output.into(), source };
    if let (Ok(there), Ok(of)) = (output.metadata(), of.metadata())
        && (there.dev(), there.ino()) == (of.dev(), of.ino())
    {
        return Err(Error::Same(output.into()));
    }
    File::create(output).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use profile::file::{Header, Names, Trailer};
    use std::fs;

    fn sample(folder: &Path) -> PathBuf {
        let path = folder.join("p.raw");
        fs::write(&path, profile::mock::sample().into_inner()).unwrap();
        path
    }

    fn report(file: PathBuf, output: Option<PathBuf>, format: Option<Format>) -> Result<(), Error> {
        make(&Report { format, output, file })
    }

    #[test]
    fn the_extension_says_the_format_unless_the_user_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = sample(folder.path());
        for (name, format, beginning) in [
            ("a.html", None, "<!doctype html>"),
            ("a.json", None, "{\"displayTimeUnit\""),
            ("a.out", None, "--servers linux -- cat"),
            ("b.html", Some(Format::JsonLines), "{\"broken\""),
            ("c.folded", None, "vm;linux;<reply"),
            ("c.svg", None, "<?xml"),
        ] {
            let output = folder.path().join(name);
            report(file.clone(), Some(output.clone()), format).unwrap();
            let text = fs::read_to_string(output).unwrap();
            assert!(text.starts_with(beginning), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_and_destroy_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = sample(folder.path());
        let error = report(file.clone(), Some(file.clone()), None).unwrap_err();
        assert!(
            matches!(error, Error::Same(_))
                && fs::read(&file).unwrap() == profile::mock::sample().into_inner()
        );
        let error = report(folder.path().join("none"), None, None).unwrap_err();
        assert_eq!(error.status(), exit::NOT_FOUND);
        let other = folder.path().join("other");
        fs::write(&other, "of another kind").unwrap();
        let error = report(other, None, None).unwrap_err();
        assert!(error.to_string().contains("is no profile"), "{error}");
        let path = folder.path().join("without samples");
        fs::write(
            &path,
            profile::mock::Guest::default()
                .file(&Header::default(), &Names::default(), Trailer::default())
                .into_inner(),
        )
        .unwrap();
        let error = report(path, None, Some(Format::Folded)).unwrap_err();
        assert!(error.to_string().contains("has no samples, of which stacks could be made"), "{error}");
        assert_eq!(report(folder.path().into(), None, None).unwrap_err().status(), exit::VMM);
    }
}
