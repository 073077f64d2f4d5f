//! Errors and statuses (RFC 7296 3.10).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  protocol ID  |   SPI size    |      notify message type      |
//! +---------------+---------------+-------------------------------+
//! |                     SPI, then notification data               |
//! +---------------------------------------------------------------+
//! ```

use crypto::GroupId;
use wire::ipsec::Spi;
use wire::{DecodeError, Decoder, Encoder};

use super::code_points::{NotifyType, ProtocolId};

/// An error or a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The protocol of the SA it concerns; [`ProtocolId::NONE`] if there is no SPI.
    pub protocol: ProtocolId,
    /// The SA it concerns; empty for the IKE SA the message belongs to.
    pub spi: Vec<u8>,
    /// What it says.
    pub kind: NotifyType,
    /// More about it.
    pub data: Vec<u8>,
}

impl Notify {
    /// A notification that is all said by its type.
    #[must_use]
    pub const fn new(kind: NotifyType) -> Self {
        Self::with_data(kind, Vec::new())
    }

    /// A notification with data and without an SPI.
    #[must_use]
    pub const fn with_data(kind: NotifyType, data: Vec<u8>) -> Self {
        Self { protocol: ProtocolId::NONE, spi: Vec::new(), kind, data }
    }

    /// `kind`, about the ESP SA named `spi`.
    #[must_use]
    pub fn about_esp(kind: NotifyType, spi: Spi) -> Self {
        Self { protocol: ProtocolId::ESP, spi: spi.0.to_be_bytes().to_vec(), kind, data: Vec::new() }
    }

    /// "This CREATE_CHILD_SA replaces the ESP SA in which I receive on `spi`" (RFC 7296 1.3.3).
    #[must_use]
    pub fn rekey_sa(spi: Spi) -> Self {
        Self::about_esp(NotifyType::REKEY_SA, spi)
    }

    /// "Use this group instead" (RFC 7296 1.2).
    #[must_use]
    pub fn invalid_ke_payload(wanted: GroupId) -> Self {
        Self::with_data(NotifyType::INVALID_KE_PAYLOAD, wanted.0.to_be_bytes().to_vec())
    }

    /// Whether it reports an error.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.kind.is_error()
    }

    /// The group that an `INVALID_KE_PAYLOAD` asks for.
    #[must_use]
    pub fn wanted_group(&self) -> Option<GroupId> {
        if self.kind != NotifyType::INVALID_KE_PAYLOAD {
            return None;
        }
        self.data.as_slice().try_into().ok().map(|octets| GroupId(u16::from_be_bytes(octets)))
    }

    /// The ESP SA it concerns.
    #[must_use]
    pub fn esp_spi(&self) -> Option<Spi> {
        if self.protocol != ProtocolId::ESP {
            return None;
        }
        self.spi.as_slice().try_into().ok().map(|octets| Spi(u32::from_be_bytes(octets)))
    }

    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let protocol = ProtocolId(body.u8("protocol ID")?);
        let spi_size = body.u8("SPI size")?;
        let kind = NotifyType(body.u16("notify message type")?);
        let spi = body.take(spi_size.into(), "SPI")?.to_vec();
        Ok(Self { protocol, spi, kind, data: body.take_rest().to_vec() })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.u8(self.protocol.0);
        encoder.count_u8(self.spi.len());
        encoder.u16(self.kind.0);
        encoder.bytes(&self.spi);
        encoder.bytes(&self.data);
    }
}
