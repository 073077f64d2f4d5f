//! Errors and statuses (RFC 2408 3.14).

use wire::ipsec::Spi;
use wire::{DecodeError, Decoder, Encoder};

use super::code_points::{NotifyKind, Protocol};
use super::{Attribute, DOI_IPSEC};

/// An error or a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The protocol of the SA it concerns.
    pub protocol: Protocol,
    /// The SA it concerns: both cookies of an ISAKMP SA, the SPI of ESP, or nothing.
    pub spi: Vec<u8>,
    /// What it says.
    pub kind: NotifyKind,
    /// More about it.
    pub data: Vec<u8>,
}

impl Notify {
    /// About phase 1.
    #[must_use]
    pub const fn isakmp(kind: NotifyKind) -> Self {
        Self { protocol: Protocol::ISAKMP, spi: Vec::new(), kind, data: Vec::new() }
    }

    /// About an ESP SA.
    #[must_use]
    pub fn esp(kind: NotifyKind, spi: Spi) -> Self {
        Self { protocol: Protocol::ESP, spi: spi.0.to_be_bytes().to_vec(), kind, data: Vec::new() }
    }

    /// The attributes that `RESPONDER-LIFETIME` carries (RFC 2407 4.6.3.1).
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn attributes(&self) -> Result<Vec<Attribute>, DecodeError> {
        let mut body = Decoder::new(&self.data);
        let mut attributes = Vec::new();
        while !body.is_empty() {
            attributes.push(Attribute::decode(&mut body)?);
        }
        Ok(attributes)
    }

    /// With attributes for data.
    #[must_use]
    pub fn with_attributes(mut self, attributes: &[Attribute]) -> Self {
        let mut encoder = Encoder::new();
        attributes.iter().for_each(|attribute| attribute.encode(&mut encoder));
        self.data = encoder.finish().unwrap_or_default();
        self
    }

    /// A sequence number of dead peer detection (RFC 3706 5.3).
    #[must_use]
    pub fn sequence(&self) -> Option<u32> {
        self.data.as_slice().try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        super::domain(&mut body)?;
        let protocol = Protocol(body.u8("protocol ID")?);
        let spi_size = body.u8("SPI size")?;
        let kind = NotifyKind(body.u16("notify message type")?);
        let spi = body.take(spi_size.into(), "SPI")?.to_vec();
        Ok(Self { protocol, spi, kind, data: body.take_rest().to_vec() })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.u32(DOI_IPSEC);
        encoder.u8(self.protocol.0);
        encoder.count_u8(self.spi.len());
        encoder.u16(self.kind.0);
        encoder.bytes(&self.spi);
        encoder.bytes(&self.data);
    }
}
