//! What each thread does, as the kernel has written it down, in a word or two. Read while the guest runs, so some of it may be of one moment and some of the next.

use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::state::{Activity, Question, State};
use profile::live::batch::Seat;
use vmm_abi::linux;

/// More threads than anybody looks at.
const THREADS_MAX: usize = 4096;

/// All threads.
pub fn read(view: &dyn View, kernel: &Kernel) -> Vec<Seat> {
    let tasks = kernel.tasks(view);
    let threads = tasks.iter().flat_map(|task| kernel.threads_of(view, task));
    let seat = |thread| {
        let tcb = kernel.thread(view, thread)?;
        Some(Seat { thread: tcb.id.0, state: word(&kernel.state(view, &tcb)) })
    };
    threads.filter_map(seat).take(THREADS_MAX).collect()
}

fn word(state: &State) -> String {
    if state.stopped {
        return "stopped".into();
    }
    let word = match state.activity {
        Activity::Running { .. } => "runs",
        Activity::Ready | Activity::Moving => "ready",
        Activity::Sending { .. } => "sends",
        Activity::Receiving { .. } => "receives",
        Activity::Sleeping => "sleeps",
        Activity::Orphaned => "orphaned",
        Activity::Copying { .. } => "copies",
        Activity::Asking { what: Question::PageFault { .. }, .. } => "page fault",
        Activity::Asking { what: Question::Exception { .. }, .. } => "exception",
        Activity::Asking { what: Question::Preemption, .. } => "preempted",
        Activity::Asking { what: Question::SystemCall { number }, .. } => {
            return match linux::name(number) {
                Some(name) => format!("in {name}"),
                None => format!("in call {number}"),
            };
        }
    };
    word.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::mock::Machine;
    use ukernel_abi::ThreadId;
    use ukernel_abi::utcb::RunState;

    #[test]
    fn every_thread_has_a_state() {
        let mut machine = Machine::small();
        let tcb = machine.task(5, 3);
        machine.block(tcb, RunState::Receiving as u8, ThreadId::new(6, 0, 1));
        let seats = read(&machine, &machine.kernel());
        let state = |task: u16| {
            let found = seats.iter().find(|seat| ThreadId(seat.thread).task() == task);
            found.map(|seat| seat.state.as_str())
        };
        assert_eq!((state(5), state(6)), (Some("receives"), None));
        assert_eq!(seats.len(), machine.kernel().threads(&machine).len());
    }
}
