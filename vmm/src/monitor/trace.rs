//! `monitor trace`

use super::Scene;
use super::table::Table;
use crate::debug::thread::Thread;
use crate::inspect::Kernel;
use crate::inspect::events::Event;
use ukernel_abi::debug::event;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, _: &[&str]) -> Result<String, String> {
    let mut table = Table::new(["event", "thread", "name now", ""]);
    for event in kernel.events(scene.view) {
        let (what, about) = in_words(&event);
        let thread = Thread::l4(event.thread.task(), event.thread.lthread());
        let now = kernel.thread(scene.view, thread);
        let name = now.map_or(String::new(), |tcb| scene.names.thread(tcb.id));
        table.row([what, thread.to_string(), name, about]);
    }
    Ok(table.text_or("nothing has happened"))
}

fn in_words(event: &Event) -> (String, String) {
    let (what, about) = match event.kind {
        event::EXCEPTION => ("exception", format!("vector {}", event.value)),
        event::TASK_NEW => ("new task", format!("ip {:#x}", event.value)),
        event::TASK_DELETE => ("task deleted", String::new()),
        event::THREAD_NEW => ("new thread", format!("ip {:#x}", event.value)),
        event::THREAD_DELETE => ("thread deleted", String::new()),
        event::ORPHAN => ("stopped: nobody handles its fault", String::new()),
        kind => return (format!("event {kind}"), format!("{:#x}", event.value)),
    };
    (what.to_string(), about)
}
