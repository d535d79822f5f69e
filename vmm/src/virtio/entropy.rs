//! Random bytes of the host's kernel, for the entropy device.

use std::io::{self, ErrorKind};

/// Fills `bytes` by `getrandom`, which every kernel has since Linux 3.17 and which waits only on a host that has just been switched on. Returns
/// how many: all, unless the host forbids it.
pub fn fill(bytes: &mut [u8]) -> usize {
    let mut done = 0;
    while let rest @ [_, ..] = &mut bytes[done..] {
        // SAFETY: `rest` is as long as it is said to be, and ours.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => done += count,
            Err(_) if io::Error::last_os_error().kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                tracing::error!("no random bytes for the guest: {}", io::Error::last_os_error());
                break;
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_buffers_are_filled_to_their_end() {
        let (mut some, mut others) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        assert_eq!((fill(&mut some), fill(&mut others)), (1 << 20, 1 << 20));
        assert_ne!(some, others);
        // A byte of 64 zeros in a row has a chance of 2^-500.
        assert!(some.chunks(64).all(|chunk| chunk.iter().any(|&b| b != 0)));
        assert_eq!(fill(&mut []), 0);
    }
}
