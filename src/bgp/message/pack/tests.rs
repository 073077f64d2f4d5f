//! Golden octets, limits, packing, round trips.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hex_literal::hex;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::{Asn, RouterId};

use super::*;
use crate::message::header::{MAX_EXTENDED_LEN, MAX_MESSAGE_LEN, frame_len};
use crate::message::update::decode_update;
use crate::{AsPath, AsPathSegment, Origin, Rare, RareAttributes, UnknownAttribute};

fn terms() -> Terms {
    // Inside one AS, so that every attribute may travel; our address is none of those below.
    Terms {
        local_asn: Asn(64512),
        peer_asn: Asn(64512),
        local_address: "192.0.2.1".parse().unwrap(),
        four_octet: true,
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        add_path: Vec::new(),
        extended_next_hop: false,
        extended_messages: false,
        role: None,
    }
}

fn nets(text: &str) -> Vec<Nlri> {
    text.split_whitespace().map(|net| net.parse::<IpNet>().unwrap().into()).collect()
}

fn many_v4(count: u32) -> Vec<Nlri> {
    (0..count).map(|n| IpNet::V4(Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + (n << 8)), 24).unwrap()).into()).collect()
}

fn many_v6(count: u32) -> Vec<Nlri> {
    let address = |n: u32| (0x2001_0db8_u128 << 96 | u128::from(n) << 64).into();
    (0..count).map(|n| IpNet::V6(Ipv6Net::new(address(n), 64).unwrap()).into()).collect()
}

fn attributes() -> Attributes {
    Attributes { as_path: AsPath(vec![AsPathSegment::Sequence(vec![Asn(64512)])]), ..Attributes::default() }
}

fn announcing(next_hop: &str, prefixes: Vec<Nlri>) -> Update {
    let announced = vec![Announcement { next_hop: next_hop.parse().unwrap(), prefixes }];
    Update { announced, attributes: attributes().into(), ..Update::default() }
}

/// What came of one update.
#[derive(Debug, Default, PartialEq)]
struct Encoded {
    messages: Vec<Bytes>,
    unsendable: usize,
    attribute_octets: usize,
}

fn encode_update(update: &Update, terms: &Terms) -> Encoded {
    let packed = encode_updates(std::slice::from_ref(update), terms);
    let messages: Vec<Bytes> = packed.messages().collect();
    assert_eq!(messages.len(), packed.count());
    Encoded { messages, unsendable: packed.unsendable, attribute_octets: packed.attribute_octets }
}

/// Decodes every message and puts them together again.
fn read_back(messages: &[Bytes], terms: &Terms) -> Update {
    let mut whole = Update::default();
    for message in messages {
        assert_eq!(frame_len(message, MAX_EXTENDED_LEN), Ok(Some(message.len())));
        let decoded = decode_update(&message[HEADER_LEN..], terms).unwrap();
        assert_eq!(decoded.faults, None);
        let Update { mut withdrawn, announced, attributes, end_of_rib, end_of_refresh: _ } = decoded.update;
        whole.withdrawn.append(&mut withdrawn);
        whole.end_of_rib = whole.end_of_rib.or(end_of_rib);
        if !announced.is_empty() {
            whole.attributes = attributes;
        }
        for Announcement { next_hop, mut prefixes } in announced {
            let same = |a: &&mut Announcement| {
                a.next_hop == next_hop && Family::of(&a.prefixes[0].prefix) == Family::of(&prefixes[0].prefix)
            };
            match whole.announced.iter_mut().rev().find(same) {
                Some(known) => known.prefixes.append(&mut prefixes),
                None => whole.announced.push(Announcement { next_hop, prefixes }),
            }
        }
    }
    whole
}

#[test]
fn a_golden_route_is_encoded_as_others_would() {
    let packed = encode_update(&announcing("169.254.21.1", nets("10.2.0.0/16")), &terms());
    let golden = hex!(
        "ffffffffffffffffffffffffffffffff 002e 02 0000 0014"
        "40 01 01 00  40 02 06 02 01 0000fc00  40 03 04 a9fe1501  10 0a02"
    );
    assert_eq!(packed.messages, [&golden[..]]);
}

#[test]
fn a_golden_ipv6_route_has_mp_reach_nlri_in_front() {
    let packed = encode_update(&announcing("2001:db8::1", nets("2001:db8:2::/48")), &terms());
    let golden = hex!(
        "ffffffffffffffffffffffffffffffff 0044 02 0000 002d"
        "90 0e 001c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80002"
        "40 01 01 00  40 02 06 02 01 0000fc00"
    );
    assert_eq!(packed.messages, [&golden[..]]);
}

#[test]
fn golden_withdrawals_and_ends_of_families() {
    let withdrawn = nets("10.2.0.0/16 2001:db8:2::/48");
    let packed = encode_update(&Update { withdrawn, ..Update::default() }, &terms());
    let v4 = hex!("ffffffffffffffffffffffffffffffff 001a 02 0003 10 0a02 0000");
    let v6 = hex!("ffffffffffffffffffffffffffffffff 0025 02 0000 000e 90 0f 000a 0002 01 30 20010db80002");
    assert_eq!(packed.messages, [&v4[..], &v6[..]]);
    let end = |family| encode_update(&Update { end_of_rib: Some(family), ..Update::default() }, &terms()).messages;
    assert_eq!(end(Family::Ipv4Unicast), [&hex!("ffffffffffffffffffffffffffffffff 0017 02 0000 0000")[..]]);
    assert_eq!(
        end(Family::Ipv6Unicast),
        [&hex!("ffffffffffffffffffffffffffffffff 001e 02 0000 0007 90 0f 0003 0002 01")[..]]
    );
}

#[test]
fn messages_are_filled_to_the_last_prefix_that_fits() {
    // 4096 octets less header and lengths, and 20 of attributes, hold 1013 prefixes of four octets.
    let packed = encode_update(&announcing("169.254.21.1", many_v4(2027)), &terms());
    let sizes: Vec<usize> = packed.messages.iter().map(Bytes::len).collect();
    assert_eq!(sizes, [23 + 20 + 4 * 1013, 23 + 20 + 4 * 1013, 23 + 20 + 4]);
    let packed = encode_update(&Update { withdrawn: many_v4(2000), ..Update::default() }, &terms());
    let sizes: Vec<usize> = packed.messages.iter().map(Bytes::len).collect();
    assert_eq!(sizes, [23 + 4 * 1018, 23 + 4 * 982]);
    for update in [announcing("2001:db8::1", many_v6(2000)), Update { withdrawn: many_v6(2000), ..Update::default() }] {
        let packed = encode_update(&update, &terms());
        let (last, full) = packed.messages.split_last().unwrap();
        assert!(full.iter().all(|message| message.len() + 9 > MAX_MESSAGE_LEN && message.len() <= MAX_MESSAGE_LEN));
        assert!(last.len() <= MAX_MESSAGE_LEN);
    }
}

#[test]
fn eighty_thousand_prefixes_come_back_as_they_were() {
    let mut update = announcing("169.254.21.1", many_v4(60_000));
    update.announced.push(Announcement { next_hop: "2001:db8::1".parse().unwrap(), prefixes: many_v6(20_000) });
    update.end_of_rib = Some(Family::Ipv6Unicast);
    update.withdrawn = nets("192.168.0.0/16 2001:db8:ffff::/48");
    let packed = encode_update(&update, &terms());
    assert_eq!(packed.unsendable, 0);
    assert_eq!(read_back(&packed.messages, &terms()), update);
}

#[test]
fn a_two_octet_speaker_gets_as4_path_and_as4_aggregator() {
    let two = Terms { four_octet: false, ..terms() };
    let mut update = announcing("169.254.21.1", nets("10.2.0.0/16"));
    Arc::make_mut(&mut update.attributes).as_path = AsPath(vec![AsPathSegment::Sequence(vec![Asn(64512), Asn(70000)])]);
    Arc::make_mut(&mut update.attributes).aggregator = Some((Asn(70000), Ipv4Addr::new(10, 0, 0, 7)));
    Arc::make_mut(&mut update.attributes).large_communities = vec![[1, 2, 3]];
    let packed = encode_update(&update, &two);
    let golden = hex!(
        "40 01 01 00  40 02 06 02 02 fc00 5ba0  40 03 04 a9fe1501  c0 07 06 5ba0 0a000007"
        "c0 11 0a 02 02 0000fc00 00011170  c0 12 08 00011170 0a000007  c0 20 0c 000000010000000200000003"
    );
    let message = &packed.messages[0];
    assert_eq!(message[HEADER_LEN + 4..message.len() - 3], golden);
    assert_eq!(read_back(&packed.messages, &two), update);
}

#[test]
fn a_run_holds_as_many_whole_messages_as_fit() {
    let updates: Vec<Update> = (0..5).map(|n| Update { withdrawn: many_v4(10 << n), ..Update::default() }).collect();
    let packed = encode_updates(&updates, &terms());
    // 23 octets and four for each prefix.
    assert_eq!(packed.messages().map(|message| message.len()).collect::<Vec<_>>(), [63, 103, 183, 343, 663]);
    let runs = |most| packed.runs(most).map(|run| run.len()).collect::<Vec<_>>();
    assert_eq!(runs(1), [63, 103, 183, 343, 663]);
    assert_eq!(runs(350), [63 + 103 + 183, 343, 663]);
    assert_eq!(runs(usize::MAX), [63 + 103 + 183 + 343 + 663]);
    assert_eq!(packed.runs(400).collect::<Vec<_>>().concat(), packed.messages().collect::<Vec<_>>().concat());
    assert_eq!(Packed::default().runs(400).count(), 0);
}

#[test]
fn routes_that_fit_no_message_are_withdrawn_instead() {
    let mut update = announcing("169.254.21.1", nets("10.2.0.0/16 10.3.0.0/16"));
    Arc::make_mut(&mut update.attributes).communities = vec![1; 1100];
    let packed = encode_update(&update, &terms());
    assert_eq!(packed.unsendable, 2);
    assert!(packed.attribute_octets > 4400);
    assert_eq!(read_back(&packed.messages, &terms()).withdrawn, update.announced[0].prefixes);
    // Not even the length field of an attribute.
    Arc::make_mut(&mut update.attributes).communities = vec![1; 20_000];
    assert_eq!(encode_update(&update, &terms()).unsendable, 2);
    // RFC 8950 is not spoken: a next hop is of its prefixes' family.
    let mixed = announcing("2001:db8::1", nets("10.2.0.0/16"));
    assert_eq!(encode_update(&mixed, &terms()).unsendable, 1);
}

#[test]
fn the_largest_attributes_that_fit_carry_one_prefix_a_message() {
    let mut update = announcing("169.254.21.1", nets("10.2.0.1/32 10.2.0.2/32"));
    Arc::make_mut(&mut update.attributes).communities = vec![1; 1010];
    let packed = encode_update(&update, &terms());
    assert_eq!((packed.messages.len(), packed.unsendable), (2, 0));
    assert!(packed.messages.iter().all(|message| message.len() <= MAX_MESSAGE_LEN));
    assert_eq!(read_back(&packed.messages, &terms()), update);
}

#[test]
fn families_that_were_not_negotiated_are_left_out() {
    let only_v4 = Terms { families: vec![Family::Ipv4Unicast], ..terms() };
    let mut update = announcing("2001:db8::1", many_v6(3));
    update.withdrawn = many_v6(2);
    update.end_of_rib = Some(Family::Ipv6Unicast);
    assert_eq!(encode_update(&update, &only_v4), Encoded::default());
}

#[test]
fn unknown_attributes_travel_on_as_partial_in_the_order_of_types() {
    let unknown = |code| UnknownAttribute { flags: 0xc0, code, value: vec![code] };
    let mut update = announcing("169.254.21.1", nets("10.2.0.0/16"));
    Arc::make_mut(&mut update.attributes).unknown = vec![unknown(23), unknown(200)];
    Arc::make_mut(&mut update.attributes).large_communities = vec![[1, 2, 3]];
    let packed = encode_update(&update, &terms());
    let golden = hex!("e0 17 01 17  c0 20 0c 000000010000000200000003  e0 c8 01 c8  10 0a02");
    assert!(packed.messages[0].ends_with(&golden));
}

fn any_v4() -> impl Strategy<Value = Nlri> {
    (0x0100_0000_u32..0xe000_0000, 0_u8..=32)
        .prop_map(|(address, bits)| IpNet::V4(Ipv4Net::new(address.into(), bits).unwrap().trunc()).into())
}

fn any_v6() -> impl Strategy<Value = Nlri> {
    (0_u128..0xff00_u128 << 112, 0_u8..=128)
        .prop_map(|(address, bits)| IpNet::V6(Ipv6Net::new(address.into(), bits).unwrap().trunc()).into())
}

fn any_path() -> impl Strategy<Value = AsPath> {
    // Neighbouring sequences are joined when read: here sets stand between them.
    let numbers = || vec(1_u32..200_000, 1..6).prop_map(|numbers| numbers.into_iter().map(Asn).collect::<Vec<_>>());
    (numbers(), vec((numbers(), numbers()), 0..3)).prop_map(|(first, rest)| {
        let mut segments = vec![AsPathSegment::Sequence(first)];
        for (set, sequence) in rest {
            segments.extend([AsPathSegment::Set(set), AsPathSegment::Sequence(sequence)]);
        }
        AsPath(segments)
    })
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)];
    let numbers = (any::<Option<u32>>(), any::<Option<u32>>(), any::<bool>(), any::<Option<(u32, [u8; 4])>>());
    let lists = (vec(any::<u32>(), 0..9), vec(any::<[u8; 8]>(), 0..9), vec(any::<[u32; 3]>(), 0..30));
    let inside = (any::<Option<[u8; 4]>>(), vec(any::<[u8; 4]>(), 0..4), any::<Option<u32>>());
    let unknown = vec(vec(any::<u8>(), 0..300), 0..3);
    (origin, any_path(), numbers, lists, inside, unknown).prop_map(
        |(origin, as_path, (med, local_preference, atomic_aggregate, aggregator), lists, inside, unknown)| Attributes {
            origin,
            as_path,
            med,
            local_preference,
            communities: lists.0,
            rare: Rare::from(RareAttributes {
                atomic_aggregate,
                aggregator: aggregator.map(|(asn, address)| (Asn(asn.max(1)), address.into())),
                extended_communities: lists.1,
                large_communities: lists.2,
                originator_id: inside.0.map(|id| RouterId(id.into())),
                cluster_list: inside.1.into_iter().map(Ipv4Addr::from).collect(),
                only_to_customer: inside.2.map(Asn),
                unknown: unknown
                    .into_iter()
                    .zip([22, 99, 200])
                    .map(|(value, code)| UnknownAttribute { flags: 0xe0, code, value })
                    .collect(),
            }),
        },
    )
}

proptest! {
    #[test]
    fn what_is_packed_reads_back_as_it_was(
        attributes in any_attributes(),
        v4 in vec(any_v4(), 1..1500),
        v6 in vec(any_v6(), 1..400),
        withdrawn in vec(any_v4(), 0..1500),
        four_octet in any::<bool>(),
    ) {
        let terms = Terms { four_octet, ..terms() };
        let update = Update {
            withdrawn,
            announced: vec![
                Announcement { next_hop: "169.254.21.1".parse().unwrap(), prefixes: v4 },
                Announcement { next_hop: "2001:db8::1".parse().unwrap(), prefixes: v6 },
            ],
            attributes: attributes.into(),
            end_of_rib: Some(Family::Ipv4Unicast),
            end_of_refresh: None,
        };
        let packed = encode_update(&update, &terms);
        prop_assert_eq!(packed.unsendable, 0);
        prop_assert!(packed.messages.iter().all(|message| message.len() <= MAX_MESSAGE_LEN));
        prop_assert_eq!(read_back(&packed.messages, &terms), update);
    }
}
