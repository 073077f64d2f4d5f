//! AGGREGATOR and AS4_AGGREGATOR (RFC 4271 5.1.7, RFC 6793 3).

use std::net::Ipv4Addr;

use wire::Asn;

use super::as_path::Width;
use super::exactly;
use crate::message::fault::{Defect, Problem};

/// Who aggregated a route.
pub(in crate::message) type Aggregator = (Asn, Ipv4Addr);

/// RFC 7606 7.7, RFC 6793 6, RFC 7607 2: a malformed one is discarded.
pub(in crate::message) fn decode(value: &[u8], width: Width) -> Result<Aggregator, Defect> {
    let (asn, address) = match width {
        Width::Two => {
            let [a, b, address @ ..]: [u8; 6] = exactly(value, "6").map_err(Problem::discard)?;
            (Asn(u16::from_be_bytes([a, b]).into()), address)
        }
        Width::Four => {
            let [a, b, c, d, address @ ..]: [u8; 8] = exactly(value, "8").map_err(Problem::discard)?;
            (Asn(u32::from_be_bytes([a, b, c, d])), address)
        }
    };
    match asn {
        Asn(0) => Err(Problem::AsZero.discard()),
        Asn(_) => Ok((asn, address.into())),
    }
}

/// RFC 6793 4.2.3: what a two-octet speaker passed on in both attributes. The second value says whether AS4_PATH
/// may be used: not if a two-octet speaker aggregated the route anew on the way.
pub(in crate::message) fn merge(two: Option<Aggregator>, four: Option<Aggregator>) -> (Option<Aggregator>, bool) {
    match (two, four) {
        (Some((Asn::TRANS, _)), Some(four)) => (Some(four), true),
        (Some(two), Some(_)) => (Some(two), false),
        (two, _) => (two, true),
    }
}
