//! Golden octets, and what the tables beside this file stand on.

mod faults;
mod hostile;

use hex_literal::hex;
use ipnet::IpNet;
use wire::RouterId;

use super::*;
use crate::{AsPathSegment, Rare, RareAttributes};

fn terms() -> Terms {
    Terms {
        local_asn: Asn(65000),
        peer_asn: Asn(64512),
        local_address: "169.254.21.2".parse().unwrap(),
        four_octet: true,
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        add_path: Vec::new(),
        extended_next_hop: false,
        extended_messages: false,
        role: None,
    }
}

fn internal() -> Terms {
    Terms { peer_asn: Asn(65000), ..terms() }
}

fn two_octet() -> Terms {
    Terms { four_octet: false, ..terms() }
}

fn nets(text: &str) -> Vec<Nlri> {
    text.split_whitespace().map(|net| net.parse::<IpNet>().unwrap().into()).collect()
}

fn sequence(numbers: &[u32]) -> AsPath {
    AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())])
}

const ORIGIN: &[u8] = &hex!("40 01 01 00");
const PATH: &[u8] = &hex!("40 02 06 02 01 0000fc00");
const PATH_TWO: &[u8] = &hex!("40 02 04 02 01 fc00");
const NEXT_HOP: &[u8] = &hex!("40 03 04 a9fe1501");
/// 10.2.0.0/16
const PREFIX: &[u8] = &hex!("10 0a02");
/// 2001:db8:2::/48 behind 2001:db8::1
const REACH: &[u8] = &hex!("80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80002");
/// 2001:db8:3::/48
const UNREACH: &[u8] = &hex!("80 0f 0a 0002 01 30 20010db80003");

fn body(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let length = |field: &[u8]| u16::try_from(field.len()).unwrap().to_be_bytes();
    [&length(withdrawn)[..], withdrawn, &length(&attributes), &attributes, nlri].concat()
}

/// The usual attributes of an IPv4 route, and `more`.
fn route(more: &[&[u8]]) -> Vec<u8> {
    let attributes = [&[ORIGIN, PATH, NEXT_HOP], more].concat();
    body(&[], &attributes, PREFIX)
}

fn good(body: &[u8], terms: &Terms) -> Update {
    let decoded = decode_update(body, terms).unwrap();
    assert_eq!(decoded.faults, None);
    decoded.update
}

#[test]
fn a_golden_message_with_every_attribute_is_read() {
    let attributes: [&[u8]; 15] = [
        ORIGIN,
        &hex!("40 02 10 02 02 0000fc00 00011170 01 01 00000007"),
        NEXT_HOP,
        &hex!("80 04 04 00000064"),
        &hex!("40 05 04 000000c8"),
        &hex!("40 06 00"),
        &hex!("c0 07 08 00011170 0a000007"),
        &hex!("c0 08 08 fc000001 ffffff01"),
        &hex!("80 09 04 0a000009"),
        &hex!("80 0a 08 0a00000a 0a00000b"),
        &hex!("c0 10 08 0002fc0000000001"),
        &hex!("d0 20 000c 0000fc00 00000001 00000002"),
        &hex!("c0 23 04 0000fc00"),
        // Unknown: transitive kept, non-transitive dropped.
        &hex!("e0 63 02 beef"),
        &hex!("80 64 01 00"),
    ];
    let body = body(&hex!("18 c0a801"), &attributes, &hex!("10 0a02 00"));
    let update = good(&body, &internal());
    assert_eq!(update.withdrawn, nets("192.168.1.0/24"));
    let next_hop = "169.254.21.1".parse().unwrap();
    assert_eq!(update.announced, [Announcement { next_hop, prefixes: nets("10.2.0.0/16 0.0.0.0/0") }]);
    let expected = Attributes {
        origin: Origin::Igp,
        as_path: AsPath(vec![AsPathSegment::Sequence(vec![Asn(64512), Asn(70000)]), AsPathSegment::Set(vec![Asn(7)])]),
        med: Some(100),
        local_preference: Some(200),
        communities: vec![0xfc00_0001, 0xffff_ff01],
        rare: Rare::from(RareAttributes {
            atomic_aggregate: true,
            aggregator: Some((Asn(70000), Ipv4Addr::new(10, 0, 0, 7))),
            extended_communities: vec![hex!("0002fc0000000001")],
            large_communities: vec![[64512, 1, 2]],
            originator_id: Some(RouterId(Ipv4Addr::new(10, 0, 0, 9))),
            cluster_list: vec![Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 11)],
            only_to_customer: Some(Asn(64512)),
            unknown: vec![UnknownAttribute { flags: 0xe0, code: 0x63, value: vec![0xbe, 0xef] }],
        }),
    };
    assert_eq!(update.attributes, expected.into());
    assert_eq!(update.end_of_rib, None);
}

#[test]
fn ipv6_travels_in_its_own_attributes_wherever_they_stand() {
    let next_hop: IpAddr = "2001:db8::1".parse().unwrap();
    let expected = Announcement { next_hop, prefixes: nets("2001:db8:2::/48") };
    for attributes in [[REACH, ORIGIN, PATH, UNREACH], [UNREACH, ORIGIN, PATH, REACH]] {
        let update = good(&body(&[], &attributes, &[]), &terms());
        assert_eq!(update.announced, std::slice::from_ref(&expected));
        assert_eq!(update.withdrawn, nets("2001:db8:3::/48"));
    }
}

#[test]
fn a_link_local_next_hop_may_follow_the_global_one() {
    let both = hex!(
        "80 0e 2c 0002 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 30 20010db80002"
    );
    let update = good(&body(&[], &[&both, ORIGIN, PATH], &[]), &terms());
    assert_eq!(update.announced[0].next_hop, "2001:db8::1".parse::<IpAddr>().unwrap());
    let mut only_local = both;
    only_local[7..23].fill(0);
    let update = good(&body(&[], &[&only_local, ORIGIN, PATH], &[]), &terms());
    assert_eq!(update.announced[0].next_hop, "fe80::1".parse::<IpAddr>().unwrap());
    let on_link = Terms { local_address: "fe80::2".parse().unwrap(), ..terms() };
    let update = good(&body(&[], &[&both, ORIGIN, PATH], &[]), &on_link);
    assert_eq!(update.announced[0].next_hop, "fe80::1".parse::<IpAddr>().unwrap(), "between addresses of link scope");
}

#[test]
fn an_ipv4_mapped_next_hop_is_left_to_policy_unless_it_is_our_own() {
    let reach = |last: u8| {
        let mut reach = REACH.to_vec();
        reach[7..23].copy_from_slice(&hex!("00000000000000000000ffffa9fe1500"));
        reach[22] = last;
        decode_update(&body(&[], &[&reach, ORIGIN, PATH], &[]), &terms()).unwrap()
    };
    assert_eq!(reach(1).update.announced[0].next_hop, "::ffff:169.254.21.1".parse::<IpAddr>().unwrap());
    assert_eq!(reach(2).faults.unwrap().verdict(), Verdict::TreatAsWithdraw);
}

#[test]
fn ipv4_may_travel_in_mp_reach_nlri_beside_the_classic_field() {
    let reach = hex!("80 0e 0c 0001 01 04 a9fe1501 00 10 0a03");
    let update = good(&body(&[], &[&reach, ORIGIN, PATH, NEXT_HOP], PREFIX), &terms());
    let prefixes: Vec<Nlri> = update.announced.into_iter().flat_map(|announcement| announcement.prefixes).collect();
    assert_eq!(prefixes, nets("10.2.0.0/16 10.3.0.0/16"));
}

#[test]
fn the_end_of_a_family_is_an_empty_update_or_an_empty_mp_unreach() {
    assert_eq!(good(&[0; 4], &terms()).end_of_rib, Some(Family::Ipv4Unicast));
    let empty = body(&[], &[&hex!("80 0f 03 0002 01")], &[]);
    assert_eq!(good(&empty, &terms()).end_of_rib, Some(Family::Ipv6Unicast));
    assert_eq!(good(&body(&[], &[UNREACH], &[]), &terms()).end_of_rib, None);
    assert_eq!(good(&body(&hex!("10 0a02"), &[], &[]), &terms()).end_of_rib, None);
    let only_v6 = Terms { families: vec![Family::Ipv6Unicast], ..terms() };
    assert_eq!(good(&[0; 4], &only_v6).end_of_rib, None);
}

#[test]
fn as4_path_and_as4_aggregator_restore_what_a_two_octet_speaker_cannot_say() {
    let path = hex!("40 02 08 02 03 fc00 5ba0 5ba0");
    let as4_path = hex!("c0 11 0a 02 02 00011170 00013880");
    let aggregator = hex!("c0 07 06 5ba0 0a000007");
    let as4_aggregator = hex!("c0 12 08 00011170 0a000008");
    let all = body(&[], &[ORIGIN, &path, NEXT_HOP, &aggregator, &as4_path, &as4_aggregator], PREFIX);
    let update = good(&all, &two_octet());
    assert_eq!(update.attributes.as_path, sequence(&[64512, 70000, 80000]));
    assert_eq!(update.attributes.aggregator, Some((Asn(70000), Ipv4Addr::new(10, 0, 0, 8))));
    // RFC 6793 4.2.3: aggregated anew by a two-octet speaker: both are of no use.
    let aggregator = hex!("c0 07 06 fc00 0a000007");
    let anew = body(&[], &[ORIGIN, &path, NEXT_HOP, &aggregator, &as4_path, &as4_aggregator], PREFIX);
    let update = good(&anew, &two_octet());
    assert_eq!(update.attributes.as_path, sequence(&[64512, 23456, 23456]));
    assert_eq!(update.attributes.aggregator, Some((Asn(64512), Ipv4Addr::new(10, 0, 0, 7))));
}
