//! Genuine IKE messages, in the clear, and the configurations of the two that exchange them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crypto::{Group, IkeProposal};
use isakmp::{
    Auth, AuthMethod, ChildExchange, Delete, ExchangeType, Flags, Header, KeyExchange, Message, Notify, NotifyType,
    Payload, Version, esp_proposals, ike_proposals,
};
use negotiation::{
    Authentication, ChildLifetime, Dpd, DpdAction, EncapsulationPolicy, IkeVersion, PORT_IKE, SelectorLayout,
    StartAction, TunnelConfig,
};
use wire::Secret;
use wire::ipsec::{IkeSpi, Spi, TrafficSelector};

use super::entropy::Seeded;

/// The one that begins.
pub(super) const ADDRESS_A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The one that answers.
pub(super) const ADDRESS_B: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
/// A nonce.
pub(super) const NONCE: [u8; 32] = [0x4e; 32];
/// The ESP SPI on which a scripted peer would receive.
pub(super) const ESP_SPI: Spi = Spi(0x1122_3344);

/// A tunnel from `local` to `remote`; its SAs live longer than any script.
pub(super) fn config(local: IpAddr, remote: IpAddr, start: StartAction) -> TunnelConfig {
    TunnelConfig {
        name: "t".to_owned(),
        local,
        remote,
        version: IkeVersion::V2,
        ike_port: PORT_IKE,
        local_id: local.into(),
        remote_id: remote.into(),
        auth: Authentication::psk(Secret::from(b"correct horse battery staple".as_slice())),
        ppk: None,
        ike_proposals: vec![suite()],
        esp_proposals: vec!["aes128gcm16".parse().expect("a suite")],
        ike_lifetime: Duration::from_secs(28_800),
        child_lifetime: ChildLifetime { time: Duration::from_secs(3600), bytes: None, packets: None },
        rekey_margin: Duration::from_secs(300),
        rekey_fuzz: 0,
        local_selectors: vec![TrafficSelector::ANY_V4],
        remote_selectors: vec![TrafficSelector::ANY_V4],
        layout: SelectorLayout::Together,
        start,
        encapsulation: EncapsulationPolicy::Auto,
        dpd: Dpd { interval: Duration::from_secs(10), timeout: Duration::from_secs(30), action: after_silence(start) },
        replay_window: 1024,
        early_rekey: false,
    }
}

/// Who does not begin does not begin again.
const fn after_silence(start: StartAction) -> DpdAction {
    match start {
        StartAction::Initiate => DpdAction::Restart,
        StartAction::OnDemand | StartAction::Respond => DpdAction::Clear,
    }
}

/// The one both propose.
pub(super) fn suite() -> IkeProposal {
    "aes128gcm16-prfsha256-x25519".parse().expect("a suite")
}

/// The header of a request of the one that began.
pub(super) const fn header(spis: (IkeSpi, IkeSpi), exchange: ExchangeType, message_id: u32) -> Header {
    Header {
        initiator_spi: spis.0,
        responder_spi: spis.1,
        version: Version::V2,
        exchange,
        flags: Flags { initiator: true, response: false, higher_version: false },
        message_id,
    }
}

/// An `IKE_SA_INIT` request.
pub(super) fn first_request() -> Vec<u8> {
    let public = Group::X25519.generate(&mut Seeded::new(9)).public().to_vec();
    first_request_with(IkeSpi(0x0102_0304_0506_0708), public)
}

/// An `IKE_SA_INIT` request with this public value.
pub(super) fn first_request_with(spi: IkeSpi, public: Vec<u8>) -> Vec<u8> {
    let payloads = vec![
        Payload::Sa(ike_proposals(&[suite()], None)),
        Payload::KeyExchange(KeyExchange { group: Group::X25519.id(), data: public }),
        Payload::Nonce(NONCE.to_vec()),
        Payload::Notify(Notify::with_data(NotifyType::NAT_DETECTION_SOURCE_IP, vec![1; 20])),
        Payload::Notify(Notify::with_data(NotifyType::NAT_DETECTION_DESTINATION_IP, vec![2; 20])),
        Payload::Notify(Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)),
    ];
    encode(header((spi, IkeSpi::ZERO), ExchangeType::IKE_SA_INIT, 0), payloads)
}

/// What an `IKE_AUTH` request says, in the clear.
pub(super) fn authentication() -> Vec<u8> {
    encode(header((IkeSpi(1), IkeSpi(2)), ExchangeType::IKE_AUTH, 1), authentication_payloads(vec![0xaa; 32]))
}

/// The payloads of an `IKE_AUTH` request of A.
pub(super) fn authentication_payloads(auth: Vec<u8>) -> Vec<Payload> {
    let config = config(ADDRESS_A, ADDRESS_B, StartAction::Initiate);
    vec![
        Payload::IdInitiator(config.local_id.to_payload()),
        Payload::Notify(Notify::new(NotifyType::INITIAL_CONTACT)),
        Payload::IdResponder(config.remote_id.to_payload()),
        Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: auth }),
        Payload::Sa(esp_proposals(&config.esp_proposals, ESP_SPI, ChildExchange::Auth)),
        Payload::TsInitiator(config.local_selectors),
        Payload::TsResponder(config.remote_selectors),
    ]
}

/// What peers ask of each other later: a message for each request, in the clear.
pub(super) fn later_requests() -> Vec<Vec<u8>> {
    let config = config(ADDRESS_A, ADDRESS_B, StartAction::Initiate);
    let next_spi = Spi(0x1122_3345);
    let public = Group::X25519.generate(&mut Seeded::new(10)).public().to_vec();
    let exchange = Payload::KeyExchange(KeyExchange { group: Group::X25519.id(), data: public });
    let spis = (IkeSpi(1), IkeSpi(2));
    let informational = |payload| encode(header(spis, ExchangeType::INFORMATIONAL, 2), vec![payload]);
    let create = |payloads| encode(header(spis, ExchangeType::CREATE_CHILD_SA, 2), payloads);
    vec![
        encode(header(spis, ExchangeType::INFORMATIONAL, 2), Vec::new()),
        informational(Payload::Delete(Delete::Esp(vec![ESP_SPI]))),
        informational(Payload::Delete(Delete::Ike)),
        create(vec![
            Payload::Notify(Notify::rekey_sa(ESP_SPI)),
            Payload::Sa(esp_proposals(&config.esp_proposals, next_spi, ChildExchange::Create)),
            Payload::Nonce(NONCE.to_vec()),
            exchange.clone(),
            Payload::TsInitiator(config.local_selectors.clone()),
            Payload::TsResponder(config.remote_selectors.clone()),
        ]),
        create(vec![
            Payload::Sa(ike_proposals(&[suite()], Some(IkeSpi(77)))),
            Payload::Nonce(NONCE.to_vec()),
            exchange,
        ]),
        create(vec![
            Payload::Sa(esp_proposals(&config.esp_proposals, next_spi, ChildExchange::Create)),
            Payload::Nonce(NONCE.to_vec()),
            Payload::TsInitiator(config.local_selectors),
            Payload::TsResponder(config.remote_selectors),
        ]),
    ]
}

/// A message in the clear.
pub(super) fn encode(header: Header, payloads: Vec<Payload>) -> Vec<u8> {
    Message { header, payloads }.encode().expect("a short message")
}
