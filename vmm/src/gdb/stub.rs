//! Crate `gdbstub`'s state machine, packet by packet, and in a form that lives on when it does not.
//!
//! It takes a malformed packet for the end of the session. Since it keeps nothing but the current threads from one packet to the next, there
//! is a new one then, and the packet is answered with an error.

use super::framing::{PACKET_SIZE, frame};
use super::ids;
use super::session::MALFORMED;
use super::target::Target;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine as Machine;
use gdbstub::stub::{GdbStub, GdbStubBuilder, MultiThreadStopReason};
use std::convert::Infallible;

/// What the state machine writes.
#[derive(Default)]
struct Output(Vec<u8>);

impl Connection for Output {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type State<'d> = Machine<'static, Target<'d>, Output>;

#[derive(Default)]
pub struct Stub<'d>(Option<State<'d>>);

impl<'d> Stub<'d> {
    /// Has a packet done, and returns the answers: several if the packet prints something.
    pub fn ask(&mut self, target: &mut Target<'d>, body: &[u8]) -> Vec<Vec<u8>> {
        let answers = self.take(target).and_then(|machine| self.feed(target, machine, body));
        answers.unwrap_or_else(|| vec![MALFORMED.to_vec()])
    }

    /// Reports why the machine has stopped, after a packet that had it run.
    pub fn report(&mut self, target: &mut Target<'d>, reason: MultiThreadStopReason<u64>) -> Vec<Vec<u8>> {
        let Some(Machine::Running(running)) = self.0.take() else { return Vec::new() };
        let Ok(machine) = running.report_stop(target, reason) else { return Vec::new() };
        self.keep(machine)
    }

    /// The state machine: the one there is, or a new one.
    fn take(&mut self, target: &mut Target<'d>) -> Option<State<'d>> {
        if self.0.is_none() {
            let builder = GdbStubBuilder::new(Output::default()).packet_buffer_size(PACKET_SIZE);
            let stub: GdbStub<'static, Target<'d>, Output> = builder.build().ok()?;
            let machine = stub.run_state_machine(target).ok()?;
            // Acknowledging is the translator's.
            self.feed(target, machine, b"QStartNoAckMode")?;
            let current = ids::write(target.current, false);
            let machine = self.0.take()?;
            self.feed(target, machine, format!("Hg{current}").as_bytes())?;
        }
        self.0.take()
    }

    fn feed(&mut self, target: &mut Target<'d>, mut machine: State<'d>, body: &[u8]) -> Option<Vec<Vec<u8>>> {
        for byte in frame(body) {
            machine = match machine {
                Machine::Idle(idle) => idle.incoming_data(target, byte).ok()?,
                Machine::Running(running) => running.incoming_data(target, byte).ok()?,
                // Neither Ctrl-C nor a packet that ends the session comes here.
                Machine::CtrlCInterrupt(_) | Machine::Disconnected(_) => return None,
            };
        }
        Some(self.keep(machine))
    }

    fn keep(&mut self, mut machine: State<'d>) -> Vec<Vec<u8>> {
        let output = match &mut machine {
            Machine::Idle(inner) => std::mem::take(inner.borrow_conn()),
            Machine::Running(inner) => std::mem::take(inner.borrow_conn()),
            Machine::CtrlCInterrupt(inner) => std::mem::take(inner.borrow_conn()),
            Machine::Disconnected(inner) => std::mem::take(inner.borrow_conn()),
        };
        self.0 = Some(machine);
        bodies(&output.0)
    }
}

/// The bodies of packets that `gdbstub` has written.
fn bodies(output: &[u8]) -> Vec<Vec<u8>> {
    let packets = output.split(|&byte| byte == b'$').skip(1);
    packets.filter_map(|packet| Some(packet.split(|&byte| byte == b'#').next()?.to_vec())).collect()
}
