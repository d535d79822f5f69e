//! The ELF note that names a kernel's PVH entry (Xen, `docs/misc/pvh.pandoc`; `XEN_ELFNOTE_PHYS32_ENTRY`).

use super::defect::Defect;
use super::file::Input;
use super::kernel;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::note::{Note, NoteIterator};
use linux_loader::elf::PT_NOTE;
use std::os::unix::fs::FileExt;

const PHYS32_ENTRY: u64 = 18;
const OWNER: &[u8] = b"Xen\0";
/// A kernel has less than a page of notes.
const NOTES_MAX: u64 = 1 << 20;
const ALIGN: usize = 4;

/// The physical address of the entry, if the ELF file has such a note.
pub fn pvh_entry(input: &Input) -> Result<Option<u32>, Defect> {
    let header = kernel::file_header(input)?;
    for segment in kernel::segments(input, &header) {
        let segment = segment?;
        if segment.p_type != PT_NOTE {
            continue;
        }
        let end = segment.p_offset.checked_add(segment.p_filesz).ok_or(Defect::Headers)?;
        if segment.p_filesz > NOTES_MAX {
            return Err(Defect::Notes);
        }
        let mut notes = vec![0; segment.p_filesz as usize];
        if input.file.read_exact_at(&mut notes, segment.p_offset).is_err() {
            return Err(Defect::Truncated { what: "the notes", end, size: input.size });
        }
        if let Some(entry) = find(&notes)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn find(notes: &[u8]) -> Result<Option<u32>, Defect> {
    for note in NoteIterator::new(LittleEndian, Class::ELF64, ALIGN, notes) {
        let Note::Unknown(note) = note else { continue };
        if note.n_type == PHYS32_ENTRY && note.name == OWNER {
            // Four bytes, or eight as Linux has it.
            let low = note.desc.first_chunk().ok_or(Defect::Notes)?;
            if note.desc[4..].iter().any(|&byte| byte != 0) {
                return Err(Defect::Notes);
            }
            return Ok(Some(u32::from_le_bytes(*low)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut bytes = [owner.len() as u32, desc.len() as u32, kind].map(u32::to_le_bytes).concat();
        for part in [owner, desc] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        }
        bytes
    }

    #[test]
    fn the_note_is_found_among_others() {
        let others =
            [note(b"Linux\0", 0x101, &[0; 4]), note(b"GNU\0", 18, &[9; 8]), note(b"Xen\0", 6, b"linux\0")];
        assert_eq!(find(&others.concat()), Ok(None));
        for desc in [&[1, 2, 3, 4][..], &[1, 2, 3, 4, 0, 0, 0, 0]] {
            let notes = [others.concat(), note(b"Xen\0", 18, desc)].concat();
            assert_eq!(find(&notes), Ok(Some(0x0403_0201)));
        }
        assert_eq!(find(&note(b"Xen\0", 18, &[1, 2, 3])), Err(Defect::Notes));
        assert_eq!(find(&note(b"Xen\0", 18, &[0, 0, 0, 0, 1, 0, 0, 0])), Err(Defect::Notes));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let good = [note(b"Xen\0", 6, b"x"), note(b"Xen\0", 18, &[1; 4])].concat();
        for len in 0..good.len() {
            let _ = find(&good[..len]);
        }
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut notes = good.clone();
                notes[at] = value;
                let _ = find(&notes);
            }
        }
    }
}
