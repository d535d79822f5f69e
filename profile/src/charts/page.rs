//! The frame of a page.

use crate::format::escape::escape;
use std::io::{self, Write};

const STYLE: &str = include_str!("style.css");

/// Begins a page, with what it has of styles of its own.
pub fn begin(title: &str, style: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{STYLE}{style}</style>\n</head>\n<body>\n",
        escape(title)
    )
}

/// Ends it.
pub fn end(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "</body>\n</html>")
}

/// The first things that one wants to know: figures, and what they are of.
pub fn tiles<F: AsRef<str>, W: AsRef<str>>(tiles: &[(F, W)], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<div class=\"tiles\">")?;
    for (figure, what) in tiles {
        let (figure, what) = (escape(figure.as_ref()), escape(what.as_ref()));
        writeln!(out, "<div class=\"tile\"><b>{figure}</b>{what}</div>")?;
    }
    writeln!(out, "</div>")
}

/// Why a page is not one: an element that is not closed, or not in its place, or something that would be loaded from elsewhere. For tests.
pub fn fault(page: &str) -> Option<String> {
    const OUTSIDE: [&str; 8] = ["http:", "https:", "<script", "src=", "<link", "@import", "url(", "href="];
    const NEVER_CLOSED: [&str; 2] = ["!doctype", "meta"];
    if let Some(outside) = OUTSIDE.iter().find(|outside| page.contains(**outside)) {
        return Some(format!("it has {outside} in it"));
    }
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else { return Some(format!("<{tag} does not end")) };
        let name = tag.split([' ', '/', '\n']).find(|name| !name.is_empty()).unwrap_or_default();
        if tag.starts_with('/') {
            match open.pop() {
                Some(last) if last == name => {}
                last => return Some(format!("</{name}> ends {last:?}")),
            }
        } else if !tag.ends_with('/') && !NEVER_CLOSED.contains(&name) {
            open.push(name);
        }
    }
    open.last().map(|name| format!("<{name}> is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> String {
        let mut out = Vec::new();
        begin("a < b", "", &mut out).unwrap();
        tiles(&[("1 < 2", "what")], &mut out).unwrap();
        write!(out, "{body}").unwrap();
        end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn faults_are_found() {
        assert_eq!(fault(&page("<p>text<br/></p>")), None);
        for wrong in ["<p>", "</p>", "<p><b></p></b>", "<img src=\"x\"/>", "<a href=\"x\"></a>", "<p"] {
            assert!(fault(&page(wrong)).is_some(), "{wrong}");
        }
    }
}
