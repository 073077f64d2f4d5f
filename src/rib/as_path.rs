//! What routing needs to know of an AS_PATH (RFC 4271 5.1.2).

use bgp::{AsPath, AsPathSegment};
use wire::Asn;

/// RFC 4271 4.3: a segment counts its numbers in one octet.
const SEGMENT_MAX: usize = 255;

/// RFC 4271 9.1.2.2 a): a set counts as one, no matter how many are in it.
pub(crate) fn length(path: &AsPath) -> usize {
    path.0
        .iter()
        .map(|segment| match segment {
            AsPathSegment::Sequence(numbers) => numbers.len(),
            AsPathSegment::Set(_) => 1,
        })
        .sum()
}

/// How often `asn` is in the path.
pub(crate) fn count(path: &AsPath, asn: Asn) -> usize {
    let numbers = path.0.iter().flat_map(|segment| match segment {
        AsPathSegment::Sequence(numbers) | AsPathSegment::Set(numbers) => numbers,
    });
    numbers.filter(|number| **number == asn).count()
}

pub(crate) fn contains(path: &AsPath, asn: Asn) -> bool {
    path.0.iter().any(|segment| match segment {
        AsPathSegment::Sequence(numbers) | AsPathSegment::Set(numbers) => numbers.contains(&asn),
    })
}

/// The neighbouring AS the route came from; none if the path is empty or starts with a set.
pub(crate) fn neighbour(path: &AsPath) -> Option<Asn> {
    match path.0.first()? {
        AsPathSegment::Sequence(numbers) => numbers.first().copied(),
        AsPathSegment::Set(_) => None,
    }
}

/// RFC 4271 5.1.2 b): puts `asn` in front, `times` times.
pub(crate) fn prepend(path: &mut AsPath, asn: Asn, times: usize) {
    for _ in 0..times {
        match path.0.first_mut() {
            Some(AsPathSegment::Sequence(numbers)) if numbers.len() < SEGMENT_MAX => numbers.insert(0, asn),
            Some(AsPathSegment::Sequence(_) | AsPathSegment::Set(_)) | None => {
                path.0.insert(0, AsPathSegment::Sequence(vec![asn]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(numbers: &[u32]) -> AsPathSegment {
        AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())
    }

    fn set(numbers: &[u32]) -> AsPathSegment {
        AsPathSegment::Set(numbers.iter().copied().map(Asn).collect())
    }

    #[test]
    fn a_set_counts_as_one_and_is_searched() {
        let path = AsPath(vec![sequence(&[1, 2]), set(&[3, 4, 5])]);
        assert_eq!(length(&path), 3);
        assert!(contains(&path, Asn(5)) && contains(&path, Asn(2)) && !contains(&path, Asn(6)));
    }

    #[test]
    fn the_neighbour_is_the_first_of_a_sequence() {
        assert_eq!(neighbour(&AsPath(vec![sequence(&[1, 2])])), Some(Asn(1)));
        assert_eq!(neighbour(&AsPath(vec![set(&[1, 2])])), None);
        assert_eq!(neighbour(&AsPath::default()), None);
    }

    #[test]
    fn prepending_extends_the_first_sequence_or_starts_one() {
        let mut path = AsPath(vec![sequence(&[1])]);
        prepend(&mut path, Asn(9), 2);
        assert_eq!(path, AsPath(vec![sequence(&[9, 9, 1])]));

        let mut path = AsPath(vec![set(&[1])]);
        prepend(&mut path, Asn(9), 1);
        assert_eq!(path, AsPath(vec![sequence(&[9]), set(&[1])]));

        let mut path = AsPath::default();
        prepend(&mut path, Asn(9), 256);
        assert_eq!(path, AsPath(vec![sequence(&[9]), sequence(&[9; 255])]));
    }
}
