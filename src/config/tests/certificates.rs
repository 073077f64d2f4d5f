//! Certificates in place of pre-shared keys: what they come to, and the files for the cases of mistakes.

use std::sync::LazyLock;

use identity::Identity;
use negotiation::{LocalAuth, RemoteAuth};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    SanType, date_time_ymd,
};

use super::{GOOD, changed, check};
use settings::Tunnel;

/// 2023-11-14.
pub(super) const NOW: u64 = 1_700_000_000;

struct Files {
    root: String,
    gateway: String,
    key: String,
    other_key: String,
    named: String,
    expired: String,
    soon: String,
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = |name: &str, year| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 1);
        params
    };
    let mut authority = params("Root", 2040);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = key();
    let root = authority.self_signed(&root_key).unwrap().pem();
    let issuer = Issuer::new(authority, root_key);
    let gateway_key = key();
    let issue = |year, addressed: bool| {
        let mut params = params("edge", year);
        if addressed {
            params.subject_alt_names.push(SanType::IpAddress("192.0.2.10".parse().unwrap()));
        }
        params.signed_by(&gateway_key, &issuer).unwrap().pem()
    };
    Files {
        root,
        gateway: issue(2039, true),
        named: issue(2039, false),
        expired: issue(2022, true),
        soon: issue(2023, true),
        key: gateway_key.serialize_pem(),
        other_key: key().serialize_pem(),
    }
});

/// A file and its mode.
pub(super) fn file(name: &str) -> Option<(&'static str, u32)> {
    Some(match name {
        "root.pem" => (FILES.root.as_str(), 0o644),
        "gateway.pem" => (&FILES.gateway, 0o644),
        "named.pem" => (&FILES.named, 0o644),
        "expired.pem" => (&FILES.expired, 0o644),
        "soon.pem" => (&FILES.soon, 0o644),
        "gateway.key" => (&FILES.key, 0o600),
        "open.key" => (&FILES.key, 0o644),
        "other.key" => (&FILES.other_key, 0o600),
        "encrypted.key" => {
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0o600)
        }
        _ => return None,
    })
}

const CERTIFICATE: &str = "certificate: {chain: gateway.pem, key: gateway.key, ca: root.pem}";

fn tunnels(from: &str, to: &str) -> Vec<Tunnel> {
    tunnels_of(&changed(GOOD, from, to))
}

fn tunnels_of(text: &str) -> Vec<Tunnel> {
    let loaded = check(text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded.router.tunnels
}

#[test]
fn certificates_take_the_place_of_a_key() {
    for tunnel in tunnels("psk: {file: good.psk}", CERTIFICATE) {
        let (LocalAuth::Certificate(local), RemoteAuth::Certificate(trusted)) =
            (&tunnel.ike.auth.local, &tunnel.ike.auth.remote)
        else {
            panic!("{:?}", tunnel.ike.auth)
        };
        assert_eq!(local.leaf().summary().subject, "CN=edge");
        assert_eq!(trusted.to_string(), "CN=Root");
        assert_eq!(tunnel.ike.local_id.to_string(), "192.0.2.10", "the certificate is for it");
        assert!(tunnel.ike.remote_id.to_string().starts_with("203.0.113."), "its address by default");
    }
}

#[test]
fn a_certificate_without_our_address_has_us_use_its_subject() {
    let tunnels = tunnels("psk: {file: good.psk}", &CERTIFICATE.replace("gateway.pem", "named.pem"));
    assert!(matches!(&tunnels[0].ike.local_id, Identity::Dn(name) if name.to_string() == "CN=edge"));
}

#[test]
fn what_a_tunnel_is_told_replaces_what_the_others_do() {
    let own = format!("    inside: 169.254.21.0/30\n    {CERTIFICATE}\n    remote-id: C=US, CN=vpn 1\n");
    let tunnels = tunnels("    inside: 169.254.21.0/30\n", &own);
    assert!(tunnels[0].ike.auth.uses_certificates());
    assert_eq!(tunnels[0].ike.remote_id.to_string(), "C=US, CN=vpn 1");
    assert!(tunnels[1].ike.auth.shared_key().is_some());
}

#[test]
fn each_end_may_prove_itself_in_its_own_way() {
    let both = format!("psk: {{file: good.psk}}\n  {CERTIFICATE}\n  auth: {{local: certificate, remote: psk}}");
    let tunnels = tunnels("psk: {file: good.psk}", &both);
    assert!(matches!(tunnels[0].ike.auth.local, LocalAuth::Certificate(_)));
    assert!(matches!(tunnels[0].ike.auth.remote, RemoteAuth::Psk(_)));
}

#[test]
fn a_tunnel_with_its_own_key_still_wants_the_certificate_that_auth_asks_for() {
    let all = format!("psk: {{file: good.psk}}\n  {CERTIFICATE}\n  auth: {{local: psk, remote: certificate}}");
    let text = changed(GOOD, "psk: {file: good.psk}", &all);
    let own = "    inside: 169.254.21.0/30\n    psk: {file: good.psk}\n";
    for tunnel in tunnels_of(&changed(&text, "    inside: 169.254.21.0/30\n", own)) {
        assert!(matches!(tunnel.ike.auth.local, LocalAuth::Psk(_)));
        assert!(matches!(tunnel.ike.auth.remote, RemoteAuth::Certificate(_)), "{}", tunnel.name);
    }
}

#[test]
fn a_tunnel_takes_from_the_defaults_what_its_certificate_does_not_say() {
    let all = "certificate: {ca: root.pem}";
    let own = "    inside: 169.254.21.0/30\n    certificate: {chain: gateway.pem, key: gateway.key}\n";
    let own_key = "    inside: 169.254.22.0/30\n    psk: {file: good.psk}\n";
    let text = changed(GOOD, "psk: {file: good.psk}", all);
    let text = changed(&text, "    inside: 169.254.21.0/30\n", own);
    let tunnels = tunnels_of(&changed(&text, "    inside: 169.254.22.0/30\n", own_key));
    assert!(matches!(tunnels[0].ike.auth.local, LocalAuth::Certificate(_)));
    assert!(tunnels[1].ike.auth.shared_key().is_some());
}

#[test]
fn a_private_key_in_the_configuration_is_never_shown() {
    let inline = "certificate: {chain: gateway.pem, key: \"-----BEGIN PRIVATE KEY-----hunter2\", ca: root.pem, x: 1}";
    let shown = super::rendered(&changed(GOOD, "psk: {file: good.psk}", inline));
    assert!(shown.contains("QS1007") && !shown.contains("hunter2"), "{shown}");
}
