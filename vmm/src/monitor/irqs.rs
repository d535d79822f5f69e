//! `monitor irqs`

use super::Scene;
use super::table::Table;
use crate::debug::thread::Thread;
use crate::inspect::Kernel;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, _: &[&str]) -> Result<String, String> {
    let mut table = Table::new([">line", "thread", "name", ">pending", "state"]);
    for line in kernel.lines(scene.view) {
        let thread = Thread::l4(line.owner.task(), line.owner.lthread());
        let state = kernel.thread(scene.view, thread).map_or("?".to_string(), |tcb| {
            kernel.state_in_words(scene.view, scene.names, &kernel.state(scene.view, &tcb))
        });
        table.row([
            line.number.to_string(),
            thread.to_string(),
            scene.names.thread(line.owner),
            line.pending.to_string(),
            state,
        ]);
    }
    Ok(table.text_or("nobody is attached to an interrupt line"))
}
