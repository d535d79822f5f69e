//! The receive loop of root.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use proto::sigma0::Request;
use proto::{Message, Refusal};
use root::machine::{Machine, NewServer};
use root::service::RESUME;
use root::{Outcome, Root};
use ukernel_abi::call::task_new;
use ukernel_abi::kip::{Kip, Module};
use userlib::io::Port;
use userlib::ipc::{self, Received};
use userlib::task::NewTask;
use userlib::utcb::Utcb;
use userlib::{Me, Status, ThreadId, log, sigma0};
use vmm_abi::ports;

userlib::server!(main);

fn main(me: Me) -> ! {
    log::use_debug_port();
    let mut machine = Real { me };
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
        let Received { from, message, .. } = match next {
            Ok(received) if !ipc::turn_away(&received) => received,
            // A message that was meant for somebody else, or an answer that nobody waited for.
            _ => {
                next = ipc::receive(ThreadId::ANY, ipc::NEVER);
                continue;
            }
        };
        let outcome = root.handle(machine, from, &message);
        next = act(machine.me.utcb, from, &outcome);
        if next.as_ref().is_err_and(|status| *status == Status::MapFailed) {
            let resumed = matches!(outcome, Outcome::Resume(_));
            if let Outcome::Exit(status) = root.map_failed(machine, from, resumed) {
                exit(status);
            }
        }
    }
}

/// Does what is to be done about a message, and waits for the next.
fn act(utcb: Utcb, from: ThreadId, outcome: &Outcome) -> Result<Received, Status> {
    match outcome {
        Outcome::None => ipc::receive(ThreadId::ANY, ipc::NEVER),
        Outcome::Reply(reply) => ipc::reply_and_wait(from, reply),
        Outcome::Resume(items) => {
            let mut reply = RESUME;
            for item in items.as_slice() {
                let _fits = utcb.push_item(&mut reply, *item);
            }
            ipc::reply_and_wait(from, &reply)
        }
        Outcome::Exit(status) => exit(*status),
    }
}

/// Ends the machine.
fn exit(status: u8) -> ! {
    Port(ports::EXIT).write_u8(status);
    userlib::log!("root: the machine has no exit port; it stops here with status {status}");
    userlib::start::stop()
}

/// The machine that root runs on.
struct Real {
    me: Me,
}

impl Machine for Real {
    fn kip(&self) -> &'static Kip {
        userlib::kip::kip()
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
        task.make()
    }

    fn debug(&mut self, bytes: &[u8]) {
        log::print(bytes);
    }
}
