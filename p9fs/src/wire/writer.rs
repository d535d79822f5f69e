//! Numbers and strings into a reply that has only so much room.
//!
//! Nobody who writes a reply looks for room, but those who may give less (data, entries of a folder) ask how much there is. What
//! does not fit is noted, and the whole reply becomes an error.

use super::{HEADER, Qid};

/// A reply under way, in memory that someone else owns.
pub struct Writer<'a> {
    room: &'a mut [u8],
    used: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Begins a reply; the header is left out until [`finish`](Self::finish).
    pub fn new(room: &'a mut [u8]) -> Self {
        let overflow = room.len() < HEADER;
        Writer { room, used: HEADER, overflow }
    }

    /// Bytes that still fit.
    pub fn left(&self) -> usize {
        self.room.len().saturating_sub(self.used)
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        match self.room.get_mut(self.used..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            None => self.overflow = true,
        }
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// `length[2]` and the bytes.
    pub fn string(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(length) => {
                self.u16(length);
                self.bytes(bytes);
            }
            Err(_) => self.overflow = true,
        }
    }

    pub fn qid(&mut self, qid: Qid) {
        self.u8(qid.kind);
        self.u32(qid.version);
        self.u64(qid.path);
    }

    /// Data, `length[4]` and the bytes: `fill` gets room for at most `most` of them and says how many it put there.
    pub fn data<E>(&mut self, most: u32, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        let Some((length, rest)) =
            self.room.get_mut(self.used..).and_then(|rest| rest.split_first_chunk_mut::<4>())
        else {
            self.overflow = true;
            return Ok(());
        };
        let most = rest.len().min(usize::try_from(most).unwrap_or(usize::MAX)).min(u32::MAX as usize);
        let count = fill(&mut rest[..most])?.min(most);
        *length = (count as u32).to_le_bytes();
        self.used += 4 + count;
        Ok(())
    }

    /// Forgets the body.
    pub fn restart(&mut self) {
        self.used = HEADER;
        self.overflow = self.room.len() < HEADER;
    }

    /// Whether something did not fit.
    pub fn overflowed(&self) -> bool {
        self.overflow
    }

    /// Puts the header in front and says how long the reply is, unless something did not fit.
    pub fn finish(self, kind: u8, tag: u16) -> Option<usize> {
        if self.overflow {
            return None;
        }
        let size = u32::try_from(self.used).ok()?;
        self.room[..4].copy_from_slice(&size.to_le_bytes());
        self.room[4] = kind;
        self.room[5..HEADER].copy_from_slice(&tag.to_le_bytes());
        Some(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_its_header() {
        let mut room = [0; 32];
        let mut writer = Writer::new(&mut room);
        writer.string(b"hi");
        writer.u32(7);
        assert_eq!(writer.finish(101, 0x0203), Some(15));
        assert_eq!(room[..15], [15, 0, 0, 0, 101, 3, 2, 2, 0, b'h', b'i', 7, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_is_noted() {
        let mut room = [0; 10];
        let mut writer = Writer::new(&mut room);
        writer.u32(1);
        assert!(writer.overflowed());
        writer.restart();
        writer.u16(1);
        assert_eq!((writer.left(), writer.overflowed()), (1, false));
        assert_eq!(writer.finish(1, 1), Some(9));
        assert!(Writer::new(&mut [0; 6]).finish(1, 1).is_none());
    }

    #[test]
    fn data_is_what_was_filled_in() {
        let mut room = [0; 20];
        let mut writer = Writer::new(&mut room);
        let offered = |room: &mut [u8]| {
            assert_eq!(room.len(), 9);
            room[..3].copy_from_slice(b"abc");
            Ok::<_, ()>(3)
        };
        writer.data(100, offered).unwrap();
        assert_eq!(writer.finish(1, 1), Some(14));
        assert_eq!(room[7..14], [3, 0, 0, 0, b'a', b'b', b'c']);
    }

    #[test]
    fn no_more_data_than_asked() {
        let mut room = [0; 20];
        let two = |room: &mut [u8]| Ok::<_, ()>(room.len());
        let mut writer = Writer::new(&mut room);
        writer.data(2, two).unwrap();
        assert_eq!(writer.finish(1, 1), Some(7 + 4 + 2));
    }
}
