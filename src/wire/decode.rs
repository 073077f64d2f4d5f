//! Decoding of framed input: every failure names its offset and field.
//!
//! The primitive parsers are nom's `complete` ones: a datagram or a framed message is all there is, so
//! running out of it is an error, never a request for more.

use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};
use nom::{IResult, Parser};

/// Where, at which field and why decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} at octet {offset}: {reason}")]
pub struct DecodeError {
    /// Octets from the start of the outermost input.
    pub offset: usize,
    /// The field being read, in the words of its RFC.
    pub field: &'static str,
    /// What was wrong with it.
    pub reason: DecodeReason,
}

/// What was wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeReason {
    /// The input ends inside the field.
    #[error("needs {needed} octets, {available} left")]
    Truncated {
        /// Octets the field takes.
        needed: usize,
        /// Octets there are.
        available: usize,
    },
    /// The field is complete, yet octets remain.
    #[error("{extra} octets left over")]
    Trailing {
        /// Octets left over.
        extra: usize,
    },
    /// A length field contradicts what it measures.
    #[error("length {length} is not valid here")]
    Length {
        /// The declared length.
        length: usize,
    },
    /// A value outside what the field allows.
    #[error("value {value} is not valid here")]
    Value {
        /// The value found.
        value: u64,
    },
}

/// A cursor over a framed slice. Cheap to copy; sub-decoders keep counting from the outermost start.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at octet 0 of `input`.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self { rest: input, offset: 0 }
    }

    /// Octets from the start of the outermost input.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Octets not yet read.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one octet.
    ///
    /// # Errors
    /// [`DecodeReason::Truncated`]; so for all readers below.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.run(field, 1, be_u8)
    }

    /// Reads two octets, big-endian.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.run(field, 2, be_u16)
    }

    /// Reads four octets, big-endian.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.run(field, 4, be_u32)
    }

    /// Reads eight octets, big-endian.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.run(field, 8, be_u64)
    }

    /// Reads `count` octets.
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.run(field, count, take(count))
    }

    /// Reads exactly `N` octets into an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, field)?);
        Ok(array)
    }

    /// Splits off a decoder over the next `count` octets.
    pub fn sub(&mut self, count: usize, field: &'static str) -> Result<Self, DecodeError> {
        let offset = self.offset;
        Ok(Self { rest: self.take(count, field)?, offset })
    }

    /// Takes everything that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.offset += rest.len();
        self.rest = &[];
        rest
    }

    /// Ends decoding.
    ///
    /// # Errors
    /// [`DecodeReason::Trailing`] if octets are left.
    pub fn finish(self, field: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(self.error(field, DecodeReason::Trailing { extra })),
        }
    }

    /// An error at the present offset.
    #[must_use]
    pub const fn error(&self, field: &'static str, reason: DecodeReason) -> DecodeError {
        DecodeError { offset: self.offset, field, reason }
    }

    /// A [`DecodeReason::Value`] error at the present offset.
    pub fn invalid(&self, field: &'static str, value: impl Into<u64>) -> DecodeError {
        self.error(field, DecodeReason::Value { value: value.into() })
    }

    fn run<T>(
        &mut self,
        field: &'static str,
        needed: usize,
        mut parser: impl Parser<&'a [u8], Output = T, Error = nom::error::Error<&'a [u8]>>,
    ) -> Result<T, DecodeError> {
        let parsed: IResult<&'a [u8], T> = parser.parse(self.rest);
        let Ok((rest, value)) = parsed else {
            let available = self.rest.len();
            return Err(self.error(field, DecodeReason::Truncated { needed, available }));
        };
        self.offset += self.rest.len() - rest.len();
        self.rest = rest;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_count_from_the_outermost_start() {
        let mut outer = Decoder::new(&[0, 3, 1, 2, 3, 9]);
        let length = outer.u16("length").unwrap();
        let mut inner = outer.sub(length.into(), "body").unwrap();
        inner.u8("kind").unwrap();
        let error = inner.u32("value").unwrap_err();
        assert_eq!((error.offset, error.field), (3, "value"));
        assert_eq!(error.to_string(), "value at octet 3: needs 4 octets, 2 left");
        assert_eq!(outer.finish("message").unwrap_err().reason, DecodeReason::Trailing { extra: 1 });
    }

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut decoder = Decoder::new(&[1, 2, 3]);
        assert!(decoder.u32("word").is_err());
        assert_eq!(decoder.array::<3>("bytes").unwrap(), [1, 2, 3]);
        assert!(decoder.finish("end").is_ok());
    }
}
