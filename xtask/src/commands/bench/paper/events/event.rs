//! Expensive events.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use serde::Serialize;

/// Writes each event once: its description, its name, and the title of its column.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $title:literal,)*) => {
        /// What costs more than an ordinary instruction. In the order of the page's columns.
        #[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[serde(rename_all = "kebab-case")]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            pub const ALL: [Self; [$($title),*].len()] = [$($name),*];

            pub fn title(self) -> &'static str {
                match self {
                    $($name => $title,)*
                }
            }
        }
    };
}

events! {
    Syscall "SYSCALL",
    Sysret "SYSRET",
    /// An exception or interrupt is delivered, also one that INT makes.
    Delivery "exception or interrupt",
    Iret "IRET",
    Cr3Write "CR3 write",
    Cr0Write "CR0 write",
    Cr0Read "CR0 read",
    Invlpg "INVLPG",
    Wrmsr "WRMSR",
    Rdmsr "RDMSR",
    Swapgs "SWAPGS",
    /// RDFSBASE and its like.
    SegmentBase "FS/GS base",
    /// XSAVE, XRSTOR and their like, FXSAVE and FXRSTOR among them.
    VectorState "XSAVE, XRSTOR",
    Lock "LOCK",
    /// The guest is left and entered again.
    Exit "exit to the host",
}

use Event::*;

impl Event {
    /// Whether it is an instruction, and so in the count of them.
    pub fn is_instruction(self) -> bool {
        !matches!(self, Delivery | Exit)
    }

    /// What an instruction is, if it is expensive.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        use Mnemonic as M;
        Some(match instruction.mnemonic() {
            M::Syscall => Syscall,
            M::Sysret | M::Sysretq => Sysret,
            M::Iret | M::Iretd | M::Iretq => Iret,
            M::Mov => control(&instruction)?,
            M::Clts | M::Lmsw => Cr0Write,
            M::Invlpg | M::Invpcid => Invlpg,
            M::Wrmsr => Wrmsr,
            M::Rdmsr => Rdmsr,
            M::Swapgs => Swapgs,
            M::Rdfsbase | M::Rdgsbase | M::Wrfsbase | M::Wrgsbase => SegmentBase,
            M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64 | M::Xsavec | M::Xsavec64 => VectorState,
            M::Xsaves | M::Xsaves64 | M::Xrstor | M::Xrstor64 | M::Xrstors | M::Xrstors64 => VectorState,
            M::Fxsave | M::Fxsave64 | M::Fxrstor | M::Fxrstor64 => VectorState,
            // It locks without being told to.
            M::Xchg if (0..2).any(|n| instruction.op_kind(n) == OpKind::Memory) => Lock,
            _ if instruction.has_lock_prefix() => Lock,
            _ => return None,
        })
    }
}

/// MOV to or from a control register.
fn control(mov: &Instruction) -> Option<Event> {
    match (mov.op0_register(), mov.op1_register()) {
        (Register::CR3, _) => Some(Cr3Write),
        (Register::CR0, _) => Some(Cr0Write),
        (_, Register::CR0) => Some(Cr0Read),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expensive_instructions_are_known_by_their_bytes() {
        for (bytes, event) in [
            (&[0x0f, 0x05][..], Syscall),
            (&[0x48, 0x0f, 0x07], Sysret),
            (&[0x48, 0xcf], Iret),
            (&[0x0f, 0x22, 0xd8], Cr3Write),
            (&[0x41, 0x0f, 0x22, 0xd9], Cr3Write),
            (&[0x0f, 0x22, 0xc0], Cr0Write),
            (&[0x0f, 0x06], Cr0Write),
            (&[0x0f, 0x20, 0xc0], Cr0Read),
            (&[0x0f, 0x01, 0x38], Invlpg),
            (&[0x66, 0x0f, 0x38, 0x82, 0x00], Invlpg),
            (&[0x0f, 0x30], Wrmsr),
            (&[0x0f, 0x32], Rdmsr),
            (&[0x0f, 0x01, 0xf8], Swapgs),
            (&[0xf3, 0x48, 0x0f, 0xae, 0xd0], SegmentBase),
            (&[0x48, 0x0f, 0xae, 0x20], VectorState),
            (&[0x48, 0x0f, 0xc7, 0x20], VectorState),
            (&[0x48, 0x0f, 0xae, 0x08], VectorState),
            (&[0xf0, 0x0f, 0xb1, 0x0f], Lock),
            (&[0x87, 0x07], Lock),
        ] {
            assert_eq!(Event::of(bytes), Some(event), "{bytes:02x?}");
        }
    }

    #[test]
    fn others_are_ordinary() {
        for bytes in [
            &[0x90][..],
            &[0x48, 0x89, 0xc3],
            &[0x0f, 0x20, 0xd8],
            &[0x87, 0xc8],
            &[0x0f, 0x31],
            &[0x0f, 0xae, 0xe8],
            &[],
        ] {
            assert_eq!(Event::of(bytes), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn every_event_has_a_column() {
        assert!(Event::ALL.is_sorted());
        assert!(Event::ALL.iter().all(|event| !event.title().is_empty()));
    }
}
