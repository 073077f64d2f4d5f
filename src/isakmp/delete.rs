//! SAs that are gone (RFC 7296 3.11).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  protocol ID  |   SPI size    |        number of SPIs         |
//! +---------------+---------------+-------------------------------+
//! |                            the SPIs                           |
//! +---------------------------------------------------------------+
//! ```

use wire::ipsec::Spi;
use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::code_points::ProtocolId;

const ESP_SPI_LEN: u8 = 4;

/// SAs that the sender has closed, named as the sender receives on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delete {
    /// The IKE SA the message belongs to, with everything under it.
    Ike,
    /// ESP SAs.
    Esp(Vec<Spi>),
    /// SAs of a protocol that is not spoken here.
    Other {
        /// Their protocol.
        protocol: ProtocolId,
        /// Octets of one SPI.
        spi_size: u8,
        /// How many.
        count: u16,
        /// The SPIs, one after the other.
        spis: Vec<u8>,
    },
}

impl Delete {
    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let protocol = ProtocolId(body.u8("protocol ID")?);
        let spi_size = body.u8("SPI size")?;
        let count = body.u16("number of SPIs")?;
        let mut spis = body.sub(usize::from(spi_size) * usize::from(count), "SPIs")?;
        body.finish("SPIs")?;
        match (protocol, spi_size) {
            // RFC 7296 3.11: the SPI size is zero for IKE.
            (ProtocolId::IKE, 0) => Ok(Self::Ike),
            (ProtocolId::ESP, ESP_SPI_LEN) => {
                let mut list = Vec::with_capacity(spis.remaining() / usize::from(ESP_SPI_LEN));
                while !spis.is_empty() {
                    list.push(Spi(spis.u32("SPI")?));
                }
                Ok(Self::Esp(list))
            }
            (ProtocolId::IKE | ProtocolId::ESP, length) => {
                Err(body.error("SPI size", DecodeReason::Length { length: length.into() }))
            }
            _ => Ok(Self::Other { protocol, spi_size, count, spis: spis.take_rest().to_vec() }),
        }
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Ike => {
                encoder.u8(ProtocolId::IKE.0);
                encoder.u8(0);
                encoder.u16(0);
            }
            Self::Esp(spis) => {
                encoder.u8(ProtocolId::ESP.0);
                encoder.u8(ESP_SPI_LEN);
                encoder.count_u16(spis.len());
                for spi in spis {
                    encoder.u32(spi.0);
                }
            }
            Self::Other { protocol, spi_size, count, spis } => {
                encoder.u8(protocol.0);
                encoder.u8(*spi_size);
                encoder.u16(*count);
                encoder.bytes(spis);
            }
        }
    }
}
