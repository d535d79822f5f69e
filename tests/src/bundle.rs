//! Adds modules to a bundle: the boot files of a server set in one file, for boot loaders that load only one.
//! The layout is that of [`vmm_abi::boot::BUNDLE_MAGIC`].

use vmm_abi::boot::{BUNDLE_ENTRY, BUNDLE_MAGIC};

const PAGE: usize = 4096;
/// Magic number and count.
const HEADER: usize = 16;

/// Adds a module at the end.
pub fn add(bundle: &mut Vec<u8>, name: &str, content: &[u8]) -> Result<(), String> {
    let word = |at: usize| bundle.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes")));
    if word(0) != Some(BUNDLE_MAGIC) {
        return Err("not a bundle".to_owned());
    }
    let count = word(8).ok_or("a bundle without a header")? as usize;
    let entry = HEADER + count * BUNDLE_ENTRY;
    if entry + BUNDLE_ENTRY > PAGE || bundle.len() < PAGE {
        return Err(format!("no room for module {name} behind {count} others"));
    }
    bundle.resize(bundle.len().next_multiple_of(PAGE), 0);
    let offset = bundle.len() as u64;
    bundle.extend_from_slice(content);
    bundle.resize(bundle.len().next_multiple_of(PAGE), 0);
    bundle[8..16].copy_from_slice(&(count as u64 + 1).to_le_bytes());
    bundle[entry..entry + 8].copy_from_slice(&offset.to_le_bytes());
    bundle[entry + 8..entry + 16].copy_from_slice(&(content.len() as u64).to_le_bytes());
    let field = &mut bundle[entry + 16..entry + BUNDLE_ENTRY];
    field.fill(0);
    field[..name.len()].copy_from_slice(name.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Vec<u8> {
        let mut bundle = vec![0; PAGE];
        bundle[..8].copy_from_slice(&BUNDLE_MAGIC.to_le_bytes());
        bundle
    }

    #[test]
    fn modules_are_added_behind_each_other() {
        let mut bundle = empty();
        add(&mut bundle, "one", &[1; 5000]).unwrap();
        add(&mut bundle, "two", b"22").unwrap();
        assert_eq!(bundle.len(), 4 * PAGE);
        assert_eq!(bundle[8], 2);
        let entry = &bundle[HEADER + BUNDLE_ENTRY..][..BUNDLE_ENTRY];
        assert_eq!(u64::from_le_bytes(entry[..8].try_into().unwrap()), 3 * PAGE as u64);
        assert_eq!(entry[8], 2);
        assert_eq!(&entry[16..20], b"two\0");
        assert_eq!(&bundle[3 * PAGE..][..3], b"22\0");
    }

    #[test]
    fn what_is_no_bundle_or_full_is_refused() {
        assert!(add(&mut vec![], "x", b"").is_err());
        assert!(add(&mut vec![0; PAGE], "x", b"").is_err());
        let mut bundle = empty();
        while add(&mut bundle, "x", b"").is_ok() {}
        assert!(bundle[8] > 80);
    }
}
