//! Octets and their meaning, both ways.

use crypto::{Group, GroupId, Prf};
use hex_literal::hex;
use wire::ipsec::{Encryption, IkeSpi, Integrity, Spi, TrafficSelector};

use super::{HEADER, ciphers, datagram, message};
use crate::{
    Attribute, Auth, AuthMethod, CertificatePayload, CertificateRequest, Delete, ExchangeType, Flags, Frame, Header,
    IdType, Identification, KeyExchange, Message, MessageIdSync, Notify, NotifyType, Opened, Payload, PayloadError,
    PayloadType, Proposal, ProtocolId, RawPayload, Transform, TransformType, Version,
};

/// Payloads, each with its kind and its octets without the generic header.
pub(super) fn payloads() -> Vec<Golden> {
    [proposals(), proofs(), notices(), selectors(), carried()].concat()
}

type Golden = (u8, Vec<u8>, Payload);

fn proposals() -> Vec<Golden> {
    vec![
        (
            33,
            hex!(
                "0200 0034 01 01 08 04 a1a2a3a4a5a6a7a8"
                "0300 000c 01 00 000c 800e0100"
                "0300 0008 02 00 0005"
                "0300 0008 03 00 000c"
                "0000 0008 04 00 000e"
                "0000 0020 02 03 04 02 c1c2c3c4"
                "0300 000c 01 00 0014 800e0080"
                "0000 0008 05 00 0001"
            )
            .to_vec(),
            Payload::Sa(vec![
                Proposal {
                    number: 1,
                    protocol: ProtocolId::IKE,
                    spi: hex!("a1a2a3a4a5a6a7a8").to_vec(),
                    transforms: vec![
                        Encryption::AesCbc(256).into(),
                        Prf::HmacSha256.into(),
                        Integrity::HmacSha256.into(),
                        Group::Modp2048.into(),
                    ],
                },
                Proposal {
                    number: 2,
                    protocol: ProtocolId::ESP,
                    spi: hex!("c1c2c3c4").to_vec(),
                    transforms: vec![Encryption::gcm16(128).into(), Transform::esn(true)],
                },
            ]),
        ),
        (
            33,
            hex!("0000 001f 01 03 00 01" "0000 0017 fa 00 1234 8063 0007 0041 0003 010203 800e 0080").to_vec(),
            Payload::Sa(vec![Proposal {
                number: 1,
                protocol: ProtocolId::ESP,
                spi: Vec::new(),
                transforms: vec![Transform {
                    kind: TransformType(250),
                    id: 0x1234,
                    attributes: vec![
                        Attribute::Short(0x63, 7),
                        Attribute::Long(0x41, vec![1, 2, 3]),
                        Attribute::KeyLength(128),
                    ],
                }],
            }]),
        ),
    ]
}

fn proofs() -> Vec<Golden> {
    let id = |data: &[u8]| Identification::new(IdType::FQDN, data.to_vec());
    vec![
        (
            34,
            hex!("001f 0000 0a0b0c").to_vec(),
            Payload::KeyExchange(KeyExchange { group: GroupId::CURVE25519, data: vec![10, 11, 12] }),
        ),
        (35, hex!("02 000000 67772e61").to_vec(), Payload::IdInitiator(id(b"gw.a"))),
        (36, hex!("02 000000 67772e62").to_vec(), Payload::IdResponder(id(b"gw.b"))),
        (39, hex!("02 000000 d1d2").to_vec(), {
            Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: vec![0xd1, 0xd2] })
        }),
        (40, vec![7; 16], Payload::Nonce(vec![7; 16])),
    ]
}

fn notices() -> Vec<Golden> {
    vec![
        (41, hex!("00 00 0011 0013").to_vec(), Payload::Notify(Notify::invalid_ke_payload(GroupId::ECP_256))),
        (41, hex!("03 04 4009 c1c2c3c4").to_vec(), Payload::Notify(Notify::rekey_sa(Spi(0xc1c2_c3c4)))),
        (41, hex!("00 00 4000").to_vec(), Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT))),
        (41, hex!("00 00 4026 0a0b0c0d 00000007 00000100").to_vec(), {
            Payload::Notify(MessageIdSync { nonce: [10, 11, 12, 13], send: 7, receive: 256 }.into())
        }),
        (42, hex!("01 00 0000").to_vec(), Payload::Delete(Delete::Ike)),
        (
            42,
            hex!("03 04 0002 c1c2c3c4 00001001").to_vec(),
            Payload::Delete(Delete::Esp(vec![Spi(0xc1c2_c3c4), Spi(0x1001)])),
        ),
        (42, hex!("02 04 0001 c1c2c3c4").to_vec(), {
            let (protocol, spis) = (ProtocolId::AH, hex!("c1c2c3c4").to_vec());
            Payload::Delete(Delete::Other { protocol, spi_size: 4, count: 1, spis })
        }),
    ]
}

fn selectors() -> Vec<Golden> {
    vec![
        (
            44,
            hex!(
                "02 000000" "07 00 0010 0000 ffff 00000000 ffffffff"
                "08 11 0028 0035 0035 20010db8000000000000000000000001 20010db80000000000000000000000ff"
            )
            .to_vec(),
            Payload::TsInitiator(vec![
                TrafficSelector::ANY_V4,
                TrafficSelector {
                    protocol: 17,
                    start_port: 53,
                    end_port: 53,
                    start: "2001:db8::1".parse().unwrap(),
                    end: "2001:db8::ff".parse().unwrap(),
                },
            ]),
        ),
        (
            45,
            hex!("01 000000" "07 00 0010 0000 ffff 0a020000 0a02ffff").to_vec(),
            Payload::TsResponder(vec![TrafficSelector::range(
                "10.2.0.0".parse().unwrap(),
                "10.2.255.255".parse().unwrap(),
            )]),
        ),
    ]
}

fn carried() -> Vec<Golden> {
    vec![
        (37, hex!("04 aabb").to_vec(), Payload::Certificate(CertificatePayload::x509(vec![0xaa, 0xbb]))),
        (38, hex!("04").to_vec(), Payload::CertificateRequest(CertificateRequest::x509([]))),
        (
            38,
            [&hex!("04")[..], &[1; 20], &[2; 20]].concat(),
            Payload::CertificateRequest(CertificateRequest::x509([[1; 20], [2; 20]])),
        ),
        (43, b"vendor".to_vec(), Payload::VendorId(b"vendor".to_vec())),
        (47, hex!("01 000000").to_vec(), {
            Payload::Raw(RawPayload { kind: PayloadType::CONFIGURATION, body: vec![1, 0, 0, 0] })
        }),
        (48, hex!("03 01 0004").to_vec(), {
            Payload::Raw(RawPayload { kind: PayloadType::EAP, body: vec![3, 1, 0, 4] })
        }),
    ]
}

/// A body behind its generic header.
pub(super) fn generic(next: u8, critical: bool, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[next, if critical { 0x80 } else { 0 }, length[0], length[1]], body].concat()
}

#[test]
fn each_payload_decodes_to_its_meaning_and_encodes_to_its_octets() {
    for (kind, body, payload) in payloads() {
        let octets = datagram(kind, &generic(0, false, &body));
        let message = message(vec![payload]);
        assert_eq!(message.encode().unwrap(), octets, "kind {kind}");
        assert_eq!(Message::decode(&octets).unwrap(), message, "kind {kind}");
    }
}

#[test]
fn a_chain_names_each_kind_in_the_payload_before() {
    let octets = hex!(
        "0102030405060708 0000000000000000 28 20 22 08 00000000 00000040"
        "29 00 0014 07070707070707070707070707070707"
        "2b 00 0008 00 00 402e"
        "00 00 0008 74657374"
    );
    let expected = Message {
        header: Header { responder_spi: IkeSpi::ZERO, exchange: ExchangeType::IKE_SA_INIT, message_id: 0, ..HEADER },
        payloads: vec![
            Payload::Nonce(vec![7; 16]),
            Payload::Notify(Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)),
            Payload::VendorId(b"test".to_vec()),
        ],
    };
    assert_eq!(expected.encode().unwrap(), octets);
    assert_eq!(Message::decode(&octets).unwrap(), expected);
}

#[test]
fn header_fields_stand_where_the_rfc_draws_them() {
    let octets = hex!("0102030405060708 1112131415161718 00 31 24 38 deadbeef 0000001c");
    let frame = Frame::decode(&octets).unwrap();
    let expected = Header {
        version: Version { major: 3, minor: 1 },
        exchange: ExchangeType::CREATE_CHILD_SA,
        flags: Flags { initiator: true, response: true, higher_version: true },
        message_id: 0xdead_beef,
        ..HEADER
    };
    assert_eq!(frame.header, expected);
    assert_eq!(Message { header: expected, payloads: Vec::new() }.encode().unwrap(), octets);
}

#[test]
fn an_unknown_payload_is_skipped_unless_critical() {
    let vendor = generic(0, false, b"v");
    let skipped = [generic(43, false, b"?"), vendor.clone()].concat();
    let decoded = Message::decode(&datagram(200, &skipped)).unwrap();
    assert_eq!(decoded.payloads, [Payload::VendorId(b"v".to_vec())]);

    let critical = [generic(43, true, b"?"), vendor].concat();
    let error = Message::decode(&datagram(200, &critical)).unwrap_err();
    assert_eq!(error, PayloadError::UnsupportedCritical(PayloadType(200)));
    assert_eq!(error.notify(), Notify::with_data(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![200]));

    // On a payload that is known, the bit says nothing.
    let known = datagram(43, &generic(0, true, b"v"));
    assert_eq!(Message::decode(&known).unwrap().payloads, [Payload::VendorId(b"v".to_vec())]);
}

#[test]
fn a_selector_of_an_unknown_type_selects_nothing() {
    let body = hex!("02 000000" "09 00 0008 00000000" "07 00 0010 0000 ffff 00000000 ffffffff");
    let decoded = Message::decode(&datagram(44, &generic(0, false, &body))).unwrap();
    assert_eq!(decoded.payloads, [Payload::TsInitiator(vec![TrafficSelector::ANY_V4])]);
}

#[test]
fn protected_messages_equal_those_of_an_independent_implementation() {
    let delete = message(vec![Payload::Delete(Delete::Ike)]);
    let gcm = hex!(
        "010203040506070811121314151617182e2025080000000200000041"
        "2a0000250000000000000000723bf2cd4831444900a3d76b67c71db09dfe1191ff03293135"
    );
    let cbc = hex!(
        "010203040506070811121314151617182e2025080000000200000050"
        "2a000034c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c37ca99078d0c5eddaeb6e394667d5854fe1fe713042e3aec1762f5fa60b0204ca"
    );
    let cases: [(&str, &[u8]); 2] =
        [("aes128gcm16-prfsha256-x25519", &gcm), ("aes256-sha256-prfsha384-modp2048", &cbc)];
    for (suite, octets) in cases {
        let (mut initiator, responder) = ciphers(&suite.parse().unwrap());
        let mut entropy = |out: &mut [u8]| out.fill(0xc3);
        assert_eq!(delete.seal(&mut initiator.outbound, &mut entropy, None).unwrap(), [octets], "{suite}");
        let frame = Frame::decode(octets).unwrap();
        assert_eq!(frame.payloads(), Ok(Vec::new()));
        let Ok(Opened::Whole(plaintext)) = frame.protected().unwrap().unwrap().open(&responder.inbound) else {
            panic!("{suite} does not open");
        };
        assert_eq!(plaintext.payloads().unwrap(), delete.payloads);
    }
}

#[test]
fn a_fragment_has_its_number_and_total_before_the_vector() {
    let octets = datagram(53, &generic(42, false, &[&hex!("0001 0002")[..], &[0; 24], &[0; 9]].concat()));
    let debug = format!("{:?}", Frame::decode(&octets).unwrap().protected().unwrap().unwrap());
    assert!(debug.contains("iv_at: 36") && debug.contains("number: 1, total: 2"), "{debug}");
    for numbering in [hex!("0000 0002"), hex!("0003 0002"), hex!("0001 0000")] {
        let octets = datagram(53, &generic(42, false, &[&numbering[..], &[0; 33]].concat()));
        assert!(Frame::decode(&octets).unwrap().protected().is_err(), "{numbering:?}");
    }
}
