//! `monitor mappings T ADDR`

use super::table::{Table, size};
use super::{Scene, arguments, space};
use crate::inspect::Kernel;
use crate::inspect::mapping::{Chain, Holder};
use crate::inspect::paging;

/// Links of a chain that are shown; programs can make it as long as they like.
const MOST: usize = 100;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, words: &[&str]) -> Result<String, String> {
    let task = arguments::task(scene, kernel, words[0])?;
    let address = arguments::address(words[1])?;
    let root = kernel.space_root(scene.view, &task).ok_or("its page tables cannot be read")?;
    let page = paging::translate(scene.view, root, address)
        .ok_or_else(|| format!("{} has nothing mapped at {address:#x}", scene.names.task(task.number)))?;
    let chain = kernel.chain(scene.view, root, address).ok_or_else(|| {
        format!("{address:#x} is mapped to {:#x} by the kernel itself", page.physical(address))
    })?;
    Ok(format!("physical {:#x}\n", page.physical(address)) + &table(scene, &chain).text())
}

fn table(scene: &Scene<'_>, chain: &Chain) -> Table {
    let mut table = Table::new(["", "task", "at", ">size", "rights"]);
    let mut row = |how: &str, holder: &Holder| {
        table.row([
            how.to_string(),
            holder.task.map_or("?".to_string(), |task| format!("{task} ({})", scene.names.task(task))),
            format!("{:#x}", holder.address),
            size(holder.page.size),
            space::rights(&holder.page),
        ]);
    };
    for (n, holder) in chain.holders.iter().take(MOST).enumerate() {
        row(if n == 0 { "" } else { "from" }, holder);
    }
    for holder in &chain.receivers {
        row("to", holder);
    }
    if chain.more || chain.holders.len() > MOST {
        table.row(["and more", "", "", "", ""].map(str::to_string));
    }
    table
}
