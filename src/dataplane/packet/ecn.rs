//! Congestion marks that the tunnel's path left on outer packets (RFC 6040).

use super::ip::Ip;
use super::{be16, checksum, put16};

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;

/// Puts the ECN field combined with that of the `outer` traffic class into the inner header of `packet`. Returns false
/// if the packet must be dropped.
pub(crate) fn combine(ip: &mut Ip, packet: &mut [u8], outer: u8) -> bool {
    let Some(combined) = decapsulate(ip.tos, outer) else { return false };
    if combined != ip.tos & 3 {
        let old = be16(packet, 0);
        ip.tos = ip.tos & !3 | combined;
        if ip.v6 {
            put16(packet, 0, old & 0xf00f | u16::from(ip.tos) << 4);
        } else {
            put16(packet, 0, old & 0xff00 | u16::from(ip.tos));
            checksum::update(packet, 10, old, old & 0xff00 | u16::from(ip.tos));
        }
    }
    true
}

/// The ECN field after decapsulation, or `None` when the packet must be dropped.
fn decapsulate(inner: u8, outer: u8) -> Option<u8> {
    // RFC 6040 4.2, figure 4.
    match (inner & 3, outer & 3) {
        (NOT_ECT, CE) => None,
        (NOT_ECT, _) => Some(NOT_ECT),
        (ECT_0 | ECT_1, CE) | (CE, _) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
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
