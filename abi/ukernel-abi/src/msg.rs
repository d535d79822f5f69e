//! Messages: the tag, typed items, and what the kernel itself sends.

use crate::fpage::Fpage;
use crate::layout::USER_END;

/// Number of message words that travel in registers (rbx rdi rsi rdx r10 r8 r9).
pub const REGISTER_WORDS: usize = 7;
/// Number of message words in all; words from [`REGISTER_WORDS`] on are in the UTCB.
pub const WORDS: usize = 64;

/// Describes a message. The high half of rax.
///
/// ```text
/// 31          16 15 14 13 12 11     6 5      0
/// +-------------+--+--+-----+--------+--------+
/// |    label    |r |p |  0  | items  | words  |
/// +-------------+--+--+-----+--------+--------+
/// ```
///
/// r: [`Tag::REDIRECTED`], p: [`Tag::PROPAGATED`].
///
/// `words` untyped words come first, then `items` typed items of two words each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Tag(pub u32);

impl Tag {
    /// Of a received message: it was meant for the thread in r13, which is on the other side of a border that the receiver's task guards as chief.
    pub const REDIRECTED: u32 = 1 << 15;
    /// Of a message that is sent: in the name of [`virtual_sender`](crate::utcb::Utcb::virtual_sender). Of one that is received: r12 is this
    /// virtual sender, and r14 the thread that sent it.
    pub const PROPAGATED: u32 = 1 << 14;

    pub const fn new(label: Label, words: usize, items: usize) -> Self {
        Self((label.0 as u32) << 16 | (items as u32 & 0x3f) << 6 | words as u32 & 0x3f)
    }
    pub const fn from_rax(rax: u64) -> Self {
        Self((rax >> 32) as u32)
    }
    pub const fn to_rax(self) -> u64 {
        (self.0 as u64) << 32
    }
    pub const fn label(self) -> Label {
        Label((self.0 >> 16) as u16)
    }
    pub const fn words(self) -> usize {
        self.0 as usize & 0x3f
    }
    pub const fn items(self) -> usize {
        self.0 as usize >> 6 & 0x3f
    }
    pub const fn is_redirected(self) -> bool {
        self.0 & Self::REDIRECTED != 0
    }
    pub const fn is_propagated(self) -> bool {
        self.0 & Self::PROPAGATED != 0
    }
    /// The same message, to be sent in another's name.
    pub const fn propagated(self) -> Self {
        Self(self.0 | Self::PROPAGATED)
    }
    /// Whether a message can be sent with it: the reserved bits are clear, and words and items fit into a message.
    pub const fn is_valid(self) -> bool {
        self.0 & 0xf000 & !Self::PROPAGATED == 0 && self.words() + 2 * self.items() <= WORDS
    }
}

/// Says what a message is about. Labels with bit 15 set are the kernel's: a message that has one comes from
/// the kernel in the name of its sender, and no program can send it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Label(pub u16);

impl Label {
    pub const KERNEL: u16 = 0x8000;

    /// From a thread to its pager. Words: fault address, ip, access wanted (a `Rights` value: 4 read,
    /// 2 write, 1 execute; exactly one bit), page-fault error code (SDM vol. 3, 4.7).
    /// The reply may carry map items; it resumes the thread.
    pub const PAGE_FAULT: Self = Self(0x8001);
    /// From a thread to its handler. Words: vector, error code, ip, sp, rflags.
    /// The reply resumes the thread; it may carry map items.
    pub const EXCEPTION: Self = Self(0x8002);
    /// From a thread to its handler: a system call that is not L4's. Words: number (rax), rdi, rsi, rdx, r10, r8, r9.
    /// Word 0 of the reply becomes rax; the reply may carry map items.
    pub const FOREIGN: Self = Self(0x8003);
    /// From an interrupt line. Words: line, number of interrupts since the last message.
    pub const INTERRUPT: Self = Self(0x8004);

    /// From a thread to its preempter: its time slice has ended. Words: ip, TSC. The reply resumes the thread; it may carry map items.
    pub const PREEMPTION: Self = Self(0x8005);

    pub const fn is_kernel(self) -> bool {
        self.0 & Self::KERNEL != 0
    }
}

/// A typed item: memory, ports or interrupt lines `snd` of the sender's is mapped to the receiver at `base` within the receive window.
///
/// With a window of the same size as `snd` the receiver gets it at the window; with a larger window the base
/// says where in it (its bits below the size of `snd` are ignored, its bits above the window's size too);
/// with a smaller window the base says which part of `snd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapItem {
    pub snd: Fpage,
    /// Page-aligned; bit 0 makes it a grant: the sender's own mapping goes.
    pub base: u64,
}

impl MapItem {
    pub const GRANT: u64 = 1;

    pub const fn map(snd: Fpage, base: u64) -> Self {
        Self { snd, base }
    }
    pub const fn is_grant(self) -> bool {
        self.base & Self::GRANT != 0
    }
}

/// A typed item, or a receive buffer: bytes that are copied. Bit 1 of the second word tells it from a map item.
///
/// ```text
/// first word   63                                    0
///              |               address               |
/// second word  63                12 11       2  1  0
///              |      length       |     0    | 1 |more|
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct StringItem {
    pub addr: u64,
    pub word: u64,
}

impl StringItem {
    /// The string, or the buffer, goes on in the next item.
    pub const MORE: u64 = 1;
    const STRING: u64 = 2;
    /// Greatest length of an item, in bytes.
    pub const MAX: u64 = 4 << 20;

    pub const fn new(addr: u64, len: u64) -> Self {
        Self { addr, word: len << 12 | Self::STRING }
    }
    #[must_use]
    pub const fn more(self) -> Self {
        Self { word: self.word | Self::MORE, ..self }
    }
    /// Whether `word` is the second word of a string item.
    pub const fn is_string(word: u64) -> bool {
        word & Self::STRING != 0
    }
    pub const fn len(self) -> u64 {
        self.word >> 12
    }
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
    pub const fn has_more(self) -> bool {
        self.word & Self::MORE != 0
    }
    /// Whether the reserved bits are as they have to be, the item is not too long, and all of it is memory of programs.
    pub const fn is_valid(&self) -> bool {
        self.word & 0xffe == Self::STRING && self.len() <= Self::MAX && self.addr <= USER_END - self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_told_from_flexpages() {
        let item = StringItem::new(0x1234_5678, 77);
        assert!(StringItem::is_string(item.word) && item.is_valid());
        assert_eq!((item.len(), item.has_more(), item.more().has_more()), (77, false, true));
        assert!(!StringItem::is_string(MapItem::map(Fpage::ALL, 0x1000 | MapItem::GRANT).base));
    }

    #[test]
    fn what_cannot_be_copied_is_not_valid() {
        assert!(StringItem::new(USER_END - 5, 5).more().is_valid());
        assert!(StringItem::new(0, StringItem::MAX).is_valid());
        for bad in [
            StringItem::new(USER_END - 5, 6),
            StringItem::new(0, StringItem::MAX + 1),
            StringItem::new(u64::MAX, 1),
            StringItem::new(u64::MAX, 0),
            StringItem { addr: 0, word: 4096 },
            StringItem { addr: 0, word: 4096 | 6 },
            StringItem { addr: 0, word: u64::MAX },
        ] {
            assert!(!bad.is_valid(), "{bad:?}");
        }
    }
}
