//! A message that fits into registers, and the form that all replies have.
//!
//! Every request of every protocol is answered with label [`OK`] (and the words and items of that answer) or
//! with [`REFUSED`] and a [`Refusal`] in word 0. So a client needs one check, [`Message::accepted`], whatever
//! it asked.

use ukernel_abi::msg::REGISTER_WORDS;
use ukernel_abi::{Label, MapItem, Tag};

/// The request was done. Words and items are those of the request's answer.
pub const OK: Label = Label(1);
/// The request was not done. Word 0: a [`Refusal`].
pub const REFUSED: Label = Label(2);

/// A message of at most seven words, items included (an item is two words). Words beyond those that the tag
/// counts have no meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    pub tag: Tag,
    pub words: [u64; REGISTER_WORDS],
}

/// A message that is not one of the protocol: wrong label, wrong number of words, or a field out of range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Why a server did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Refusal {
    /// The request was [`Malformed`] or an argument is out of range.
    BadRequest = 1,
    /// No server or module of this name.
    NotFound = 2,
    /// The asker has no right to this.
    Denied = 3,
    /// The asker's budget, or all memory, is used up, or no free block is as large.
    NoMemory = 4,
    /// The device is not there or does not work.
    NoDevice = 5,
    /// Not now, but soon: the server is being started, or still busy with what was before.
    Again = 6,
}

impl Refusal {
    pub const fn from_raw(raw: u64) -> Option<Self> {
        Some(match raw {
            1 => Self::BadRequest,
            2 => Self::NotFound,
            3 => Self::Denied,
            4 => Self::NoMemory,
            5 => Self::NoDevice,
            6 => Self::Again,
            _ => return None,
        })
    }
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::BadRequest
    }
}

impl Message {
    /// A message of the words given. That they fit is checked when the program is built.
    pub const fn new<const N: usize>(label: Label, args: [u64; N]) -> Self {
        const { assert!(N <= REGISTER_WORDS) };
        let mut words = [0; REGISTER_WORDS];
        let mut i = 0;
        while i < N {
            words[i] = args[i];
            i += 1;
        }
        Self { tag: Tag::new(label, N, 0), words }
    }

    pub const fn ok<const N: usize>(args: [u64; N]) -> Self {
        Self::new(OK, args)
    }

    pub const fn refused(why: Refusal) -> Self {
        Self::new(REFUSED, [why as u64])
    }

    /// The reply to a request: `Ok` is sent as it is, `Err` as a refusal.
    pub fn reply(result: Result<Self, Refusal>) -> Self {
        result.unwrap_or_else(Self::refused)
    }

    pub const fn label(&self) -> Label {
        self.tag.label()
    }

    /// Number of items that still fit.
    pub fn item_room(&self) -> usize {
        (REGISTER_WORDS.saturating_sub(self.tag.words() + 2 * self.tag.items())) / 2
    }

    /// Appends a map item; false if it does not fit.
    #[must_use]
    pub fn push_item(&mut self, item: MapItem) -> bool {
        let at = self.tag.words() + 2 * self.tag.items();
        let Some([snd, base]) =
            self.words.get_mut(at..at + 2).and_then(|w| <&mut [u64; 2]>::try_from(w).ok())
        else {
            return false;
        };
        (*snd, *base) = (item.snd.0, item.base);
        self.tag = Tag::new(self.label(), self.tag.words(), self.tag.items() + 1);
        true
    }

    /// The items that are in registers.
    pub fn items(&self) -> impl Iterator<Item = MapItem> + '_ {
        let first = self.tag.words().min(REGISTER_WORDS);
        self.words[first..]
            .chunks_exact(2)
            .take(self.tag.items())
            .map(|w| MapItem { snd: ukernel_abi::Fpage(w[0]), base: w[1] })
    }

    /// The words, if there are exactly `N`. Items may follow.
    pub fn args<const N: usize>(&self) -> Result<[u64; N], Malformed> {
        const { assert!(N <= REGISTER_WORDS) };
        if self.tag.words() != N {
            return Err(Malformed);
        }
        self.words.first_chunk().copied().ok_or(Malformed)
    }

    /// The words of a request, which has exactly `N` and no items.
    pub fn request<const N: usize>(&self) -> Result<[u64; N], Malformed> {
        if self.tag.items() != 0 {
            return Err(Malformed);
        }
        self.args()
    }

    /// A reply: itself if the request was done, else the refusal. What is no reply at all is
    /// [`Refusal::BadRequest`].
    pub fn accepted(self) -> Result<Self, Refusal> {
        match self.label() {
            OK => Ok(self),
            REFUSED if self.tag.words() >= 1 => {
                Err(Refusal::from_raw(self.words[0]).unwrap_or(Refusal::BadRequest))
            }
            _ => Err(Refusal::BadRequest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ukernel_abi::{Fpage, Rights};

    fn item(n: u64) -> MapItem {
        MapItem::map(Fpage::memory(n << 12, 12, Rights::R), n << 12)
    }

    #[test]
    fn items_follow_the_words() {
        let mut m = Message::ok([7]);
        assert_eq!(m.item_room(), 3);
        for n in 1..=3 {
            assert!(m.push_item(item(n)));
        }
        assert!(!m.push_item(item(4)), "seven words are full");
        assert_eq!((m.tag.words(), m.tag.items()), (1, 3));
        assert!(m.items().eq([item(1), item(2), item(3)]));
        assert_eq!(m.args(), Ok([7]));
        assert_eq!(m.request::<1>(), Err(Malformed), "a request has no items");
    }

    #[test]
    fn wrong_number_of_words() {
        let m = Message::new(Label(9), [1, 2]);
        assert_eq!(m.args::<1>(), Err(Malformed));
        assert_eq!(m.args::<3>(), Err(Malformed));
        assert_eq!(m.args(), Ok([1, 2]));
    }

    #[test]
    fn a_tag_that_claims_more_than_registers_hold() {
        let m = Message { tag: Tag::new(OK, 63, 63), words: [0; 7] };
        assert_eq!(m.items().count(), 0);
        assert_eq!(m.item_room(), 0);
        assert_eq!(m.args::<7>(), Err(Malformed));
    }

    #[test]
    fn replies() {
        assert_eq!(Message::reply(Err(Refusal::Denied)).accepted(), Err(Refusal::Denied));
        assert_eq!(Message::ok([5]).accepted().and_then(|m| Ok(m.args()?)), Ok([5]));
        assert_eq!(Message::new(REFUSED, [99]).accepted(), Err(Refusal::BadRequest));
        assert_eq!(Message::new(REFUSED, []).accepted(), Err(Refusal::BadRequest));
        assert_eq!(Message::new(Label(77), [1]).accepted(), Err(Refusal::BadRequest));
    }

    #[test]
    fn refusals_round_trip() {
        for raw in 0..10 {
            assert!(Refusal::from_raw(raw).is_none_or(|r| r as u64 == raw));
        }
    }
}
