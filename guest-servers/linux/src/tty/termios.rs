//! Modes and special characters of a terminal (termios(3)).

use linux_raw_sys::general as raw;

/// Bytes of the kernel's `struct termios`, which TCGETS copies: four words, the line discipline, the characters.
pub const SIZE: usize = 36;
/// Bytes of `struct termios2` (TCGETS2): two speeds follow.
pub const SIZE2: usize = 44;
const _: () = assert!(size_of::<raw::termios>() == SIZE && size_of::<raw::termios2>() == SIZE2);
const NCCS: usize = raw::NCCS as usize;

const SPEED: u32 = 38_400;
/// The line discipline's number (`linux/tty.h`).
const N_TTY: u8 = 0;

/// Index of a special character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Key {
    Intr = raw::VINTR as usize,
    Quit = raw::VQUIT as usize,
    Erase = raw::VERASE as usize,
    Kill = raw::VKILL as usize,
    Eof = raw::VEOF as usize,
    Time = raw::VTIME as usize,
    Min = raw::VMIN as usize,
    Start = raw::VSTART as usize,
    Stop = raw::VSTOP as usize,
    Susp = raw::VSUSP as usize,
    Eol = raw::VEOL as usize,
    Reprint = raw::VREPRINT as usize,
    WordErase = raw::VWERASE as usize,
    Literal = raw::VLNEXT as usize,
    Eol2 = raw::VEOL2 as usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios {
    pub input: u32,
    pub output: u32,
    pub control: u32,
    pub local: u32,
    pub line: u8,
    pub keys: [u8; NCCS],
}

/// As a Linux terminal starts (`tty_std_termios`), with UTF-8.
impl Default for Termios {
    fn default() -> Self {
        let mut keys = [0; NCCS];
        for (key, value) in [
            (Key::Intr, 0x03),
            (Key::Quit, 0x1c),
            (Key::Erase, 0x7f),
            (Key::Kill, 0x15),
            (Key::Eof, 0x04),
            (Key::Min, 1),
            (Key::Start, 0x11),
            (Key::Stop, 0x13),
            (Key::Susp, 0x1a),
            (Key::Reprint, 0x12),
            (Key::WordErase, 0x17),
            (Key::Literal, 0x16),
        ] {
            keys[key as usize] = value;
        }
        keys[raw::VDISCARD as usize] = 0x0f;
        Self {
            input: raw::ICRNL | raw::IXON | raw::IUTF8,
            output: raw::OPOST | raw::ONLCR,
            control: raw::B38400 | raw::CS8 | raw::CREAD | raw::HUPCL,
            local: raw::ISIG
                | raw::ICANON
                | raw::ECHO
                | raw::ECHOE
                | raw::ECHOK
                | raw::ECHOCTL
                | raw::ECHOKE
                | raw::IEXTEN,
            line: N_TTY,
            keys,
        }
    }
}

impl Termios {
    pub fn has_input(&self, flag: u32) -> bool {
        self.input & flag != 0
    }
    pub fn has_output(&self, flag: u32) -> bool {
        self.output & flag != 0
    }
    pub fn has_local(&self, flag: u32) -> bool {
        self.local & flag != 0
    }
    pub fn is_canonical(&self) -> bool {
        self.has_local(raw::ICANON)
    }
    pub fn key(&self, key: Key) -> u8 {
        self.keys[key as usize]
    }
    /// Whether `byte` is that special character. One set to 0 is switched off.
    pub fn is_key(&self, byte: u8, key: Key) -> bool {
        byte != 0 && byte == self.key(key)
    }

    /// As `struct termios2`, of which `struct termios` is the beginning.
    pub fn to_bytes(&self) -> [u8; SIZE2] {
        let mut bytes = [0; SIZE2];
        for (at, word) in bytes.chunks_exact_mut(4).zip([self.input, self.output, self.control, self.local]) {
            at.copy_from_slice(&word.to_le_bytes());
        }
        bytes[16] = self.line;
        bytes[17..SIZE].copy_from_slice(&self.keys);
        bytes[36..40].copy_from_slice(&SPEED.to_le_bytes());
        bytes[40..].copy_from_slice(&SPEED.to_le_bytes());
        bytes
    }

    /// From a `struct termios`. There is no line behind this terminal, so speeds mean nothing.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut keys = [0; NCCS];
        keys.copy_from_slice(&bytes[17..SIZE]);
        Self { input: word(0), output: word(4), control: word(8), local: word(12), line: bytes[16], keys }
    }
}
