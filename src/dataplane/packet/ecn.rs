//! Congestion marks through the tunnel (RFC 6040), and differentiated services.

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;

/// The ECN field after decapsulation, or `None` when the packet must be dropped.
pub(crate) fn decapsulate(inner: u8, outer: u8) -> Option<u8> {
    // RFC 6040 4.2, figure 4.
    match (inner & 3, outer & 3) {
        (NOT_ECT, CE) => None,
        (NOT_ECT, _) => Some(NOT_ECT),
        (ECT_0 | ECT_1, CE) | (CE, _) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
}

/// The outer traffic class of a packet with this inner one. RFC 6040 4.1: normal mode copies the ECN field. The DSCP
/// is copied too (RFC 4301 5.1.2.1), so that the path can tell BGP from bulk.
pub(crate) const fn encapsulate(inner: u8) -> u8 {
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decapsulation_is_the_table_of_rfc_6040() {
        // Rows: inner Not-ECT, ECT(0), ECT(1), CE. Columns: outer Not-ECT, ECT(0), ECT(1), CE.
        let order = [NOT_ECT, ECT_0, ECT_1, CE];
        let table = [
            [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None],
            [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)],
            [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)],
            [Some(CE), Some(CE), Some(CE), Some(CE)],
        ];
        for (inner, row) in order.into_iter().zip(table) {
            for (outer, expected) in order.into_iter().zip(row) {
                assert_eq!(decapsulate(inner, outer), expected, "inner {inner}, outer {outer}");
            }
        }
    }
}
