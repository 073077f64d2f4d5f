//! The octets that nft 1.0.6 sends for the listing at the top of the parent's documentation.

use hex_literal::hex;

use super::*;

const TABLE: &str = "quadspan-xfrm-0";

/// Without the header: structure and attributes.
fn payload(message: Message) -> Vec<u8> {
    message.finish(0)[16..].to_vec()
}

#[cfg(target_endian = "little")]
#[test]
fn a_table_is_octet_for_octet_what_nft_sends() {
    let mut made = make(TABLE).into_iter().skip(3).map(payload);
    let map = made.next().unwrap();
    assert_eq!(
        map,
        hex!(
            "01000000 14000100 71756164 7370616e 2d786672 6d2d3000 08000200 6d737300 08000300 00000008 08000400 000000a9"
            "08000500 00000014 08000600 00000004 08000700 00000002 08000a00 00000001 5c000d00 00040000 00000104 02000000"
            "03280004 0d000000 0120000e 00040900 00000106 00040f00 0000010e 00040900 00000106 00040600 0000041a 00040800"
            "00000112 01040200 00000204 01000000 00040200 00000604 00000000"
        )
    );
    let chain = made.next().unwrap();
    assert_eq!(
        chain,
        hex!(
            "01000000 14000100 71756164 7370616e 2d786672 6d2d3000 0d000300 61727269 76696e67 00000000 0b000700 66696c74"
            "65720000 14000480 08000100 00000000 08000200 ffffff6a"
        )
    );
    let rule = made.next().unwrap();
    let rest = hex!(
        "08000100 00000001 2c000180 08000100 636d7000 20000280 08000100 00000001 08000200 00000000 0c000380 05000100"
        "06000000 34000180 0c000100 7061796c 6f616400 24000280 08000100 00000001 08000200 00000002 08000300 0000000d"
        "08000400 00000001 4c000180 0c000100 62697477 69736500 3c000280 08000100 00000001 08000200 00000001 08000600"
        "00000000 08000300 00000001 0c000480 05000100 02000000 0c000580 05000100 00000000 2c000180 08000100 636d7000"
        "20000280 08000100 00000001 08000200 00000000 0c000380 05000100 02000000 24000180 09000100 6d657461 00000000"
        "14000280 08000200 0000000f 08000100 00000001 24000180 09000100 6d657461 00000000 14000280 08000200 00000006"
        "08000100 00000009 34000180 0b000100 6c6f6f6b 75700000 24000280 08000200 00000001 08000300 00000001 08000100"
        "6d737300 08000400 00000001 3c000180 0b000100 65787468 64720000 2c000280 08000700 00000001 05000200 02000000"
        "08000300 00000002 08000400 00000002 08000600 00000001"
    );
    assert_eq!(
        rule[..rule.len() - rest.len()],
        hex!(
            "01000000 14000100 71756164 7370616e 2d786672 6d2d3000 0d000200 61727269 76696e67 00000000 b8010480 24000180"
            "09000100 6d657461 00000000 14000280 08000200 00000010"
        )
    );
    assert_eq!(rule[rule.len() - rest.len()..], rest);
}

#[test]
fn an_interface_is_entered_for_both_families() {
    let elements = hex!(
        "5c000380 2c000180 1c000180 18000100 02000000 74756e30 00000000 00000000 00000000 0c000280 06000100 05460000"
        "2c000180 1c000180 18000100 0a000000 74756e30 00000000 00000000 00000000 0c000280 06000100 05320000"
    );
    let entered = payload(enter(TABLE, "tun0", Sizes { v4: 1350, v6: 1330 }));
    assert!(entered.ends_with(&elements), "{entered:02x?}");
    let left = payload(leave(TABLE, "tun0"));
    assert!(
        left.ends_with(&hex!("20000180 1c000180 18000100 0a000000 74756e30 00000000 00000000 00000000")),
        "{left:02x?}"
    );
}

#[test]
fn the_last_change_of_a_transaction_is_answered() {
    let flags = |message: &[u8]| u16::from_ne_bytes([message[6], message[7]]);
    let sent: Vec<_> = transaction(make(TABLE)).into_iter().map(|message| message.finish(7)).collect();
    let answered: Vec<bool> = sent.iter().map(|message| flags(message) & 4 != 0).collect();
    let count = answered.len();
    assert!(answered[count - 2] && answered.iter().filter(|answered| **answered).count() == 1, "{answered:?}");
    assert_eq!(sent[0][16..], [0, 0, 0, 10]);
}
