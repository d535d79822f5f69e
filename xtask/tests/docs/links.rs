//! Links lead somewhere: within the repository to a file that is there and a heading that it has, elsewhere to what looks
//! like an address. (Nobody is asked on the network.)

use crate::markdown::{Page, files, pages, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// `path` without `.` and `..`; nothing if it leaves the repository.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => out.pop().then_some(())?,
            Component::Normal(part) => out.push(part),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(out)
}

struct Site {
    pages: BTreeMap<PathBuf, Page>,
    /// Files and the folders that they are in.
    places: BTreeSet<PathBuf>,
}

impl Site {
    fn read() -> Self {
        let pages = pages().into_iter().map(|path| {
            let page = Page::read(path.to_str().unwrap());
            (path, page)
        });
        let files = files();
        let folders = files.iter().flat_map(|file| file.ancestors().skip(1)).map(Path::to_owned);
        Self { pages: pages.collect(), places: folders.chain(files.iter().cloned()).collect() }
    }

    /// What is wrong with a link of this page, if anything is.
    fn problem(&self, page: &Path, to: &str) -> Option<String> {
        if to.contains("://") || to.starts_with("mailto:") {
            return (!is_address(to)).then(|| "is no address https://HOST/…".to_owned());
        }
        let (path, anchor) = to.split_once('#').map_or((to, None), |(path, anchor)| (path, Some(anchor)));
        let target = match path {
            "" => page.to_owned(),
            path => match plain(&page.parent().unwrap().join(path)) {
                Some(target) => target,
                None => return Some("leaves the repository".to_owned()),
            },
        };
        if !self.places.contains(&target) {
            return Some(format!("there is no {}", target.display()));
        }
        if page.starts_with("docs") && !target.starts_with("docs") {
            return Some("leaves docs/, and so the book: name the file in `backquotes`".to_owned());
        }
        self.anchor_problem(&target, anchor?)
    }

    fn anchor_problem(&self, target: &Path, anchor: &str) -> Option<String> {
        let Some(page) = self.pages.get(target) else {
            return Some("only pages have headings".to_owned());
        };
        let Some(heading) = page.headings.iter().find(|heading| heading.github == anchor) else {
            let similar = page.headings.iter().max_by_key(|heading| common(&heading.github, anchor));
            let similar = similar.map_or("none", |heading| &heading.github);
            return Some(format!("{} has no such heading; the most similar is #{similar}", target.display()));
        };
        let differs = heading.mdbook != heading.github;
        differs.then(|| format!("mdBook calls it #{}: word the heading differently", heading.mdbook))
    }
}

/// How long the beginning is that both have.
fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

fn is_address(to: &str) -> bool {
    let Some((_, rest)) = to.split_once("://").filter(|(scheme, _)| *scheme == "https") else { return false };
    let host = rest.split(['/', '#', '?']).next().unwrap_or_default();
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    host.contains('.') && host.split('.').all(is_label) && !to.contains(char::is_whitespace)
}

#[test]
fn links_lead_somewhere() {
    let site = Site::read();
    let mut problems = Vec::new();
    for (path, page) in &site.pages {
        for link in &page.links {
            if let Some(problem) = site.problem(path, &link.to) {
                problems.push(format!("{}, \"{}\": ({}): {problem}", path.display(), link.section, link.to));
            }
        }
    }
    assert!(problems.is_empty(), "links that lead nowhere:\n{}", problems.join("\n"));
}

#[test]
fn what_leads_nowhere_is_noticed() {
    let site = Site::read();
    let problem = |to: &str| site.problem(Path::new("docs/vmm.md"), to);
    for good in
        ["#exit-statuses", "abi.md", "decisions", "decisions/003-one-lock.md", "https://example.org/a#b"]
    {
        assert_eq!(problem(good), None, "{good}");
    }
    for bad in
        ["#exit-status", "absent.md", "../../x", "../README.md", "http://example.org", "https://x", "/docs"]
    {
        assert!(problem(bad).is_some(), "{bad}");
    }
    assert_eq!(site.problem(Path::new("README.md"), "docs/abi.md"), None);
}

/// docs/SUMMARY.md is a list, whose parts have titles.
#[test]
fn every_page_begins_with_its_title() {
    for path in pages().into_iter().filter(|path| !path.ends_with("SUMMARY.md")) {
        let text = read(path.to_str().unwrap());
        let headings = Page::parse(&text).headings;
        let titles = headings.iter().filter(|heading| heading.level == 1).count();
        assert!(text.starts_with("# ") && titles == 1, "{}: one title, in the first line", path.display());
    }
}
