//! Randomness as a parameter.

/// A source of unpredictable octets, handed to the machines that need it. The process passes the operating
/// system's generator; tests pass a seeded one and get the same run again.
pub trait Entropy: Send {
    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]);

    /// Four random octets as a number.
    fn random_u32(&mut self) -> u32 {
        let mut octets = [0; 4];
        self.fill(&mut octets);
        u32::from_be_bytes(octets)
    }

    /// Eight random octets as a number.
    fn random_u64(&mut self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_be_bytes(octets)
    }
}

impl<F: FnMut(&mut [u8]) + Send> Entropy for F {
    fn fill(&mut self, out: &mut [u8]) {
        self(out);
    }
}
