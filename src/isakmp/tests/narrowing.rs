//! Narrowing of traffic selectors.

use std::net::IpAddr;

use proptest::prelude::*;
use wire::ipsec::TrafficSelector;

use crate::narrow;

fn range(text: &str) -> TrafficSelector {
    let (start, end) = text.split_once('-').unwrap();
    TrafficSelector::range(start.parse().unwrap(), end.parse().unwrap())
}

fn ports(protocol: u8, start_port: u16, end_port: u16) -> TrafficSelector {
    TrafficSelector { protocol, start_port, end_port, ..TrafficSelector::ANY_V4 }
}

#[test]
fn addresses_narrow_to_what_both_have() {
    let any = TrafficSelector::ANY_V4;
    let net = range("10.2.0.0-10.2.255.255");
    let cases = [
        ("any to any", vec![any], vec![any], vec![any]),
        ("any to a net", vec![any], vec![net], vec![net]),
        ("a net to any", vec![net], vec![any], vec![net]),
        ("overlap", vec![range("10.1.0.0-10.2.0.9")], vec![net], vec![range("10.2.0.0-10.2.0.9")]),
        ("nothing in common", vec![range("10.3.0.0-10.3.0.1")], vec![net], vec![]),
        ("other family", vec![TrafficSelector::ANY_V6], vec![any], vec![]),
        ("both families", vec![any, TrafficSelector::ANY_V6], vec![TrafficSelector::ANY_V6, net], {
            vec![net, TrafficSelector::ANY_V6]
        }),
        (
            "the packet that asked, then its net",
            vec![range("10.2.0.7-10.2.0.7"), net],
            vec![any],
            // RFC 7296 2.9: the first may be that packet's own; the net includes it.
            vec![net],
        ),
        ("the same twice", vec![net, net], vec![any, any], vec![net]),
        ("backwards", vec![range("10.2.0.9-10.2.0.1")], vec![any], vec![]),
        ("nothing offered", vec![], vec![any], vec![]),
        ("nothing allowed", vec![any], vec![], vec![]),
    ];
    for (what, offered, allowed, expected) in cases {
        assert_eq!(narrow(&offered, &allowed), expected, "{what}");
    }
}

#[test]
fn protocols_and_ports_narrow_by_themselves() {
    let any = ports(0, 0, 65535);
    let opaque = ports(17, 65535, 0);
    let cases = [
        (ports(6, 0, 65535), any, Some(ports(6, 0, 65535))),
        (ports(6, 0, 65535), ports(17, 0, 65535), None),
        (ports(6, 100, 200), ports(0, 150, 300), Some(ports(6, 150, 200))),
        (ports(6, 100, 200), ports(6, 201, 300), None),
        (opaque, any, Some(opaque)),
        (any, opaque, Some(opaque)),
        (opaque, opaque, Some(opaque)),
        (opaque, ports(17, 5, 6), None),
        (ports(17, 5, 6), opaque, None),
        (ports(6, 9, 3), any, None),
    ];
    for (offered, allowed, expected) in cases {
        assert_eq!(narrow(&[offered], &[allowed]), Vec::from_iter(expected), "{offered} {allowed}");
    }
}

#[test]
fn the_result_fits_the_payload() {
    let hosts = |net: u8| -> Vec<TrafficSelector> {
        (0..=255).map(|host| IpAddr::from([10, net, 0, host])).map(|host| TrafficSelector::range(host, host)).collect()
    };
    let offered = [hosts(0), hosts(1)].concat();
    assert_eq!(narrow(&offered, &[TrafficSelector::ANY_V4]).len(), 255);
}

fn selectors() -> impl Strategy<Value = Vec<TrafficSelector>> {
    let selector = (0_u8..3, 0_u16..6, 0_u16..6, 0_u8..12, 0_u8..12).prop_map(|(protocol, low, high, start, end)| {
        TrafficSelector {
            protocol,
            start_port: low,
            end_port: high,
            start: [10, 0, 0, start].into(),
            end: [10, 0, 0, end].into(),
        }
    });
    prop::collection::vec(selector, 0..5)
}

fn selects(selectors: &[TrafficSelector], protocol: u8, port: u16, address: IpAddr) -> bool {
    selectors.iter().any(|selector| {
        (selector.protocol == 0 || selector.protocol == protocol)
            && (selector.start_port..=selector.end_port).contains(&port)
            && selector.contains(address)
    })
}

proptest! {
    #[test]
    fn a_packet_is_selected_exactly_if_both_ends_select_it(offered in selectors(), allowed in selectors()) {
        let narrowed = narrow(&offered, &allowed);
        for protocol in 1..3 {
            for port in 0..6 {
                for host in 0..12 {
                    let address = IpAddr::from([10, 0, 0, host]);
                    let both = selects(&offered, protocol, port, address) && selects(&allowed, protocol, port, address);
                    prop_assert_eq!(selects(&narrowed, protocol, port, address), both);
                }
            }
        }
    }

    #[test]
    fn narrowing_again_changes_nothing(offered in selectors(), allowed in selectors()) {
        let narrowed = narrow(&offered, &allowed);
        prop_assert_eq!(narrow(&narrowed, &allowed), narrowed.clone());
        prop_assert_eq!(narrow(&narrowed, &narrowed), narrowed);
    }
}
