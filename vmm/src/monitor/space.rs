//! `monitor space T`

use super::table::{Table, size};
use super::{Scene, arguments};
use crate::inspect::Kernel;
use crate::inspect::paging::{PAGE, Page};
use ukernel_abi::layout;

/// Ranges that are shown.
const MOST: usize = 1000;

pub fn run(scene: &Scene<'_>, kernel: &Kernel, words: &[&str]) -> Result<String, String> {
    let task = arguments::task(scene, kernel, words[0])?;
    let root = kernel.space_root(scene.view, &task).ok_or("its page tables cannot be read")?;
    let (ranges, is_all) = kernel.ranges(scene.view, root, MOST);
    let mut table = Table::new(["from", "to", ">size", "rights", ">pages of", "physical", ""]);
    let mut total = 0;
    for range in &ranges {
        total += range.length;
        table.row([
            format!("{:#014x}", range.start),
            format!("{:#014x}", range.start + range.length - 1),
            size(range.length),
            rights(&range.page),
            size(range.page.size),
            format!("{:#x}", range.page.frame),
            note(range.start),
        ]);
    }
    let more = if is_all { "" } else { " so far; there is more" };
    Ok(table.text_or("nothing is mapped") + &format!("{} in {} ranges{more}\n", size(total), ranges.len()))
}

/// `rwx`, and `k` if only the kernel has them.
pub fn rights(page: &Page) -> String {
    let letter = |has, letter| if has { letter } else { '-' };
    let mut rights = String::from("r");
    rights.push(letter(page.writable, 'w'));
    rights.push(letter(page.executable, 'x'));
    if !page.user {
        rights.push('k');
    }
    rights
}

/// What the kernel has put there.
fn note(address: u64) -> String {
    let of = |what, base: u64| format!("{what} of thread {}", (address - base) / PAGE);
    match address {
        a if a >= layout::vector_area(0) => of("vector registers", layout::vector_area(0)),
        a if a >= layout::UTCB_BASE => of("UTCB", layout::UTCB_BASE),
        _ => String::new(),
    }
}
