//! Link bandwidth extended communities (draft-ietf-idr-link-bandwidth): how much of the traffic a next hop is to get.
//!
//! ```text
//!    0                   1                   2                   3
//!    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   +---------------+---------------+-------------------------------+
//!   | 0x40 or 0x00  |     0x04      |          AS number            |
//!   +---------------+---------------+-------------------------------+
//!   |        octets per second, IEEE 754 single precision           |
//!   +---------------------------------------------------------------+
//! ```
//!
//! 0x40 does not leave the AS, 0x00 does; both are understood. Of several the lowest counts.

const LINK_BANDWIDTH: u8 = 0x04;
const TRANSITIVE: u8 = 0x00;
const NON_TRANSITIVE: u8 = 0x40;

/// Octets per second; `None` if there is no such community, or none that makes sense.
pub(crate) fn link_bandwidth(communities: &[[u8; 8]]) -> Option<u64> {
    communities.iter().filter_map(|community| read(*community)).min()
}

fn read([kind, subtype, _, _, a, b, c, d]: [u8; 8]) -> Option<u64> {
    if !matches!(kind, TRANSITIVE | NON_TRANSITIVE) || subtype != LINK_BANDWIDTH {
        return None;
    }
    whole(u32::from_be_bytes([a, b, c, d]))
}

/// The whole part of a positive finite single; at least one.
fn whole(bits: u32) -> Option<u64> {
    let (negative, exponent, fraction) = (bits >> 31 == 1, bits >> 23 & 0xff, u64::from(bits & 0x7f_ffff));
    if negative || exponent == 0xff || bits == 0 {
        return None;
    }
    let significand = fraction | 1 << 23;
    // The value is significand * 2^(exponent - 150).
    let value = match exponent.checked_sub(150) {
        Some(up) if up <= 40 => significand << up,
        Some(_) => u64::MAX,
        None => significand.checked_shr(150 - exponent).unwrap_or(0),
    };
    Some(value.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn community(kind: u8, value: f32) -> [u8; 8] {
        let [a, b, c, d] = value.to_be_bytes();
        [kind, 4, 0xfd, 0xe8, a, b, c, d]
    }

    #[test]
    fn both_types_are_read_and_the_lowest_counts() {
        assert_eq!(link_bandwidth(&[community(0x40, 125_000_000.0)]), Some(125_000_000));
        assert_eq!(link_bandwidth(&[community(0x00, 1.25e9), community(0x40, 1.25e8)]), Some(125_000_000));
        assert_eq!(link_bandwidth(&[community(0x40, 0.25)]), Some(1));
        assert_eq!(link_bandwidth(&[community(0x00, f32::MAX)]), Some(u64::MAX));
    }

    #[test]
    fn nonsense_and_other_communities_say_nothing() {
        for value in [0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(link_bandwidth(&[community(0x40, value)]), None, "{value}");
        }
        assert_eq!(link_bandwidth(&[[0x40, 2, 0, 0, 1, 2, 3, 4], [1, 4, 0, 0, 1, 2, 3, 4]]), None);
        assert_eq!(link_bandwidth(&[]), None);
    }

    #[test]
    fn whole_agrees_with_the_processor() {
        for value in [1.0_f32, 1.5, 2.0, 3.99, 1000.25, 16_777_216.0, 33_554_432.0, 9.0e9, 1.0e12] {
            // Exact: all are below 2^53.
            let expected = f64::from(value).trunc();
            let got = whole(value.to_bits()).map(|whole| whole.to_string());
            assert_eq!(got, Some(format!("{expected:.0}")), "{value}");
        }
    }
}
