//! `--dry-run`: the machine that a run would have, without the run.
//!
//! All that a run does before its machine is there is done here too, by the same code: files are found, opened and checked, and the guest is loaded into memory,
//! which is then thrown away. So what would be wrong is said in the same words and with the same status. What a run would write is not made ([`files`]);
//! sockets are, as nothing else tells whether they can be, and are gone at the end.
//!
//! - [`described`]: what is told
//! - [`text`]: for people

mod described;
mod files;
mod text;

pub use files::Files;

use crate::cli::{Form, Run};
use crate::config::Config;
use crate::debug::programs::Programs;
use crate::error::{Error, host};
use crate::evidence::Wanted;
use crate::guest::{Devices, Guest};
use crate::jail::Needs;
use crate::loader::kernel;
use crate::virtio::plan;
use crate::{doctor, kvm, machine, memory};
use described::{Kvm, Rehearsal};
use std::io::{self, Write};
use vmm_abi::boot::BootInfo;

/// Prints the machine that `run` asks for, and then says what else would keep it from running: a KVM that is missing or cannot do it.
pub fn run(run: Run, form: Form) -> Result<(), Error> {
    let wanted = Wanted::look(&run.evidence)?;
    let config = Config::new(run)?;
    let found = Kvm::find(&config);
    let rehearsal = rehearse(config, &wanted, found.as_ref().ok())?;
    print(&rehearsal, form).map_err(host("standard output"))?;
    found.map(drop)
}

fn rehearse(config: Config, wanted: &Wanted, kvm: Option<&Kvm>) -> Result<Rehearsal, Error> {
    let virtio = plan::count(&config)?;
    let ram = memory::allocate(config.memory)?;
    let mut rehearsal = Rehearsal::of(&config, wanted, kvm);
    rehearsal.jail = config.jail.then(|| needs(&config, wanted).all().map(ToString::to_string).collect());
    rehearsal.add_kernel(kernel::image(&config.kernel));
    let guest = Guest::check(config.kernel, config.format, memory::low_end(&ram))?;
    let devices = Devices { cpus: config.cpus, virtio };
    let loaded = guest.load_into(&ram, BootInfo::default(), config.modules, &config.cmdline, devices)?;
    rehearsal.add_memory(&memory::ram_ranges(&ram), &loaded);
    Ok(rehearsal)
}

/// What the jail would leave.
fn needs(config: &Config, wanted: &Wanted) -> Needs {
    let dead = wanted.crash.is_some().then(|| Programs::of(&config.kernel, &config.modules));
    let files = dead.iter().flat_map(Programs::files);
    Needs::of_run(config, &machine::programs(config)).and_evidence(wanted.folders(), files)
}

impl Kvm {
    /// The KVM that would be used, if it can run the machine.
    fn find(config: &Config) -> Result<Self, Error> {
        let opened = kvm::open()?;
        kvm::check_cpus(config.cpus, opened.get_max_vcpus())?;
        if config.format.is_stock() {
            doctor::check_stock()?;
        }
        Ok(Self { device: kvm::device(), hardware: doctor::is_native() })
    }
}

fn print(rehearsal: &Rehearsal, form: Form) -> io::Result<()> {
    let text = match form {
        Form::Text => rehearsal.to_string(),
        Form::Json => serde_json::to_string_pretty(rehearsal)? + "\n",
    };
    io::stdout().write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
