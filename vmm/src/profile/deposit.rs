//! What has become of a profile when the guest has ended: if it is to be more than records, it is made of them now.

use super::options::Place;
use super::output::{Output, OutputError};
use super::progress::Progress;
use profile::report::{self, ReportError};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use vmm_sys_util::signal::unblock_signal;

/// What ends a program that takes too long for its user.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

#[derive(Debug, thiserror::Error)]
enum DepositError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("--profile {place}: the profile {problem}")]
    Report { place: Place, problem: ReportError },
}

#[derive(Debug)]
pub struct Deposit {
    pub output: Output,
    /// How many there are in the file, or why not.
    pub records: io::Result<u64>,
}

impl Deposit {
    /// Makes the profile of the records, and says what there is. The run has ended as it has, with or without a profile.
    pub fn report(self) {
        let place = self.output.place.clone();
        match self.make() {
            Ok(count) => tracing::info!("--profile {place}: {count} records"),
            Err(error) => tracing::error!("{error}"),
        }
    }

    fn make(self) -> Result<u64, DepositError> {
        let Self { output, records: count } = self;
        let count = count.map_err(|source| output.place.failed(source))?;
        if !output.is_formatted() {
            return Ok(count);
        }
        let Output { records, place, format } = output;
        // The run has kept them for itself.
        for signal in ENDING {
            let _ = unblock_signal(signal);
        }
        let mut out: Box<dyn Write> = match &place {
            Place::File(path) => {
                Box::new(BufWriter::new(File::create(path).map_err(|source| place.failed(source))?))
            }
            Place::StandardOutput => Box::new(BufWriter::new(io::stdout().lock())),
        };
        match report::write(Progress::new(records), format, &mut out) {
            Ok(()) => Ok(count),
            // Who reads has seen enough.
            Err(ReportError::Write(error))
                if place == Place::StandardOutput && error.kind() == io::ErrorKind::BrokenPipe =>
            {
                Ok(count)
            }
            Err(ReportError::Write(source)) => Err(place.failed(source).into()),
            Err(problem) => Err(DepositError::Report { place, problem }),
        }
    }
}
