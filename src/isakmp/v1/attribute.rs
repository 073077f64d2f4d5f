//! Data attributes (RFC 2408 3.3): a type with two octets of value (TV), or with a length and a value (TLV).

use wire::{DecodeError, Decoder, Encoder};

/// Marks an attribute whose value is the two octets after its type.
const SHORT_FORM: u16 = 0x8000;

/// One attribute of a transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Type and value in two octets.
    Short(u16, u16),
    /// Type and value of any length.
    Long(u16, Vec<u8>),
}

impl Attribute {
    /// A number in the shortest form that holds it.
    #[must_use]
    pub fn number(kind: u16, value: u32) -> Self {
        match u16::try_from(value) {
            Ok(value) => Self::Short(kind, value),
            Err(_) => Self::Long(kind, value.to_be_bytes().to_vec()),
        }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Short(kind, _) | Self::Long(kind, _) => *kind,
        }
    }

    /// The value as a number; more than 8 octets of value are none.
    #[must_use]
    pub fn value(&self) -> Option<u64> {
        match self {
            Self::Short(_, value) => Some((*value).into()),
            Self::Long(_, octets) if octets.len() <= 8 => {
                Some(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
            }
            Self::Long(..) => None,
        }
    }

    pub(super) fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let kind = body.u16("attribute type")?;
        let value = body.u16("attribute value or length")?;
        if kind & SHORT_FORM != 0 {
            return Ok(Self::Short(kind & !SHORT_FORM, value));
        }
        Ok(Self::Long(kind, body.take(value.into(), "attribute value")?.to_vec()))
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Short(kind, value) => {
                encoder.u16(kind | SHORT_FORM);
                encoder.u16(*value);
            }
            Self::Long(kind, value) => {
                encoder.u16(kind & !SHORT_FORM);
                encoder.length_u16().bytes(value);
            }
        }
    }
}
