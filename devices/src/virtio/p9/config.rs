//! The configuration: `tag_len[2] tag[tag_len]`. The tag is what a guest mounts: `mount -t 9p TAG /mnt`.

/// Entries of the queue. Linux uses 128 and no more, and makes its messages of so many pages at most.
pub const QUEUE_SIZE: u16 = 128;

/// Feature: there is a tag. A driver has nothing to begin with without it.
pub const MOUNT_TAG: u64 = 1 << 0;

/// The name by which a guest knows a share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag(String);

/// What cannot be a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a tag has 1 to {} bytes, without spaces, commas and control characters", Tag::LONGEST)]
pub struct BadTag;

impl Tag {
    /// Bytes of the longest tag. Linux shows tags in files of a page, and other VMMs take no longer ones.
    pub const LONGEST: usize = 31;

    pub fn new(tag: &str) -> Result<Self, BadTag> {
        let fits = (1..=Self::LONGEST).contains(&tag.len());
        // A tag is a word of a mount command, and a line of a file.
        let word = !tag.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',');
        if fits && word { Ok(Self(tag.into())) } else { Err(BadTag) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The configuration space of a device with this tag.
pub fn space(tag: &Tag) -> Vec<u8> {
    let bytes = tag.0.as_bytes();
    // At most `LONGEST`.
    [&(bytes.len() as u16).to_le_bytes()[..], bytes].concat()
}
