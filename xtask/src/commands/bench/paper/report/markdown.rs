//! The page's text as HTML. Only what the page has: headings, paragraphs, lists, tables, and words that are set off.

use std::fmt::Write;

/// A piece of the page.
pub fn html(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for block in lines.chunk_by(|one, next| Kind::of(one).goes_on_with(Kind::of(next))) {
        match Kind::of(block[0]) {
            Kind::Empty => {}
            Kind::Heading => heading(block[0], &mut out),
            Kind::Table => table(block, &mut out),
            Kind::Item => list(block, &mut out),
            Kind::Text => paragraph(&block.join(" "), &mut out),
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    Heading,
    Table,
    Item,
    Text,
}

impl Kind {
    fn of(line: &str) -> Self {
        match line {
            "" => Self::Empty,
            line if line.starts_with('#') => Self::Heading,
            line if line.starts_with('|') => Self::Table,
            // An item may go on in another line.
            line if line.starts_with("- ") || line.starts_with("  ") => Self::Item,
            _ => Self::Text,
        }
    }

    /// Whether the next line belongs to the same block.
    fn goes_on_with(self, next: Self) -> bool {
        self == next && self != Self::Heading
    }
}

fn heading(line: &str, out: &mut String) {
    let text = line.trim_start_matches('#');
    let level = (line.len() - text.len()).clamp(1, 6);
    let _ = writeln!(out, "<h{level}>{}</h{level}>", inline(text.trim()));
}

fn paragraph(text: &str, out: &mut String) {
    let _ = writeln!(out, "<p>{}</p>", inline(text));
}

fn list(block: &[&str], out: &mut String) {
    *out += "<ul>\n";
    for item in block.chunk_by(|_, next| !next.starts_with("- ")) {
        let text: Vec<_> = item.iter().map(|line| line.trim_start().trim_start_matches("- ")).collect();
        let _ = writeln!(out, "<li>{}</li>", inline(&text.join(" ")));
    }
    *out += "</ul>\n";
}

/// A table, whose second line says which columns are figures.
fn table(block: &[&str], out: &mut String) {
    let cells = |line: &&str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| inline(cell.trim())).collect()
    };
    let rows: Vec<_> = block.iter().map(cells).collect();
    let is_text =
        |column: usize| rows.get(1).and_then(|row| row.get(column)).is_none_or(|cell| !cell.ends_with(':'));
    *out += "<div class=\"wide\"><table>\n";
    for (n, row) in rows.iter().enumerate().filter(|(n, _)| *n != 1) {
        let name = if n == 0 { "th" } else { "td" };
        let cell = |(column, cell): (usize, &String)| {
            let class = if is_text(column) { " class=\"text\"" } else { "" };
            format!("<{name}{class}>{cell}</{name}>")
        };
        let _ = writeln!(out, "<tr>{}</tr>", row.iter().enumerate().map(cell).collect::<String>());
    }
    *out += "</table></div>\n";
}

/// Words that are set off. A link is its text alone: what it leads to is not with the page.
fn inline(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let text = without_links(&text);
    let text = pairs(&text, "`", "code");
    let text = pairs(&text, "**", "b");
    pairs(&text, "*", "i")
}

/// What lies between two marks becomes an element. A mark that stands alone stays, and so does one with space behind it: a footnote's.
fn pairs(text: &str, mark: &str, element: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once(mark) {
        let (inside, after) = match behind.split_once(mark) {
            Some((inside, after)) if !inside.is_empty() && !behind.starts_with(' ') => (inside, after),
            _ => {
                out += before;
                out += mark;
                rest = behind;
                continue;
            }
        };
        let _ = write!(out, "{before}<{element}>{inside}</{element}>");
        rest = after;
    }
    out + rest
}

fn without_links(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('[') {
        let link = behind.split_once("](").and_then(|(text, more)| Some((text, more.split_once(')')?.1)));
        let Some((text, after)) = link else {
            out += before;
            out.push('[');
            rest = behind;
            continue;
        };
        out += before;
        out += text;
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_set_off() {
        assert_eq!(
            inline("a **b** `c<d>` *e* [f](g.md), h * 2"),
            "a <b>b</b> <code>c&lt;d&gt;</code> <i>e</i> f, h * 2"
        );
        assert_eq!(inline("mmap *"), "mmap *");
        assert_eq!(inline("[10, 20) & more"), "[10, 20) &amp; more");
    }

    #[test]
    fn blocks_are_elements() {
        let text = "## Title\n\none\ntwo\n\n- a\n  b\n- c\n\n| x | y |\n|---|---:|\n| 1 | 2 |\n";
        let expected = "<h2>Title</h2>\n<p>one two</p>\n<ul>\n<li>a b</li>\n<li>c</li>\n</ul>\n<div class=\"wide\"><table>\n\
                        <tr><th class=\"text\">x</th><th>y</th></tr>\n<tr><td class=\"text\">1</td><td>2</td></tr>\n</table></div>\n";
        assert_eq!(html(text), expected);
    }
}
