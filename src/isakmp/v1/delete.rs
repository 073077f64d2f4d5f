//! What the sender has deleted (RFC 2408 3.15).

use wire::ipsec::{IkeSpi, Spi};
use wire::{DecodeError, DecodeReason, Decoder, Encoder};

use super::DOI_IPSEC;
use super::code_points::Protocol;

/// SAs that are gone at the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Of which protocol.
    pub protocol: Protocol,
    /// Octets of each SPI.
    pub spi_size: u8,
    /// Their SPIs: those the sender received on.
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// The ISAKMP SA with these cookies.
    #[must_use]
    pub fn isakmp(initiator: IkeSpi, responder: IkeSpi) -> Self {
        let spi = [initiator.to_be_bytes(), responder.to_be_bytes()].concat();
        Self { protocol: Protocol::ISAKMP, spi_size: 16, spis: vec![spi] }
    }

    /// ESP SAs.
    #[must_use]
    pub fn esp(spis: &[Spi]) -> Self {
        let spis = spis.iter().map(|spi| spi.0.to_be_bytes().to_vec()).collect();
        Self { protocol: Protocol::ESP, spi_size: 4, spis }
    }

    /// The ESP SAs it names.
    pub fn esp_spis(&self) -> impl Iterator<Item = Spi> {
        let octets = self.spis.iter().filter(|_| self.protocol == Protocol::ESP);
        octets.filter_map(|octets| octets.as_slice().try_into().ok().map(|octets| Spi(u32::from_be_bytes(octets))))
    }

    /// Whether it names the ISAKMP SA with these cookies.
    #[must_use]
    pub fn names(&self, initiator: IkeSpi, responder: IkeSpi) -> bool {
        let cookies = [initiator.to_be_bytes(), responder.to_be_bytes()].concat();
        self.protocol == Protocol::ISAKMP && self.spis.contains(&cookies)
    }

    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        super::domain(&mut body)?;
        let protocol = Protocol(body.u8("protocol ID")?);
        let spi_size = body.u8("SPI size")?;
        let count = usize::from(body.u16("number of SPIs")?);
        // An SPI of no octets would let a count allocate more than the input holds.
        if spi_size == 0 || body.remaining() != count * usize::from(spi_size) {
            return Err(body.error("SPI size", DecodeReason::Length { length: spi_size.into() }));
        }
        let spis = body.take_rest().chunks_exact(spi_size.into()).map(<[u8]>::to_vec).collect();
        Ok(Self { protocol, spi_size, spis })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.u32(DOI_IPSEC);
        encoder.u8(self.protocol.0);
        encoder.u8(self.spi_size);
        encoder.count_u16(self.spis.len());
        self.spis.iter().for_each(|spi| encoder.bytes(spi));
    }
}
