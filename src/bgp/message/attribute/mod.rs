//! Path attributes (RFC 4271 4.3, 5): their list, flags and lengths. One file per group knows the values.
//!
//! ```text
//!  | flags | type | length (1, or 2 with Extended Length) | value ...
//!    O T P E 0000     O optional, T transitive, P partial, E extended length
//! ```

mod aggregator;
mod as_path;
mod community;
mod next_hop;
mod reach;
mod scalar;
mod write;

use wire::{Decoder, code_point};

use super::fault::{Defect, Problem};

pub(super) use aggregator::{Aggregator, decode as decode_aggregator, merge as merge_aggregator};
pub(super) use as_path::{
    Width, decode as decode_as_path, decode_as4 as decode_as4_path, first as first_as, has_as_zero,
    merge as merge_as_path,
};
pub(super) use community::{decode_communities, decode_extended_communities, decode_large_communities};
pub(super) use next_hop::{decode_v4 as decode_next_hop, judge as judge_next_hop};
pub(super) use reach::{Reach, ReachHeader, Unreach, decode_reach, decode_unreach};
pub(super) use scalar::{decode_cluster_list, decode_empty, decode_origin, decode_originator, decode_u32};
pub(super) use write::{AttributeBlock, write_attributes};

code_point! {
    /// <https://www.iana.org/assignments/bgp-parameters>
    pub struct AttributeCode(u8) {
        ORIGIN = 1;
        AS_PATH = 2;
        NEXT_HOP = 3;
        MULTI_EXIT_DISC = 4;
        LOCAL_PREF = 5;
        ATOMIC_AGGREGATE = 6;
        AGGREGATOR = 7;
        /// RFC 1997
        COMMUNITIES = 8;
        /// RFC 4456
        ORIGINATOR_ID = 9;
        /// RFC 4456
        CLUSTER_LIST = 10;
        /// RFC 4760
        MP_REACH_NLRI = 14;
        /// RFC 4760
        MP_UNREACH_NLRI = 15;
        /// RFC 4360
        EXTENDED_COMMUNITIES = 16;
        /// RFC 6793
        AS4_PATH = 17;
        /// RFC 6793
        AS4_AGGREGATOR = 18;
        PMSI_TUNNEL = 22;
        TUNNEL_ENCAPSULATION = 23;
        IPV6_EXTENDED_COMMUNITIES = 25;
        AIGP = 26;
        /// RFC 8092
        LARGE_COMMUNITY = 32;
        /// RFC 9234
        ONLY_TO_CUSTOMER = 35;
        ATTR_SET = 128;
    }
}

/// Attribute flags (RFC 4271 4.3).
pub(super) mod flag {
    pub(crate) const OPTIONAL: u8 = 0x80;
    pub(crate) const TRANSITIVE: u8 = 0x40;
    pub(crate) const PARTIAL: u8 = 0x20;
    pub(crate) const EXTENDED_LENGTH: u8 = 0x10;
}

/// An attribute as it stands in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawAttribute<'a> {
    pub(super) flags: u8,
    pub(super) code: AttributeCode,
    pub(super) value: &'a [u8],
    /// Flags to value.
    pub(super) octets: &'a [u8],
}

impl RawAttribute<'_> {
    pub(super) const fn is_optional(&self) -> bool {
        self.flags & flag::OPTIONAL != 0
    }

    /// The flags without Extended Length, which is about the length field only.
    pub(super) const fn meaning(&self) -> u8 {
        self.flags & (flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL)
    }

    pub(super) const fn is_transitive(&self) -> bool {
        self.flags & flag::TRANSITIVE != 0
    }

    /// RFC 7606 3 c: Optional and Transitive must be those of the attribute.
    pub(super) fn check_flags(&self) -> Result<(), Defect> {
        const KIND: u8 = flag::OPTIONAL | flag::TRANSITIVE;
        match kind(self.code) {
            Some(expected) if expected != self.flags & KIND => {
                Err(Problem::Flags { found: self.flags, expected }.withdraw())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Optional and Transitive as the attribute's own RFC sets them; `None` where it is not known here.
pub(super) const fn kind(code: AttributeCode) -> Option<u8> {
    match code {
        AttributeCode::ORIGIN
        | AttributeCode::AS_PATH
        | AttributeCode::NEXT_HOP
        | AttributeCode::LOCAL_PREF
        | AttributeCode::ATOMIC_AGGREGATE => Some(flag::TRANSITIVE),
        AttributeCode::MULTI_EXIT_DISC
        | AttributeCode::ORIGINATOR_ID
        | AttributeCode::CLUSTER_LIST
        | AttributeCode::MP_REACH_NLRI
        | AttributeCode::MP_UNREACH_NLRI => Some(flag::OPTIONAL),
        AttributeCode::AGGREGATOR
        | AttributeCode::COMMUNITIES
        | AttributeCode::EXTENDED_COMMUNITIES
        | AttributeCode::AS4_PATH
        | AttributeCode::AS4_AGGREGATOR
        | AttributeCode::LARGE_COMMUNITY
        | AttributeCode::ONLY_TO_CUSTOMER => Some(flag::OPTIONAL | flag::TRANSITIVE),
        _ => None,
    }
}

/// Why the list of attributes cannot be read on.
#[derive(Debug)]
pub(super) struct BrokenList {
    /// The attribute that runs over the end, if its type is there.
    pub(super) code: Option<AttributeCode>,
    pub(super) problem: Problem,
}

/// Takes the next attribute off the list.
pub(super) fn next<'a>(list: &mut Decoder<'a>) -> Result<Option<RawAttribute<'a>>, BrokenList> {
    let whole = list.rest();
    let [flags, code, ..] = *whole else {
        return match whole.len() {
            0 => Ok(None),
            available => Err(BrokenList { code: None, problem: Problem::Overrun { needed: 3, available } }),
        };
    };
    let code = AttributeCode(code);
    // RFC 7606 4: fewer octets than an attribute header takes, or than its length says.
    let broken = |needed| BrokenList { code: Some(code), problem: Problem::Overrun { needed, available: whole.len() } };
    let header = if flags & flag::EXTENDED_LENGTH == 0 { 3 } else { 4 };
    let length = match whole.get(2..header) {
        Some([length]) => usize::from(*length),
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        Some(_) | None => return Err(broken(header)),
    };
    let octets = list.take(header + length, "attribute").map_err(|_| broken(header + length))?;
    Ok(Some(RawAttribute { flags, code, value: &octets[header..], octets }))
}

/// The value as an array.
pub(super) fn exactly<const N: usize>(value: &[u8], expected: &'static str) -> Result<[u8; N], Problem> {
    value.try_into().map_err(|_| Problem::Length { found: value.len(), expected })
}

/// The value cut into items of `N` octets, at least one.
pub(super) fn items<const N: usize, T>(
    value: &[u8],
    expected: &'static str,
    item: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Problem> {
    let (chunks, rest) = value.as_chunks::<N>();
    if chunks.is_empty() || !rest.is_empty() {
        return Err(Problem::Length { found: value.len(), expected });
    }
    Ok(chunks.iter().map(|chunk| item(*chunk)).collect())
}
