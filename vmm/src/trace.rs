//! `ukvmm trace`: what caches make of a trace of memory accesses.

use crate::cli::Trace;
use cache::hierarchy::Shapes;
use cache::trace::TraceError;
use cache::{table, view};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("--cache {}: {source}", .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("--cache {} {source}", .path.display())]
    Trace { path: PathBuf, source: TraceError },
    #[error("the table cannot be written: {0}")]
    Write(io::Error),
}

/// Does it, and returns the exit status.
pub fn run(options: &Trace) -> u8 {
    match make(options, &mut io::stdout().lock()) {
        Ok(()) => 0,
        // Who reads has seen enough.
        Err(Error::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            tracing::error!("{error}");
            match error {
                Error::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => exit::NOT_FOUND,
                _ => exit::VMM,
            }
        }
    }
}

fn make(options: &Trace, out: &mut dyn Write) -> Result<(), Error> {
    let path = &options.cache;
    let file = File::open(path).map_err(|source| Error::Open { path: path.clone(), source })?;
    let shapes = Shapes { l1i: options.l1i, l1d: options.l1d, l2: options.l2 };
    let views = view::views(BufReader::new(file), &shapes);
    let views = views.map_err(|source| Error::Trace { path: path.clone(), source })?;
    out.write_all(table::text(&views, &shapes).as_bytes()).map_err(Error::Write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cache::trace::MAGIC;
    use std::fs;
    use std::path::Path;

    fn shown(file: &Path) -> Result<String, Error> {
        let Shapes { l1i, l1d, l2 } = Shapes::EPYC;
        let mut out = Vec::new();
        make(&Trace { cache: file.into(), l1i, l1d, l2 }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_trace_becomes_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t");
        let words = [4 << 56, 1 << 48_u64].map(u64::to_le_bytes);
        fs::write(&file, [&MAGIC[..], words.as_flattened()].concat()).unwrap();
        let text = shown(&file).unwrap();
        assert!(text.starts_with("L1i  64K:4:64\n") && text.contains("metric 1: 1 rounds"), "{text}");
    }

    #[test]
    fn mistakes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t");
        let error = |file: &Path| shown(file).unwrap_err().to_string();
        assert!(error(&file).contains("No such file"));
        fs::write(&file, "something else").unwrap();
        assert!(error(&file).ends_with("is no trace of memory accesses"));
        fs::write(&file, [&MAGIC[..], b"half"].concat()).unwrap();
        assert!(error(&file).ends_with("ends within a record"));
        assert!(error(folder.path()).contains("cannot be read"));
    }
}
