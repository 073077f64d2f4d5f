//! Selectors: what is covered, exactly.

use proptest::prelude::*;

use super::*;

fn matches(ports: Ports, port: u16) -> bool {
    (port ^ ports.value) & ports.mask == 0
}

fn net(octet: u8) -> TrafficSelector {
    TrafficSelector::range([10, 0, octet, 0].into(), [10, 0, octet, 255].into())
}

#[test]
fn everything_is_one_selector_for_each_family() {
    let any = [TrafficSelector::ANY_V4, TrafficSelector::ANY_V6];
    let found = expand(&any, &any).unwrap();
    let expected: Vec<_> =
        ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap()).map(|net| Selector::between(net, net)).into();
    assert_eq!(found, expected);
}

#[test]
fn a_range_becomes_the_fewest_prefixes() {
    let range = TrafficSelector::range([10, 0, 0, 1].into(), [10, 0, 0, 6].into());
    let found = expand(&[range], &[net(1)]).unwrap();
    let sources: Vec<String> = found.iter().map(|selector| selector.source.to_string()).collect();
    assert_eq!(sources, ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]);
}

#[test]
fn what_no_packet_can_match_takes_no_selector() {
    let of = |protocol| TrafficSelector { protocol, ..net(0) };
    assert!(expand(&[of(6)], &[of(17)]).unwrap().is_empty(), "TCP here, UDP there");
    assert!(expand(&[net(0)], &[TrafficSelector::ANY_V6]).unwrap().is_empty());
    assert_eq!(expand(&[of(6)], &[net(1)]).unwrap()[0].protocol, 6);
}

#[test]
fn icmp_has_type_and_code_in_place_of_ports_both_ways() {
    let echo = TrafficSelector { protocol: 1, start_port: 8 << 8, end_port: 8 << 8 | 255, ..net(0) };
    let found = expand(&[echo], &[TrafficSelector { protocol: 1, ..net(1) }]).unwrap();
    let [selector] = found[..] else { panic!("{found:?}") };
    assert_eq!(selector.source_port, Ports { value: 8, mask: 0xff });
    assert_eq!(selector.destination_port, Ports::ANY);
    let back = selector.reversed();
    assert_eq!((back.source, back.destination), (selector.destination, selector.source));
    assert_eq!((back.source_port, back.destination_port), (selector.source_port, selector.destination_port));
    let tcp = TrafficSelector { protocol: 6, start_port: 179, end_port: 179, ..net(0) };
    let back = expand(&[tcp], &[net(1)]).unwrap()[0].reversed();
    assert_eq!(back.destination_port, Ports { value: 179, mask: 0xffff });
}

#[test]
fn a_port_that_is_not_to_be_seen_is_zero_as_the_kernel_has_it() {
    let opaque = TrafficSelector { protocol: 17, start_port: 65535, end_port: 0, ..net(0) };
    assert_eq!(expand(&[opaque], &[net(1)]).unwrap()[0].source_port, Ports { value: 0, mask: 0xffff });
}

#[test]
fn selectors_that_take_too_many_policies_are_refused() {
    let range = |octet| TrafficSelector {
        protocol: 6,
        start_port: 1,
        end_port: 65534,
        ..TrafficSelector::range([10, octet, 0, 1].into(), [10, octet, 255, 254].into())
    };
    assert_eq!(expand(&[range(0)], &[range(1)]), None);
}

proptest! {
    #[test]
    fn masks_cover_a_range_and_nothing_else(start: u16, end: u16, port: u16) {
        let masks = masks(start, end);
        for port in [port, start, end, start.wrapping_sub(1), end.wrapping_add(1)] {
            let covering = masks.iter().filter(|mask| matches(**mask, port)).count();
            prop_assert_eq!(covering, usize::from((start..=end).contains(&port)));
        }
        prop_assert!(masks.len() <= 30);
    }

    #[test]
    fn selectors_intersect_where_a_port_matches_both(a: u16, b: u16, c: u16, d: u16) {
        let (one, other) = (Ports { value: a & b, mask: b }, Ports { value: c & d, mask: d });
        // The one packet that would match both, if any does.
        let candidate = one.value | other.value;
        prop_assert_eq!(one.intersects(other), matches(one, candidate) && matches(other, candidate));
    }

    #[test]
    fn what_is_reversed_twice_is_as_it_was(low: u8, high: u8, protocol: u8, port: u16) {
        let from = TrafficSelector { protocol, start_port: port, end_port: port, ..net(low) };
        for selector in expand(&[from], &[net(high)]).unwrap() {
            prop_assert_eq!(selector.reversed().reversed(), selector);
        }
    }
}
