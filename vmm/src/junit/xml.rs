//! Writes XML: elements, attributes, text. Whatever the text is, the result is well-formed.
//!
//! XML 1.0 (2.2) has no place for most control characters, not even as references. They become U+FFFD, as bytes do that are no UTF-8; the escape character becomes U+241B, its picture, since guests print colours.

use std::fmt::Write;

/// A document that is being written.
pub struct Xml {
    text: String,
    /// Elements that have begun, and whether something is in them.
    open: Vec<(&'static str, bool)>,
}

impl Xml {
    /// A document without anything in it.
    pub fn document() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), open: Vec::new() }
    }

    /// Begins an element.
    pub fn begin(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.fill();
        self.text.extend(std::iter::repeat_n("  ", self.open.len()));
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            // Writing to a String does not fail.
            let _ = write!(self.text, " {attribute}=\"");
            self.escaped(value, true);
            self.text.push('"');
        }
        self.open.push((name, false));
    }

    /// Ends the element that began last.
    pub fn end(&mut self) {
        let Some((name, is_filled)) = self.open.pop() else { return };
        if is_filled {
            self.text.extend(std::iter::repeat_n("  ", self.open.len()));
            let _ = writeln!(self.text, "</{name}>");
        } else {
            self.text.push_str("/>\n");
        }
    }

    /// An element with nothing but text in it.
    pub fn element(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) {
        self.begin(name, attributes);
        if text.is_empty() {
            return self.end();
        }
        self.text.push('>');
        self.escaped(text, false);
        let _ = writeln!(self.text, "</{name}>");
        self.open.pop();
    }

    /// The document. Elements that have not ended end here.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.text
    }

    /// The element that began last is not empty.
    fn fill(&mut self) {
        if let Some((_, is_filled @ false)) = self.open.last_mut() {
            *is_filled = true;
            self.text.push_str(">\n");
        }
    }

    fn escaped(&mut self, text: &str, is_attribute: bool) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                // A parser makes spaces of these in an attribute, and a line feed of a carriage return anywhere.
                '\t' if is_attribute => self.text.push_str("&#9;"),
                '\n' if is_attribute => self.text.push_str("&#10;"),
                '\r' => self.text.push_str("&#13;"),
                '\t' | '\n' => self.text.push(c),
                '\u{1b}' => self.text.push('\u{241b}'),
                '\0'..' ' | '\u{fffe}' | '\u{ffff}' => self.text.push(char::REPLACEMENT_CHARACTER),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_within_each_other() {
        let mut xml = Xml::document();
        xml.begin("a", &[("n", "1"), ("m", "\"<&>\"")]);
        xml.begin("b", &[]);
        xml.end();
        xml.element("c", &[], "x\u{1b}[1m\0y");
        xml.element("d", &[("k", "a\nb")], "");
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a n=\"1\" m=\"&quot;&lt;&amp;&gt;&quot;\">\n  <b/>\n  \
                        <c>x\u{241b}[1m\u{fffd}y</c>\n  <d k=\"a&#10;b\"/>\n</a>\n";
        assert_eq!(xml.finish(), expected);
    }
}
