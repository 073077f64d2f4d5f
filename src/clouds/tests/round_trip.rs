//! What is exported to strongSwan and read back from the other end is the same tunnels.

use crypto::{EspProposal, IkeProposal};
use identity::Identity;
use negotiation::{IkeVersion, LocalAuth};
use profile::Profile;
use proptest::prelude::*;
use settings::{Protected, Router};
use wire::Asn;
use wire::ipsec::TrafficSelector;

use super::exports::{four, router};
use crate::export::{self, Reveal, Target, export};
use import::{Input, Options, import};

/// What both ends have to agree on.
#[derive(Debug, PartialEq)]
struct Facts {
    name: String,
    outside: (String, String),
    identities: (Identity, Identity),
    key: Vec<u8>,
    version: IkeVersion,
    ike_port: u16,
    ike: Vec<IkeProposal>,
    esp: Vec<EspProposal>,
    lifetimes: (u64, u64, Option<u64>),
    dpd: (u64, u64),
    inside: (String, String),
    session: Option<(Asn, Asn, u64)>,
    networks: (Vec<TrafficSelector>, Vec<TrafficSelector>),
    protected: Option<Protected>,
}

fn facts(router: &Router) -> Vec<Facts> {
    let of = |tunnel: &settings::Tunnel| {
        let ike = &tunnel.ike;
        let LocalAuth::Psk(key) = &ike.auth.local else { panic!("a certificate") };
        Facts {
            name: tunnel.name.clone(),
            outside: (ike.local.to_string(), ike.remote.to_string()),
            identities: (ike.local_id.clone(), ike.remote_id.clone()),
            key: key.expose().to_vec(),
            version: ike.version,
            ike_port: ike.ike_port,
            ike: ike.ike_proposals.clone(),
            esp: ike.esp_proposals.clone(),
            lifetimes: (ike.ike_lifetime.as_secs(), ike.child_lifetime.time.as_secs(), ike.child_lifetime.bytes),
            dpd: (ike.dpd.interval.as_secs(), ike.dpd.timeout.as_secs()),
            inside: (tunnel.inside.local.to_string(), tunnel.inside.peer.to_string()),
            networks: (ike.local_selectors.clone(), ike.remote_selectors.clone()),
            protected: tunnel.protected.clone(),
            session: tunnel
                .bgp
                .as_ref()
                .map(|session| (session.peer.local_asn, session.peer.peer_asn, session.peer.timers.hold.as_secs())),
        }
    };
    router.tunnels.iter().map(of).collect()
}

/// Exports, reads the files as the peer's, and checks what comes out.
fn there_and_back(router: &Router, target: Target) -> Vec<Facts> {
    let exported = export(router, target, &export::Options::default()).unwrap();
    let texts: Vec<_> = exported
        .files
        .iter()
        .filter(|file| !file.is_script())
        .map(|file| (file.name().to_owned(), file.text(Reveal::Shown)))
        .collect();
    let inputs: Vec<_> = texts.iter().map(|(name, text)| Input { name, octets: text.as_bytes() }).collect();
    let options = Options { mirror: true, router_id: Some([10, 1, 0, 1].into()), ..Options::default() };
    let imported = import(None, &inputs, &options).unwrap_or_else(|error| panic!("{error}"));
    let keys = imported.keys.iter().map(|key| (key.path.clone(), key.secret.clone())).collect();
    let loaded = config::parse("back.yaml", &imported.yaml, &Back(keys)).unwrap();
    facts(&loaded.router)
}

struct Back(Vec<(String, wire::Secret)>);

impl config::SecretSource for Back {
    fn unix_time(&self) -> u64 {
        0
    }

    fn fetch(&self, reference: &config::SecretReference) -> Result<config::FoundSecret, config::SecretError> {
        let config::SecretReference::File(path) = reference else { panic!("{reference:?}") };
        let (_, secret) = self.0.iter().find(|(name, _)| path.to_str() == Some(name)).unwrap();
        Ok(config::FoundSecret { secret: secret.clone(), mode: Some(0o600) })
    }
}

#[test]
fn four_tunnels_come_back_the_same() {
    let remote = ["203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14"];
    let router = four("aws", ["192.0.2.10", "192.0.2.11"], remote, "second", ", bgp: {asn: 64512}");
    assert_eq!(router.tunnels[0].profile, Profile::Aws);
    for target in [Target::SwanctlBird, Target::SwanctlFrr] {
        assert_eq!(there_and_back(&router, target), facts(&router), "{target:?}");
    }
}

#[test]
fn protected_flows_come_back_the_same() {
    for version in ["ikev2", "ikev1"] {
        let remote = if version == "ikev2" { "10.2.0.0/16, 10.3.0.0/16" } else { "10.2.0.0/16" };
        let text = format!(
            "router: {{name: edge, asn: 65000, router-id: 10.1.0.1}}\ntunnels:\n  - {{name: dc, local: 192.0.2.10, \
             remote: 203.0.113.9, psk: {{file: key}}, inside: {{prefix: 169.254.250.252/30, side: second}}, \
             ike: {{version: {version}, proposals: [aes256-sha256-modp2048]}}, esp: {{proposals: [aes256-sha256]}}, \
             selectors: {{local: [10.1.0.0/16], remote: [{remote}]}}, routing: protected}}\n"
        );
        let router = router(&text);
        for target in [Target::SwanctlBird, Target::SwanctlFrr] {
            assert_eq!(there_and_back(&router, target), facts(&router), "{version} {target:?}");
        }
    }
}

#[test]
fn strongswan_gets_a_child_for_each_pair_where_there_is_one_for_each() {
    let conf = |more: &str| {
        let text = format!(
            "router: {{name: edge, asn: 65000, router-id: 10.1.0.1}}\ntunnels:\n  - {{name: dc, local: 192.0.2.10, \
             remote: 203.0.113.9, psk: {{file: key}}, ike: {{proposals: [aes256-sha256-modp2048]{more}}}, \
             esp: {{proposals: [aes256-sha256]}}, selectors: {{local: [10.1.0.0/16], remote: [10.2.0.0/16, 10.3.0.0/16]}}, \
             routing: protected}}\n"
        );
        let exported = export(&router(&text), Target::SwanctlBird, &export::Options::default()).unwrap();
        exported.files[0].text(Reveal::Shown).to_string()
    };
    assert_eq!(conf("").matches("local_ts = 10.2.0.0/16, 10.3.0.0/16").count(), 1);
    let pairs = conf(", version: ikev1");
    for line in ["dc-1 {", "dc-2 {", "local_ts = 10.2.0.0/16\n", "local_ts = 10.3.0.0/16\n"] {
        assert_eq!(pairs.matches(line).count(), 1, "{line} in {pairs}");
    }
}

fn suites() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
    prop_oneof![
        Just(("ikev2", "aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384")),
        Just(("ikev2", "aes128-sha1-modp1024, aes256-sha256-prfsha384-modp2048", "aes256-sha256")),
        Just(("ikev2", "chacha20poly1305-prfsha256-x25519", "aes256gcm16-ecp384-modpnone")),
        Just(("ikev1", "aes256-sha256-modp2048", "aes256-sha256-modp2048")),
    ]
}

proptest! {
    #[test]
    fn any_tunnel_comes_back_the_same(
        (version, ike, esp) in suites(),
        life in 600_u64..90_000,
        child in 300_u64..600,
        bytes in proptest::option::of(2_000_000_u64..1_u64 << 40),
        interval in 1_u64..120,
        hold in 3_u64..600,
        port in prop_oneof![Just(500), Just(4500)],
        id in prop_oneof![Just(None), Just(Some("192.0.2.77"))],
        frr: bool,
    ) {
        let bytes = bytes.map(|bytes| format!(", bytes: {bytes}B")).unwrap_or_default();
        let id = id.map(|id| format!(", local-id: {id}")).unwrap_or_default();
        let text = format!(
            "router: {{name: edge, asn: 65000, router-id: 10.1.0.1, networks: [10.1.0.0/16]}}\ntunnels:\n  - {{name: one.x-1, \
             local: 192.0.2.10, remote: 203.0.113.9{id}, psk: {{file: key}}, inside: {{prefix: 169.254.30.0/30, side: first}}, \
             ike: {{version: {version}, proposals: [{ike}], lifetime: {life}s, port: {port}}}, rekey: {{margin: 10s}}, \
             esp: {{proposals: [{esp}], lifetime: {child}s{bytes}}}, dpd: {{interval: {interval}s, timeout: {}s}}, \
             bgp: {{asn: 64512, hold-time: {hold}s}}}}\n", interval * 3
        );
        let router = router(&text);
        let target = if frr { Target::SwanctlFrr } else { Target::SwanctlBird };
        prop_assert_eq!(there_and_back(&router, target), facts(&router));
    }
}
