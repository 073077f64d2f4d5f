//! Messages: golden octets, truncation, hostile input.

use std::net::SocketAddr;
use std::time::Duration;

use hex_literal::hex;
use proptest::prelude::*;
use wire::Secret;
use wire::ipsec::{
    Direction, Encapsulation, Encryption, EspSuite, Integrity, SaKeys, SaLifetime, SecurityAssociation, Spi,
    TrafficSelector,
};
use wire::outer::{DontFragment, Dscp, OuterHeader};

use super::link::{self, Drops, Link};
use super::message::{Message, Received, attribute, attributes, messages};
use super::notice::Notice;
use super::policy::{self, InstalledPolicy};
use super::socket;
use super::state::{self, NewState, State, StateId, Usage};
use crate::plan::{Policy, PolicyKey, Template, Verdict, Way};
use crate::selector::{Ports, Selector};

fn sa(suite: EspSuite, encapsulation: Encapsulation) -> SecurityAssociation {
    let key = |octet, len| Secret::new(vec![octet; len]);
    let end = |last: u8, port| SocketAddr::from(([192, 0, 2, last], port));
    SecurityAssociation {
        spi: Spi(0x0102_0304),
        suite,
        keys: SaKeys {
            encryption: key(0xaa, suite.encryption.key_material_len()),
            integrity: key(0xbb, suite.integrity.map_or(0, Integrity::key_len)),
        },
        local: end(1, 4500),
        remote: end(2, 1024),
        encapsulation,
        replay_window: 64,
        lifetime: SaLifetime { soft_packets: Some(3), hard_bytes: Some(9), ..SaLifetime::default() },
        local_selectors: vec![TrafficSelector::ANY_V4],
        remote_selectors: vec![TrafficSelector::ANY_V4],
    }
}

const GCM: EspSuite = EspSuite { encryption: Encryption::AesGcm { bits: 128, tag: 8 }, integrity: None, esn: true };
const CBC: EspSuite =
    EspSuite { encryption: Encryption::AesCbc(256), integrity: Some(Integrity::HmacSha256), esn: false };

fn encoded(direction: Direction, sa: &SecurityAssociation, outer: OuterHeader) -> Vec<u8> {
    let new = NewState { direction, sa, if_id: 0x5100_0001, reqid: 7, outer, progress: None };
    new.encode(5).finish(9).to_vec()
}

fn first(datagram: &[u8]) -> Received<'_> {
    messages(datagram).next().unwrap()
}

#[cfg(target_endian = "little")]
#[test]
fn an_inbound_state_in_udp_is_octet_for_octet_what_the_header_file_says() {
    let octets = encoded(Direction::Inbound, &sa(GCM, Encapsulation::Udp), OuterHeader::default());
    assert_eq!(octets[..16], hex!("a8010000 1000 0500 09000000 00000000"));
    let structure = &octets[16..240];
    assert_eq!(structure[..56], [0; 56], "no selector: any packet of the policy's");
    assert_eq!(structure[56..80], hex!("c0000201 000000000000000000000000 01020304 32 000000"));
    assert_eq!(structure[80..96], hex!("c0000202 000000000000000000000000"));
    assert_eq!(
        structure[96..128],
        hex!("ffffffffffffffff 0900000000000000 0300000000000000 ffffffffffffffff"),
        "soft and hard octets, soft and hard packets"
    );
    assert_eq!(structure[128..208], [0; 80], "no limits of time, nothing carried");
    assert_eq!(structure[208..], hex!("07000000 0200 01 00 a4 00000000000000"));
    let rest = &octets[240..];
    let found: Vec<(u16, usize)> = attributes(rest).map(|(kind, value)| (kind, value.len())).collect();
    // XFRMA_ALG_AEAD, REPLAY_ESN_VAL, ENCAP, MTIMER_THRESH, SA_EXTRA_FLAGS, IF_ID.
    assert_eq!(found, [(18, 92), (23, 32), (4, 24), (32, 4), (24, 4), (31, 4)]);
    let aead = attribute(rest, 18).unwrap();
    assert!(aead.starts_with(b"rfc4106(gcm(aes))\0"));
    assert_eq!(aead[64..72], hex!("a0000000 40000000"), "160 bits of key and salt, 64 of ICV");
    assert_eq!(aead[72..], [0xaa; 20]);
    let window = hex!("02000000 00000000 00000000 00000000 00000000 40000000 0000000000000000");
    assert_eq!(attribute(rest, 23).unwrap(), window);
    assert_eq!(attribute(rest, 4).unwrap()[..8], hex!("0200 0400 1194 0000"), "from 1024 to 4500");
    assert_eq!(attribute(rest, 31).unwrap(), hex!("01000051"));
}

#[cfg(target_endian = "little")]
#[test]
fn an_outbound_state_has_its_own_limits_flags_and_algorithms() {
    let outer = OuterHeader { dscp: Dscp::Clear, dont_fragment: DontFragment::Copy };
    let octets = encoded(Direction::Outbound, &sa(CBC, Encapsulation::Esp), outer);
    let (structure, rest) = octets[16..].split_at(224);
    assert_eq!(structure[56..60], hex!("c0000202"));
    assert_eq!(structure[80..84], hex!("c0000201"));
    assert_eq!(structure[120..128], hex!("ffffffff00000000"), "RFC 4303 3.3.3: the last number");
    assert_eq!(structure[216], 32, "any inner family, no ESN, \"don't fragment\" as inside");
    let found: Vec<(u16, usize)> = attributes(rest).map(|(kind, value)| (kind, value.len())).collect();
    // XFRMA_ALG_CRYPT, ALG_AUTH_TRUNC, SA_EXTRA_FLAGS, IF_ID.
    assert_eq!(found, [(2, 68 + 32), (20, 72 + 32), (24, 4), (31, 4)]);
    let auth = attribute(rest, 20).unwrap();
    assert!(auth.starts_with(b"hmac(sha256)\0"));
    assert_eq!(auth[64..72], hex!("00010000 80000000"));
    assert_eq!(attribute(rest, 24).unwrap(), hex!("01000000"));
}

#[test]
fn extended_numbers_always_have_a_window_and_plain_ones_only_where_asked() {
    let window = |direction, esn, replay_window| {
        let sa = SecurityAssociation { replay_window, ..sa(EspSuite { esn, ..GCM }, Encapsulation::Esp) };
        let octets = encoded(direction, &sa, OuterHeader::default());
        attribute(&octets[240..], 23).map(|value| u32::from_ne_bytes(value[20..24].try_into().unwrap()))
    };
    assert_eq!(window(Direction::Inbound, true, 4096), Some(4096));
    assert_eq!(window(Direction::Inbound, true, 0), Some(4096), "the largest stands in for none");
    assert_eq!(window(Direction::Inbound, false, 1024), Some(1024));
    assert_eq!(window(Direction::Inbound, false, 0), None);
    assert_eq!(window(Direction::Outbound, true, 1024), Some(32));
    assert_eq!(window(Direction::Outbound, false, 1024), None);
}

#[test]
fn the_kernel_ends_an_sa_a_minute_after_ike_would() {
    let timed = |hard_time| {
        let mut sa = sa(GCM, Encapsulation::Udp);
        sa.lifetime.hard_time = hard_time;
        encoded(Direction::Inbound, &sa, OuterHeader::default())[16 + 128..16 + 160].to_vec()
    };
    let seconds = |hard: u64| [0, hard, 0, 0].map(u64::to_ne_bytes).concat();
    assert_eq!(timed(Some(Duration::from_secs(3600))), seconds(3660), "only by the time since it was made");
    assert_eq!(timed(None), seconds(0));
}

#[test]
fn sequence_numbers_are_read_from_either_kind_of_counter() {
    let octets = encoded(Direction::Outbound, &sa(CBC, Encapsulation::Esp), OuterHeader::default());
    let sequence = |kind, value: &[u32]| {
        let value: Vec<u8> = value.iter().copied().flat_map(u32::to_ne_bytes).collect();
        let message = Message::new(state::NEW, 0, &octets[16..240]).attribute(2, &[&[0; 68]]);
        let octets = message.attribute(kind, &[&value]).finish(1).to_vec();
        State::decode(first(&octets)).unwrap().usage.sequence
    };
    assert_eq!(sequence(10, &[7, 8, 9]), 7);
    assert_eq!(sequence(23, &[1, 7, 8, 2, 9, 32, 0]), (2 << 32) + 7);
    assert_eq!(sequence(23, &[1, 7]), 0, "cut short");
}

#[test]
fn a_listing_that_failed_or_changed_on_the_way_is_no_listing() {
    let end = |kind, code: i32, interrupted| {
        let octets = Message::new(kind, 0, &code.to_ne_bytes()).finish(1).to_vec();
        socket::end(first(&octets), interrupted).map(|result| result.map_err(|refusal| refusal.is(libc::EINTR)))
    };
    assert_eq!(end(3, 0, false), Some(Ok(())));
    assert_eq!(end(3, -libc::ENOBUFS, false), Some(Err(false)));
    assert_eq!(end(3, 0, true), Some(Err(true)));
    assert_eq!(end(2, 0, false), Some(Ok(())));
    assert_eq!(end(2, -libc::EINTR, false), Some(Err(true)));
    assert_eq!(end(16, 0, true), None);
}

#[test]
fn a_state_goes_on_where_it_left_off() {
    let mut octets = encoded(Direction::Inbound, &sa(GCM, Encapsulation::Udp), OuterHeader::default());
    octets[16 + 160..16 + 176].copy_from_slice(&[7_u64, 5].map(u64::to_ne_bytes).concat());
    octets[16 + 192..16 + 204].copy_from_slice(&[1_u32, 2, 3].map(u32::to_ne_bytes).concat());
    let state = State::decode(first(&octets)).unwrap();
    assert_eq!(state.id, StateId { destination: [192, 0, 2, 1].into(), spi: Spi(0x0102_0304) });
    assert_eq!(state.if_id, 0x5100_0001);
    assert_eq!(state.usage, Usage { bytes: 7, packets: 5, sequence: 0, replays: 3, forgeries: 3 });
    assert!(state.progress.is_known());
    let sa = sa(GCM, Encapsulation::Udp);
    let (direction, outer) = (Direction::Inbound, OuterHeader::default());
    let again = NewState { direction, sa: &sa, if_id: 1, reqid: 7, outer, progress: Some(&state.progress) };
    let again = again.encode(5).finish(1).to_vec();
    let attributes = &again[240..];
    assert_eq!(attribute(attributes, 23), attribute(&octets[240..], 23));
    assert_eq!(attribute(attributes, 9).unwrap(), &octets[16 + 160..16 + 192]);
}

#[cfg(target_endian = "little")]
#[test]
fn a_policy_is_octet_for_octet_what_the_header_file_says() {
    let selector = Selector {
        source: "10.1.0.0/16".parse().unwrap(),
        destination: "10.2.3.0/24".parse().unwrap(),
        protocol: 6,
        source_port: Ports::ANY,
        destination_port: Ports { value: 179, mask: 0xffff },
    };
    let key = PolicyKey { way: Way::Out, selector };
    let (source, destination) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let template = Template { source, destination, spi: Spi(0x0102_0304), reqid: 7 };
    let put = |verdict| policy::put(5, 0x5100_0001, &key, &Policy { verdict, priority: 0x1234 }).finish(1).to_vec();
    let octets = put(Verdict::Protect(template));
    assert_eq!(octets[4..6], hex!("1900"));
    let (structure, rest) = octets[16..].split_at(168);
    let mut expected = hex!("0a020300").to_vec();
    expected.extend([0; 12]);
    expected.extend(hex!("0a010000"));
    expected.extend([0; 12]);
    expected.extend(hex!("00b3ffff 00000000 0200 18 10 06 000000 00000000 00000000"));
    assert_eq!(structure[..56], expected);
    assert_eq!(structure[56..88], [0xff; 32]);
    assert_eq!(structure[152..], hex!("34120000 00000000 01 00 00 00 00000000"));
    let mut expected = hex!("c0000202").to_vec();
    expected.extend([0; 12]);
    expected.extend(hex!("01020304 32000000 0200 0000 c0000201"));
    expected.extend([0; 12]);
    expected.extend(hex!("07000000 01 00 00 00 ffffffff ffffffff ffffffff"));
    assert_eq!(attribute(rest, 5).unwrap(), expected);
    assert_eq!(attribute(rest, 31).unwrap(), hex!("01000051"));
    let block = put(Verdict::Block);
    assert_eq!((block[16 + 161], attribute(&block[16 + 168..], 5)), (1, None));
    // As it is listed, it can be removed.
    let mut listed = octets.clone();
    listed[4] = 0x13;
    let installed = InstalledPolicy::decode(first(&listed)).unwrap();
    assert_eq!(installed.if_id, 0x5100_0001);
    assert_eq!(installed.delete(5).finish(1).to_vec(), policy::delete(5, 0x5100_0001, &key).finish(1).to_vec());
    assert_eq!(policy::delete(5, 1, &key).finish(1)[16 + 60], 1);
    // When somebody removes it, that is said: an `xfrm_userpolicy_id`, XFRMA_POLICY, XFRMA_IF_ID.
    let removed = Message::new(0x14, 0, &[0; 64]).attribute(7, &[&octets[16..16 + 168]]);
    let removed = removed.attribute(31, &[&0x5100_0001_u32.to_ne_bytes()]).finish(0).to_vec();
    let named = InstalledPolicy::of(0x5100_0001, &key);
    assert_eq!(Notice::decode(first(&removed)), Some(Notice::Removed(Some(named))));
    assert_eq!(Notice::decode(first(&Message::new(0x1d, 0, &[]).finish(0))), Some(Notice::Removed(None)));
}

/// A message of this kind with these octets and an `XFRMA_IF_ID`.
fn notice(kind: u16, structure: &[u8]) -> Option<Notice> {
    let octets = Message::new(kind, 0, structure).attribute(31, &[&77_u32.to_ne_bytes()]).finish(0).to_vec();
    Notice::decode(first(&octets))
}

#[test]
fn notices_are_understood() {
    let mut acquire = vec![0; 280];
    acquire[16..20].copy_from_slice(&77_u32.to_be_bytes());
    assert_eq!(notice(0x17, &acquire), Some(Notice::Acquire { if_id: 77, spi: Spi(77) }));
    let state = encoded(Direction::Inbound, &sa(GCM, Encapsulation::Udp), OuterHeader::default());
    let mut expire = state[16..240].to_vec();
    expire.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    let Some(Notice::Expire { state, hard: true }) = notice(0x18, &expire) else { panic!("a hard limit") };
    assert_eq!((state.id.spi, state.if_id), (Spi(0x0102_0304), 77));
    let mut mapping = vec![192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    mapping.extend(2_u16.to_ne_bytes());
    mapping.extend([50, 0, 0, 0, 0, 0]);
    mapping.extend([0; 16]);
    mapping.extend([192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x94, 0x9c, 0x40]);
    let id = StateId { destination: [192, 0, 2, 1].into(), spi: Spi(0x0102_0304) };
    let from = SocketAddr::from(([192, 0, 2, 9], 40_000));
    assert_eq!(notice(0x26, &mapping), Some(Notice::Mapping { id, from }));
}

#[test]
fn an_interface_and_its_statistics_are_understood() {
    let mut octets = link::create(5, "tun0", 0x5100_0001).finish(1).to_vec();
    octets[20..24].copy_from_slice(&9_u32.to_ne_bytes());
    let link = Link::decode(first(&octets)).unwrap();
    assert_eq!(link, Link { ifindex: 9, name: "tun0".into(), if_id: Some(0x5100_0001) });
    let mut structure = [0; 12];
    structure[4..8].copy_from_slice(&9_u32.to_ne_bytes());
    let statistics: Vec<u8> = (1..=24_u64).flat_map(u64::to_ne_bytes).collect();
    let octets = Message::new(92, 0, &structure).attribute(1, &[&statistics]).finish(1).to_vec();
    let drops = Drops { ifindex: 9, inbound: 7, outbound: 8, looping: 10, aborted: 17, unserved: 18 };
    assert_eq!(Drops::decode(first(&octets)), Some(drops));
}

fn decode_all(message: Received<'_>) {
    let _ = (State::decode(message), InstalledPolicy::decode(message), Notice::decode(message));
    let _ = (Link::decode(message), Drops::decode(message), link::gone(message));
}

#[test]
fn a_message_cut_short_is_nothing_or_lacks_what_was_cut() {
    let octets = encoded(Direction::Inbound, &sa(GCM, Encapsulation::Udp), OuterHeader::default());
    let whole = State::decode(first(&octets));
    for len in 0..octets.len() - 16 {
        let payload = &octets[16..16 + len];
        let cut = Received { kind: state::NEW, flags: 0, sequence: 1, payload };
        assert!(len < 224 || State::decode(cut) != whole || len >= octets.len() - 16);
        decode_all(cut);
    }
}

proptest! {
    #[test]
    fn no_datagram_panics(
        octets in prop::collection::vec(any::<u8>(), 0..600),
        kind in prop::sample::select(vec![2_u16, 3, 16, 17, 92, 0x11, 0x13, 0x14, 0x17, 0x18, 0x1d, 0x26]),
    ) {
        decode_all(Received { kind, flags: 0, sequence: 0, payload: &octets });
        messages(&octets).for_each(decode_all);
        attributes(&octets).for_each(drop);
    }
}
