//! Identities on the wire (RFC 7296 3.5).
//!
//! ```text
//! +---------------+-----------------------------------------------+
//! |    ID type    |                   reserved                    |
//! +---------------+-----------------------------------------------+
//! |                     identification data                       |
//! +---------------------------------------------------------------+
//! ```

use wire::{DecodeError, Decoder, Encoder};

use super::code_points::IdType;

/// An identity as it travels; what it means is told by the room `identity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// How to read `data`.
    pub kind: IdType,
    /// Zero from us; kept because the AUTH payload covers these octets as they were sent.
    pub reserved: [u8; 3],
    /// The identity.
    pub data: Vec<u8>,
}

impl Identification {
    /// An identity of ours.
    #[must_use]
    pub const fn new(kind: IdType, data: Vec<u8>) -> Self {
        Self { kind, reserved: [0; 3], data }
    }

    /// The payload without its generic header: what the AUTH payload covers (RFC 7296 2.15).
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(4 + self.data.len());
        body.push(self.kind.0);
        body.extend_from_slice(&self.reserved);
        body.extend_from_slice(&self.data);
        body
    }

    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let kind = IdType(body.u8("ID type")?);
        let reserved = body.array("reserved")?;
        Ok(Self { kind, reserved, data: body.take_rest().to_vec() })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.u8(self.kind.0);
        encoder.bytes(&self.reserved);
        encoder.bytes(&self.data);
    }
}
