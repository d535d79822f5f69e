//! `monitor tasks`

use super::Scene;
use super::table::Table;
use crate::inspect::Kernel;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, _: &[&str]) -> Result<String, String> {
    let mut table = Table::new([">task", "name", ">chief", ">threads", ">frames", ">of", "page tables"]);
    for task in kernel.tasks(scene.view) {
        let means = kernel.means(scene.view, &task);
        let root = kernel.space_root(scene.view, &task);
        table.row([
            task.number.to_string(),
            scene.names.get(task.number).unwrap_or("?").to_string(),
            task.chief.to_string(),
            kernel.threads_of(scene.view, &task).len().to_string(),
            means.map_or("?".to_string(), |means| means.used.to_string()),
            means.map_or("?".to_string(), |means| means.limit.to_string()),
            root.map_or("?".to_string(), |root| format!("{root:#x}")),
        ]);
    }
    let free = kernel.free_frames(scene.view).map_or("?".to_string(), |free| free.to_string());
    Ok(table.text_or("there are no tasks") + &format!("{free} frames (4 KiB) of kernel memory are free\n"))
}
