//! A TCP stream of BGP messages, short ones and extended ones: framing first, then each message by its type (RFC 4271 4,
//! RFC 8654 4).

use bgp::Family;
use bgp::message::{Capability, CapabilityCode, CeaseSubcode, GracefulRestart};
use bgp::message::{
    HEADER_LEN, KEEPALIVE, MAX_EXTENDED_LEN, MAX_MESSAGE_LEN, MessageType, Notification, Open, RefreshKind,
    RouteRefresh, frame_len,
};
use wire::{Asn, RouterId};

use super::bgp_update;

/// Octets: the stream.
pub fn body(octets: &[u8]) {
    for longest in [MAX_MESSAGE_LEN, MAX_EXTENDED_LEN] {
        stream(octets, longest);
    }
}

fn stream(octets: &[u8], longest: usize) {
    let mut rest = octets;
    loop {
        let framed = frame_len(rest, longest);
        // Whatever is said of a beginning, more octets do not make it another error or another length.
        for short in [0, 1, 16, 17, 18, 19, 20].into_iter().filter(|short| *short < rest.len()) {
            match frame_len(&rest[..short], longest) {
                Ok(Some(length)) => assert_eq!(framed, Ok(Some(length)), "a length stays"),
                Err(error) => assert_eq!(framed, Err(error), "an error stays"),
                Ok(None) => {}
            }
        }
        let Ok(Some(length)) = framed else { return };
        assert!((HEADER_LEN..=longest).contains(&length), "a length that a message can have");
        let Some((message, after)) = rest.split_at_checked(length) else { return };
        take_apart(message[18], &message[HEADER_LEN..]);
        rest = after;
    }
}

fn take_apart(kind: u8, body: &[u8]) {
    match MessageType::from_code(kind) {
        Some(MessageType::Open) => open(body),
        Some(MessageType::Update) => bgp_update::body(body),
        Some(MessageType::Notification) => {
            let notification = Notification::decode(body).expect("framing asks for two octets");
            assert!(!notification.to_string().is_empty());
            let again = Notification::decode(&notification.encode()[HEADER_LEN..]).expect("as long as it was");
            assert!(again == notification || again.data.len() == MAX_MESSAGE_LEN - HEADER_LEN - 2, "the same, or cut");
        }
        Some(MessageType::RouteRefresh) => {
            // Longer ones carry filters (RFC 5291).
            let Some(refresh) = RouteRefresh::decode(body) else {
                return assert!(body.len() > 4, "four octets at least");
            };
            assert_eq!(&refresh.encode()[HEADER_LEN..], body, "the same octets");
        }
        Some(MessageType::Keepalive) | None => assert!(body.is_empty(), "framing lets nothing else through"),
    }
}

fn open(body: &[u8]) {
    match Open::decode(body) {
        Ok(open) => {
            let _any = (open.asn(), open.families(), open.route_refresh());
            let encoded = open.encode();
            assert!(
                frame_len(&encoded, MAX_MESSAGE_LEN).is_ok_and(|length| length == Some(encoded.len())),
                "one whole message"
            );
            assert_eq!(Open::decode(&encoded[HEADER_LEN..]), Ok(open), "the same OPEN");
        }
        Err(error) => assert!(!error.notification().encode().is_empty() && !error.to_string().is_empty()),
    }
}

/// An OPEN of AS 64512, as it goes over the wire.
pub(super) fn open_message(families: &[Family]) -> Vec<u8> {
    let mut capabilities: Vec<Capability> = families.iter().map(|family| Capability::family(*family)).collect();
    capabilities.extend([Capability::RouteRefresh, Capability::FourOctetAs(Asn(64512))]);
    Open { my_as: 64512, hold_time: 90, router_id: RouterId([203, 0, 113, 11].into()), capabilities }.encode()
}

/// An OPEN with every capability there is, and more of one than one octet of length counts.
pub(super) fn every_capability() -> Vec<u8> {
    let restart =
        GracefulRestart { restarting: true, notification: true, time: 120, families: vec![(1, 1, 0x80), (2, 1, 0)] };
    let other = |octets: u8| Capability::Other { code: CapabilityCode::FQDN, value: vec![b'a'; octets.into()] };
    let capabilities = vec![
        Capability::family(Family::Ipv4Unicast),
        Capability::family(Family::Ipv6Unicast),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![(1, 1, 2)]),
        Capability::ExtendedMessage,
        Capability::Role(0),
        Capability::GracefulRestart(restart),
        Capability::FourOctetAs(Asn(64512)),
        Capability::AddPath(vec![(1, 1, 3), (2, 1, 3)]),
        Capability::EnhancedRouteRefresh,
        other(200),
    ];
    Open { my_as: 64512, hold_time: 90, router_id: RouterId([203, 0, 113, 11].into()), capabilities }.encode()
}

/// An UPDATE, as it goes over the wire.
pub(super) fn update_message(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER_LEN + body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0xff; 16][..], &length, &[2], body].concat()
}

/// One of each, and all in a row.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut messages = vec![
        open_message(&[Family::Ipv4Unicast, Family::Ipv6Unicast]),
        KEEPALIVE.to_vec(),
        RouteRefresh::request(Family::Ipv6Unicast).encode(),
        RouteRefresh::new(RefreshKind::Begin, Family::Ipv4Unicast).encode(),
        RouteRefresh::new(RefreshKind::End, Family::Ipv4Unicast).encode(),
        every_capability(),
        Notification::cease_with_text(CeaseSubcode::ADMINISTRATIVE_SHUTDOWN, "maintenance").encode(),
    ];
    messages.extend(bgp_update::seeds().iter().map(|body| update_message(body)));
    // An extended message: the same prefix a thousand and one hundred times.
    messages.push(update_message(&[&[0, 0, 0, 0][..], &[24, 10, 0, 0].repeat(1100)].concat()));
    messages.push(messages.concat());
    messages
}
