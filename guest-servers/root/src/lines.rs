//! Log output of several servers, put together to lines, so that two that write at the same time stay apart.

use core::fmt;

/// Longer lines are cut in two.
const MAX: usize = 160;

/// The line that a server is writing.
#[derive(Clone, Copy)]
pub struct Line {
    bytes: [u8; MAX],
    len: usize,
}

impl Line {
    pub const EMPTY: Self = Self { bytes: [0; MAX], len: 0 };

    /// Takes bytes; `out` gets `name: `, text and newline of each line that is complete. Bytes that a
    /// terminal would act upon come out as dots.
    pub fn write(&mut self, name: &str, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end(name, out);
                continue;
            }
            if self.len == MAX {
                self.end(name, out);
            }
            self.bytes[self.len] = if byte.is_ascii_control() { b'.' } else { *byte };
            self.len += 1;
        }
    }

    /// Ends the line, if one has been begun.
    pub fn flush(&mut self, name: &str, out: &mut dyn FnMut(&[u8])) {
        if self.len > 0 {
            self.end(name, out);
        }
    }

    fn end(&mut self, name: &str, out: &mut dyn FnMut(&[u8])) {
        out(name.as_bytes());
        out(b": ");
        out(&self.bytes[..self.len]);
        out(b"\n");
        self.len = 0;
    }
}

/// Formats a line of root's own.
pub fn line(text: fmt::Arguments, out: &mut dyn FnMut(&[u8])) {
    struct Writer<'a>(Line, &'a mut dyn FnMut(&[u8]));
    impl fmt::Write for Writer<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write("root", text.as_bytes(), self.1);
            Ok(())
        }
    }
    let mut writer = Writer(Line::EMPTY, out);
    // The writer does not fail, and the types that root prints do not either.
    let _ = fmt::Write::write_fmt(&mut writer, text);
    writer.0.flush("root", writer.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(line: &mut Line, bytes: &[u8]) -> String {
        let mut text = Vec::new();
        line.write("a", bytes, &mut |b| text.extend_from_slice(b));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_come_out_whole() {
        let mut line = Line::EMPTY;
        assert_eq!(write(&mut line, b"one, "), "");
        assert_eq!(write(&mut line, b"two\nthr"), "a: one, two\n");
        assert_eq!(write(&mut line, b"ee\n\n"), "a: three\na: \n");
    }

    #[test]
    fn endless_lines_are_cut_and_control_characters_harmless() {
        let mut line = Line::EMPTY;
        let out = write(&mut line, &[b'x'; MAX + 1]);
        assert_eq!(out, format!("a: {}\n", "x".repeat(MAX)));
        assert_eq!(write(&mut line, b"\x1b[2J\n"), "a: x.[2J\n");
    }

    #[test]
    fn roots_own() {
        let mut text = Vec::new();
        super::line(format_args!("{} died", "linux"), &mut |b| text.extend_from_slice(b));
        assert_eq!(text, b"root: linux died\n");
    }
}
