//! Prefixes as UPDATE carries them (RFC 4271 4.3): a length in bits and as many octets as hold it; behind four octets
//! of path identifier where that was agreed on (RFC 7911 3).

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::fault::Problem;
use crate::{Family, Nlri};

/// Reads prefixes to the end of `field`, each behind a path identifier if `path_ids`. Bits beyond the length are of no
/// consequence and cleared.
pub(super) fn decode(family: Family, path_ids: bool, field: &[u8]) -> Result<Vec<Nlri>, Problem> {
    match family {
        Family::Ipv4Unicast => decode_all(path_ids, field, |octets: [u8; 4], bits| {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let address = Ipv4Addr::from_bits(u32::from_be_bytes(octets) & mask);
            Ipv4Net::new(address, bits).ok().map(IpNet::V4)
        }),
        Family::Ipv6Unicast => decode_all(path_ids, field, |octets: [u8; 16], bits| {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            let address = Ipv6Addr::from_bits(u128::from_be_bytes(octets) & mask);
            Ipv6Net::new(address, bits).ok().map(IpNet::V6)
        }),
    }
}

/// Octets the prefix takes.
pub(super) fn encoded_len(nlri: &Nlri, path_ids: bool) -> usize {
    let identifier = if path_ids { PATH_ID_LEN } else { 0 };
    identifier + 1 + usize::from(nlri.prefix.prefix_len().div_ceil(8))
}

/// Appends the prefix.
pub(super) fn encode(Nlri { prefix, path_id }: &Nlri, path_ids: bool, out: &mut Vec<u8>) {
    if path_ids {
        out.extend_from_slice(&path_id.to_be_bytes());
    }
    let octets = usize::from(prefix.prefix_len().div_ceil(8));
    out.push(prefix.prefix_len());
    match prefix {
        IpNet::V4(net) => out.extend_from_slice(&net.network().octets()[..octets]),
        IpNet::V6(net) => out.extend_from_slice(&net.network().octets()[..octets]),
    }
}

/// Octets of a path identifier (RFC 7911 3).
pub(super) const PATH_ID_LEN: usize = 4;

/// Whether routes to the prefix can exist in a unicast table (RFC 4271 6.3).
pub(super) const fn is_unicast(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(net) => !net.addr().is_multicast(),
        IpNet::V6(net) => !net.addr().is_multicast(),
    }
}

fn decode_all<const N: usize>(
    path_ids: bool,
    mut field: &[u8],
    prefix: impl Fn([u8; N], u8) -> Option<IpNet>,
) -> Result<Vec<Nlri>, Problem> {
    // A /24 takes four octets, with its path identifier eight; shorter prefixes only grow the vector.
    let mut prefixes = Vec::with_capacity(field.len().div_ceil(if path_ids { 8 } else { 4 }));
    while !field.is_empty() {
        let path_id = if path_ids {
            let Some((path_id, rest)) = field.split_first_chunk::<PATH_ID_LEN>() else {
                return Err(Problem::PathId { available: field.len() });
            };
            field = rest;
            u32::from_be_bytes(*path_id)
        } else {
            0
        };
        let Some((bits, rest)) = field.split_first() else { return Err(Problem::PathId { available: PATH_ID_LEN }) };
        let wrong = Problem::Prefix { bits: *bits, available: rest.len() };
        let length = usize::from(bits.div_ceil(8));
        let (Some(octets), true) = (rest.get(..length), length <= N) else { return Err(wrong) };
        let mut address = [0; N];
        address[..length].copy_from_slice(octets);
        let Some(prefix) = prefix(address, *bits) else { return Err(wrong) };
        prefixes.push(Nlri { prefix, path_id });
        field = &rest[length..];
    }
    Ok(prefixes)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    fn nets(text: &str) -> Vec<Nlri> {
        text.split_whitespace().map(|net| net.parse::<IpNet>().unwrap().into()).collect()
    }

    #[test]
    fn prefixes_take_as_many_octets_as_their_length_needs() {
        let field = hex!("00 080a 100a01 180a0102 190a010280 200a010203");
        let expected = nets("0.0.0.0/0 10.0.0.0/8 10.1.0.0/16 10.1.2.0/24 10.1.2.128/25 10.1.2.3/32");
        assert_eq!(decode(Family::Ipv4Unicast, false, &field), Ok(expected.clone()));
        let mut out = Vec::new();
        expected.iter().for_each(|prefix| encode(prefix, false, &mut out));
        assert_eq!(out, field);
        assert_eq!(decode(Family::Ipv6Unicast, false, &hex!("20 20010db8")), Ok(nets("2001:db8::/32")));
    }

    #[test]
    fn bits_beyond_the_length_are_cleared() {
        assert_eq!(decode(Family::Ipv4Unicast, false, &hex!("09 0aff")), Ok(nets("10.128.0.0/9")));
    }

    #[test]
    fn a_length_beyond_the_family_or_the_field_is_told() {
        assert_eq!(
            decode(Family::Ipv4Unicast, false, &hex!("080a 21 0a01020304")),
            Err(Problem::Prefix { bits: 33, available: 5 })
        );
        assert_eq!(
            decode(Family::Ipv4Unicast, false, &hex!("18 0a01")),
            Err(Problem::Prefix { bits: 24, available: 2 })
        );
        assert_eq!(decode(Family::Ipv6Unicast, false, &[129; 40]), Err(Problem::Prefix { bits: 129, available: 39 }));
        assert_eq!(decode(Family::Ipv6Unicast, false, &[255]), Err(Problem::Prefix { bits: 255, available: 0 }));
    }

    #[test]
    fn path_identifiers_stand_ahead_of_each_prefix() {
        let field = hex!("00000001 080a ffffffff 100a01 00000000 00");
        let expected = [("10.0.0.0/8", 1), ("10.1.0.0/16", u32::MAX), ("0.0.0.0/0", 0)];
        let expected: Vec<Nlri> = expected
            .iter()
            .map(|(prefix, path_id)| Nlri { prefix: prefix.parse().unwrap(), path_id: *path_id })
            .collect();
        assert_eq!(decode(Family::Ipv4Unicast, true, &field), Ok(expected.clone()));
        let mut out = Vec::new();
        expected.iter().for_each(|nlri| encode(nlri, true, &mut out));
        assert_eq!(out, field);
    }

    #[test]
    fn a_path_identifier_cut_short_is_told() {
        let field = hex!("00000001 080a");
        for length in 1..field.len() {
            let error = decode(Family::Ipv4Unicast, true, &field[..length]).unwrap_err();
            let expected = match length {
                1..=4 => Problem::PathId { available: length },
                _ => Problem::Prefix { bits: 8, available: 0 },
            };
            assert_eq!(error, expected, "{length} octets");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(
            words in proptest::collection::vec((any::<[u8; 16]>(), 0_u8..=128, any::<u32>()), 0..40),
            path_ids in any::<bool>(),
        ) {
            let net = |octets: [u8; 16], bits| IpNet::V6(Ipv6Net::new(octets.into(), bits).unwrap().trunc());
            let nlri = |(octets, bits, id): &([u8; 16], u8, u32)| Nlri {
                prefix: net(*octets, *bits),
                path_id: if path_ids { *id } else { 0 },
            };
            let prefixes: Vec<Nlri> = words.iter().map(nlri).collect();
            let mut out = Vec::new();
            prefixes.iter().for_each(|nlri| encode(nlri, path_ids, &mut out));
            prop_assert_eq!(out.len(), prefixes.iter().map(|nlri| encoded_len(nlri, path_ids)).sum::<usize>());
            prop_assert_eq!(decode(Family::Ipv6Unicast, path_ids, &out), Ok(prefixes));
        }
    }
}
