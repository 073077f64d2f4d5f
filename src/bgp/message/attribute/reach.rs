//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 3 and 4; IPv6: RFC 2545 3, RFC 8950 3; errors: RFC 7606 5.3, 7.11, 7.12).
//!
//! ```text
//!  reach:    | AFI (2) | SAFI | next hop length | next hop | reserved | prefixes ...
//!  unreach:  | AFI (2) | SAFI | prefixes ...
//! ```

use std::net::{IpAddr, Ipv6Addr};

use super::{AttributeCode, flag};
use crate::message::fault::{Defect, Problem};
use crate::message::nlri;
use crate::message::update::Terms;
use crate::{Family, Nlri};

/// What MP_REACH_NLRI announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::message) struct Reach {
    pub(in crate::message) next_hop: IpAddr,
    pub(in crate::message) prefixes: Vec<Nlri>,
}

/// What MP_UNREACH_NLRI withdraws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::message) struct Unreach {
    pub(in crate::message) family: Family,
    pub(in crate::message) prefixes: Vec<Nlri>,
}

/// Reads MP_REACH_NLRI. Whatever hides its prefixes ends the session.
pub(in crate::message) fn decode_reach(value: &[u8], terms: &Terms) -> Result<Reach, Defect> {
    let length = |expected| Problem::Length { found: value.len(), expected };
    let ([afi_high, afi_low, safi, next_hop_len, rest @ ..], true) = (value, value.len() >= 5) else {
        return Err(length("at least 5").reset());
    };
    let family = negotiated(u16::from_be_bytes([*afi_high, *afi_low]), *safi, &terms.families)?;
    let next_hop_len = usize::from(*next_hop_len);
    let (Some(next_hop), Some(field)) = (rest.get(..next_hop_len), rest.get(next_hop_len + 1..)) else {
        return Err(length("as much as its next hop takes").reset());
    };
    let next_hop = decode_next_hop(family, next_hop, terms)?;
    let prefixes = nlri::decode(family, terms.receives_path_ids(family), field).map_err(Problem::reset)?;
    Ok(Reach { next_hop, prefixes })
}

/// Reads MP_UNREACH_NLRI.
pub(in crate::message) fn decode_unreach(value: &[u8], terms: &Terms) -> Result<Unreach, Defect> {
    let [afi_high, afi_low, safi, field @ ..] = value else {
        return Err(Problem::Length { found: value.len(), expected: "at least 3" }.reset());
    };
    let family = negotiated(u16::from_be_bytes([*afi_high, *afi_low]), *safi, &terms.families)?;
    let prefixes = nlri::decode(family, terms.receives_path_ids(family), field).map_err(Problem::reset)?;
    Ok(Unreach { family, prefixes })
}

// RFC 4760 7: what was not agreed on is ignored.
fn negotiated(afi: u16, safi: u8, families: &[Family]) -> Result<Family, Defect> {
    Family::from_codes(afi, safi)
        .filter(|family| families.contains(family))
        .ok_or_else(|| Problem::NotNegotiated { afi, safi }.discard())
}

// RFC 7606 7.11: a next hop of another length than the family's leaves the prefixes unknown.
fn decode_next_hop(family: Family, octets: &[u8], terms: &Terms) -> Result<IpAddr, Defect> {
    let on_link = matches!(terms.local_address, IpAddr::V6(ours) if ours.is_unicast_link_local());
    let length = |expected| Problem::Length { found: octets.len(), expected }.reset();
    match family {
        // RFC 8950 3: the length tells which family the next hop is of.
        Family::Ipv4Unicast => match <[u8; 4]>::try_from(octets) {
            Ok(address) => Ok(IpAddr::from(address)),
            Err(_) if terms.extended_next_hop => {
                decode_v6(octets, on_link).ok_or_else(|| length("a next hop of 4, 16 or 32 octets"))
            }
            Err(_) => Err(length("a next hop of 4 octets")),
        },
        Family::Ipv6Unicast => decode_v6(octets, on_link).ok_or_else(|| length("a next hop of 16 or 32 octets")),
    }
}

/// `on_link`: the session is between addresses of link scope, so that one is the way to the peer whatever else it has.
fn decode_v6(octets: &[u8], on_link: bool) -> Option<IpAddr> {
    match octets.as_chunks::<16>() {
        ([global], []) => Some(IpAddr::from(*global)),
        // RFC 2545 3: the global address, then the link-local one. Some put the unspecified address first.
        ([global, local], []) => {
            let (global, local) = (Ipv6Addr::from(*global), Ipv6Addr::from(*local));
            let scoped = on_link && local.is_unicast_link_local();
            Some(IpAddr::V6(if global.is_unspecified() || scoped { local } else { global }))
        }
        (_, _) => None,
    }
}

/// Octets of MP_REACH_NLRI around its prefixes, header included.
#[derive(Clone, Debug)]
pub(in crate::message) struct ReachHeader {
    octets: Vec<u8>,
}

impl ReachHeader {
    /// MP_REACH_NLRI for `next_hop`, up to where the prefixes begin.
    pub(in crate::message) fn reach(family: Family, next_hop: IpAddr) -> Self {
        let mut header = Self::start(AttributeCode::MP_REACH_NLRI, family);
        match next_hop {
            IpAddr::V4(address) => {
                header.octets.push(4);
                header.octets.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                header.octets.push(16);
                header.octets.extend_from_slice(&address.octets());
            }
        }
        header.octets.push(0);
        header
    }

    /// MP_UNREACH_NLRI, up to where the prefixes begin.
    pub(in crate::message) fn unreach(family: Family) -> Self {
        Self::start(AttributeCode::MP_UNREACH_NLRI, family)
    }

    pub(in crate::message) fn as_slice(&self) -> &[u8] {
        &self.octets
    }

    pub(in crate::message) const fn len(&self) -> usize {
        self.octets.len()
    }

    /// Offset of the two-octet length field, which counts everything behind it.
    pub(in crate::message) const LENGTH_AT: usize = 2;

    fn start(code: AttributeCode, family: Family) -> Self {
        let (afi, safi) = family.codes();
        let [afi_high, afi_low] = afi.to_be_bytes();
        Self { octets: vec![flag::OPTIONAL | flag::EXTENDED_LENGTH, code.0, 0, 0, afi_high, afi_low, safi] }
    }
}
