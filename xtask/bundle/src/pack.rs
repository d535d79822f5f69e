//! Bundles: several modules in one file, for boot loaders that load only one. The layout is that of
//! [`vmm_abi::boot::BUNDLE_MAGIC`].

use anyhow::{Result, ensure};
use vmm_abi::boot::{BUNDLE_ENTRY, BUNDLE_MAGIC};

const PAGE: usize = 4096;
const NAME: usize = 32;
/// Magic and count.
const HEADER: usize = 16;

/// Puts modules (name and content) into a bundle.
pub fn pack(modules: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    ensure!(HEADER + modules.len() * BUNDLE_ENTRY <= PAGE, "too many modules for the header page");
    let mut out = Vec::from(BUNDLE_MAGIC.to_le_bytes());
    out.extend((modules.len() as u64).to_le_bytes());
    let mut offset = PAGE;
    for (name, content) in modules {
        ensure!(!name.is_empty() && name.len() < NAME, "{name:?} cannot be a module's name");
        out.extend((offset as u64).to_le_bytes());
        out.extend((content.len() as u64).to_le_bytes());
        out.extend(name.bytes().chain(std::iter::repeat(0)).take(NAME));
        offset += content.len().next_multiple_of(PAGE);
    }
    for (_, content) in modules {
        out.resize(out.len().next_multiple_of(PAGE), 0);
        out.extend_from_slice(content);
    }
    out.resize(out.len().next_multiple_of(PAGE), 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> usize {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    }

    #[test]
    fn modules_lie_where_the_header_says() {
        let long = vec![7; PAGE + 1];
        let modules = [("sigma0", b"abc".to_vec()), ("root", long), ("empty", vec![])];
        let bundle = pack(&modules).unwrap();
        assert_eq!(word(&bundle, 0), BUNDLE_MAGIC as usize);
        assert_eq!(word(&bundle, 8), 3);
        assert_eq!(bundle.len() % PAGE, 0);
        for (i, (name, content)) in modules.iter().enumerate() {
            let at = HEADER + i * BUNDLE_ENTRY;
            let (offset, size) = (word(&bundle, at), word(&bundle, at + 8));
            assert_eq!(offset % PAGE, 0);
            assert_eq!(&bundle[offset..offset + size], content);
            let stored = &bundle[at + 16..at + BUNDLE_ENTRY];
            assert_eq!(stored[..name.len()], *name.as_bytes());
            assert!(stored[name.len()..].iter().all(|&b| b == 0));
        }
    }

    #[test]
    fn bad_names_and_too_many_modules_are_refused() {
        assert!(pack(&[("", vec![])]).is_err());
        assert!(pack(&[("a-name-of-more-than-31-characters", vec![])]).is_err());
        assert!(pack(&vec![("x", vec![]); 86]).is_err());
    }
}
