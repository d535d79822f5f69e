//! ELF notes: a name, a type, and bytes (gABI, "Note Section"). The words are of 32 bits in 64-bit files too, and name and bytes are padded to
//! multiples of 4, whatever the specification says.

/// The bytes of notes, one after the other.
#[derive(Default, Debug)]
pub struct Notes(Vec<u8>);

impl Notes {
    pub fn add(&mut self, name: &str, kind: u32, content: &[u8]) {
        for word in [name.len() as u32 + 1, content.len() as u32, kind] {
            self.0.extend(word.to_le_bytes());
        }
        self.padded(name.as_bytes(), 1);
        self.padded(content, 0);
    }

    /// Adds bytes, so many zeroes, and more up to a multiple of 4.
    fn padded(&mut self, bytes: &[u8], zeroes: usize) {
        self.0.extend(bytes);
        let len = (self.0.len() + zeroes).next_multiple_of(4);
        self.0.resize(len, 0);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_are_padded() {
        let mut notes = Notes::default();
        notes.add("CORE", 1, &[7; 3]);
        let expected = [&[5, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0][..], b"CORE\0\0\0\0", &[7, 7, 7, 0]].concat();
        assert_eq!(notes.bytes(), expected);
    }
}
