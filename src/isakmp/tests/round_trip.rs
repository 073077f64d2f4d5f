//! What is encoded decodes to the same.

use std::net::IpAddr;

use crypto::GroupId;
use fixtures::Seeded;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::ipsec::{IkeSpi, Spi, TrafficSelector};

use super::{HEADER, ciphers, suites};
use crate::{
    Attribute, Auth, AuthMethod, CertEncoding, CertificatePayload, CertificateRequest, Delete, ExchangeType, Flags,
    Frame, Header, IdType, Identification, KeyExchange, Message, Notify, NotifyType, Opened, Payload, PayloadType,
    Proposal, ProtocolId, RawPayload, Transform, TransformType, Version,
};

fn octets(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=max)
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        any::<u16>().prop_map(Attribute::KeyLength),
        (15_u16..0x8000, any::<u16>()).prop_map(|(kind, value)| Attribute::Short(kind, value)),
        (0_u16..0x8000, octets(20)).prop_map(|(kind, value)| Attribute::Long(kind, value)),
    ]
}

fn transform() -> impl Strategy<Value = Transform> {
    (any::<u8>(), any::<u16>(), vec(attribute(), 0..3)).prop_map(|(kind, id, attributes)| Transform {
        kind: TransformType(kind),
        id,
        attributes,
    })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    (any::<u8>(), any::<u8>(), octets(8), vec(transform(), 0..6)).prop_map(|(number, protocol, spi, transforms)| {
        Proposal { number, protocol: ProtocolId(protocol), spi, transforms }
    })
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    let addresses = prop_oneof![
        any::<(u32, u32)>().prop_map(|(a, b)| (IpAddr::V4(a.into()), IpAddr::V4(b.into()))),
        any::<(u128, u128)>().prop_map(|(a, b)| (IpAddr::V6(a.into()), IpAddr::V6(b.into()))),
    ];
    (any::<u8>(), any::<u16>(), any::<u16>(), addresses).prop_map(|(protocol, start_port, end_port, (start, end))| {
        TrafficSelector { protocol, start_port, end_port, start, end }
    })
}

fn identification() -> impl Strategy<Value = Identification> {
    (any::<u8>(), any::<[u8; 3]>(), octets(40)).prop_map(|(kind, reserved, data)| Identification {
        kind: IdType(kind),
        reserved,
        data,
    })
}

fn notify() -> impl Strategy<Value = Notify> {
    (any::<u8>(), octets(8), any::<u16>(), octets(40)).prop_map(|(protocol, spi, kind, data)| Notify {
        protocol: ProtocolId(protocol),
        spi,
        kind: NotifyType(kind),
        data,
    })
}

fn delete() -> impl Strategy<Value = Delete> {
    prop_oneof![
        Just(Delete::Ike),
        vec(any::<u32>().prop_map(Spi), 0..5).prop_map(Delete::Esp),
        (4_u8.., 1_u8..9, 0_u16..5).prop_map(|(protocol, spi_size, count)| Delete::Other {
            protocol: ProtocolId(protocol),
            spi_size,
            count,
            spis: vec![7; usize::from(spi_size) * usize::from(count)],
        }),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    let raw = [PayloadType::CONFIGURATION, PayloadType::EAP];
    prop_oneof![
        vec(proposal(), 1..4).prop_map(Payload::Sa),
        (any::<u16>(), octets(70))
            .prop_map(|(group, data)| Payload::KeyExchange(KeyExchange { group: GroupId(group), data })),
        identification().prop_map(Payload::IdInitiator),
        identification().prop_map(Payload::IdResponder),
        (any::<u8>(), octets(70)).prop_map(|(method, data)| Payload::Auth(Auth { method: AuthMethod(method), data })),
        (any::<u8>(), octets(70)).prop_map(|(encoding, data)| {
            Payload::Certificate(CertificatePayload { encoding: CertEncoding(encoding), data })
        }),
        (any::<u8>(), octets(70)).prop_map(|(encoding, data)| {
            Payload::CertificateRequest(CertificateRequest { encoding: CertEncoding(encoding), data })
        }),
        vec(any::<u8>(), 16..=256).prop_map(Payload::Nonce),
        notify().prop_map(Payload::Notify),
        delete().prop_map(Payload::Delete),
        octets(40).prop_map(Payload::VendorId),
        vec(selector(), 0..5).prop_map(Payload::TsInitiator),
        vec(selector(), 0..5).prop_map(Payload::TsResponder),
        (prop::sample::select(raw.to_vec()), octets(40))
            .prop_map(|(kind, body)| Payload::Raw(RawPayload { kind, body })),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    (any::<(u64, u64)>(), 0_u8..16, 0_u8..16, any::<(u8, bool, bool, bool, u32)>()).prop_map(
        |((i, r), major, minor, (exchange, initiator, response, higher_version, message_id))| Header {
            initiator_spi: IkeSpi(i),
            responder_spi: IkeSpi(r),
            version: Version { major, minor },
            exchange: ExchangeType(exchange),
            flags: Flags { initiator, response, higher_version },
            message_id,
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(header in header(), payloads in vec(payload(), 0..6)) {
        let message = Message { header, payloads };
        prop_assert_eq!(Message::decode(&message.encode().unwrap()), Ok(message));
    }

    #[test]
    fn what_is_sealed_opens_to_the_same(payloads in vec(payload(), 0..4), suite in prop::sample::select(suites())) {
        let message = Message { header: HEADER, payloads };
        let (mut initiator, responder) = ciphers(&suite);
        let datagrams = message.seal(&mut initiator.outbound, &mut Seeded::new(1), None).unwrap();
        prop_assert_eq!(datagrams.len(), 1);
        let frame = Frame::decode(&datagrams[0]).unwrap();
        prop_assert_eq!(frame.header, HEADER);
        let opened = frame.protected().unwrap().unwrap().open(&responder.inbound).unwrap();
        let Opened::Whole(plaintext) = opened else { panic!("not whole") };
        prop_assert_eq!(plaintext.payloads(), Ok(message.payloads));
    }
}

#[test]
fn what_does_not_fit_its_field_is_an_error() {
    let too_many = vec![TrafficSelector::ANY_V4; 256];
    let too_long = Payload::VendorId(vec![0; 65532]);
    let transforms = vec![Transform::esn(false); 256];
    let proposal = Proposal { number: 1, protocol: ProtocolId::ESP, spi: vec![0; 4], transforms };
    for payload in [Payload::TsInitiator(too_many), too_long, Payload::Sa(vec![proposal])] {
        let message = Message { header: HEADER, payloads: vec![payload] };
        assert!(message.encode().is_err());
        let (mut initiator, _) = ciphers(&suites()[0]);
        assert!(message.seal(&mut initiator.outbound, &mut Seeded::new(1), Some(1280)).is_err());
    }
}
