//! IKEv1 messages in the clear (RFC 2408 3): what is decoded encodes, and decodes to the same; fragments are put together
//! within bounds.

use isakmp::v1::{
    Attribute, Chain, Delete, Exchange, Flags, Frame, Header, Identification, MAX_OCTETS, Notify, NotifyKind, Payload,
    PayloadKind, Proposal, Protocol, Reassembly, Transform, VendorId, encode, split,
};
use wire::ipsec::{IkeSpi, Spi, TrafficSelector};

/// Octets: a datagram.
pub fn body(octets: &[u8]) {
    let Ok(frame) = Frame::decode(octets) else { return };
    // As if it had been decrypted: padding may follow.
    if let Ok(chain) = Chain::decode(frame.first, frame.body, true) {
        assert!(chain.end <= frame.body.len(), "a chain ends within its message");
        if let Some((_, covered)) = chain.leading_hash() {
            assert!(frame.body.get(covered).is_some(), "what a hash covers is there");
        }
    }
    let Ok(chain) = Chain::decode(frame.first, frame.body, false) else { return };
    let payloads: Vec<_> = chain.payloads.into_iter().map(|located| located.payload).collect();
    let encoded = encode(&frame.header, &payloads).expect("what was decoded fits its fields");
    let again = Frame::decode(&encoded).expect("what we encode decodes");
    let chain = Chain::decode(again.first, again.body, false).expect("what we encode decodes");
    let found: Vec<_> = chain.payloads.into_iter().map(|located| located.payload).collect();
    assert_eq!(found, payloads, "the same payloads");
    let mut reassembly = Reassembly::default();
    for payload in payloads {
        match payload {
            Payload::Fragment(fragment) => drop(reassembly.insert(fragment)),
            Payload::Identification(id) => drop((id.end(), id.traffic())),
            Payload::Notify(notify) => drop(notify.attributes()),
            Payload::Sa(_)
            | Payload::KeyExchange(_)
            | Payload::Hash(_)
            | Payload::Nonce(_)
            | Payload::Delete(_)
            | Payload::VendorId(_)
            | Payload::NatDetection(_)
            | Payload::Other(..) => {}
        }
    }
    assert!(reassembly.held() <= MAX_OCTETS, "what is held of fragments is bounded");
}

/// A first message, one of everything, and a fragment.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let everything = encode(&header(Exchange::QUICK, 7), &everything()).unwrap_or_default();
    let piece = split(&header(Exchange::QUICK, 7), &everything, 3, 100).unwrap_or_default();
    vec![first_message(), everything, piece.into_iter().next().unwrap_or_default()]
}

fn header(exchange: Exchange, message_id: u32) -> Header {
    let (initiator, responder) = (IkeSpi(0x0102_0304_0506_0708), IkeSpi(u64::from(message_id)));
    Header { initiator, responder, exchange, flags: Flags::default(), message_id }
}

fn proposals() -> Vec<Proposal> {
    // AES with 128 bits, SHA2-256, group 19, a pre-shared key, eight hours.
    let attributes = [(1, 7), (14, 128), (2, 4), (4, 19), (3, 1), (11, 1), (12, 28_800)];
    let attributes = attributes.map(|(kind, value)| Attribute::number(kind, value)).into();
    let transforms = vec![Transform { number: 1, id: 1, attributes }];
    vec![Proposal { number: 1, protocol: Protocol::ISAKMP, spi: Vec::new(), transforms }]
}

/// The first message of main mode.
pub(super) fn first_message() -> Vec<u8> {
    let vendor_ids = VendorId::ALL.into_iter().map(|id| Payload::VendorId(id.octets()));
    let payloads: Vec<_> = [Payload::Sa(proposals())].into_iter().chain(vendor_ids).collect();
    encode(&header(Exchange::IDENTITY_PROTECTION, 0), &payloads).unwrap_or_default()
}

fn everything() -> Vec<Payload> {
    let lifetime = [Attribute::number(1, 1), Attribute::number(2, 86_400)];
    vec![
        Payload::Hash(vec![1; 32]),
        Payload::Sa(proposals()),
        Payload::Nonce(vec![2; 32]),
        Payload::KeyExchange(vec![3; 64]),
        Payload::Identification(Identification::of_traffic(&TrafficSelector::ANY_V4)),
        Payload::Identification(Identification::of_traffic(&TrafficSelector::ANY_V6)),
        Payload::Notify(Notify::esp(NotifyKind::RESPONDER_LIFETIME, Spi(0x1000)).with_attributes(&lifetime)),
        Payload::Delete(Delete::esp(&[Spi(0x1000), Spi(0x1001)])),
        Payload::NatDetection(vec![4; 32]),
        Payload::Other(PayloadKind::CERTIFICATE, vec![4, 5]),
    ]
}
