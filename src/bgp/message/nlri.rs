//! Prefixes as UPDATE carries them (RFC 4271 4.3): a length in bits and as many octets as hold it.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::fault::Problem;
use crate::{Family, Nlri};

/// Reads prefixes to the end of `field`. Bits beyond the length are of no consequence and cleared.
pub(super) fn decode(family: Family, field: &[u8]) -> Result<Vec<Nlri>, Problem> {
    match family {
        Family::Ipv4Unicast => decode_all(field, |octets: [u8; 4], bits| {
            Ipv4Net::new(Ipv4Addr::from(octets), bits).ok().map(|net| IpNet::V4(net.trunc()))
        }),
        Family::Ipv6Unicast => decode_all(field, |octets: [u8; 16], bits| {
            Ipv6Net::new(Ipv6Addr::from(octets), bits).ok().map(|net| IpNet::V6(net.trunc()))
        }),
    }
}

/// Octets the prefix takes.
pub(super) fn encoded_len(nlri: &Nlri) -> usize {
    1 + usize::from(nlri.prefix.prefix_len().div_ceil(8))
}

/// Appends the prefix.
pub(super) fn encode(Nlri { prefix, .. }: &Nlri, out: &mut Vec<u8>) {
    let octets = usize::from(prefix.prefix_len().div_ceil(8));
    out.push(prefix.prefix_len());
    match prefix.trunc() {
        IpNet::V4(net) => out.extend_from_slice(&net.addr().octets()[..octets]),
        IpNet::V6(net) => out.extend_from_slice(&net.addr().octets()[..octets]),
    }
}

/// Whether routes to the prefix can exist in a unicast table (RFC 4271 6.3).
pub(super) const fn is_unicast(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(net) => !net.addr().is_multicast(),
        IpNet::V6(net) => !net.addr().is_multicast(),
    }
}

fn decode_all<const N: usize>(
    mut field: &[u8],
    prefix: impl Fn([u8; N], u8) -> Option<IpNet>,
) -> Result<Vec<Nlri>, Problem> {
    // A /24 takes four octets; shorter prefixes only grow the vector.
    let mut prefixes = Vec::with_capacity(field.len().div_ceil(4));
    while let [bits, rest @ ..] = field {
        let wrong = Problem::Prefix { bits: *bits, available: rest.len() };
        let length = usize::from(bits.div_ceil(8));
        let (Some(octets), true) = (rest.get(..length), length <= N) else { return Err(wrong) };
        let mut address = [0; N];
        address[..length].copy_from_slice(octets);
        prefixes.push(prefix(address, *bits).ok_or(wrong)?.into());
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
        assert_eq!(decode(Family::Ipv4Unicast, &field), Ok(expected.clone()));
        let mut out = Vec::new();
        expected.iter().for_each(|prefix| encode(prefix, &mut out));
        assert_eq!(out, field);
        assert_eq!(decode(Family::Ipv6Unicast, &hex!("20 20010db8")), Ok(nets("2001:db8::/32")));
    }

    #[test]
    fn bits_beyond_the_length_are_cleared() {
        assert_eq!(decode(Family::Ipv4Unicast, &hex!("09 0aff")), Ok(nets("10.128.0.0/9")));
    }

    #[test]
    fn a_length_beyond_the_family_or_the_field_is_told() {
        assert_eq!(
            decode(Family::Ipv4Unicast, &hex!("080a 21 0a01020304")),
            Err(Problem::Prefix { bits: 33, available: 5 })
        );
        assert_eq!(decode(Family::Ipv4Unicast, &hex!("18 0a01")), Err(Problem::Prefix { bits: 24, available: 2 }));
        assert_eq!(decode(Family::Ipv6Unicast, &[129; 40]), Err(Problem::Prefix { bits: 129, available: 39 }));
        assert_eq!(decode(Family::Ipv6Unicast, &[255]), Err(Problem::Prefix { bits: 255, available: 0 }));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(words in proptest::collection::vec((any::<[u8; 16]>(), 0_u8..=128), 0..40)) {
            let net = |octets: [u8; 16], bits| IpNet::V6(Ipv6Net::new(octets.into(), bits).unwrap().trunc());
            let prefixes: Vec<Nlri> = words.iter().map(|(octets, bits)| net(*octets, *bits).into()).collect();
            let mut out = Vec::new();
            prefixes.iter().for_each(|prefix| encode(prefix, &mut out));
            prop_assert_eq!(out.len(), prefixes.iter().map(encoded_len).sum::<usize>());
            prop_assert_eq!(decode(Family::Ipv6Unicast, &out), Ok(prefixes));
        }
    }
}
