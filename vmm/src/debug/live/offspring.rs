//! Copies that the guest has made of a page with a byte of ours in it.
//!
//! A page that a program may write to is its own, so breakpoints are put right there. When the program forks, the Linux server copies the page, and the child has the
//! byte, too, of which nobody knows. When it runs into it while we are there it is put right (`sort`); but the breakpoint, or the debugger, may
//! be gone before. So when a breakpoint goes, the copies are looked for: pages of RAM that are the same but for our bytes.

use super::guest::Guest;
use crate::debug::view::View;

const PAGE: u64 = 4096;
/// What is compared first.
const SAMPLE: usize = 16;

/// A page, without and with what is ours in it.
struct Page {
    theirs: Vec<u8>,
    real: Vec<u8>,
}

impl Guest {
    /// Puts right the copies of the page that our byte at physical address `at` is on.
    pub fn heal_copies(&self, at: u64) {
        let frame = at / PAGE * PAGE;
        let offset = (at % PAGE) as usize;
        let Some(page) = self.page_at(frame) else { return };
        if page.theirs[offset] == page.real[offset] {
            return;
        }
        let sample = offset.min(PAGE as usize - SAMPLE);
        let frames = View::ram(&self.machine)
            .into_iter()
            .flat_map(|(start, size)| (start..start + size).step_by(PAGE as usize));
        for other in frames.filter(|other| *other != frame) {
            let mut some = [0; SAMPLE];
            let near = other + sample as u64;
            let alike = View::read(&self.machine, near, &mut some).is_ok()
                && page.is_copied(sample, &some)
                && some[offset - sample] == page.real[offset];
            if alike && self.page_at(other).is_some_and(|copy| page.is_copied(0, &copy.real)) {
                // It has just been read.
                let _ = self.machine.write(other + offset as u64, &page.theirs[offset..=offset]);
            }
        }
    }

    fn page_at(&self, frame: u64) -> Option<Page> {
        let mut real = vec![0; PAGE as usize];
        View::read(&self.machine, frame, &mut real).ok()?;
        let mut theirs = real.clone();
        self.patches.hide(frame, &mut theirs);
        Some(Page { theirs, real })
    }
}

impl Page {
    /// Whether `bytes` may be a copy of what is at `offset`, made at any time: with our bytes or without.
    fn is_copied(&self, offset: usize, bytes: &[u8]) -> bool {
        let both = self.theirs[offset..].iter().zip(&self.real[offset..]);
        both.zip(bytes).all(|((theirs, real), byte)| byte == theirs || byte == real)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::control::Control;
    use crate::debug::live::machine::Machine;
    use crate::events::Mailbox;
    use crate::memory;

    #[test]
    fn copies_are_put_right_and_nothing_else() {
        let control = Control::new(&[], false, Mailbox::new().unwrap().0).unwrap();
        let ram = memory::allocate(4 << 20).unwrap();
        let machine = Machine::new(control, ram.clone(), ram);
        let mut guest =
            Guest { machine, ours: None, patches: Default::default(), copies: Default::default() };
        let code: Vec<u8> = (0..=255).cycle().take(PAGE as usize).collect();
        guest.machine.write(0x1000, &code).unwrap();
        for at in [0x1234, 0x1fff] {
            guest.patches.put(&guest.machine, at, 0xcc).unwrap();
        }
        let mut copy = vec![0; PAGE as usize];
        View::read(&guest.machine, 0x1000, &mut copy).unwrap();
        guest.machine.write(0x5000, &copy).unwrap();
        // One that was made before, and something else that has the byte there.
        copy[0x234] = code[0x234];
        guest.machine.write(0x8000, &copy).unwrap();
        guest.machine.write(0x7234, &[0xcc]).unwrap();
        for at in [0x1234, 0x1fff] {
            guest.heal_copies(at);
            guest.patches.take(&guest.machine, at).unwrap();
        }
        for (frame, content) in [(0x1000, &code), (0x5000, &code), (0x8000, &code)] {
            let mut now = vec![0; PAGE as usize];
            View::read(&guest.machine, frame, &mut now).unwrap();
            assert!(now == *content, "{frame:#x}");
        }
        let mut other = [0];
        View::read(&guest.machine, 0x7234, &mut other).unwrap();
        assert_eq!(other, [0xcc]);
    }
}
