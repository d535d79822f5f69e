//! Parts of pages that are written by hand but for them: `<!-- cargo xtask bench NAME -->` … `<!-- end -->`.

use crate::paths;
use anyhow::{Context, Result};
use std::fs;

const END: &str = "<!-- end -->\n";

/// Writes the part of the command `bench NAME` into a page, which has a place for it.
pub fn write(page: &str, name: &str, text: &str) -> Result<()> {
    let path = paths::root().join(page);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let page = with(&page, name, text).with_context(|| format!("{} has no place for it", path.display()))?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

/// The page with the part replaced.
fn with(page: &str, name: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- cargo xtask bench {name} -->\n");
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, &begin, text, END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_replaced_and_the_rest_stays() {
        let page = "a\n<!-- cargo xtask bench x -->\nold\n<!-- end -->\nb\n";
        let new = page.replace("old", "new");
        assert_eq!(with(page, "x", "new\n"), Some(new));
        assert_eq!(with(page, "y", "new\n"), None);
    }
}
