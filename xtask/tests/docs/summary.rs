//! docs/SUMMARY.md, from which the book is made, has every page once; docs/README.md says of each what is in it.

use crate::markdown::{Page, pages};
use std::collections::BTreeSet;
use std::path::Path;

const SUMMARY: &str = "SUMMARY.md";
const MAP: &str = "README.md";

/// The pages that a page of docs/ links to, by their paths from there.
fn linked(page: &str) -> Vec<String> {
    let page = Page::read(&format!("docs/{page}"));
    let links = page.links.into_iter().map(|link| link.to);
    links.filter(|to| to.ends_with(".md")).collect()
}

/// The pages of docs/.
fn in_the_folder() -> BTreeSet<String> {
    let pages = pages().into_iter();
    let pages =
        pages.filter_map(|path| Some(path.strip_prefix(Path::new("docs")).ok()?.to_str()?.to_owned()));
    pages.filter(|path| path != SUMMARY).collect()
}

#[test]
fn the_book_has_every_page_once() {
    let listed = linked(SUMMARY);
    let once: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), once.len(), "docs/{SUMMARY} lists a page twice");
    let missing: Vec<_> = in_the_folder().difference(&once).cloned().collect();
    assert!(
        missing.is_empty(),
        "docs/{SUMMARY} lacks {missing:?}: give each a line where readers look for it"
    );
}

#[test]
fn the_map_names_every_chapter() {
    let named: BTreeSet<_> = linked(MAP).into_iter().collect();
    let chapters = in_the_folder().into_iter().filter(|path| path != MAP && !path.contains('/'));
    let missing: Vec<_> = chapters.filter(|path| !named.contains(path)).collect();
    assert!(missing.is_empty(), "docs/{MAP} lacks {missing:?}: say in a line what each is about");
}
