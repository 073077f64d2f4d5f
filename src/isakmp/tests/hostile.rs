//! Input that is cut, contradictory, random or changed.

use fixtures::Seeded;
use hex_literal::hex;
use proptest::prelude::*;
use wire::DecodeReason;

use super::golden::{generic, payloads};
use super::{ciphers, datagram, message};
use crate::{Frame, Message, NotifyType, Opened, Payload, PayloadError};

#[test]
fn a_datagram_that_is_not_as_long_as_it_says_is_refused() {
    let (kind, body, _) = payloads().remove(0);
    let octets = datagram(kind, &generic(0, false, &body));
    for len in 0..octets.len() {
        assert!(Frame::decode(&octets[..len]).is_err(), "{len}");
    }
    assert!(Frame::decode(&[&octets[..], &[0]].concat()).is_err());
}

#[test]
fn a_chain_cut_anywhere_is_refused() {
    for (kind, body, _) in payloads() {
        let chain = generic(0, false, &body);
        for len in 0..chain.len() {
            let error = Message::decode(&datagram(kind, &chain[..len])).unwrap_err();
            let PayloadError::Malformed(error) = error else { panic!("{error}") };
            assert!(matches!(error.reason, DecodeReason::Truncated { .. }), "kind {kind}, {len}: {error}");
            assert!(error.offset >= 28, "kind {kind}, {len}: {error}");
        }
        assert!(Message::decode(&datagram(kind, &[&chain[..], &[0]].concat())).is_err(), "kind {kind}");
    }
}

#[test]
fn a_body_cut_anywhere_is_refused_where_its_structure_says_how_long_it_is() {
    for (kind, body, payload) in payloads() {
        let open_ended = match &payload {
            Payload::Sa(_) | Payload::Delete(_) | Payload::TsInitiator(_) | Payload::TsResponder(_) => body.len(),
            Payload::KeyExchange(_) | Payload::IdInitiator(_) | Payload::IdResponder(_) | Payload::Auth(_) => 4,
            Payload::Notify(notify) => 4 + notify.spi.len(),
            Payload::Nonce(_) => 16,
            Payload::Certificate(_) | Payload::CertificateRequest(_) => 1,
            Payload::VendorId(_) | Payload::Raw(_) => 0,
        };
        for len in 0..body.len() {
            let result = Message::decode(&datagram(kind, &generic(0, false, &body[..len])));
            // Where the cut leaves a whole proposal that calls itself the last but one, it is refused too.
            assert_eq!(result.is_err(), len < open_ended, "kind {kind}, {len}");
        }
    }
}

#[test]
fn contradictions_are_refused() {
    let cases: [(&str, u8, &[u8]); 14] = [
        ("no proposal", 33, &[]),
        ("proposal shorter than its header", 33, &hex!("0000 0003")),
        ("proposal longer than the payload", 33, &hex!("0000 0009 01 01 00 00")),
        ("first proposal says it is the last", 33, &hex!("0000 0008 01 01 00 00 0000 0008 02 01 00 00")),
        ("last proposal says more follow", 33, &hex!("0200 0008 01 01 00 00")),
        ("fewer transforms than counted", 33, &hex!("0000 0010 01 01 00 02 0300 0008 01 00 000c")),
        ("more transforms than counted", 33, &hex!("0000 0010 01 01 00 00 0000 0008 01 00 000c")),
        ("attribute cut", 33, &hex!("0000 0013 01 01 00 01 0000 000b 01 00 000c 800e01")),
        ("nonce too short", 40, &[0; 15]),
        ("nonce too long", 40, &[0; 257]),
        ("IKE delete with an SPI", 42, &hex!("01 08 0001 0102030405060708")),
        ("ESP delete with an SPI of 2 octets", 42, &hex!("03 02 0001 0102")),
        ("selector shorter than its header", 44, &hex!("01 000000 07 00 0003 0000 ffff 00000000 ffffffff")),
        ("IPv4 selector with IPv6 length", 44, &[&hex!("01 000000 07 00 0028 0000 ffff")[..], &[0; 32]].concat()),
    ];
    for (what, kind, body) in cases {
        let error = Message::decode(&datagram(kind, &generic(0, false, body))).expect_err(what);
        assert_eq!(error.notify().kind, NotifyType::INVALID_SYNTAX, "{what}");
    }
    let short = Message::decode(&datagram(43, &hex!("00 00 0003")));
    assert!(short.is_err(), "payload shorter than its header");
    let after_sealed = [generic(42, false, &[0; 40]), generic(0, false, b"v")].concat();
    assert!(Frame::decode(&datagram(46, &after_sealed)).unwrap().protected().is_err(), "payload after SK");
}

#[test]
fn an_encrypted_payload_inside_of_another_is_refused() {
    let (mut initiator, responder) = ciphers(&"aes128gcm16-prfsha256-x25519".parse().unwrap());
    let mut octets = datagram(46, &[]);
    octets.extend_from_slice(&hex!("2e 00 0026"));
    octets[27] = 66;
    initiator.outbound.seal(&mut octets, &generic(0, false, &[1; 5]), &mut Seeded::new(1));
    let sealed = Frame::decode(&octets).unwrap().protected().unwrap().unwrap();
    let Ok(Opened::Whole(plaintext)) = sealed.open(&responder.inbound) else { panic!("does not open") };
    assert!(plaintext.payloads().is_err());
}

/// Runs everything that can be done with octets from the network.
fn digest(octets: &[u8]) {
    let Ok(frame) = Frame::decode(octets) else { return };
    if let Ok(payloads) = frame.payloads() {
        let texts: Vec<String> = payloads.iter().map(|payload| format!("{payload:?}")).collect();
        assert_eq!(texts.len(), payloads.len());
        // What was decoded can be encoded, and means the same again.
        let again = Message { header: frame.header, payloads };
        assert_eq!(Message::decode(&again.encode().unwrap()).as_ref(), Ok(&again));
    }
    if let Ok(Some(sealed)) = frame.protected() {
        let (_, responder) = ciphers(&"aes256-sha1-modp1024".parse().unwrap());
        assert!(sealed.open(&responder.inbound).is_err());
    }
}

proptest! {
    #[test]
    fn arbitrary_octets_do_no_harm(octets: Vec<u8>) {
        digest(&octets);
    }

    #[test]
    fn arbitrary_chains_do_no_harm(first in 32_u8..55, chain: Vec<u8>) {
        digest(&datagram(first, &chain));
    }

    #[test]
    fn arbitrary_bodies_do_no_harm(kinds in prop::collection::vec((33_u8..55, any::<Vec<u8>>()), 1..4)) {
        let mut chain = Vec::new();
        for (index, (_, body)) in kinds.iter().enumerate() {
            let next = kinds.get(index + 1).map_or(0, |(kind, _)| *kind);
            chain.extend(generic(next, false, body));
        }
        digest(&datagram(kinds[0].0, &chain));
    }

    #[test]
    fn mutated_messages_do_no_harm(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let all = payloads();
        let (kind, body, _) = &all[which.index(all.len())];
        let mut octets = datagram(*kind, &generic(0, false, body));
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        digest(&octets);
        let length = u32::try_from(octets.len()).unwrap();
        octets[24..28].copy_from_slice(&length.to_be_bytes());
        digest(&octets);
    }

    #[test]
    fn mutated_plaintext_does_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let all: Vec<Payload> = payloads().into_iter().map(|(_, _, payload)| payload).collect();
        let (mut initiator, responder) = ciphers(&"aes128-sha256-modp2048".parse().unwrap());
        let sealed = message(all.clone()).seal(&mut initiator.outbound, &mut Seeded::new(1), None).unwrap();
        let frame = Frame::decode(&sealed[0]).unwrap();
        let Opened::Whole(mut plaintext) = frame.protected().unwrap().unwrap().open(&responder.inbound).unwrap() else {
            panic!("not whole");
        };
        for (at, value) in &changes {
            let at = at.index(plaintext.octets.len());
            plaintext.octets[at] = *value;
        }
        let payloads = plaintext.payloads();
        prop_assert!(!changes.is_empty() || payloads == Ok(all));
    }
}
