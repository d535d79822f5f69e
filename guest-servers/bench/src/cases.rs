//! What is measured.

use crate::code::{Code, Service, done};
use crate::memory::Page;
use crate::puppet::Puppet;
use ukernel_abi::MapItem;
use ukernel_abi::layout::{PAGE, SUPERPAGE};
use userlib::io::Port;
use userlib::thread::ExRegs;
use userlib::{Fpage, Me, Rights, Status, irq, log, root};
use vmm_abi::ports::{UART, UART_IRQ};

/// Makes what takes part in a case.
pub type Case = fn(Me) -> Result<Rig, Status>;

/// By the names that the loops in `code` have.
pub const CASES: &[(&str, Case)] = &[
    ("ipc_inter", ipc_inter),
    ("ipc_intra", ipc_intra),
    ("foreign", foreign),
    ("reflected", reflected),
    ("id_nearest", id_nearest),
    ("string_long", string_long),
    ("string_short", string_short),
    ("fault", fault),
    ("interrupt", interrupt),
    ("switch", switch),
    ("task", task),
];

/// Rounds of a run, and of a longer one.
const ROUNDS: [u64; 2] = [32, 64];
/// Runs of which the least counts: an interrupt of the machine beneath may hit some.
const RUNS: usize = 8;

const CLIENT_STACK: Page = Page(0);
const PARTNER_STACK: Page = Page(1);
const FAULT_PAGE: Page = Page(2);
const BUFFER: Page = Page(3);

/// Interrupt enable register of the UART, and the bit for an empty transmitter.
const UART_ENABLE: Port = Port(UART + 1);
const TRANSMITTER_EMPTY: u8 = 2;
const UART_IDENTIFICATION: Port = Port(UART + 2);
/// A register that does nothing but keep what is written to it.
const UART_SCRATCH: Port = Port(UART + 7);

/// What takes part in a measurement.
pub struct Rig {
    client: Puppet,
    code: Code,
    argument: u64,
    /// The partner has its part for as long as it lives.
    _partner: Option<Puppet>,
    service: Service,
}

impl Rig {
    /// A client with this server as its partner.
    fn alone(client: Puppet, code: Code, argument: u64, service: Service) -> Self {
        Self { client, code, argument, _partner: None, service }
    }

    /// A client that is told who its partner is.
    fn pair(client: Puppet, code: Code, partner: Puppet) -> Self {
        let argument = partner.id.0;
        Self { client, code, argument, _partner: Some(partner), service: Service::None }
    }

    /// Measures and reports.
    pub fn measure(&self, name: &str) -> Result<(), Status> {
        let mut least = [u64::MAX; 2];
        for _ in 0..RUNS {
            for (least, rounds) in least.iter_mut().zip(ROUNDS) {
                *least = (*least).min(self.ticks(rounds)?);
            }
        }
        let [short, long] = ROUNDS;
        log!("BENCH {name} {short} {} {long} {}", least[0], least[1]);
        Ok(())
    }

    /// Ticks of a run.
    fn ticks(&self, rounds: u64) -> Result<u64, Status> {
        self.client.start(self.code, rounds, self.argument)?;
        let received = self.service.serve();
        Ok(self.client.finish(received)?.rax)
    }
}

fn ipc_inter(me: Me) -> Result<Rig, Status> {
    let (client, partner) = (Puppet::server(me, CLIENT_STACK)?, Puppet::server(me, PARTNER_STACK)?);
    partner.start(Code::Serve, 0, 0)?;
    Ok(Rig::pair(client, Code::IpcInter, partner))
}

fn ipc_intra(me: Me) -> Result<Rig, Status> {
    let client = Puppet::server(me, CLIENT_STACK)?;
    let partner = client.second(PARTNER_STACK)?;
    partner.start(Code::Serve, 0, 0)?;
    Ok(Rig::pair(client, Code::IpcIntra, partner))
}

fn foreign(me: Me) -> Result<Rig, Status> {
    Ok(Rig::alone(Puppet::program(me, CLIENT_STACK)?, Code::Foreign, 0, Service::Foreign))
}

fn reflected(me: Me) -> Result<Rig, Status> {
    let client = Puppet::program(me, CLIENT_STACK)?;
    ExRegs::new(0).trampoline(Code::Trampoline.address()).apply(client.id)?;
    Ok(Rig::alone(client, Code::Reflected, 0, Service::None))
}

fn id_nearest(me: Me) -> Result<Rig, Status> {
    Ok(Rig::alone(Puppet::server(me, CLIENT_STACK)?, Code::IdNearest, 0, Service::None))
}

fn string_long(me: Me) -> Result<Rig, Status> {
    string(me, Code::StringLong)
}

fn string_short(me: Me) -> Result<Rig, Status> {
    string(me, Code::StringShort)
}

fn string(me: Me, code: Code) -> Result<Rig, Status> {
    let (client, partner) = (Puppet::server(me, CLIENT_STACK)?, Puppet::server(me, PARTNER_STACK)?);
    partner.run(Code::Buffer, 0, BUFFER.address())?;
    partner.start(Code::Serve, 0, 0)?;
    Ok(Rig::pair(client, code, partner))
}

fn fault(me: Me) -> Result<Rig, Status> {
    let service = Service::Faults(FAULT_PAGE.fpage(Rights::RW));
    // The client's code is in the same page table, which is so neither made nor given back with each page.
    let address = Code::Fault.address() | (SUPERPAGE - PAGE);
    Ok(Rig::alone(Puppet::program(me, CLIENT_STACK)?, Code::Fault, address & !(PAGE - 1), service))
}

fn interrupt(me: Me) -> Result<Rig, Status> {
    root::accept_devices().map_err(|_| Status::Denied)?;
    UART_SCRATCH.write_u8(0x5a);
    if UART_SCRATCH.read_u8() != 0x5a {
        log!("this machine has no UART");
        return Err(Status::NotExistent);
    }
    irq::attach(UART_IRQ)?;
    let client = Puppet::server(me, CLIENT_STACK)?;
    client.start(Code::Accept, 0, me.id.0)?;
    client.map(MapItem::map(Fpage::ports(UART, 3), 0))?;
    done(Status::from_rax(client.finish(None)?.rax))?;
    UART_ENABLE.write_u8(TRANSMITTER_EMPTY);
    // The transmitter is empty now: the first interrupt.
    UART_IDENTIFICATION.read_u8();
    Ok(Rig::alone(client, Code::Interrupt, 0, Service::Interrupts))
}

fn switch(me: Me) -> Result<Rig, Status> {
    let (client, partner) = (Puppet::server(me, CLIENT_STACK)?, Puppet::server(me, PARTNER_STACK)?);
    partner.start(Code::SwitchBack, 0, client.id.0)?;
    Ok(Rig::pair(client, Code::Switch, partner))
}

fn task(me: Me) -> Result<Rig, Status> {
    Ok(Rig::alone(Puppet::server(me, CLIENT_STACK)?, Code::Task, me.id.0, Service::None))
}
