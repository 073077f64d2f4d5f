//! Who an end is, or what an ESP SA carries (RFC 2407 4.6.2).
//!
//! ```text
//! | kind | protocol | port | data: an address, an address and a mask, two addresses, a name |
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::ipsec::TrafficSelector;
use wire::{DecodeError, Decoder, Encoder};

use super::code_points::IdKind;
use crate::{IdType, Identification as Name};

/// An identification payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// How the data is to be read.
    pub kind: IdKind,
    /// IP protocol, 0 for any. In phase 1, 0 or UDP.
    pub protocol: u8,
    /// Port, 0 for any. In phase 1, 0 or 500.
    pub port: u16,
    /// The identification data.
    pub data: Vec<u8>,
}

impl Identification {
    /// Who an end is, as IKEv2 says it.
    #[must_use]
    pub fn of_end(name: Name) -> Self {
        // The kinds that name an end have the same numbers in both versions of IKE.
        let Name { kind, data, .. } = name;
        Self { kind: IdKind(kind.0), protocol: 0, port: 0, data }
    }

    /// Who an end says it is, as IKEv2 says it.
    #[must_use]
    pub fn end(&self) -> Name {
        Name::new(IdType(self.kind.0), self.data.clone())
    }

    /// What one side of an ESP SA carries. Ports other than "any" or a single one cannot be said and become "any".
    #[must_use]
    pub fn of_traffic(selector: &TrafficSelector) -> Self {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let (start, end, v4) = (octets(selector.start), octets(selector.end), selector.start.is_ipv4());
        let (kind, second) = match mask(&start, &end) {
            Some(mask) => (if v4 { IdKind::IPV4_ADDR_SUBNET } else { IdKind::IPV6_ADDR_SUBNET }, mask),
            None => (if v4 { IdKind::IPV4_ADDR_RANGE } else { IdKind::IPV6_ADDR_RANGE }, end),
        };
        let port = if selector.start_port == selector.end_port { selector.start_port } else { 0 };
        Self { kind, protocol: selector.protocol, port, data: [start, second].concat() }
    }

    /// The traffic that it selects; `None` if it is not of a kind that selects addresses.
    #[must_use]
    pub fn traffic(&self) -> Option<TrafficSelector> {
        let (start, end) = match self.kind {
            IdKind::IPV4_ADDR => (v4(&self.data)?, v4(&self.data)?),
            IdKind::IPV6_ADDR => (v6(&self.data)?, v6(&self.data)?),
            IdKind::IPV4_ADDR_SUBNET => subnet(v4_pair(&self.data)?)?,
            IdKind::IPV6_ADDR_SUBNET => subnet(v6_pair(&self.data)?)?,
            IdKind::IPV4_ADDR_RANGE => v4_pair(&self.data)?,
            IdKind::IPV6_ADDR_RANGE => v6_pair(&self.data)?,
            _ => return None,
        };
        if start > end {
            return None;
        }
        let (start_port, end_port) = if self.port == 0 { (0, 65535) } else { (self.port, self.port) };
        Some(TrafficSelector { protocol: self.protocol, start_port, end_port, start, end })
    }

    pub(super) fn decode(mut body: Decoder<'_>) -> Result<Self, DecodeError> {
        let kind = IdKind(body.u8("ID type")?);
        let protocol = body.u8("protocol")?;
        let port = body.u16("port")?;
        Ok(Self { kind, protocol, port, data: body.take_rest().to_vec() })
    }

    pub(super) fn encode(&self, encoder: &mut Encoder) {
        encoder.u8(self.kind.0);
        encoder.u8(self.protocol);
        encoder.u16(self.port);
        encoder.bytes(&self.data);
    }

    /// The payload without its generic header: what hashes cover.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.finish().unwrap_or_default()
    }
}

/// The mask with which `start` and `end` are a subnet.
fn mask(start: &[u8], end: &[u8]) -> Option<Vec<u8>> {
    let mask: Vec<u8> = start.iter().zip(end).map(|(start, end)| !(start ^ end)).collect();
    let begins = start.iter().zip(&mask).all(|(start, mask)| start & !mask == 0);
    (begins && is_prefix(&mask)).then_some(mask)
}

/// Ones, then zeros.
fn is_prefix(mask: &[u8]) -> bool {
    let bits = mask.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
    bits.is_sorted_by(|a, b| a >= b)
}

fn v4(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into())
}

fn v6(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into())
}

fn v4_pair(octets: &[u8]) -> Option<(IpAddr, IpAddr)> {
    (octets.len() == 8).then(|| octets.split_at(4)).and_then(|(one, two)| Some((v4(one)?, v4(two)?)))
}

fn v6_pair(octets: &[u8]) -> Option<(IpAddr, IpAddr)> {
    (octets.len() == 32).then(|| octets.split_at(16)).and_then(|(one, two)| Some((v6(one)?, v6(two)?)))
}

/// First and last address of what an address and a mask say.
fn subnet((address, mask): (IpAddr, IpAddr)) -> Option<(IpAddr, IpAddr)> {
    match (address, mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) if is_prefix(&mask.octets()) => {
            let (address, mask) = (address.to_bits(), mask.to_bits());
            Some((Ipv4Addr::from(address & mask).into(), Ipv4Addr::from(address | !mask).into()))
        }
        (IpAddr::V6(address), IpAddr::V6(mask)) if is_prefix(&mask.octets()) => {
            let (address, mask) = (address.to_bits(), mask.to_bits());
            Some((Ipv6Addr::from(address & mask).into(), Ipv6Addr::from(address | !mask).into()))
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    }
}
