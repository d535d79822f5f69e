//! The raw profile of a run, as tests look at it.

use profile::cost::Cost;
use profile::file::{Block, Header, Reader, Ring, RingEnd, Trailer};
use profile::input::Input;
use profile::report;
use profile::sink::Sink;
use profile::span::Span;
use profile::stacks::Stacks;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use vmm_abi::trace::{Event, Record};

pub struct Profile {
    pub header: Header,
    pub trailer: Trailer,
    pub rings: BTreeMap<Ring, Vec<Record>>,
    /// Of tasks.
    pub names: Vec<String>,
    pub stacks: Stacks,
    /// What threads have asked for.
    pub requests: Vec<Span>,
    /// What a record costs, by who writes it.
    costs: Vec<(String, Cost)>,
}

/// Keeps all requests.
#[derive(Default)]
struct Requests(Vec<Span>);

impl Sink for Requests {
    fn span(&mut self, span: &Span) {
        self.0.push(span.clone());
    }
}

impl Profile {
    /// Reads what `ukvmm --profile` has written. An error if it is not complete.
    pub fn read(path: &Path) -> Result<Self, String> {
        let error = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|e| error(&e))?;
        let mut reader = Reader::new(BufReader::new(file)).map_err(|e| error(&e))?;
        let (mut trailer, mut rings, mut names) = (None, BTreeMap::<_, Vec<_>>::new(), Vec::new());
        while let Some(block) = reader.next_block().map_err(|e| error(&e))? {
            match block {
                Block::Records { ring, records } => rings.entry(ring).or_default().extend(records),
                // The trailer has their number.
                Block::Dropped { .. } => {}
                Block::Names(more) => names.extend(more.tasks.into_values()),
                // They are read below.
                Block::Samples(_) => {}
                Block::Trailer(last) => trailer = Some(*last),
            }
        }
        let trailer = trailer.ok_or_else(|| error(&"it has no end"))?;
        let header = reader.header().clone();
        let input = File::open(path)
            .map_err(|e| error(&e))
            .and_then(|file| Input::open(file).map_err(|e| error(&e)))?;
        let mut requests = Requests::default();
        let costs = report::analyse(&input, &mut requests).map_err(|e| error(&e))?.costs;
        Ok(Self { header, trailer, rings, names, stacks: input.stacks, requests: requests.0, costs })
    }

    /// What a record costs that the kernel makes of `event`.
    pub fn cost(&self, event: Event) -> Result<Cost, String> {
        let name = format!("kernel, {}", event.name());
        let known = self.costs.iter().find(|(who, _)| *who == name);
        known
            .map(|(_, cost)| *cost)
            .ok_or_else(|| format!("nobody knows what {name} costs: {:?}", self.costs))
    }

    /// The records of the guest's rings.
    pub fn guest(&self) -> impl Iterator<Item = &Record> {
        self.rings.iter().filter(|(ring, _)| !matches!(ring, Ring::Host(_))).flat_map(|(_, records)| records)
    }

    /// The host's records of `event`.
    pub fn host(&self, event: Event) -> impl Iterator<Item = &Record> {
        let host = self.rings.iter().filter(|(ring, _)| matches!(ring, Ring::Host(_)));
        host.flat_map(|(_, records)| records).filter(move |record| record.event() == event)
    }

    /// The records of servers and programs, ring by ring.
    pub fn servers(&self) -> impl Iterator<Item = &[Record]> {
        self.rings.iter().filter(|(ring, _)| matches!(ring, Ring::User(_))).map(|(_, records)| &records[..])
    }

    /// The only record of `event`.
    pub fn only(&self, event: Event) -> Result<&Record, String> {
        let all: Vec<_> = self.guest().filter(|record| record.event() == event).collect();
        match all[..] {
            [one] => Ok(one),
            _ => Err(format!("{} records of event {:#x}, not one", all.len(), event.0)),
        }
    }

    /// The ring that has such an event, and its records.
    pub fn ring_with(&self, event: Event) -> Result<(Ring, &[Record]), String> {
        let has = |records: &&Vec<Record>| records.iter().any(|record| record.event() == event);
        let found = self.rings.iter().find(|(_, records)| has(records));
        found.map(|(ring, records)| (*ring, &records[..])).ok_or_else(|| format!("no ring has a {event:?}"))
    }

    /// What has become of a ring's records.
    pub fn end(&self, ring: Ring) -> Result<RingEnd, String> {
        let end = self.trailer.rings.iter().find(|end| end.ring == ring).copied();
        end.ok_or_else(|| format!("the trailer knows nothing of {ring:?}"))
    }
}
