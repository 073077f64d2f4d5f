//! Golden octets, the table of RFC 7606, truncation, hostile input.

use hex_literal::hex;
use ipnet::IpNet;
use proptest::prelude::*;
use wire::RouterId;

use super::*;
use crate::message::notification::UpdateSubcode;
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

/// What is expected of a faulty message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Discard,
    Withdraw,
    Reset(UpdateSubcode),
}

/// A route whose attributes are the usual ones, but for those replaced by type or added.
fn route_with(changed: &[&[u8]]) -> Vec<u8> {
    let usual = [ORIGIN, PATH, NEXT_HOP].into_iter().filter(|usual| changed.iter().all(|new| new[1] != usual[1]));
    let attributes: Vec<&[u8]> = usual.chain(changed.iter().copied()).collect();
    body(&[], &attributes, PREFIX)
}

fn check(what: &str, body: &[u8], terms: &Terms, expect: Expect) {
    match (decode_update(body, terms), expect) {
        (Ok(Decoded { update, faults: Some(faults) }), Expect::Discard) => {
            assert_eq!(faults.verdict(), Verdict::Discard, "{what}: {faults}");
            assert_eq!(update.announced.len(), 1, "{what}: the route stays");
            assert_eq!(update.withdrawn, [], "{what}");
        }
        (Ok(Decoded { update, faults: Some(faults) }), Expect::Withdraw) => {
            assert_eq!(faults.verdict(), Verdict::TreatAsWithdraw, "{what}: {faults}");
            assert_eq!(update.announced, [], "{what}");
            assert_eq!(update.withdrawn, nets("10.2.0.0/16"), "{what}");
            assert_eq!(update.attributes, Attributes::default().into(), "{what}");
            assert_eq!(faults.withdrawn, 1, "{what}");
        }
        (Err(fault), Expect::Reset(subcode)) => {
            assert_eq!(fault.verdict, Verdict::Reset, "{what}: {fault}");
            assert_eq!(fault.notification().to_octets()[..2], [3, subcode.0], "{what}: {fault}");
        }
        (found, expect) => panic!("{what}: expected {expect:?}, found {found:?}"),
    }
}

#[test]
fn every_malformed_attribute_of_an_external_route_has_its_verdict() {
    let cases: [(&str, &[&[u8]], Expect); 44] = [
        ("ORIGIN too long", &[&hex!("40 01 02 0000")], Expect::Withdraw),
        ("ORIGIN empty", &[&hex!("40 01 00")], Expect::Withdraw),
        ("ORIGIN undefined", &[&hex!("40 01 01 03")], Expect::Withdraw),
        ("ORIGIN optional", &[&hex!("c0 01 01 00")], Expect::Withdraw),
        ("AS_PATH overrun", &[&hex!("40 02 06 02 02 0000fc00")], Expect::Withdraw),
        ("AS_PATH underrun", &[&hex!("40 02 07 02 01 0000fc00 02")], Expect::Withdraw),
        ("AS_PATH segment empty", &[&hex!("40 02 08 02 01 0000fc00 02 00")], Expect::Withdraw),
        ("AS_PATH segment type", &[&hex!("40 02 06 07 01 0000fc00")], Expect::Withdraw),
        ("AS_PATH two octets", &[PATH_TWO], Expect::Withdraw),
        ("AS_PATH confederation", &[&hex!("40 02 0c 03 01 0000fc00 02 01 0000fc00")], Expect::Withdraw),
        ("AS_PATH empty", &[&hex!("40 02 00")], Expect::Withdraw),
        ("AS_PATH first is another", &[&hex!("40 02 06 02 01 0000fc01")], Expect::Withdraw),
        ("AS_PATH first is a set", &[&hex!("40 02 06 01 01 0000fc00")], Expect::Withdraw),
        ("AS_PATH with AS 0", &[&hex!("40 02 0a 02 02 0000fc00 00000000")], Expect::Withdraw),
        ("AS_PATH not transitive", &[&hex!("00 02 06 02 01 0000fc00")], Expect::Withdraw),
        ("NEXT_HOP too short", &[&hex!("40 03 03 a9fe15")], Expect::Withdraw),
        ("NEXT_HOP empty", &[&hex!("40 03 00")], Expect::Withdraw),
        ("NEXT_HOP unspecified", &[&hex!("40 03 04 00000000")], Expect::Withdraw),
        ("NEXT_HOP loopback", &[&hex!("40 03 04 7f000001")], Expect::Withdraw),
        ("NEXT_HOP multicast", &[&hex!("40 03 04 e0000005")], Expect::Withdraw),
        ("NEXT_HOP broadcast", &[&hex!("40 03 04 ffffffff")], Expect::Withdraw),
        ("NEXT_HOP our own", &[&hex!("40 03 04 a9fe1502")], Expect::Withdraw),
        ("NEXT_HOP optional", &[&hex!("c0 03 04 a9fe1501")], Expect::Withdraw),
        ("MED too long", &[&hex!("80 04 05 0000000001")], Expect::Withdraw),
        ("MED empty", &[&hex!("80 04 00")], Expect::Withdraw),
        ("MED well-known", &[&hex!("40 04 04 00000001")], Expect::Withdraw),
        ("LOCAL_PREF from outside", &[&hex!("40 05 04 000000c8")], Expect::Discard),
        ("LOCAL_PREF malformed from outside", &[&hex!("40 05 01 00")], Expect::Discard),
        ("ATOMIC_AGGREGATE not empty", &[&hex!("40 06 01 00")], Expect::Discard),
        ("ATOMIC_AGGREGATE optional", &[&hex!("c0 06 00")], Expect::Withdraw),
        ("AGGREGATOR of two octets", &[&hex!("c0 07 06 fc00 0a000007")], Expect::Discard),
        ("AGGREGATOR with AS 0", &[&hex!("c0 07 08 00000000 0a000007")], Expect::Discard),
        ("AGGREGATOR well-known", &[&hex!("40 07 08 0000fc00 0a000007")], Expect::Withdraw),
        ("COMMUNITIES of odd length", &[&hex!("c0 08 05 0000000001")], Expect::Withdraw),
        ("COMMUNITIES empty", &[&hex!("c0 08 00")], Expect::Withdraw),
        ("ORIGINATOR_ID from outside", &[&hex!("80 09 04 0a000001")], Expect::Discard),
        ("CLUSTER_LIST from outside", &[&hex!("80 0a 03 0a0000")], Expect::Discard),
        ("EXTENDED_COMMUNITIES of odd length", &[&hex!("c0 10 07 00000000000001")], Expect::Withdraw),
        ("EXTENDED_COMMUNITIES empty", &[&hex!("c0 10 00")], Expect::Withdraw),
        ("AS4_PATH from a four-octet speaker", &[&hex!("c0 11 06 02 01 0000fc00")], Expect::Discard),
        ("AS4_AGGREGATOR from a four-octet speaker", &[&hex!("c0 12 08 0000fc00 0a000007")], Expect::Discard),
        ("LARGE_COMMUNITY of odd length", &[&hex!("c0 20 04 00000001")], Expect::Withdraw),
        ("LARGE_COMMUNITY empty", &[&hex!("c0 20 00")], Expect::Withdraw),
        (
            "an unknown well-known attribute",
            &[&hex!("40 63 01 00")],
            Expect::Reset(UpdateSubcode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE),
        ),
    ];
    for (what, changed, expect) in cases {
        check(what, &route_with(changed), &terms(), expect);
    }
}

#[test]
fn every_attribute_that_only_matters_inside_an_as_has_its_verdict() {
    let cases: [(&str, &[u8], Expect); 6] = [
        ("LOCAL_PREF too short", &hex!("40 05 03 0000c8"), Expect::Withdraw),
        ("LOCAL_PREF optional", &hex!("c0 05 04 000000c8"), Expect::Withdraw),
        ("ORIGINATOR_ID too long", &hex!("80 09 05 0a00000100"), Expect::Withdraw),
        ("ORIGINATOR_ID transitive", &hex!("c0 09 04 0a000001"), Expect::Withdraw),
        ("CLUSTER_LIST of odd length", &hex!("80 0a 05 0a00000100"), Expect::Withdraw),
        ("CLUSTER_LIST empty", &hex!("80 0a 00"), Expect::Withdraw),
    ];
    for (what, changed, expect) in cases {
        check(what, &route_with(&[changed]), &internal(), expect);
    }
    let empty_path = route_with(&[&hex!("40 02 00")]);
    assert_eq!(good(&empty_path, &internal()).attributes.as_path, AsPath::default(), "a route of our own AS");
}

#[test]
fn attributes_for_two_octet_speakers_are_discarded_when_malformed() {
    let cases: [(&str, &[u8]); 5] = [
        ("AS4_PATH truncated", &hex!("c0 11 04 02 01 0000")),
        ("AS4_PATH with AS 0", &hex!("c0 11 06 02 01 00000000")),
        ("AS4_AGGREGATOR too short", &hex!("c0 12 07 0000fc00 0a0000")),
        ("AS4_AGGREGATOR with AS 0", &hex!("c0 12 08 00000000 0a000001")),
        ("AGGREGATOR of four octets", &hex!("c0 07 08 0000fc00 0a000007")),
    ];
    for (what, changed) in cases {
        check(what, &route_with(&[PATH_TWO, changed]), &two_octet(), Expect::Discard);
    }
}

#[test]
fn what_hides_prefixes_ends_the_session() {
    let ipv6 = |attribute: &[u8]| body(&[], &[attribute, ORIGIN, PATH], &[]);
    let list = UpdateSubcode::MALFORMED_ATTRIBUTE_LIST;
    let length = UpdateSubcode::ATTRIBUTE_LENGTH;
    let optional = UpdateSubcode::OPTIONAL_ATTRIBUTE;
    let network = UpdateSubcode::INVALID_NETWORK_FIELD;
    let cases: [(&str, Vec<u8>, UpdateSubcode); 13] = [
        ("withdrawn length too long", hex!("0005 0000").to_vec(), list),
        ("attributes length too long", hex!("0000 0001").to_vec(), list),
        ("withdrawn prefix of 33 bits", body(&hex!("21 0a00000000"), &[], &[]), network),
        ("withdrawn prefix overrun", body(&hex!("18 0a"), &[], &[]), network),
        ("announced prefix of 33 bits", body(&[], &[ORIGIN, PATH, NEXT_HOP], &hex!("21 0a00000000")), network),
        ("announced prefix overrun", body(&[], &[ORIGIN, PATH, NEXT_HOP], &hex!("20 0a")), network),
        ("MP_REACH_NLRI too short", ipv6(&hex!("80 0e 04 0002 01 00")), length),
        ("MP_REACH_NLRI next hop of 8", ipv6(&hex!("80 0e 0d 0002 01 08 20010db800000001 00")), length),
        ("MP_REACH_NLRI next hop overrun", ipv6(&hex!("80 0e 05 0002 01 10 00")), length),
        (
            "MP_REACH_NLRI prefix overrun",
            {
                let mut reach = REACH.to_vec();
                reach[24] = 0x40;
                ipv6(&reach)
            },
            optional,
        ),
        ("MP_UNREACH_NLRI too short", body(&[], &[&hex!("80 0f 02 0002")], &[]), length),
        ("MP_UNREACH_NLRI prefix overrun", body(&[], &[&hex!("80 0f 05 0002 01 30 20")], &[]), optional),
        ("MP_REACH_NLRI twice", body(&[], &[REACH, ORIGIN, PATH, REACH], &[]), list),
    ];
    for (what, body, subcode) in cases {
        check(what, &body, &terms(), Expect::Reset(subcode));
    }
}

#[test]
fn a_list_that_breaks_off_withdraws_what_is_known_and_resets_where_nothing_is() {
    let cut = |attributes: &[&[u8]], nlri: &[u8]| body(&[], attributes, nlri);
    for rest in [&hex!("c0")[..], &hex!("c0 08"), &hex!("d0 08 00"), &hex!("c0 08 05 00000001")] {
        check("breaks off", &cut(&[ORIGIN, PATH, NEXT_HOP, rest], PREFIX), &terms(), Expect::Withdraw);
        let nothing_known = cut(&[ORIGIN, PATH, rest], &[]);
        check("nothing known", &nothing_known, &terms(), Expect::Reset(UpdateSubcode::MALFORMED_ATTRIBUTE_LIST));
    }
    let inside_reach = cut(&[ORIGIN, PATH, NEXT_HOP, &REACH[..20]], PREFIX);
    check("inside MP_REACH_NLRI", &inside_reach, &terms(), Expect::Reset(UpdateSubcode::MALFORMED_ATTRIBUTE_LIST));
}

#[test]
fn attributes_in_error_without_prefixes_end_the_session_unless_they_only_lose_themselves() {
    // RFC 7606 5.2
    let reset = body(&[], &[&hex!("40 01 01 09"), PATH], &[]);
    check("ORIGIN", &reset, &terms(), Expect::Reset(UpdateSubcode::INVALID_ORIGIN));
    let discarded = body(&[], &[ORIGIN, PATH, &hex!("40 06 01 00")], &[]);
    assert_eq!(decode_update(&discarded, &terms()).unwrap().faults.unwrap().verdict(), Verdict::Discard);
    // Only withdrawals: nothing can be hidden.
    let mut unreach = UNREACH.to_vec();
    unreach[0] = 0xc0;
    let decoded = decode_update(&body(&[], &[&unreach], &[]), &terms()).unwrap();
    assert_eq!(decoded.update.withdrawn, nets("2001:db8:3::/48"));
    assert_eq!(decoded.faults.unwrap().faults[0].problem, Problem::Flags { found: 0xc0, expected: 0x80 });
}

#[test]
fn a_missing_mandatory_attribute_withdraws_the_route() {
    for missing in 0..3 {
        let mut attributes = vec![ORIGIN, PATH, NEXT_HOP];
        attributes.remove(missing);
        check("missing", &body(&[], &attributes, PREFIX), &terms(), Expect::Withdraw);
    }
    check("all missing", &body(&[], &[], PREFIX), &terms(), Expect::Withdraw);
    // NEXT_HOP has no place beside MP_REACH_NLRI alone.
    assert_eq!(good(&body(&[], &[REACH, ORIGIN, PATH], &[]), &terms()).announced.len(), 1);
}

#[test]
fn a_repeated_attribute_counts_once() {
    let med = [&hex!("80 04 04 00000001")[..], &hex!("80 04 04 00000002")];
    let repeated = route(&med);
    check("MED twice", &repeated, &terms(), Expect::Discard);
    assert_eq!(decode_update(&repeated, &terms()).unwrap().update.attributes.med, Some(1));
}

#[test]
fn a_family_that_was_not_negotiated_is_ignored() {
    let only_v4 = Terms { families: vec![Family::Ipv4Unicast], ..terms() };
    let decoded = decode_update(&body(&[], &[REACH, ORIGIN, PATH], &[]), &only_v4).unwrap();
    assert_eq!(decoded.update, Update::default());
    assert_eq!(decoded.faults.unwrap().faults[0].problem, Problem::NotNegotiated { afi: 2, safi: 1 });
    let only_v6 = Terms { families: vec![Family::Ipv6Unicast], ..terms() };
    let decoded = decode_update(&route(&[]), &only_v6).unwrap();
    assert_eq!(decoded.update, Update::default());
}

#[test]
fn a_prefix_that_is_no_unicast_destination_is_ignored_alone() {
    let both = body(&[], &[ORIGIN, PATH, NEXT_HOP], &hex!("08 e0 10 0a02"));
    check("multicast", &both, &terms(), Expect::Discard);
    let decoded = decode_update(&both, &terms()).unwrap();
    assert_eq!(decoded.update.announced[0].prefixes, nets("10.2.0.0/16"));
    assert_eq!(
        decoded.faults.unwrap().to_string(),
        "NLRI has the prefix 224.0.0.0/8, which is no unicast destination (discarded)"
    );
}

#[test]
fn a_flood_of_faults_is_counted_and_the_strongest_kept() {
    let med: &[u8] = &hex!("80 04 04 00000001");
    let mut more = vec![med; 100];
    more.push(&hex!("c0 08 01 00"));
    let faults = decode_update(&route(&more), &terms()).unwrap().faults.unwrap();
    assert_eq!(faults.verdict(), Verdict::TreatAsWithdraw);
    assert_eq!(faults.faults.len() + faults.omitted, 100);
    assert!(faults.faults.len() <= 8);
}

#[test]
fn truncation_at_every_length_is_an_answer_not_a_panic() {
    let whole = body(
        &hex!("18 c0a801"),
        &[REACH, ORIGIN, PATH, NEXT_HOP, &hex!("c0 08 04 fc000001"), UNREACH],
        &hex!("10 0a02 18 0a0304"),
    );
    assert!(decode_update(&whole, &terms()).is_ok());
    for length in 0..whole.len() {
        let decoded = decode_update(&whole[..length], &terms());
        let nlri = whole.len() - 7;
        assert_eq!(decoded.is_err(), length < nlri || ![0, 3].contains(&(length - nlri)), "{length}: {decoded:?}");
    }
}

#[test]
fn faults_name_place_problem_and_verdict() {
    let told = |changed: &[u8]| decode_update(&route_with(&[changed]), &terms()).unwrap().faults.unwrap().to_string();
    assert_eq!(
        told(&hex!("40 02 06 02 01 0000fde9")),
        "AS_PATH begins with AS 65001, expected AS 64512 (treated as withdrawn)"
    );
    assert_eq!(told(&hex!("40 03 04 a9fe1502")), "NEXT_HOP is 169.254.21.2, our own address (treated as withdrawn)");
    assert_eq!(
        told(&hex!("c0 08 03 000000")),
        "COMMUNITIES is 3 octets long, expected a multiple of 4 (treated as withdrawn)"
    );
}

fn any_terms() -> impl Strategy<Value = Terms> {
    (any::<bool>(), any::<bool>()).prop_map(|(external, four_octet)| {
        let base = if external { terms() } else { internal() };
        Terms { four_octet, ..base }
    })
}

proptest! {
    #[test]
    fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300), terms in any_terms()) {
        drop(decode_update(&octets, &terms));
    }

    #[test]
    fn a_message_with_octets_changed_never_panics(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        terms in any_terms(),
    ) {
        let more: [&[u8]; 6] = [
            REACH, UNREACH, &hex!("c0 07 08 0000fc00 0a000007"), &hex!("c0 08 04 fc000001"),
            &hex!("c0 11 06 02 01 0000fc00"), &hex!("c0 20 0c 0000fc00 00000001 00000002"),
        ];
        let mut octets = route(&more);
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        if let Ok(decoded) = decode_update(&octets, &terms) {
            for announcement in &decoded.update.announced {
                prop_assert!(!announcement.prefixes.is_empty());
            }
            let reset = decoded.faults.is_some_and(|faults| faults.verdict() == Verdict::Reset);
            prop_assert!(!reset, "a reset is an error");
        }
    }
}

#[test]
fn a_route_server_need_not_be_first_in_its_paths() {
    // ORIGIN, AS_PATH 65001, NEXT_HOP 169.254.21.1, 10.0.0.0/8
    let body = hex!("0000 0014 40010100 400206 0201 0000fde9 400304 a9fe1501 080a");
    for (role, taken) in [
        (None, false),
        (Some(Role::Peer), false),
        (Some(Role::Customer), false),
        (Some(Role::RsServer), false),
        (Some(Role::RsClient), true),
    ] {
        let decoded = decode_update(&body, &Terms { role, ..terms() }).unwrap();
        assert_eq!((!decoded.update.announced.is_empty(), decoded.faults.is_none()), (taken, taken), "{role:?}");
    }
}
