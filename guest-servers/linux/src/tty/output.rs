//! Output: what becomes of the bytes that programs write (OPOST), and where the cursor is.

use alloc::vec::Vec;

use super::termios::Termios;
use linux_raw_sys::general as raw;

const TAB_WIDTH: usize = 8;

/// The output side of a terminal.
#[derive(Default, Debug)]
pub struct Output {
    /// Of the cursor, as far as the bytes tell.
    column: usize,
}

impl Output {
    pub fn column(&self) -> usize {
        self.column
    }

    /// Appends to `out` what is to be sent for `bytes`.
    pub fn process(&mut self, bytes: &[u8], modes: &Termios, out: &mut Vec<u8>) {
        if !modes.has_output(raw::OPOST) {
            out.extend_from_slice(bytes);
            return;
        }
        for &byte in bytes {
            self.byte(byte, modes, out);
        }
    }

    fn byte(&mut self, byte: u8, modes: &Termios, out: &mut Vec<u8>) {
        match byte {
            b'\n' => {
                if modes.has_output(raw::ONLCR) {
                    out.push(b'\r');
                }
                if modes.has_output(raw::ONLCR) || modes.has_output(raw::ONLRET) {
                    self.column = 0;
                }
                out.push(b'\n');
            }
            b'\r' if modes.has_output(raw::ONOCR) && self.column == 0 => {}
            b'\r' if modes.has_output(raw::OCRNL) => {
                if modes.has_output(raw::ONLRET) {
                    self.column = 0;
                }
                out.push(b'\n');
            }
            b'\r' => {
                self.column = 0;
                out.push(byte);
            }
            b'\t' => {
                let width = TAB_WIDTH - self.column % TAB_WIDTH;
                self.column += width;
                if modes.output & raw::TABDLY == raw::XTABS {
                    out.extend(core::iter::repeat_n(b' ', width));
                } else {
                    out.push(byte);
                }
            }
            0x08 => {
                self.column = self.column.saturating_sub(1);
                out.push(byte);
            }
            _ => {
                let continues = modes.has_input(raw::IUTF8) && byte & 0xc0 == 0x80;
                if byte >= 0x20 && byte != 0x7f && !continues {
                    self.column += 1;
                }
                out.push(byte);
            }
        }
    }
}
