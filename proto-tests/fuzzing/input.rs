//! An input read as a script: small numbers and pieces with their lengths in front, zeroes and nothing past its end.

/// The part of an input that was not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// One of `count` places; `count` is not zero.
    pub(super) fn index(&mut self, count: usize) -> usize {
        usize::from(self.u8()) % count
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// Octets behind their number in two octets.
    pub(super) fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.u16());
        self.take(length)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// The writing side, for seeds.
#[derive(Clone, Debug, Default)]
pub(super) struct Script(Vec<u8>);

impl Script {
    pub(super) fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    pub(super) fn piece(self, piece: &[u8]) -> Self {
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        self.octets(&length.to_be_bytes()).octets(&piece[..usize::from(length)])
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}
