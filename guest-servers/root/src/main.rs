//! The receive loop of root.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use proto::sigma0::Request;
use proto::{Message, Refusal};
use root::machine::{Machine, NewServer};
use root::service::RESUME;
use root::{Outcome, Root};
use ukernel_abi::call::{Timeouts, task_new};
use ukernel_abi::kip::{Kip, Module};
use userlib::clock::{Clock, tsc};
use userlib::io::Port;
use userlib::ipc::{self, Received};
use userlib::task::{self, NewTask};
use userlib::utcb::Utcb;
use userlib::{Me, Status, ThreadId, debug, log, names, sigma0};
use vmm_abi::ports;

userlib::server!(main);

fn main(me: Me) -> ! {
    log::use_debug_port();
    names::set(ThreadId::SIGMA0.task(), b"sigma0");
    names::set(ThreadId::ROOT.task(), b"root");
    let mut machine = Real { me, clock: Clock::of(userlib::kip::kip()) };
    match root::start(&mut machine) {
        Ok(mut root) => serve(&mut machine, &mut root),
        Err(error) => {
            userlib::log!("root: {error}");
            exit(error.exit_status())
        }
    }
}

fn serve(machine: &mut Real, root: &mut Root) -> ! {
    let mut next = ipc::receive(ThreadId::ANY, ipc::NEVER);
    loop {
        let (from, outcome) = match next {
            Ok(received) if !ipc::turn_away(&received) => {
                (received.from, root.handle(machine, received.from, &received.message))
            }
            // A message that was meant for somebody else, an answer that nobody waited for, or nothing in time.
            _ => (ThreadId::NIL, Outcome::None),
        };
        let timeout = wait_for(machine, root);
        next = act(machine.me.utcb, from, &outcome, timeout);
        if next.as_ref().is_err_and(|status| *status == Status::MapFailed) {
            let resumed = matches!(outcome, Outcome::Resume(_));
            if let Outcome::Exit(status) = root.map_failed(machine, from, resumed) {
                exit(status);
            }
        }
    }
}

/// Does what is due. How long to wait then.
fn wait_for(machine: &mut Real, root: &mut Root) -> u32 {
    while let Some(deadline) = root.deadline() {
        match deadline.saturating_sub(machine.now()) {
            0 => root.tick(machine),
            us => return us.min(LONGEST_US) as u32,
        }
    }
    ipc::NEVER
}

/// Does what is to be done about a message, and waits for the next.
fn act(utcb: Utcb, from: ThreadId, outcome: &Outcome, timeout: u32) -> Result<Received, Status> {
    let timeouts = Timeouts::new(ipc::NOW, timeout);
    match outcome {
        Outcome::None => ipc::receive(ThreadId::ANY, timeout),
        Outcome::Reply(reply) => ipc::ipc(from, reply, ThreadId::ANY, timeouts),
        Outcome::Resume(items) => {
            let mut reply = RESUME;
            for item in items.as_slice() {
                let _fits = utcb.push_item(&mut reply, *item);
            }
            ipc::ipc(from, &reply, ThreadId::ANY, timeouts)
        }
        Outcome::Exit(status) => exit(*status),
    }
}

/// Longest time that root waits for something that is due, in microseconds: any that a timeout can be.
const LONGEST_US: u64 = 1_000_000;

/// Ends the machine.
fn exit(status: u8) -> ! {
    Port(ports::EXIT).write_u8(status);
    userlib::log!("root: the machine has no exit port; it stops here with status {status}");
    userlib::start::stop()
}

/// The machine that root runs on.
struct Real {
    me: Me,
    clock: Clock,
}

impl Machine for Real {
    fn kip(&self) -> &'static Kip {
        userlib::kip::kip()
    }

    fn cmdline(&mut self) -> &'static str {
        let bytes = sigma0::cmdline(self.me.utcb, self.kip()).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    fn map(&mut self, phys: u64, size: u64) -> Result<(), Refusal> {
        sigma0::exact(self.me.utcb, phys, size)
    }

    fn load(&self, phys: u64) -> u32 {
        sigma0::physical().load(phys as usize).unwrap_or(!0)
    }

    fn store(&mut self, phys: u64, value: u32) {
        let _inside = sigma0::physical().store(phys as usize, value);
    }

    fn copy(&mut self, from: u64, to: u64, len: u64) {
        let _inside = sigma0::physical().copy_within(from as usize, to as usize, len as usize);
    }

    fn delete(&mut self, thread: ThreadId) -> Result<(), Status> {
        names::clear(thread.task());
        task::delete(thread)
    }

    fn now(&self) -> u64 {
        self.clock.monotonic_ns(tsc()) / 1000
    }

    fn sigma0(&mut self, request: Request) -> Result<Message, Refusal> {
        sigma0::ask(self.me.utcb, request)
    }

    fn module(&mut self, module: &Module) -> Result<&'static [u8], Refusal> {
        sigma0::module(self.me.utcb, module)
    }

    fn new_server(&mut self, server: &NewServer) -> Result<ThreadId, Status> {
        let task = NewTask {
            flags: task_new::WITH_UTCB,
            ip: server.entry,
            sp: server.stack_end,
            pager: self.me.id,
            handler: self.me.id,
            kernel_frames: server.kernel_frames,
            priority: server.priority,
        };
        let thread = task.make()?;
        names::set(thread.task(), server.name.as_bytes());
        debug::program_starts(thread);
        Ok(thread)
    }

    fn debug(&mut self, bytes: &[u8]) {
        log::print(bytes);
    }
}
