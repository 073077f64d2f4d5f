//! Nexthop messages: golden octets, truncation, round trips.

use proptest::prelude::*;

use super::*;

fn encoded(message: &NexthopMessage) -> Vec<u8> {
    let mut octets = vec![0xaa; message.buffer_len()];
    message.emit(&mut octets);
    octets
}

#[cfg(target_endian = "little")]
const HOP: [u8; 32] = [
    2, 0, 142, 0, 4, 0, 0, 0, // AF_INET, universe, protocol 142; ONLINK
    8, 0, 1, 0, 1, 0, 0, 0x40, // NHA_ID 0x40000001
    8, 0, 5, 0, 7, 0, 0, 0, // NHA_OIF 7
    8, 0, 6, 0, 169, 254, 21, 1, // NHA_GATEWAY
];

#[cfg(target_endian = "little")]
const GROUP: [u8; 36] = [
    0, 0, 142, 0, 0, 0, 0, 0, // AF_UNSPEC
    8, 0, 1, 0, 9, 0, 0, 0x40, // NHA_ID 0x40000009
    20, 0, 2, 0, // NHA_GROUP
    1, 0, 0, 0x40, 0, 0, 0, 0, // member 0x40000001, weight 1
    2, 0, 0, 0x40, 0, 0, 0, 0, // member 0x40000002, weight 1
];

fn hop() -> NexthopMessage {
    let gateway = "169.254.21.1".parse().unwrap();
    NexthopMessage::hop(NexthopId(0x4000_0001), 142, &Hop { interface: 7, gateway })
}

fn member(id: u32, weight: u16) -> Member {
    Member { id: NexthopId(id), weight }
}

fn group() -> NexthopMessage {
    NexthopMessage::group(NexthopId(0x4000_0009), 142, &[member(0x4000_0001, 1), member(0x4000_0002, 1)])
}

#[cfg(target_endian = "little")]
#[test]
fn messages_are_octet_for_octet_what_the_header_file_says() {
    for (message, octets) in [(hop(), HOP.as_slice()), (group(), GROUP.as_slice())] {
        assert_eq!(encoded(&message), octets);
        assert_eq!(NexthopMessage::decode(octets).unwrap(), message);
    }
}

#[cfg(target_endian = "little")]
#[test]
fn a_message_cut_short_is_an_error_or_lacks_what_was_cut() {
    for octets in [HOP.as_slice(), GROUP.as_slice()] {
        let whole = NexthopMessage::decode(octets).unwrap();
        for length in 0..octets.len() {
            assert!(NexthopMessage::decode(&octets[..length]).map_or(true, |cut| cut != whole), "{length}");
        }
    }
}

#[test]
fn weights_are_kept_and_resilient_groups_are_not_ours_to_match() {
    let ids = vec![NexthopId(0x4000_0001), NexthopId(0x4000_0002)];
    let of = |first, second| Body::Group(vec![member(0x4000_0001, first), member(0x4000_0002, second)]);
    assert_eq!(group().to_nexthop().1.body, of(1, 1));
    let weighted = NexthopMessage { group: vec![(0x4000_0002, 256), (0x4000_0001, 1)], ..group() };
    assert_eq!(weighted.to_nexthop().1.body, of(1, 256));
    let alike = NexthopMessage { group: vec![(0x4000_0002, 7), (0x4000_0001, 7)], ..group() };
    assert_eq!(alike.to_nexthop().1.body, of(1, 1), "equal weights are no weights");
    let resilient = NexthopMessage { group_type: 1, ..group() };
    assert_eq!(resilient.to_nexthop().1.body, Body::OtherGroup(ids));
    let blackhole = NexthopMessage { special: true, ..hop() };
    assert_eq!(blackhole.to_nexthop().1.body, Body::Other);
}

proptest! {
    #[test]
    fn round_trip(id in 1_u32.., interface in 1_u32.., v6 in any::<bool>(), bits in any::<u128>(), n in 0_u32..40) {
        let gateway = if v6 { IpAddr::from(bits.to_be_bytes()) } else { IpAddr::from(interface.to_be_bytes()) };
        let hop = NexthopMessage::hop(NexthopId(id), 142, &Hop { interface, gateway });
        prop_assert_eq!(&NexthopMessage::decode(&encoded(&hop)).unwrap(), &hop);
        let members: Vec<_> = (1..=n).map(|id| member(id, u16::try_from(id * 6).unwrap().clamp(1, 256))).collect();
        let group = NexthopMessage::group(NexthopId(id), 142, &members);
        prop_assert_eq!(&NexthopMessage::decode(&encoded(&group)).unwrap(), &group);
    }

    #[test]
    fn no_input_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = NexthopMessage::decode(&octets) {
            message.to_nexthop();
        }
    }
}
