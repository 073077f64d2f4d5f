//! Route messages: golden octets, ownership, round trips.

use netlink_packet_core::{Emitable, Parseable};
use proptest::prelude::*;

use super::*;
use crate::plan::Owner;

fn marks() -> Marks {
    Marks { owner: Owner { protocol: 142, ids: 0x4000_0000..=0x4000_3fff }, table: 254, metric: 142 }
}

fn key(prefix: &str) -> RouteKey {
    RouteKey { prefix: prefix.parse().unwrap(), metric: 142 }
}

fn body(op: &Op) -> RouteMessage {
    let (message, _) = encode(op, &marks());
    let Rtnl::Route(_, message) = message else { panic!("{message:?}") };
    message
}

fn octets(message: &RouteMessage) -> Vec<u8> {
    let mut octets = vec![0; message.buffer_len()];
    message.emit(&mut octets);
    octets
}

#[cfg(target_endian = "little")]
#[test]
fn a_route_on_a_group_is_octet_for_octet_what_the_header_file_says() {
    let route = Route { via: Via::Object(NexthopId(0x4000_0009)), source: Some("10.1.0.1".parse().unwrap()) };
    let op = Op::NewRoute { key: key("10.2.0.0/16"), route: route.clone() };
    #[rustfmt::skip]
    let golden = [
        2, 16, 0, 0, 254, 142, 0, 1, 0, 0, 0, 0, // AF_INET, /16, main, protocol 142, universe, unicast
        8, 0, 1, 0, 10, 2, 0, 0,                 // RTA_DST
        8, 0, 15, 0, 254, 0, 0, 0,               // RTA_TABLE
        8, 0, 6, 0, 142, 0, 0, 0,                // RTA_PRIORITY
        8, 0, 7, 0, 10, 1, 0, 1,                 // RTA_PREFSRC
        8, 0, 30, 0, 9, 0, 0, 0x40,              // RTA_NH_ID
    ];
    assert_eq!(octets(&body(&op)), golden);
    let parsed = RouteMessage::parse(&golden[..]).unwrap();
    assert_eq!(decode(&parsed, &marks()), Some((key("10.2.0.0/16"), route)));
}

#[cfg(target_endian = "little")]
#[test]
fn deletion_names_prefix_metric_and_owner() {
    #[rustfmt::skip]
    let golden = [
        10, 32, 0, 0, 254, 142, 255, 0, 0, 0, 0, 0, // AF_INET6, /32, main, protocol 142, any scope and type
        20, 0, 1, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        8, 0, 15, 0, 254, 0, 0, 0,
        8, 0, 6, 0, 142, 0, 0, 0,
    ];
    assert_eq!(octets(&body(&Op::DelRoute { key: key("2001:db8::/32") })), golden);
}

#[test]
fn creation_is_exclusive_and_replacement_does_not_create() {
    let route = Route { via: Via::Object(NexthopId(1)), source: None };
    let key = key("10.2.0.0/16");
    let flags = |op: Op| encode(&op, &marks()).1;
    assert_eq!(flags(Op::NewRoute { key, route: route.clone() }), NLM_F_CREATE | NLM_F_EXCL);
    assert_eq!(flags(Op::ReplaceRoute { key, route }), NLM_F_REPLACE);
    assert_eq!(flags(Op::NewGroup { id: NexthopId(1), members: vec![] }), NLM_F_CREATE | NLM_F_EXCL);
    assert_eq!(flags(Op::ReplaceGroup { id: NexthopId(1), members: vec![] }), NLM_F_REPLACE);
    assert_eq!(flags(Op::DelRoute { key }), 0);
}

#[test]
fn only_our_table_protocol_and_metric_or_ids_are_ours() {
    let route = |id| Route { via: Via::Object(NexthopId(id)), source: None };
    let own = body(&Op::NewRoute { key: key("10.2.0.0/16"), route: route(5) });
    assert!(decode(&own, &marks()).is_some());
    assert!(decode(&own, &Marks { table: 100, ..marks() }).is_none());
    assert!(decode(&own, &Marks { metric: 7, ..marks() }).is_none());
    let other = Owner { protocol: 186, ..marks().owner };
    assert!(decode(&own, &Marks { owner: other, ..marks() }).is_none());
    let by_id = body(&Op::NewRoute { key: key("10.2.0.0/16"), route: route(0x4000_0001) });
    assert!(decode(&by_id, &Marks { metric: 7, ..marks() }).is_some());
}

#[test]
fn a_dead_share_makes_a_route_differ_from_any_wanted_one() {
    let hops = vec![hop_on(1), hop_on(2)];
    let route = Route { via: Via::Hops(hops.into()), source: None };
    let mut message = body(&Op::NewRoute { key: key("10.2.0.0/16"), route: route.clone() });
    assert_eq!(decode(&message, &marks()).unwrap().1, route);
    for attribute in &mut message.attributes {
        if let RouteAttribute::MultiPath(shares) = attribute {
            shares[0].flags.insert(RouteNextHopFlags::Dead);
        }
    }
    assert_eq!(decode(&message, &marks()).unwrap().1.via, Via::Other);
}

fn hop_on(interface: u32) -> (Hop, u16) {
    let weight = u16::try_from(interface % 256).unwrap() + 1;
    (Hop { interface, gateway: "169.254.21.1".parse().unwrap() }, weight)
}

#[test]
fn ipv4_over_ipv6_and_discard_come_back_as_they_went() {
    let gateway = "fd00::1".parse().unwrap();
    let hops = |count: u32| (1..=count).map(|interface| (Hop { interface, gateway }, 1)).collect::<Vec<_>>();
    for via in [Via::Hops(hops(1).into()), Via::Hops(hops(2).into()), Via::Discard] {
        let route = Route { via, source: None };
        for prefix in ["10.2.0.0/16", "2001:db8::/32"] {
            let key = key(prefix);
            let message = body(&Op::NewRoute { key, route: route.clone() });
            let parsed = RouteMessage::parse(&octets(&message)[..]).unwrap();
            assert_eq!(decode(&parsed, &marks()), Some((key, route.clone())), "{prefix}");
        }
    }
}

proptest! {
    #[test]
    fn routes_round_trip(
        bits in any::<u32>(),
        length in 0_u8..=32,
        table in 1_u32..,
        interfaces in prop::collection::btree_set(1_u32.., 1..8),
        by_id in any::<bool>(),
    ) {
        let marks = Marks { table, ..marks() };
        let prefix = IpNet::V4(Ipv4Net::new(Ipv4Addr::from_bits(bits), length).unwrap().trunc());
        let key = RouteKey { prefix, metric: 142 };
        let mut hops: Vec<(Hop, u16)> = interfaces.into_iter().map(hop_on).collect();
        if let [(_, weight)] = hops.as_mut_slice() {
            *weight = 1;
        }
        let via = if by_id { Via::Object(NexthopId(bits)) } else { Via::Hops(hops.into()) };
        let route = Route { via, source: None };
        let (message, _) = encode(&Op::NewRoute { key, route: route.clone() }, &marks);
        let Rtnl::Route(Verb::New, message) = message else { panic!() };
        let parsed = RouteMessage::parse(&octets(&message)[..]).unwrap();
        prop_assert_eq!(decode(&parsed, &marks), Some((key, route)));
    }
}
