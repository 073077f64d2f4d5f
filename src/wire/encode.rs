//! Encoding: appended fields, and lengths that patch themselves.

use std::ops::{Deref, DerefMut};

/// A body outgrew its length field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a body of {length} octets does not fit its {width}-octet length field")]
pub struct TooLong {
    /// Octets the body (and what else the field counts) takes.
    pub length: usize,
    /// Width of the length field in octets.
    pub width: u8,
}

/// Appends big-endian fields to a growing buffer.
#[derive(Debug, Default)]
pub struct Encoder {
    out: Vec<u8>,
    overflow: Option<TooLong>,
}

impl Encoder {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { out: Vec::new(), overflow: None }
    }

    /// Appends to `out`, so that a caller can reuse its allocation.
    #[must_use]
    pub const fn reuse(out: Vec<u8>) -> Self {
        Self { out, overflow: None }
    }

    /// Octets written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written so far.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    /// Appends one octet.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Appends two octets.
    pub fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends four octets.
    pub fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends eight octets.
    pub fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Appends octets as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Appends `count` zero octets.
    pub fn zeros(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, 0);
    }

    /// Appends a number of items as one octet; more than it holds makes [`Self::finish`] fail.
    pub fn count_u8(&mut self, count: usize) {
        self.count(1, count);
    }

    /// Appends a number of items, or of octets that stand elsewhere, as two octets; more than they hold makes
    /// [`Self::finish`] fail.
    pub fn count_u16(&mut self, count: usize) {
        self.count(2, count);
    }

    /// Overwrites one octet at `offset`; an offset that was not yet written is a bug of the caller.
    pub fn patch_u8(&mut self, offset: usize, value: u8) {
        self.out[offset] = value;
    }

    /// Writes a one-octet length that counts what follows it, up to the guard's drop.
    pub fn length_u8(&mut self) -> LengthGuard<'_> {
        self.length(1, 0)
    }

    /// Writes a two-octet length that counts what follows it, up to the guard's drop.
    pub fn length_u16(&mut self) -> LengthGuard<'_> {
        self.length(2, 0)
    }

    /// Writes a four-octet length that counts what follows it, up to the guard's drop.
    pub fn length_u32(&mut self) -> LengthGuard<'_> {
        self.length(4, 0)
    }

    /// Writes a `width`-octet length that counts `before` octets ahead of the body besides the body: for
    /// formats whose length includes their own header, header octets and the field itself.
    pub fn length(&mut self, width: u8, before: usize) -> LengthGuard<'_> {
        let at = self.out.len();
        self.zeros(width.into());
        LengthGuard { encoder: self, at, width, before }
    }

    fn count(&mut self, width: u8, count: usize) {
        let octets = count.to_be_bytes();
        let (unused, used) = octets.split_at(octets.len() - usize::from(width));
        if unused.iter().any(|octet| *octet != 0) {
            self.overflow.get_or_insert(TooLong { length: count, width });
        }
        self.out.extend_from_slice(used);
    }

    /// Ends encoding.
    ///
    /// # Errors
    /// [`TooLong`] if any body outgrew its length field.
    pub fn finish(self) -> Result<Vec<u8>, TooLong> {
        match self.overflow {
            Some(error) => Err(error),
            None => Ok(self.out),
        }
    }
}

/// Writes through to its [`Encoder`]; patches the length field when dropped.
#[derive(Debug)]
pub struct LengthGuard<'a> {
    encoder: &'a mut Encoder,
    at: usize,
    width: u8,
    before: usize,
}

impl Deref for LengthGuard<'_> {
    type Target = Encoder;

    fn deref(&self) -> &Encoder {
        self.encoder
    }
}

impl DerefMut for LengthGuard<'_> {
    fn deref_mut(&mut self) -> &mut Encoder {
        self.encoder
    }
}

impl Drop for LengthGuard<'_> {
    fn drop(&mut self) {
        let width = usize::from(self.width);
        let length = self.encoder.out.len() - self.at - width + self.before;
        let octets = length.to_be_bytes();
        let (unused, used) = octets.split_at(octets.len() - width);
        if unused.iter().any(|octet| *octet != 0) {
            self.encoder.overflow.get_or_insert(TooLong { length, width: self.width });
        }
        self.encoder.out[self.at..self.at + width].copy_from_slice(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_nest_and_count_their_header_where_asked() {
        let mut encoder = Encoder::new();
        encoder.u8(7);
        {
            let mut outer = encoder.length(2, 3);
            outer.u8(1);
            let mut inner = outer.length_u8();
            inner.bytes(b"abc");
        }
        assert_eq!(encoder.finish().unwrap(), [7, 0, 8, 1, 3, b'a', b'b', b'c']);
    }

    #[test]
    fn a_count_that_does_not_fit_is_an_error() {
        let mut encoder = Encoder::new();
        encoder.count_u8(255);
        encoder.count_u16(256);
        assert_eq!(encoder.as_slice(), [255, 1, 0]);
        encoder.count_u8(256);
        assert_eq!(encoder.finish(), Err(TooLong { length: 256, width: 1 }));
    }

    #[test]
    fn an_overgrown_body_is_an_error_not_a_wrapped_length() {
        let mut encoder = Encoder::new();
        encoder.length_u8().zeros(256);
        assert_eq!(encoder.finish(), Err(TooLong { length: 256, width: 1 }));
    }
}
