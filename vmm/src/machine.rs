//! Builds the machine, runs it, and says how it ended.

use crate::board::{self, Board};
use crate::config::Config;
use crate::ending::{Ending, Request};
use crate::error::Error;
use crate::events::input::Input;
use crate::events::signals::Signals;
use crate::events::timer::Timer;
use crate::events::{Mailbox, Notice};
use crate::kvm;
use crate::loader::kernel::Kernel;
use crate::loader::module::Module;
use crate::loader::{self, LoadError};
use crate::memory;
use crate::vcpu::{entry, kick, thread::Vcpu};
use crate::vm::Vm;
use event_manager::{EventManager, MutEventSubscriber, SubscriberOps};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use vmm_abi::boot::INFO_MODULE;

/// How long a vCPU that was asked to stop may take. It is stopped within a millisecond, unless it waits for somebody to
/// read our standard output.
const STOP_TIME: Duration = Duration::from_millis(500);

/// Runs what `config` describes until it ends.
pub fn run(config: Config) -> Result<Ending, Error> {
    let kernel_path = config.kernel.path.clone();
    let kvm = kvm::open()?;
    kick::install()?;
    let memory = memory::allocate(config.memory)?;
    let mut kernel = Kernel::check(config.kernel, memory::low_end(&memory)).map_err(LoadError::from)?;
    let vm = Vm::new(kvm, memory)?;
    let vcpu = vm.create_vcpu(0)?;

    let info = vm.boot_info(&vcpu)?;
    let mut modules = vec![Module::bytes(INFO_MODULE, info.to_bytes())];
    modules.extend(config.modules);
    let entry = loader::load(vm.memory(), &mut kernel, &mut modules, &config.cmdline)?;
    report_layout(&kernel, &modules);
    entry::set_registers(&vcpu, entry)?;

    let (mailbox, notices, wake) = Mailbox::new()?;
    let mut events: EventManager<Box<dyn MutEventSubscriber>> = EventManager::new()?;
    events.add_subscriber(Box::new(wake));
    let Board { ports, input, room } = board::connect(&vm, &mailbox, config.uart)?;
    events.add_subscriber(Box::new(Signals::new(mailbox.clone(), input.on_resize())?));
    events.add_subscriber(Box::new(Input::new(input, room, mailbox.clone())?));
    if let Some(after) = config.timeout {
        events.add_subscriber(Box::new(Timer::new(after, mailbox.clone())?));
    }
    let done = move || mailbox.send(Notice::Stopped);
    let vcpu = Vcpu::start(vcpu, ports, vm.memory().clone(), done)?;
    let (request, vcpu) = serve(&mut events, &notices, vcpu)?;
    Ok(Ending::of(vcpu.and_then(Vcpu::join), request, &kernel_path))
}

/// Serves events until the vCPU has stopped, by itself or because something was requested. A vCPU that cannot be stopped
/// is not returned.
fn serve(
    events: &mut EventManager<Box<dyn MutEventSubscriber>>,
    notices: &Receiver<Notice>,
    vcpu: Vcpu,
) -> Result<(Option<Request>, Option<Vcpu>), Error> {
    let request = loop {
        events.run()?;
        match notices.try_recv() {
            Ok(Notice::Stopped) => return Ok((None, Some(vcpu))),
            Ok(Notice::Request(request)) => break request,
            Err(_) => {}
        }
    };
    vcpu.kick();
    let deadline = Instant::now() + STOP_TIME;
    loop {
        match notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Notice::Stopped) => return Ok((Some(request), Some(vcpu))),
            Ok(Notice::Request(_)) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Ok((Some(request), None));
            }
        }
    }
}

fn report_layout(kernel: &Kernel, modules: &[Module]) {
    tracing::debug!(
        "kernel {} ends at {:#x}, entry {:#x}",
        kernel.path().display(),
        kernel.end(),
        kernel.entry()
    );
    for module in modules {
        tracing::debug!("module {} at {:#x}, {} bytes", module.name, module.phys, module.size());
    }
}
