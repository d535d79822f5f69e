//! The coverage table of `docs/linux.md` is that of the calls that exist.
//!
//! `UPDATE_DOCS=1 cargo test -p linux coverage` writes it anew.

use crate::syscall::table::markdown;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- coverage: generated -->\n";
const END: &str = "<!-- coverage: end -->\n";

#[test]
fn the_coverage_table_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/linux.md");
    let text = fs::read_to_string(&path).expect("docs/linux.md");
    let start = text.find(BEGIN).expect("the beginning of the table") + BEGIN.len();
    let end = text.find(END).expect("the end of the table");
    let wanted = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let new = [&text[..start], &wanted, &text[end..]].concat();
        fs::write(&path, new).expect("docs/linux.md can be written");
    } else {
        assert!(text[start..end] == wanted, "docs/linux.md: UPDATE_DOCS=1 cargo test -p linux coverage");
    }
}
