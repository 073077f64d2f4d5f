//! The codec: octets as others send them, every truncation, every check of RFC 5880 6.8.6, SHA1.

use hex_literal::hex;
use proptest::prelude::*;
use wire::Secret;

use super::support::{OURS, PEERS, Rig, packet};
use crate::auth::Sequence;
use crate::{
    AuthKind, AuthSection, AuthType, Authentication, Config, ControlPacket, Diagnostic, Discard, MAX_PACKET_LEN, State,
};

/// Up with a poll: diagnostic 0, multiplier 3, 300 ms both ways.
const UP_POLL: [u8; 24] = hex!("20 e0 03 18  11111111 22222222 000493e0 000493e0 00000000");
/// Down because nothing was heard: as BIRD sends it, 1 s, 10 ms.
const DOWN: [u8; 24] = hex!("21 40 05 18  0ed3e1bc 00000000 000f4240 00002710 00000000");

#[test]
fn packets_are_what_their_octets_say() {
    let up = ControlPacket { poll: true, my_discriminator: OURS, ..packet(State::Up, PEERS) };
    assert_eq!(ControlPacket::decode(&UP_POLL), Ok(up));
    assert_eq!(up.encode(), UP_POLL);
    let down = ControlPacket {
        diagnostic: Diagnostic::CONTROL_DETECTION_TIME_EXPIRED,
        detect_multiplier: 5,
        my_discriminator: 0x0ed3_e1bc,
        desired_min_tx: 1_000_000,
        required_min_rx: 10_000,
        ..packet(State::Down, 0)
    };
    assert_eq!(ControlPacket::decode(&DOWN), Ok(down));
    assert_eq!(down.encode(), DOWN);
}

#[test]
fn octets_behind_a_packet_are_not_part_of_it() {
    let longer = [&UP_POLL[..], &[9; 40]].concat();
    assert_eq!(ControlPacket::decode(&longer), ControlPacket::decode(&UP_POLL));
}

#[test]
fn no_beginning_of_a_packet_is_one() {
    let authentication = key(AuthKind::KeyedSha1);
    let sealed = authentication.seal(&packet(State::Up, OURS), &mut Sequence::new(1));
    for whole in [&UP_POLL[..], &DOWN, &sealed] {
        for length in 0..whole.len() {
            let error = ControlPacket::decode(&whole[..length]).unwrap_err();
            assert_eq!(error.label(), "length", "{length}");
        }
    }
}

#[test]
fn each_check_has_its_discard() {
    let with = |at: usize, value: u8| {
        let mut octets = UP_POLL;
        octets[at] = value;
        ControlPacket::decode(&octets).unwrap_err()
    };
    assert_eq!(with(0, 0x40), Discard::Version { found: 2 });
    assert_eq!(with(0, 0x00), Discard::Version { found: 0 });
    assert_eq!(with(1, 0xe1), Discard::Multipoint);
    assert_eq!(with(2, 0), Discard::NoMultiplier);
    assert_eq!(with(3, 23), Discard::Short { length: 23, least: 24 });
    assert_eq!(with(3, 25), Discard::Overlong { length: 25, available: 24 });
    assert_eq!(with(1, 0xe4), Discard::Short { length: 24, least: 26 });
    for state in State::ALL {
        let stranger = packet(state, 0).encode();
        let expected = match state {
            State::AdminDown | State::Down => None,
            State::Init | State::Up => Some(Discard::StateWithoutDiscriminator { state }),
        };
        assert_eq!(ControlPacket::decode(&stranger).err(), expected);
    }
    let nobody = ControlPacket { my_discriminator: 0, ..packet(State::Up, OURS) };
    assert_eq!(ControlPacket::decode(&nobody.encode()), Err(Discard::NoDiscriminator));
    for length in [0, 1, 27, 29] {
        let mut sealed = key(AuthKind::KeyedSha1).seal(&packet(State::Up, OURS), &mut Sequence::new(1));
        sealed[25] = length;
        assert_eq!(ControlPacket::decode(&sealed), Err(Discard::AuthLength { length, available: 28 }));
    }
}

fn key(kind: AuthKind) -> Authentication {
    Authentication { kind, key_id: 5, key: Secret::from(b"forwarding".as_slice()) }
}

#[test]
fn a_sealed_packet_has_the_digest_of_itself_and_the_key() {
    let mut sequence = Sequence::new(0x0102_0304);
    let sealed = key(AuthKind::MeticulousKeyedSha1).seal(&packet(State::Up, OURS), &mut sequence);
    assert_eq!(sealed.len(), MAX_PACKET_LEN);
    // `sha1sum` of the packet with the key, filled with zeros to 20 octets, where the digest goes.
    let expected = hex!(
        "20 c4 03 34  22222222 11111111 000493e0 000493e0 00000000"
        "05 1c 05 00  01020304  7942cf0848548f4f28b91e147cfa979f84028242"
    );
    assert_eq!(sealed, expected);
}

#[test]
fn only_who_knows_the_key_is_heard() {
    let configured = |kind| Config { authentication: Some(key(kind)), ..Config::default() };
    let kind = AuthKind::MeticulousKeyedSha1;
    let mut sequence = Sequence::new(u32::MAX - 2);
    let heard = |rig: &mut Rig, octets: &[u8]| {
        rig.session.handle_packet(&ControlPacket::decode(octets).unwrap(), octets, rig.now)
    };
    let rig = &mut Rig::new(configured(kind));
    let down = packet(State::Down, 0);
    let plain = down.encode();
    assert_eq!(heard(rig, &plain), Err(Discard::AuthMissing { expected: AuthType::METICULOUS_KEYED_SHA1 }));
    let sealed = key(kind).seal(&down, &mut sequence);
    let mut forged = sealed.clone();
    forged[11] ^= 1;
    assert_eq!(heard(rig, &forged), Err(Discard::AuthDigest));
    assert_eq!(rig.session.state(), State::Down, "the forged one changed nothing");
    assert_eq!(heard(rig, &sealed), Ok(()));
    let replayed = Discard::AuthSequence { found: u32::MAX - 2, last: u32::MAX - 2 };
    assert_eq!(heard(rig, &sealed), Err(replayed));
    for _ in 0..4 {
        let next = key(kind).seal(&down, &mut sequence);
        assert_eq!(heard(rig, &next), Ok(()), "numbers go round");
    }
    let mut later = Sequence::new(1000);
    let far = key(kind).seal(&down, &mut later);
    assert_eq!(heard(rig, &far).unwrap_err().label(), "authentication");
    let simple = key(AuthKind::KeyedSha1).seal(&down, &mut sequence);
    let expected = AuthType::METICULOUS_KEYED_SHA1;
    assert_eq!(heard(rig, &simple), Err(Discard::AuthKind { found: AuthType::KEYED_SHA1, expected }));
    let other = Authentication { key_id: 6, ..key(kind) }.seal(&down, &mut sequence);
    assert_eq!(heard(rig, &other), Err(Discard::AuthKey { found: 6, expected: 5 }));
    assert_eq!(
        heard(&mut Rig::new(Config::default()), &sealed),
        Err(Discard::AuthUnexpected { kind: AuthType::METICULOUS_KEYED_SHA1 })
    );
}

#[test]
fn a_peer_that_began_anew_is_heard_once_its_numbers_are_forgotten() {
    let kind = AuthKind::MeticulousKeyedSha1;
    let config = Config { authentication: Some(key(kind)), ..Config::default() };
    let mut rig = Rig::new(config);
    let receive = |rig: &mut Rig, sequence: u32| {
        let octets = key(kind).seal(&packet(State::Down, 0), &mut Sequence::new(sequence));
        rig.session.handle_packet(&ControlPacket::decode(&octets).unwrap(), &octets, rig.now)
    };
    assert_eq!(receive(&mut rig, 9), Ok(()));
    assert!(receive(&mut rig, 90_000).is_err());
    // RFC 5880 6.8.1: twice the detection time of 900 ms.
    rig.pass(super::support::ms(1801));
    assert_eq!(receive(&mut rig, 90_000), Ok(()));
}

#[test]
fn a_key_may_be_used_again_by_the_kind_that_is_not_meticulous() {
    let mut rig = Rig::new(Config { authentication: Some(key(AuthKind::KeyedSha1)), ..Config::default() });
    let octets = key(AuthKind::KeyedSha1).seal(&packet(State::Down, 0), &mut Sequence::new(9));
    for _ in 0..2 {
        let packet = ControlPacket::decode(&octets).unwrap();
        assert_eq!(rig.session.handle_packet(&packet, &octets, rig.now), Ok(()));
    }
}

prop_compose! {
    fn any_packet()(
        fields in any::<[u32; 5]>(),
        bits in any::<[bool; 4]>(),
        (diagnostic, state, detect_multiplier) in (0u8..32, 0usize..4, 1u8..),
    ) -> ControlPacket<'static> {
        ControlPacket {
            diagnostic: Diagnostic(diagnostic),
            state: State::ALL[state],
            poll: bits[0],
            last: bits[1],
            control_plane_independent: bits[2],
            demand: bits[3],
            detect_multiplier,
            my_discriminator: fields[0].max(1),
            your_discriminator: fields[1].max(1),
            desired_min_tx: fields[2],
            required_min_rx: fields[3],
            required_min_echo_rx: fields[4],
            authentication: None,
        }
    }
}

proptest! {
    #[test]
    fn every_packet_is_read_as_it_was_written(packet in any_packet(), data in proptest::collection::vec(any::<u8>(), 0..229)) {
        let octets = packet.encode();
        prop_assert_eq!(ControlPacket::decode(&octets), Ok(packet));
        let section = AuthSection { kind: AuthType(77), data: &data };
        let packet = ControlPacket { authentication: Some(section), ..packet };
        let octets = packet.encode();
        prop_assert_eq!(ControlPacket::decode(&octets), Ok(packet));
    }

    #[test]
    fn no_octets_are_too_much(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(packet) = ControlPacket::decode(&octets) {
            let encoded = packet.encode();
            prop_assert_eq!(ControlPacket::decode(&encoded), Ok(packet));
        }
    }
}
