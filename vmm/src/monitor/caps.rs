//! `monitor caps`

use super::Scene;
use super::table::Table;
use crate::inspect::Kernel;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, _: &[&str]) -> Result<String, String> {
    let tasks = kernel.tasks(scene.view);
    let mut table =
        Table::new([">task", "name", "chief", ">made", ">ports", ">frames", ">of", "interrupt lines"]);
    for task in &tasks {
        let Some(means) = kernel.means(scene.view, task) else { continue };
        let chief = if task.chief == 0 { "-".to_string() } else { scene.names.task(task.chief) };
        table.row([
            task.number.to_string(),
            scene.names.get(task.number).unwrap_or("?").to_string(),
            chief,
            tasks.iter().filter(|other| other.chief == task.number).count().to_string(),
            means.ports.to_string(),
            means.used.to_string(),
            means.limit.to_string(),
            lines(means.lines),
        ]);
    }
    Ok(table.text_or("there are no tasks")
        + "A task sends to tasks with the same chief, to its chief, and to those that it has made.\n")
}

/// `4 8-11`
fn lines(bits: u64) -> String {
    let has = |line: u32| line < 64 && bits >> line & 1 != 0;
    let starts = (0..64).filter(|&line| has(line) && (line == 0 || !has(line - 1)));
    let ranges = starts.map(|start| {
        let end = (start..64).take_while(|&line| has(line)).last().unwrap_or(start);
        if start == end { start.to_string() } else { format!("{start}-{end}") }
    });
    ranges.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_side_by_side_are_a_range() {
        assert_eq!(lines(0), "");
        assert_eq!(lines(1 << 4 | 0xf << 8 | 1 << 63), "4 8-11 63");
        assert_eq!(lines(u64::MAX), "0-63");
    }
}
