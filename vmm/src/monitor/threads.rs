//! `monitor threads`

use super::Scene;
use super::table::Table;
use crate::inspect::Kernel;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, _: &[&str]) -> Result<String, String> {
    let mut table = Table::new(["thread", "name", ">priority", ">CPU", "pager", "state"]);
    for thread in kernel.threads(scene.view) {
        let Some(tcb) = kernel.thread(scene.view, thread) else { continue };
        let state = kernel.state(scene.view, &tcb);
        table.row([
            thread.to_string(),
            scene.names.thread(tcb.id),
            tcb.priority.to_string(),
            tcb.cpu.to_string(),
            if tcb.pager.is_nil() { "-".to_string() } else { scene.names.thread(tcb.pager) },
            kernel.state_in_words(scene.view, scene.names, &state),
        ]);
    }
    Ok(table.text_or("there are no threads"))
}
