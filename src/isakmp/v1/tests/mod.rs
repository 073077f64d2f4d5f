//! The codec: octets made by another program, truncation, limits, and anything at all.

use hex_literal::hex;
use proptest::prelude::*;
use wire::ipsec::{IkeSpi, Spi, TrafficSelector};

use super::*;

const INITIATOR: IkeSpi = IkeSpi(0x0102_0304_0506_0708);
const RESPONDER: IkeSpi = IkeSpi(0x1112_1314_1516_1718);

/// The first message of main mode: AES-256, SHA2-256, group 14, a pre-shared key, 8 hours.
const MAIN_1: [u8; 104] = hex!(
    "01020304050607080000000000000000 01100200 00000000 00000068"
    "0d000038 00000001 00000001"
    "0000002c 01010001 00000024 01010000 80010007 800e0100 80020004 8004000e 80030001 800b0001 800c7080"
    "00000014 afcad71368a1f1c96b8696fc77570100"
);

/// A notification, a DELETE and an identity, in the clear.
const INFORMATIONAL: [u8; 80] = hex!(
    "01020304050607081112131415161718 0b100500 11223344 00000050"
    "0c000010 00000001 0304000e cafe0102"
    "05000014 00000001 03040002 cafe0102 cafe0103"
    "00000010 04000000 0a000000 ffffff00"
);

/// The last piece of a datagram.
const FRAGMENT: [u8; 41] =
    hex!("01020304050607081112131415161718 84100200 00000000 00000029 0000000d 0007 02 01 7069656365");

fn header(exchange: Exchange, responder: IkeSpi, message_id: u32) -> Header {
    Header { initiator: INITIATOR, responder, exchange, flags: Flags::default(), message_id }
}

fn main_1() -> (Header, Vec<Payload>) {
    let short = |kind: IkeAttribute, value| Attribute::Short(kind.0, value);
    let attributes = vec![
        short(IkeAttribute::ENCRYPTION, IkeCipher::AES_CBC.0),
        short(IkeAttribute::KEY_LENGTH, 256),
        short(IkeAttribute::HASH, HashAlgorithm::SHA2_256.0),
        short(IkeAttribute::GROUP, 14),
        short(IkeAttribute::AUTHENTICATION, AuthenticationMethod::PRE_SHARED_KEY.0),
        short(IkeAttribute::LIFE_TYPE, LifeType::SECONDS.0),
        Attribute::number(IkeAttribute::LIFE_DURATION.0, 28_800),
    ];
    let transforms = vec![Transform { number: 1, id: 1, attributes }];
    let proposal = Proposal { number: 1, protocol: Protocol::ISAKMP, spi: Vec::new(), transforms };
    let payloads = vec![Payload::Sa(vec![proposal]), Payload::VendorId(VendorId::DeadPeerDetection.octets())];
    (header(Exchange::IDENTITY_PROTECTION, IkeSpi::ZERO, 0), payloads)
}

fn informational() -> (Header, Vec<Payload>) {
    let net = TrafficSelector::range([10, 0, 0, 0].into(), [10, 0, 0, 255].into());
    let payloads = vec![
        Payload::Notify(Notify::esp(NotifyKind::NO_PROPOSAL_CHOSEN, Spi(0xcafe_0102))),
        Payload::Delete(Delete::esp(&[Spi(0xcafe_0102), Spi(0xcafe_0103)])),
        Payload::Identification(Identification::of_traffic(&net)),
    ];
    (header(Exchange::INFORMATIONAL, RESPONDER, 0x1122_3344), payloads)
}

fn decode(datagram: &[u8]) -> Result<(Header, Vec<Payload>), DecodeError> {
    let frame = Frame::decode(datagram)?;
    let chain = Chain::decode(frame.first, frame.body, false)?;
    Ok((frame.header, chain.payloads.into_iter().map(|located| located.payload).collect()))
}

#[test]
fn messages_are_the_octets_another_program_made() {
    for ((header, payloads), octets) in [(main_1(), &MAIN_1[..]), (informational(), &INFORMATIONAL)] {
        assert_eq!(encode(&header, &payloads).unwrap(), octets);
        assert_eq!(decode(octets).unwrap(), (header, payloads));
    }
}

#[test]
fn a_truncated_message_is_refused_at_every_length() {
    for whole in [&MAIN_1[..], &INFORMATIONAL, &FRAGMENT] {
        for len in 0..whole.len() {
            assert!(decode(&whole[..len]).is_err(), "{len} octets");
            // With a length that agrees, the payloads are what is cut.
            let mut cut = whole[..len].to_vec();
            if len >= 28 {
                let length = u32::try_from(len).unwrap();
                cut[24..28].copy_from_slice(&length.to_be_bytes());
                let is_fragment = whole.len() == FRAGMENT.len();
                assert!(decode(&cut).is_err(), "{len} octets, fragment {is_fragment}");
            }
        }
    }
}

#[test]
fn another_major_version_is_not_decoded() {
    let mut octets = MAIN_1;
    octets[17] = 0x20;
    assert!(Frame::decode(&octets).is_err());
}

#[test]
fn a_message_of_too_many_payloads_is_refused() {
    let payloads = vec![Payload::VendorId(Vec::new()); MAX_PAYLOADS];
    let header = header(Exchange::QUICK, RESPONDER, 1);
    assert!(decode(&encode(&header, &payloads).unwrap()).is_ok());
    let more = vec![Payload::VendorId(Vec::new()); MAX_PAYLOADS + 1];
    assert!(decode(&encode(&header, &more).unwrap()).is_err());
}

#[test]
fn a_delete_whose_count_exceeds_its_octets_is_refused() {
    let mut octets = INFORMATIONAL.to_vec();
    octets[54] = 0xff;
    assert!(decode(&octets).is_err());
    // SPIs of no octets: a count that costs nothing to send.
    octets[54] = 0;
    octets[53] = 0;
    assert!(decode(&octets).is_err());
}

#[test]
fn long_attributes_have_a_length_and_short_ones_none() {
    let lifetime = Attribute::number(12, 86_400);
    let data = Notify::isakmp(NotifyKind::RESPONDER_LIFETIME).with_attributes(std::slice::from_ref(&lifetime));
    assert_eq!(data.data, hex!("000c0004 00015180"));
    assert_eq!(data.attributes().unwrap(), [lifetime]);
    assert_eq!(Attribute::Long(1, vec![1; 9]).value(), None);
    assert_eq!(Attribute::Long(1, vec![0, 0, 1, 0]).value(), Some(256));
}

#[test]
fn what_selects_traffic_keeps_its_meaning() {
    let range = |start: &str, end: &str| TrafficSelector::range(start.parse().unwrap(), end.parse().unwrap());
    let cases = [
        (TrafficSelector::ANY_V4, IdKind::IPV4_ADDR_SUBNET),
        (TrafficSelector::ANY_V6, IdKind::IPV6_ADDR_SUBNET),
        (range("10.1.0.0", "10.1.255.255"), IdKind::IPV4_ADDR_SUBNET),
        (range("10.1.0.7", "10.1.0.7"), IdKind::IPV4_ADDR_SUBNET),
        (range("10.1.0.7", "10.1.0.9"), IdKind::IPV4_ADDR_RANGE),
        (range("2001:db8::", "2001:db8::ffff"), IdKind::IPV6_ADDR_SUBNET),
        (range("2001:db8::1", "2001:db8::4"), IdKind::IPV6_ADDR_RANGE),
    ];
    for (selector, kind) in cases {
        let id = Identification::of_traffic(&selector);
        assert_eq!(id.kind, kind, "{selector}");
        assert_eq!(id.traffic(), Some(selector));
    }
    let host = Identification { kind: IdKind::IPV4_ADDR, protocol: 6, port: 179, data: vec![10, 0, 0, 1] };
    let traffic = host.traffic().unwrap();
    assert_eq!((traffic.protocol, traffic.start_port, traffic.end_port), (6, 179, 179));
    for (kind, data) in [
        (IdKind::IPV4_ADDR, vec![10, 0, 0]),
        (IdKind::IPV4_ADDR_SUBNET, vec![10, 0, 0, 0, 255, 0, 255, 0]),
        (IdKind::IPV4_ADDR_RANGE, vec![10, 0, 0, 2, 10, 0, 0, 1]),
        (IdKind::FQDN, b"gw.example.net".to_vec()),
    ] {
        assert_eq!(Identification { kind, protocol: 0, port: 0, data }.traffic(), None, "{kind}");
    }
}

#[test]
fn vendor_ids_are_known_by_what_counts() {
    for id in VendorId::ALL {
        assert_eq!(VendorId::recognise(&id.octets()), Some(id));
    }
    // Flags of fragmentation vary, and may be missing; dead peer detection has a version.
    assert_eq!(VendorId::recognise(&hex!("4048b7d56ebce88525e7de7f00d6c2d3")), Some(VendorId::Fragmentation));
    assert_eq!(VendorId::recognise(&hex!("4048b7d56ebce88525e7de7f00d6c2d380000000")), Some(VendorId::Fragmentation));
    assert_eq!(VendorId::recognise(&hex!("afcad71368a1f1c96b8696fc77570101")), Some(VendorId::DeadPeerDetection));
    assert_eq!(VendorId::recognise(&hex!("afcad71368a1f1c96b8696fc7757")), None);
}

#[test]
fn a_fragment_is_the_octets_another_program_made() {
    let (_, payloads) = decode(&FRAGMENT).unwrap();
    let fragment = Fragment { id: 7, number: 2, last: true, octets: b"piece".to_vec() };
    assert_eq!(payloads, [Payload::Fragment(fragment)]);
}

#[test]
fn pieces_in_any_order_make_the_datagram_again() {
    let (header, payloads) = informational();
    let datagram = encode(&header, &payloads).unwrap();
    let mut pieces = split(&header, &datagram, 9, 50).unwrap();
    assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() <= 50));
    pieces.rotate_left(2);
    pieces.insert(1, pieces[0].clone());
    let mut reassembly = Reassembly::default();
    let mut whole = Vec::new();
    for piece in &pieces {
        let (_, payloads) = decode(piece).unwrap();
        let Some(Payload::Fragment(fragment)) = payloads.into_iter().next() else { panic!("no fragment") };
        whole.extend(reassembly.insert(fragment).unwrap());
    }
    assert_eq!(whole, std::slice::from_ref(&datagram));
    assert_eq!(reassembly.held(), 0);
    // One that fits stays whole; one that takes too many pieces is not sent.
    assert_eq!(split(&header, &datagram, 9, 500).unwrap(), std::slice::from_ref(&datagram));
    assert!(split(&header, &datagram, 9, 37).is_err());
}

#[test]
fn what_is_held_of_fragments_is_bounded() {
    let piece = |id, number, len| Fragment { id, number, last: false, octets: vec![0; len] };
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.insert(piece(1, MAX_FRAGMENTS + 1, 1)), Err(FragmentRefused::TooMany(MAX_FRAGMENTS + 1)));
    assert_eq!(reassembly.insert(piece(1, 1, MAX_OCTETS)), Ok(None));
    assert_eq!(reassembly.insert(piece(1, 2, 1)), Err(FragmentRefused::TooLong));
    // Another message takes its place.
    assert_eq!(reassembly.insert(piece(2, 1, 3)), Ok(None));
    assert_eq!(reassembly.held(), 3);
}

#[test]
fn pieces_of_a_message_that_never_came_whole_do_not_spoil_the_next_one() {
    let piece = |number, last, octets: &[u8]| Fragment { id: 1, number, last, octets: octets.to_vec() };
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.insert(piece(1, false, b"one")), Ok(None));
    assert_eq!(reassembly.insert(piece(3, true, b"three")), Ok(None));
    // Another message, under the ID that its sender gives all of them.
    assert_eq!(reassembly.insert(piece(1, false, b"uno")), Ok(None));
    assert_eq!(reassembly.insert(piece(2, true, b"due")), Ok(Some(b"unodue".to_vec())));
}

proptest! {
    #[test]
    fn anything_is_a_message_or_an_error(octets in prop::collection::vec(any::<u8>(), 0..400), first: u8) {
        if let Ok((header, payloads)) = decode(&octets) {
            let again = encode(&header, &payloads).unwrap();
            prop_assert_eq!(decode(&again).unwrap(), (header, payloads));
        }
        if let Ok(chain) = Chain::decode(PayloadKind(first), &octets, true) {
            prop_assert!(chain.end <= octets.len());
        }
    }

    #[test]
    fn a_changed_message_is_a_message_or_an_error(at in 28..MAIN_1.len(), to: u8) {
        let mut octets = MAIN_1;
        octets[at] = to;
        if let Ok((header, payloads)) = decode(&octets) {
            let again = encode(&header, &payloads).unwrap();
            prop_assert_eq!(decode(&again).unwrap(), (header, payloads));
        }
    }
}
