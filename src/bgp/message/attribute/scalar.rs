//! Attributes of one number or a plain list: ORIGIN, MULTI_EXIT_DISC, LOCAL_PREF, ATOMIC_AGGREGATE, ORIGINATOR_ID,
//! CLUSTER_LIST (RFC 4271 5.1, RFC 4456 8; errors: RFC 7606 7).

use std::net::Ipv4Addr;

use wire::RouterId;

use super::{exactly, items};
use crate::Origin;
use crate::message::fault::{Defect, Problem};

// RFC 7606 7.1
pub(in crate::message) fn decode_origin(value: &[u8]) -> Result<Origin, Defect> {
    match exactly(value, "1").map_err(Problem::withdraw)? {
        [0] => Ok(Origin::Igp),
        [1] => Ok(Origin::Egp),
        [2] => Ok(Origin::Incomplete),
        [value] => Err(Problem::Origin { value }.withdraw()),
    }
}

pub(super) const fn origin_code(origin: Origin) -> u8 {
    match origin {
        Origin::Igp => 0,
        Origin::Egp => 1,
        Origin::Incomplete => 2,
    }
}

// RFC 7606 7.4, 7.5
pub(in crate::message) fn decode_u32(value: &[u8]) -> Result<u32, Defect> {
    exactly(value, "4").map(u32::from_be_bytes).map_err(Problem::withdraw)
}

// RFC 7606 7.6
pub(in crate::message) fn decode_empty(value: &[u8]) -> Result<(), Defect> {
    exactly(value, "0").map(|[]| ()).map_err(Problem::discard)
}

// RFC 7606 7.9
pub(in crate::message) fn decode_originator(value: &[u8]) -> Result<RouterId, Defect> {
    exactly::<4>(value, "4").map(|octets| RouterId(octets.into())).map_err(Problem::withdraw)
}

// RFC 7606 7.10
pub(in crate::message) fn decode_cluster_list(value: &[u8]) -> Result<Vec<Ipv4Addr>, Defect> {
    items(value, "a multiple of 4", |octets: [u8; 4]| octets.into()).map_err(Problem::withdraw)
}
