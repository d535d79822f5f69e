//! What is recorded of one run, from the moment when the guest has been loaded to that when it has ended.

use super::clock::Start;
use super::deposit::Deposit;
use super::drain::{Drain, Records, Work};
use super::exits::{End, Log};
use super::names::{Sampler, view};
use super::outlet::Outlet;
use super::output::{Output, OutputError};
use super::rings::Rings;
use super::sampling::booth::Booth;
use super::sampling::moment::Guest;
use super::sampling::resolve::Resolver;
use super::sampling::sampler::{self, News};
use super::sites;
use super::wish::Wish;
use crate::debug::programs::Programs;
use crate::ending::Ending;
use crate::error::Error;
use crate::events::eventfd;
use crate::inspect::Kernel;
use crate::live::watch::Watch;
use crate::loader::module::Module;
use crate::vm::{Vm, host_tsc};
use kvm_ioctls::VcpuFd;
use profile::file::{self, Header, Trailer, Writer};
use profile::live::analysis::Analysis;
use profile::live::line;
use profile::live::window::Machine;
use std::io::{self, BufWriter};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{SystemTime, UNIX_EPOCH};
use vmm_abi::trace;

/// Bytes of small blocks that are written together.
const BUFFER: usize = 64 << 10;

pub struct Session {
    /// If samples are taken. Ends before the drain, which has to take what it tells.
    sampler: Option<sampler::Sampler>,
    drain: Drain,
    logs: Arc<Vec<Log>>,
    start: Start,
    tsc_khz: u64,
    output: Option<Output>,
    /// Behind the drain, which feeds it.
    watch: Option<Watch>,
}

impl Session {
    /// Begins to record. The guest, made of `programs`, is in memory, with these modules; if there are rings, they are one of them. How many
    /// watch is kept in `watchers`.
    pub fn start(
        wish: Wish,
        vm: &Vm,
        vcpus: &[VcpuFd],
        modules: &[Module],
        programs: Programs,
        watchers: Arc<AtomicUsize>,
    ) -> Result<Self, Error> {
        let Wish { output, socket, header, hz } = wish;
        let rings = modules.iter().find(|module| module.name == trace::MODULE).map(Module::range);
        let cpus = vcpus.len() as u8;
        let start = Start::measure(vcpus)?;
        let header =
            Header { started_ns: start.realtime.ns, tsc_khz: vm.boot_info(vcpus)?.tsc_khz, ..header };
        let writer = output.as_ref().map(|output| writer(output, &header)).transpose()?;
        let bell = Arc::new(eventfd()?);
        if let Some(rings) = &rings {
            let sites = sites::connect(vm.memory(), programs.kernel(), rings.clone())?;
            tracing::debug!("{sites} trace points, rings at {rings:#x?}");
            vm.trace_doorbell(&bell)?;
        }
        let offset = start.offset();
        let watch =
            socket.map(|socket| Watch::start(socket, analysis(&header, &start), watchers)).transpose()?;
        let (watch, feed) = watch.unzip();
        let guest = Arc::new(Guest {
            memory: vm.memory().clone(),
            kernel: Kernel::find(&view(vm.memory()), programs.kernel()),
            vcpus: vcpus.len(),
        });
        let log = |cpu| {
            let log = Log::new(cpu, offset);
            let booth = hz.map(|_| Booth::new(cpu.into(), guest.clone(), offset));
            booth.into_iter().fold(log, Log::with_booth)
        };
        let logs: Arc<Vec<_>> = Arc::new((0..header.cpus).map(log).collect());
        let news = News::default();
        let sampler = hz.map(|hz| {
            sampler::Sampler::start(hz, logs.clone(), Resolver::new(guest, programs.clone()), news.clone())
        });
        let sampler = sampler.transpose()?;
        let work = Work {
            names: rings.as_ref().and_then(|_| Sampler::new(vm.memory().clone(), programs)),
            rings: rings.map(|rings| Rings::new(vm.memory().clone(), rings.start, cpus)),
            logs: logs.clone(),
            samples: news,
            outlet: Outlet::new(writer, feed),
            offset,
            seated: None,
        };
        let drain = Drain::start(work, bell)?;
        Ok(Self { sampler, drain, logs, start, tsc_khz: header.tsc_khz, output, watch })
    }

    /// What the vCPUs' threads write to.
    pub fn logs(&self) -> Arc<Vec<Log>> {
        self.logs.clone()
    }

    /// The guest has ended: completes the records, and tells those who watch. `None`: no profile is wanted.
    pub fn end(self, ending: &Ending) -> Option<Deposit> {
        let Self { sampler, drain, logs, start, tsc_khz, output, watch } = self;
        let sampling = sampler.and_then(sampler::Sampler::end);
        let complete = || -> io::Result<u64> {
            let drained = drain.end()?;
            let ends: Vec<End> = logs.iter().filter_map(Log::end).collect();
            let trailer = Trailer {
                ended_ns: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64,
                ending: file::Ending { status: ending.status.code(), message: ending.message.clone() },
                certificate: start.certify(&ends, tsc_khz, drained.run_ns, sampling),
                rings: drained.rings,
            };
            if let Some(writer) = drained.writer {
                writer.end(&trailer)?;
            }
            Ok(trailer.rings.iter().map(|ring| ring.records).sum())
        };
        let records = complete();
        if let Some(watch) = watch {
            watch.end(line::End {
                status: ending.status.code(),
                signal: ending.status.signal(),
                message: ending.message.clone(),
            });
        }
        output.map(|output| Deposit { output, records })
    }
}

fn writer(output: &Output, header: &Header) -> Result<Records, Error> {
    let records = output.records.try_clone();
    let writer = records.and_then(|file| Writer::new(BufWriter::with_capacity(BUFFER, file), header));
    Ok(writer.map_err(|source| output.place.failed(source))?)
}

/// Of a machine that starts now.
fn analysis(header: &Header, start: &Start) -> Analysis {
    let machine = Machine::of(header, std::process::id(), start.ticks);
    Analysis::new(machine, header, host_tsc().wrapping_add(start.offset()))
}

impl From<OutputError> for Error {
    fn from(error: OutputError) -> Self {
        Self::Config(super::wish::WishError::from(error).into())
    }
}
