//! AS_PATH and AS4_PATH (RFC 4271 4.3 b, RFC 6793).
//!
//! ```text
//!  | type | count | AS number (2 or 4 octets each) ... | type | count | ...
//! ```

use wire::Asn;

use crate::message::fault::{Defect, Problem};
use crate::{AsPath, AsPathSegment};

const SET: u8 = 1;
const SEQUENCE: u8 = 2;
const CONFED_SEQUENCE: u8 = 3;
const CONFED_SET: u8 = 4;
/// What the count of a segment holds.
const MAX_COUNT: usize = 255;

/// How many octets an AS number takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::message) enum Width {
    /// RFC 4271.
    Two,
    /// RFC 6793.
    Four,
}

impl Width {
    const fn octets(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }
}

/// What to do with a confederation's segments, which have no place here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::message) enum Confederations {
    /// RFC 5065 5: the path is malformed.
    Refuse,
    /// RFC 6793 6: AS4_PATH loses them and stays.
    Skip,
}

/// Reads AS_PATH. Neighbouring sequences are joined: they mean the same and compare equal.
pub(in crate::message) fn decode(value: &[u8], width: Width) -> Result<AsPath, Defect> {
    decode_segments(value, width, Confederations::Refuse).map_err(Problem::withdraw)
}

/// Reads AS4_PATH; RFC 6793 6: a malformed one is discarded.
pub(in crate::message) fn decode_as4(value: &[u8]) -> Result<AsPath, Defect> {
    if value.is_empty() {
        return Err(Problem::Length { found: 0, expected: "at least 6" }.discard());
    }
    let path = decode_segments(value, Width::Four, Confederations::Skip).map_err(Problem::discard)?;
    if has_as_zero(&path) { Err(Problem::AsZero.discard()) } else { Ok(path) }
}

fn decode_segments(value: &[u8], width: Width, confederations: Confederations) -> Result<AsPath, Problem> {
    // Nearly all have one segment, and a vector that grows by itself begins with room for four.
    let mut path = AsPath(Vec::with_capacity(usize::from(!value.is_empty())));
    let mut rest = value;
    while let [kind, tail @ ..] = rest {
        // RFC 7606 7.2: underrun, empty segment, overrun, unrecognized type.
        let [count, numbers @ ..] = tail else { return Err(Problem::Segment("one octet is left behind the segments")) };
        let length = usize::from(*count) * width.octets();
        let octets = numbers.get(..length).ok_or(Problem::Segment("a segment runs over the end"))?;
        if octets.is_empty() {
            return Err(Problem::Segment("a segment is empty"));
        }
        match *kind {
            SEQUENCE => append(&mut path, &mut numbers_of(octets, width)),
            SET => path.0.push(AsPathSegment::Set(numbers_of(octets, width))),
            CONFED_SEQUENCE | CONFED_SET => match confederations {
                Confederations::Refuse => return Err(Problem::Confederation),
                Confederations::Skip => {}
            },
            _ => return Err(Problem::Segment("the segment type is not known")),
        }
        rest = &numbers[length..];
    }
    Ok(path)
}

fn numbers_of(octets: &[u8], width: Width) -> Vec<Asn> {
    match width {
        Width::Two => octets.as_chunks::<2>().0.iter().map(|n| Asn(u16::from_be_bytes(*n).into())).collect(),
        Width::Four => octets.as_chunks::<4>().0.iter().map(|n| Asn(u32::from_be_bytes(*n))).collect(),
    }
}

fn append(path: &mut AsPath, numbers: &mut Vec<Asn>) {
    match path.0.last_mut() {
        Some(AsPathSegment::Sequence(last)) => last.append(numbers),
        Some(AsPathSegment::Set(_)) | None => path.0.push(AsPathSegment::Sequence(std::mem::take(numbers))),
    }
}

/// The leftmost AS number, if the path begins with a sequence.
pub(in crate::message) fn first(path: &AsPath) -> Option<Asn> {
    match path.0.first()? {
        AsPathSegment::Sequence(numbers) => numbers.first().copied(),
        AsPathSegment::Set(_) => None,
    }
}

/// RFC 7607 2.
pub(in crate::message) fn has_as_zero(path: &AsPath) -> bool {
    numbers(path).any(|asn| asn == Asn(0))
}

fn numbers(path: &AsPath) -> impl Iterator<Item = Asn> {
    path.0.iter().flat_map(|segment| match segment {
        AsPathSegment::Sequence(numbers) | AsPathSegment::Set(numbers) => numbers.iter().copied(),
    })
}

/// Hops, a set being one (RFC 4271 9.1.2.2 a).
fn hops(path: &AsPath) -> usize {
    path.0.iter().fold(0, |hops, segment| {
        hops + match segment {
            AsPathSegment::Sequence(numbers) => numbers.len(),
            AsPathSegment::Set(_) => 1,
        }
    })
}

/// RFC 6793 4.2.3: the true path behind a two-octet speaker: what AS_PATH has in front of AS4_PATH, then AS4_PATH.
/// An AS4_PATH longer than AS_PATH is of no use.
pub(in crate::message) fn merge(two: AsPath, four: AsPath) -> AsPath {
    let Some(mut ahead) = hops(&two).checked_sub(hops(&four)) else { return two };
    let mut path = AsPath::default();
    for segment in two.0 {
        if ahead == 0 {
            break;
        }
        match segment {
            AsPathSegment::Sequence(mut numbers) => {
                numbers.truncate(ahead);
                ahead -= numbers.len();
                append(&mut path, &mut numbers);
            }
            AsPathSegment::Set(numbers) => {
                ahead -= 1;
                path.0.push(AsPathSegment::Set(numbers));
            }
        }
    }
    for segment in four.0 {
        match segment {
            AsPathSegment::Sequence(mut numbers) => append(&mut path, &mut numbers),
            AsPathSegment::Set(numbers) => path.0.push(AsPathSegment::Set(numbers)),
        }
    }
    path
}

/// Whether two octets per number lose something.
pub(super) fn needs_four_octets(path: &AsPath) -> bool {
    numbers(path).any(|asn| asn.0 > u16::MAX.into())
}

/// The attribute's value. Segments of more than 255 numbers become several.
pub(super) fn encode(path: &AsPath, width: Width, out: &mut Vec<u8>) {
    for segment in &path.0 {
        let (kind, numbers) = match segment {
            AsPathSegment::Sequence(numbers) => (SEQUENCE, numbers),
            AsPathSegment::Set(numbers) => (SET, numbers),
        };
        for chunk in numbers.chunks(MAX_COUNT) {
            out.push(kind);
            out.push(u8::try_from(chunk.len()).unwrap_or(u8::MAX));
            for asn in chunk {
                match width {
                    Width::Two => out.extend_from_slice(&asn.two_octets().to_be_bytes()),
                    Width::Four => out.extend_from_slice(&asn.0.to_be_bytes()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn sequence(numbers: &[u32]) -> AsPathSegment {
        AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())
    }

    fn set(numbers: &[u32]) -> AsPathSegment {
        AsPathSegment::Set(numbers.iter().copied().map(Asn).collect())
    }

    #[test]
    fn two_and_four_octet_paths_are_the_same_both_ways() {
        let path = AsPath(vec![sequence(&[64512, 65001]), set(&[1, 2, 3])]);
        let two = hex!("02 02 fc00 fde9 01 03 0001 0002 0003");
        let four = hex!("02 02 0000fc00 0000fde9 01 03 00000001 00000002 00000003");
        for (octets, width) in [(&two[..], Width::Two), (&four, Width::Four)] {
            assert_eq!(decode(octets, width), Ok(path.clone()));
            let mut out = Vec::new();
            encode(&path, width, &mut out);
            assert_eq!(out, octets);
        }
    }

    #[test]
    fn a_path_of_one_sequence_takes_no_room_for_more() {
        let path = decode(&hex!("02 02 0000fc00 0000fde9"), Width::Four).unwrap();
        assert_eq!(path.0.capacity(), 1);
        assert_eq!(decode(&[], Width::Four).unwrap().0.capacity(), 0);
    }

    #[test]
    fn a_long_sequence_is_split_and_joined_again() {
        let path = AsPath(vec![sequence(&(1..=600).collect::<Vec<_>>())]);
        let mut out = Vec::new();
        encode(&path, Width::Four, &mut out);
        assert_eq!(out.len(), 600 * 4 + 3 * 2);
        assert_eq!(decode(&out, Width::Four), Ok(path));
    }

    #[test]
    fn every_malformed_path_is_told_apart() {
        let cases: [(&[u8], Problem); 6] = [
            (&hex!("02"), Problem::Segment("one octet is left behind the segments")),
            (&hex!("02 01 0001 02"), Problem::Segment("one octet is left behind the segments")),
            (&hex!("02 02 0001"), Problem::Segment("a segment runs over the end")),
            (&hex!("02 00"), Problem::Segment("a segment is empty")),
            (&hex!("05 01 0001"), Problem::Segment("the segment type is not known")),
            (&hex!("03 01 0001 02 01 0001"), Problem::Confederation),
        ];
        for (octets, problem) in cases {
            assert_eq!(decode(octets, Width::Two), Err(problem.withdraw()), "{octets:02x?}");
        }
        assert_eq!(decode(&[], Width::Two), Ok(AsPath::default()));
    }

    #[test]
    fn as4_path_restores_what_two_octets_lost() {
        let two = AsPath(vec![sequence(&[64512, 23456, 23456])]);
        let four = AsPath(vec![sequence(&[70000, 80000])]);
        assert_eq!(merge(two, four), AsPath(vec![sequence(&[64512, 70000, 80000])]));
        // A set counts as one hop.
        let two = AsPath(vec![sequence(&[1, 2]), set(&[23456, 7])]);
        let four = AsPath(vec![set(&[70000, 7])]);
        assert_eq!(merge(two, four), AsPath(vec![sequence(&[1, 2]), set(&[70000, 7])]));
        // Longer than AS_PATH: not to be used.
        let two = AsPath(vec![sequence(&[1])]);
        assert_eq!(merge(two.clone(), AsPath(vec![sequence(&[70000, 80000])])), two);
    }

    #[test]
    fn as4_path_loses_confederations_and_is_discarded_with_as_zero() {
        let mixed = hex!("03 01 00000005 02 01 00011170");
        assert_eq!(decode_as4(&mixed), Ok(AsPath(vec![sequence(&[70000])])));
        assert_eq!(decode_as4(&hex!("02 01 00000000")), Err(Problem::AsZero.discard()));
        assert_eq!(decode_as4(&hex!("02 01 0000")), Err(Problem::Segment("a segment runs over the end").discard()));
    }
}
