//! Values that an attribute of the right length and flags must not have, and what depends on what was agreed on.

use std::time::Duration;

use bgp::message::{Capability, KEEPALIVE, Open};
use bgp::{AddPath, Family};
use hex_literal::hex;

use super::attributes::Attribute;
use super::{Fate, From, established, fate, goes_on, message};
use crate::Restart;
use crate::continuity::Flags;
use crate::negotiate;
use crate::tests::support::{Rig, config};
use crate::{Offers, State};

/// What is wrong, the attribute, its value, the signs from outside and inside.
type Case = (&'static str, Attribute, &'static [u8], char, char);

const CASES: &[Case] = &[
    ("ORIGIN 3", Attribute::Origin, &[3], 'W', 'W'),
    ("ORIGIN 255", Attribute::Origin, &[255], 'W', 'W'),
    // RFC 7606 7.2
    ("a segment type nobody knows", Attribute::AsPath, &hex!("05 01 0000fc00"), 'W', 'W'),
    ("segment type 0", Attribute::AsPath, &hex!("00 01 0000fc00"), 'W', 'W'),
    ("an empty segment", Attribute::AsPath, &hex!("02 01 0000fc00 02 00"), 'W', 'W'),
    ("a segment that overruns", Attribute::AsPath, &hex!("02 02 0000fc00"), 'W', 'W'),
    ("one octet behind the segments", Attribute::AsPath, &hex!("02 01 0000fc00 02"), 'W', 'W'),
    ("numbers of two octets", Attribute::AsPath, &hex!("02 01 fc00"), 'W', 'W'),
    // RFC 5065 5
    ("AS_CONFED_SEQUENCE", Attribute::AsPath, &hex!("03 01 0000fc01 02 01 0000fc00"), 'W', 'W'),
    ("AS_CONFED_SET", Attribute::AsPath, &hex!("02 01 0000fc00 04 01 0000fc01"), 'W', 'W'),
    // RFC 7607 2
    ("AS 0", Attribute::AsPath, &hex!("02 02 0000fc00 00000000"), 'W', 'W'),
    ("AS 0 in a set", Attribute::AsPath, &hex!("02 01 0000fc00 01 01 00000000"), 'W', 'W'),
    // RFC 4271 6.3: a peer of another AS is first in the path.
    ("another AS first", Attribute::AsPath, &hex!("02 02 0000fc01 0000fc00"), 'W', '.'),
    ("a set first", Attribute::AsPath, &hex!("01 01 0000fc00"), 'W', '.'),
    ("a set behind", Attribute::AsPath, &hex!("02 01 0000fc00 01 02 00000007 00000008"), '.', '.'),
    // RFC 4271 6.3: no host has these.
    ("NEXT_HOP 0.0.0.0", Attribute::NextHop, &hex!("00000000"), 'W', 'W'),
    ("NEXT_HOP 127.0.0.1", Attribute::NextHop, &hex!("7f000001"), 'W', 'W'),
    ("NEXT_HOP 224.0.0.5", Attribute::NextHop, &hex!("e0000005"), 'W', 'W'),
    ("NEXT_HOP 240.0.0.1", Attribute::NextHop, &hex!("f0000001"), 'W', 'W'),
    ("NEXT_HOP 255.255.255.255", Attribute::NextHop, &hex!("ffffffff"), 'W', 'W'),
    ("NEXT_HOP is ours", Attribute::NextHop, &hex!("a9fe1502"), 'W', 'W'),
    ("NEXT_HOP is a third one", Attribute::NextHop, &hex!("0a090909"), '.', '.'),
    // RFC 7607 2
    ("AGGREGATOR AS 0", Attribute::Aggregator, &hex!("00000000 0a000007"), 'D', 'D'),
    ("AGGREGATOR of two octets", Attribute::Aggregator, &hex!("fc00 0a000007"), 'D', 'D'),
    // Any value of these is one.
    ("every community bit", Attribute::Communities, &[0xff; 8], '.', '.'),
    ("every extended community bit", Attribute::ExtendedCommunities, &[0xff; 16], '.', '.'),
    ("every large community bit", Attribute::LargeCommunity, &[0xff; 24], '.', '.'),
    ("a link bandwidth that is no number", Attribute::LinkBandwidth, &hex!("4004fc00 7fc00000"), '.', '.'),
    ("a link bandwidth below zero", Attribute::LinkBandwidth, &hex!("4004fc00 bf800000"), '.', '.'),
    ("ORIGINATOR_ID 0", Attribute::OriginatorId, &hex!("00000000"), 'D', '.'),
    // RFC 7606 7.11
    ("a next hop of no octets", Attribute::MpReach, &hex!("0002 01 00 00 30 20010db80002"), 'R', 'R'),
    ("a next hop of 4 octets", Attribute::MpReach, &hex!("0002 01 04 0a000001 00 30 20010db80002"), 'R', 'R'),
    (
        "a next hop of 24 octets",
        Attribute::MpReach,
        &hex!("0002 01 18 0000000000000000 20010db8000000000000000000000001 00 30 20010db80002"),
        'R',
        'R',
    ),
    ("a next hop that overruns", Attribute::MpReach, &hex!("0002 01 ff 20010db8"), 'R', 'R'),
    (
        "no octet behind the next hop",
        Attribute::MpReach,
        &hex!("0002 01 10 20010db8000000000000000000000001"),
        'R',
        'R',
    ),
    (
        "a prefix of 129 bits",
        Attribute::MpReach,
        &hex!("0002 01 10 20010db8000000000000000000000001 00 81 20010db800020000000000000000000000"),
        'R',
        'R',
    ),
    (
        "a next hop ::",
        Attribute::MpReach,
        &hex!("0002 01 10 00000000000000000000000000000000 00 30 20010db80002"),
        'W',
        'W',
    ),
    (
        "a next hop ::1",
        Attribute::MpReach,
        &hex!("0002 01 10 00000000000000000000000000000001 00 30 20010db80002"),
        'W',
        'W',
    ),
    (
        "a next hop ff02::1",
        Attribute::MpReach,
        &hex!("0002 01 10 ff020000000000000000000000000001 00 30 20010db80002"),
        'W',
        'W',
    ),
    // RFC 8950: nobody agreed on it.
    ("IPv4 behind IPv6", Attribute::MpReach, &hex!("0001 01 10 20010db8000000000000000000000001 00 10 0a02"), 'R', 'R'),
    ("IPv4 behind IPv4", Attribute::MpReach, &hex!("0001 01 04 a9fe1501 00 10 0a02"), '.', '.'),
    // RFC 4760 7: families that nobody agreed on.
    ("a family nobody agreed on", Attribute::MpReach, &hex!("0001 80 0c 00000000000000000a000001 00 70"), 'D', 'D'),
    ("a family nobody knows", Attribute::MpReach, &hex!("4004 47 00 00"), 'D', 'D'),
    ("a withdrawal in a family nobody agreed on", Attribute::MpUnreach, &hex!("0019 46 ff"), 'D', 'D'),
    ("a withdrawal of 129 bits", Attribute::MpUnreach, &hex!("0002 01 81 00"), 'R', 'R'),
    ("a withdrawal that overruns", Attribute::MpUnreach, &hex!("0002 01 30 2001"), 'R', 'R'),
];

#[test]
fn every_value_that_cannot_be_has_its_verdict_and_the_session_its_fate() {
    for (what, attribute, value, outside, inside) in CASES {
        for (from, sign) in [(From::Outside, outside), (From::Inside, inside)] {
            let (mut rig, id) = established(from, &Offers::default());
            let fate = fate(&mut rig, id, &attribute.with_value(value, from));
            assert_eq!(fate.sign(), *sign, "{what} from {from:?}: {fate:?}");
            match fate {
                Fate::Reset(code) => assert!(matches!(code, [3, 5 | 9]), "{what}: {code:?}"),
                Fate::Fine(_) | Fate::Discarded(_) | Fate::Withdrawn(_) => goes_on(&mut rig, id, from),
            }
        }
    }
}

fn both(family: Family) -> Offers {
    Offers { add_path: vec![(family, AddPath { receive: true, send: true })], ..Offers::default() }
}

/// An IPv4 route whose prefixes are `nlri`.
fn route(withdrawn: &[u8], nlri: &[u8]) -> Vec<u8> {
    let list = hex!("40 01 01 00 40 02 06 02 01 0000fc00 40 03 04 a9fe1501");
    let mut body = u16::try_from(withdrawn.len()).unwrap().to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    body.extend(list);
    body.extend(nlri);
    body
}

/// RFC 7911 3, RFC 7606 5.3: prefixes with path identifiers that cannot be told apart.
#[test]
fn path_identifiers_where_they_were_agreed_on_and_where_not() {
    let cases: [(&str, &[u8], &[u8], char); 7] = [
        ("two paths", &[], &hex!("00000001 10 0a02 00000002 10 0a02"), '.'),
        ("an identifier cut short", &[], &hex!("00000001 10 0a02 000000"), 'R'),
        ("an identifier alone", &[], &hex!("00000001"), 'R'),
        ("a prefix without one", &[], &hex!("10 0a02"), 'R'),
        ("a prefix of 33 bits", &[], &hex!("00000001 21 0a02000000"), 'R'),
        ("withdrawn with one", &hex!("00000007 10 0a03"), &hex!("00000001 10 0a02"), '.'),
        ("withdrawn without one", &hex!("10 0a03"), &hex!("00000001 10 0a02"), 'R'),
    ];
    for (what, withdrawn, nlri, sign) in cases {
        let (mut rig, id) = established(From::Outside, &both(Family::Ipv4Unicast));
        let fate = fate(&mut rig, id, &route(withdrawn, nlri));
        assert_eq!(fate.sign(), sign, "{what}: {fate:?}");
        if let Fate::Reset(code) = fate {
            assert_eq!(code, [3, 10], "{what}");
        }
    }
    // Of a route that is treated as withdrawn each path goes, by its identifier.
    let (mut rig, id) = established(From::Outside, &both(Family::Ipv4Unicast));
    let mut broken = route(&[], &hex!("00000001 10 0a02 00000009 10 0a02"));
    broken[7] = 3;
    let Fate::Withdrawn(update) = fate(&mut rig, id, &broken) else { panic!("it is withdrawn") };
    assert_eq!(update.withdrawn.iter().map(|nlri| nlri.path_id).collect::<Vec<_>>(), [1, 9]);
    // Where nobody agreed on them they are prefixes: 0.0.0.0/0 four times, the last but one behind another identifier.
    let (mut rig, id) = established(From::Outside, &both(Family::Ipv6Unicast));
    let fate = fate(&mut rig, id, &route(&[], &hex!("00000000 10 0a02")));
    let Fate::Fine(update) = fate else { panic!("{fate:?}") };
    assert_eq!(update.announced[0].prefixes.len(), 5);
}

/// RFC 8950 4: where it was agreed on, an IPv4 prefix has a next hop of 4, 16 or 32 octets.
#[test]
fn next_hops_of_ipv6_where_they_were_agreed_on() {
    let offers = Offers { extended_next_hop: true, ..Offers::default() };
    let cases: [(&str, &[u8], char); 6] = [
        ("16 octets", &hex!("0001 01 10 20010db8000000000000000000000001 00 10 0a02"), '.'),
        (
            "32 octets",
            &hex!("0001 01 20 20010db8000000000000000000000001 fe800000000000000000000000000001 00 10 0a02"),
            '.',
        ),
        ("4 octets", &hex!("0001 01 04 a9fe1501 00 10 0a02"), '.'),
        ("24 octets", &hex!("0001 01 18 0000000000000000 20010db8000000000000000000000001 00 10 0a02"), 'R'),
        ("12 octets", &hex!("0001 01 0c 0000000000000000 a9fe1501 00 10 0a02"), 'R'),
        ("no octets", &hex!("0001 01 00 00 10 0a02"), 'R'),
    ];
    for (what, value, sign) in cases {
        for from in From::BOTH {
            let (mut rig, id) = established(from, &offers);
            let fate = fate(&mut rig, id, &Attribute::MpReach.with_value(value, from));
            assert_eq!(fate.sign(), sign, "{what}: {fate:?}");
        }
    }
}

/// RFC 6793 6: what a two-octet speaker sends of four octets is discarded if it is malformed.
#[test]
fn attributes_of_four_octets_from_a_speaker_of_two() {
    let cases: [(&str, Attribute, &[u8], char); 8] = [
        ("AS4_PATH", Attribute::As4Path, &hex!("02 01 0000fc00"), '.'),
        ("AS4_PATH empty", Attribute::As4Path, &[], 'D'),
        ("AS4_PATH cut", Attribute::As4Path, &hex!("02 01 0001"), 'D'),
        ("AS4_PATH of an unknown segment", Attribute::As4Path, &hex!("09 01 00011170"), 'D'),
        ("AS4_PATH with an empty segment", Attribute::As4Path, &hex!("02 00"), 'D'),
        ("AS4_PATH with AS 0", Attribute::As4Path, &hex!("02 01 00000000"), 'D'),
        ("AS4_AGGREGATOR", Attribute::As4Aggregator, &hex!("00011170 0a000007"), '.'),
        ("AS4_AGGREGATOR too short", Attribute::As4Aggregator, &hex!("00011170 0a0000"), 'D'),
    ];
    for (what, attribute, value, sign) in cases {
        let mut rig = Rig::new(config("us", 65000, 64512, 2));
        let id = rig.bring_to(State::OpenSent);
        let mut open = negotiate::open(&config("peer", 64512, 65000, 1), Flags::default());
        open.capabilities.retain(|capability| !matches!(capability, Capability::FourOctetAs(_)));
        rig.receive(id, &Open { my_as: 64512, ..open }.encode());
        rig.receive(id, &KEEPALIVE);
        rig.quiet();
        // The path ends in two octets.
        let mut body = attribute.with_value(value, From::Outside);
        let at = body.windows(6).position(|window| window == hex!("02 01 0000fc00")).unwrap();
        body.splice(at - 1..at + 6, hex!("04 02 01 fc00"));
        body[3] -= 2;
        let fate = fate(&mut rig, id, &body);
        assert_eq!(fate.sign(), sign, "{what}: {fate:?}");
    }
}

/// RFC 8538 4, RFC 7606 6: the strongest verdict holds, and a reset is a reset whatever the peer can restart from.
#[test]
fn of_several_errors_the_strongest_counts() {
    let discard = hex!("40 06 01 00");
    let withdraw = hex!("c0 08 01 00");
    let reset = hex!("40 63 00");
    let list = |faults: &[&[u8]]| {
        let mut body = route(&[], &[]);
        let more = faults.concat();
        body[3] += u8::try_from(more.len()).unwrap();
        body.extend(more);
        body.extend(hex!("10 0a02"));
        body
    };
    let restart = Restart { time: Some(Duration::from_secs(60)), stale: Duration::from_secs(60), notification: true };
    let offers = Offers { graceful_restart: Some(restart), ..Offers::default() };
    let cases: [(&[&[u8]], char); 5] = [
        (&[&discard], 'D'),
        (&[&discard, &withdraw], 'W'),
        (&[&withdraw, &discard], 'W'),
        (&[&withdraw, &discard, &reset], 'R'),
        (&[&reset, &withdraw], 'R'),
    ];
    for (faults, sign) in cases {
        let (mut rig, id) = established(From::Outside, &offers);
        assert_eq!(fate(&mut rig, id, &list(faults)).sign(), sign, "{faults:02x?}");
        assert_eq!(rig.peer.holds_stale_routes(), sign == 'R');
    }
}

/// A message is cut anywhere and followed by silence: nothing is made of it, and the hold timer ends the session.
#[test]
fn half_an_update_is_no_update() {
    let whole = message(&route(&[], &hex!("10 0a02")));
    for length in 1..whole.len() {
        let (mut rig, id) = established(From::Outside, &Offers::default());
        rig.receive(id, &whole[..length]);
        assert_eq!(rig.asked(), [""; 0]);
        rig.advance(Duration::from_secs(30));
        let asked = rig.asked();
        assert!(asked.contains(&"send 1 4/0".to_owned()), "{length}: {asked:?}");
    }
}
