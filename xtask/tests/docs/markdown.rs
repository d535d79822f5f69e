//! What a page is made of: headings with their anchors, links, blocks of code.

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A page, read.
#[derive(Default)]
pub struct Page {
    pub headings: Vec<Heading>,
    pub links: Vec<Link>,
    pub blocks: Vec<Block>,
    /// What stands between backquotes in running text.
    pub code: Vec<String>,
}

pub struct Heading {
    pub level: usize,
    pub text: String,
    /// The anchor, as GitHub and as mdBook make it.
    pub github: String,
    pub mdbook: String,
}

pub struct Link {
    pub to: String,
    /// The target stands there as it is, `<https://…>`.
    pub is_bare: bool,
    /// The heading above.
    pub section: String,
}

/// A block of code, fenced or indented.
pub struct Block {
    /// The word behind the fence.
    pub language: String,
    pub text: String,
    /// The heading above.
    pub section: String,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files of the repository, relative to its root, but for what is built and what is hidden.
pub fn files() -> BTreeSet<PathBuf> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![root().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name.to_string_lossy().starts_with('.') || name == "build" || name == "target" {
            } else if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    files
}

/// All pages of the repository.
pub fn pages() -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

impl Page {
    pub fn read(path: &str) -> Self {
        Self::parse(&read(path))
    }

    pub fn parse(text: &str) -> Self {
        let (mut page, mut open) = (Self::default(), Open::default());
        for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            page.event(event, &mut open);
        }
        page
    }

    fn event(&mut self, event: Event, open: &mut Open) {
        let section = || self.headings.last().map_or_else(String::new, |heading| heading.text.clone());
        match event {
            Event::Start(Tag::Heading { .. }) => open.heading = Some(String::new()),
            Event::End(TagEnd::Heading(level)) => {
                let text = open.heading.take().unwrap_or_default();
                let heading = open.anchors.heading(level as usize, text);
                self.headings.push(heading);
            }
            Event::Start(Tag::Link { dest_url, link_type, .. }) => {
                let is_bare = matches!(link_type, LinkType::Autolink | LinkType::Email);
                let section = section();
                self.links.push(Link { to: dest_url.into_string(), is_bare, section });
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                let section = section();
                self.links.push(Link { to: dest_url.into_string(), is_bare: false, section });
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let section = section();
                self.blocks.push(Block { language, text: String::new(), section });
                open.is_block = true;
            }
            Event::End(TagEnd::CodeBlock) => open.is_block = false,
            Event::Text(text) if open.is_block => self.blocks.last_mut().unwrap().text += &text,
            Event::Text(text) => open.text(&text),
            Event::Code(text) => {
                open.text(&text);
                self.code.push(text.into_string());
            }
            Event::Html(html) | Event::InlineHtml(html) => self.sources(&html, section()),
            _ => {}
        }
    }

    /// Links of HTML that stands in the page: pictures for light and dark.
    fn sources(&mut self, html: &str, section: String) {
        for attribute in ["src=\"", "srcset=\"", "href=\""] {
            for part in html.split(attribute).skip(1) {
                let to = part.split('"').next().unwrap_or_default().to_owned();
                self.links.push(Link { to, is_bare: false, section: section.clone() });
            }
        }
    }
}

/// What has begun and not ended yet.
#[derive(Default)]
struct Open {
    heading: Option<String>,
    is_block: bool,
    anchors: Anchors,
}

impl Open {
    fn text(&mut self, text: &str) {
        if let Some(heading) = &mut self.heading {
            *heading += text;
        }
    }
}

/// How often each anchor has been given.
#[derive(Default)]
struct Anchors {
    github: HashMap<String, usize>,
    mdbook: HashMap<String, usize>,
}

impl Anchors {
    fn heading(&mut self, level: usize, text: String) -> Heading {
        // Both make small letters and hyphens for spaces, and leave out what is no letter, number, `-` or `_`. mdBook
        // takes only ASCII letters to be small ones.
        let keep = |c: char| match c {
            c if c.is_whitespace() => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        };
        let kept: String = text.chars().filter_map(keep).collect();
        let github = numbered(&mut self.github, kept.to_lowercase());
        let mdbook = numbered(&mut self.mdbook, kept.to_ascii_lowercase());
        Heading { level, text, github, mdbook }
    }
}

/// The second of a name is `name-1`.
fn numbered(given: &mut HashMap<String, usize>, name: String) -> String {
    let count = given.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
}

#[test]
fn pages_are_read() {
    let page = Page::parse(
        "# One `two`, three\n[a](b.md#c) <https://d.e>\n\n    indented\n\n## Same\n```sh\nfenced\n```\n## Same\n`x`\n",
    );
    let anchors: Vec<_> = page.headings.iter().map(|heading| heading.github.as_str()).collect();
    assert_eq!(anchors, ["one-two-three", "same", "same-1"]);
    let links: Vec<_> = page.links.iter().map(|link| (link.to.as_str(), link.is_bare)).collect();
    assert_eq!(links, [("b.md#c", false), ("https://d.e", true)]);
    let blocks: Vec<_> =
        page.blocks.iter().map(|b| (b.language.as_str(), b.text.as_str(), b.section.as_str())).collect();
    assert_eq!(blocks, [("", "indented\n", "One two, three"), ("sh", "fenced\n", "Same")]);
    assert_eq!(page.code, ["two", "x"]);
}
