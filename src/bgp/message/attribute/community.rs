//! Communities of three kinds: RFC 1997, RFC 4360, RFC 8092 (errors: RFC 7606 7.8 and 7.14, RFC 8092 6).

use super::items;
use crate::message::fault::{Defect, Problem};

pub(in crate::message) fn decode_communities(value: &[u8]) -> Result<Vec<u32>, Defect> {
    items(value, "a multiple of 4", u32::from_be_bytes).map_err(Problem::withdraw)
}

pub(in crate::message) fn decode_extended_communities(value: &[u8]) -> Result<Vec<[u8; 8]>, Defect> {
    items(value, "a multiple of 8", |octets| octets).map_err(Problem::withdraw)
}

pub(in crate::message) fn decode_large_communities(value: &[u8]) -> Result<Vec<[u32; 3]>, Defect> {
    let large = |octets: [u8; 12]| {
        let (words, _) = octets.as_chunks::<4>();
        std::array::from_fn(|part| u32::from_be_bytes(words[part]))
    };
    items(value, "a multiple of 12", large).map_err(Problem::withdraw)
}
