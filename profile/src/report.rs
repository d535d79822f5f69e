//! Makes of a file what a person or a program wants to see.

use crate::certificate;
use crate::clock::Clock;
use crate::cost::{Cost, Costs};
use crate::file::{Header, ReadError, Trailer};
use crate::follow::Follower;
use crate::follow::counts::Counts;
use crate::format::{Format, flamegraph, folded, hdr, html, jsonl, perfetto, table};
use crate::input::Input;
use crate::merge::Timeline;
use crate::names::NameBook;
use crate::sink::Sink;
use crate::stacks::Stacks;
use crate::summary::Summary;
use std::io::{self, Read, Seek, Write};
use ukernel_abi::ThreadId;

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Said of the file.
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("has no samples, of which stacks could be made (`--profile FILE,hz=997` takes some)")]
    NoSamples,
    #[error("the report cannot be written: {0}")]
    Write(#[source] io::Error),
}

/// All that is known of a run, in figures.
pub struct Report {
    pub header: Header,
    /// `None` if the file was cut off.
    pub trailer: Option<Trailer>,
    pub names: NameBook,
    pub stacks: Stacks,
    pub clock: Clock,
    pub summary: Summary,
    pub outcome: Outcome,
}

/// What an analysis says about itself.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub counts: Counts,
    /// Records that are missing where they should be, and such as came too late to be put where they belong.
    pub missing: u64,
    pub late: u64,
    /// What a record costs, by who writes it.
    pub costs: Vec<(String, Cost)>,
}

impl Report {
    pub fn new<F: Read + Seek>(file: F) -> Result<Self, ReportError> {
        let input = Input::open(file)?;
        let mut summary = Summary::default();
        let outcome = analyse(&input, &mut summary)?;
        let Input { header, trailer, names, stacks, .. } = input;
        let clock = Clock::of(&header, trailer.as_ref());
        Ok(Self { header, trailer, names, stacks, clock, summary, outcome })
    }

    /// How far it can be trusted.
    pub fn certificate(&self) -> String {
        certificate::text(&self.header, self.trailer.as_ref())
    }
}

/// Goes through all records and tells `sink` what has happened.
pub fn analyse<F: Read + Seek>(input: &Input<F>, sink: &mut dyn Sink) -> Result<Outcome, ReportError> {
    let mut timeline = Timeline::new(input.rings());
    let mut follower = Follower::new(sink).of(&input.header);
    for moment in timeline.by_ref() {
        follower.moment(moment);
    }
    let (counts, costs) = follower.end();
    input.check().map_err(ReadError::from)?;
    let costs = name_costs(costs, &input.names);
    Ok(Outcome { counts, missing: timeline.missing(), late: timeline.late(), costs })
}

fn name_costs(mut costs: Costs, names: &NameBook) -> Vec<(String, Cost)> {
    let kernel = costs.kernel().into_iter().map(|(event, cost)| (format!("kernel, {}", event.name()), cost));
    let server = |(task, cost)| (names.thread(ThreadId::new(task, 0, 1).0, u64::MAX), cost);
    let servers: Vec<_> = costs.servers().into_iter().map(server).collect();
    kernel.chain(servers).collect()
}

/// A file of which stacks can be made.
fn samples<F: Read + Seek>(file: F) -> Result<Input<F>, ReportError> {
    let input = Input::open(file)?;
    if input.stacks.total() == 0 { Err(ReportError::NoSamples) } else { Ok(input) }
}

/// Writes the profile in `file` to `out` in that format.
pub fn write<F: Read + Seek>(mut file: F, format: Format, out: &mut dyn Write) -> Result<(), ReportError> {
    let result = match format {
        Format::Table => table::write(&Report::new(file)?, out),
        Format::JsonLines => jsonl::write(&Report::new(file)?, out),
        Format::Hdr => hdr::write(&Report::new(file)?, out),
        Format::Html => html::write(&Report::new(file)?, out),
        Format::Perfetto => {
            let input = Input::open(file)?;
            let clock = Clock::of(&input.header, input.trailer.as_ref());
            let mut trace = perfetto::Trace::new(&mut *out, &input.names, clock);
            analyse(&input, &mut trace)?;
            trace.end()
        }
        Format::Raw => file.rewind().and_then(|()| io::copy(&mut file, out)).map(drop),
        Format::Folded => folded::write(&samples(file)?.stacks, out),
        Format::FlameGraph => {
            let input = samples(file)?;
            flamegraph::write(&input.header, &input.stacks, out)
        }
    };
    result.and_then(|()| out.flush()).map_err(ReportError::Write)
}
