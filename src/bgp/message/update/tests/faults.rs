//! The table of RFC 7606: what becomes of a message in error.

use super::*;
use crate::message::notification::UpdateSubcode;

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
