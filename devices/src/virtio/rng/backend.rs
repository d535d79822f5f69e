//! Where the random bytes come from.

/// A source of random bytes.
pub trait Entropy: Send {
    /// Fills `bytes`, at once. Returns how many from their begin: fewer only where something is wrong with the source.
    fn fill(&mut self, bytes: &mut [u8]) -> usize;
}

impl<F: FnMut(&mut [u8]) -> usize + Send> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) -> usize {
        self(bytes)
    }
}
