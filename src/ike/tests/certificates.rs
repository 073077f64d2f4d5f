//! Certificates between two endpoints: every kind of key, either role, mixed with keys, and each way to fail.

use std::sync::Arc;
use std::time::Duration;

use certificate::{LocalCertificate, RsaPadding, TrustedCas, UnixTime};
use fixtures::pki::{Ca, Leaf, WORLD};
use isakmp::{ExchangeType, Message, NotifyType, Payload};
use negotiation::{Authentication, Event, Failure, LocalAuth, RemoteAuth, TunnelConfig};
use rcgen::{
    CertificateParams, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, SignatureAlgorithm, date_time_ymd,
};
use wire::Secret;

use super::network::*;

pub(super) fn plain(_: &mut CertificateParams) {}

pub(super) fn trusted(ca: &Ca) -> RemoteAuth {
    RemoteAuth::Certificate(Arc::new(TrustedCas::from_pem(ca.pem.as_bytes()).unwrap()))
}

pub(super) fn local(leaf: &Leaf, above: &[&Ca]) -> LocalAuth {
    let (chain, key) = (leaf.chain(above), Secret::from(leaf.key.as_bytes()));
    LocalAuth::Certificate(Arc::new(LocalCertificate::from_pem(chain.as_bytes(), &key, RsaPadding::Pss).unwrap()))
}

pub(super) fn shows(
    algorithm: &'static SignatureAlgorithm,
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> LocalAuth {
    let leaf = WORLD.issuing.leaf_with(algorithm, "gateway", names, change);
    local(&leaf, &[&WORLD.issuing])
}

/// Two ends with certificates for their addresses, from a CA below the root that both trust.
pub(super) fn pair(algorithm: &'static SignatureAlgorithm) -> (TunnelConfig, TunnelConfig) {
    let (mut a, mut b) = (config_a(), config_b());
    let remote = || trusted(&WORLD.root);
    a.auth = Authentication { local: shows(algorithm, &["192.0.2.1"], plain), remote: remote() };
    b.auth = Authentication { local: shows(algorithm, &["198.51.100.2"], plain), remote: remote() };
    (a, b)
}

/// What each end reports first, if anything, when the configurations are changed as told.
fn fail(change: impl FnOnce(&mut TunnelConfig, &mut TunnelConfig)) -> [Option<Failure>; 2] {
    let (mut a, mut b) = pair(&PKCS_ECDSA_P256_SHA256);
    change(&mut a, &mut b);
    let mut network = Network::new(1, a, b);
    network.run(Duration::from_secs(5));
    assert!(!network.is_up());
    [A, B].map(|end| network.failures(end).into_iter().next())
}

fn reasons(failures: &[Option<Failure>; 2]) -> [&'static str; 2] {
    failures.each_ref().map(|failure| failure.as_ref().map_or("none", Failure::reason))
}

#[test]
fn every_kind_of_key_comes_up_in_fragments_and_rekeys() {
    let kinds =
        [&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519];
    for (seed, kind) in (1..).zip(kinds) {
        let (a, b) = pair(kind);
        let mut network = Network::new(seed, a, b);
        network.run(Duration::from_secs(2));
        network.assert_up();
        // An RSA chain does not fit into one datagram.
        let requests = network.sent.iter().filter(|packet| packet.exchange == ExchangeType::IKE_AUTH);
        assert!(requests.filter(|packet| !packet.response).count() > usize::from(seed == 1));
        for end in [A, B] {
            let status = network.ends[end].endpoint.status(TUNNEL).unwrap();
            let (ours, theirs) = (status.local_certificate.unwrap(), status.peer_certificate.unwrap());
            assert_eq!(ours.names, [[ADDRESS_A, ADDRESS_B][end].to_string()]);
            assert_eq!(theirs.names, [[ADDRESS_B, ADDRESS_A][end].to_string()]);
            assert_eq!(theirs.issuer, "O=Example, CN=Issuing");
        }
        network.with(A, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.with(B, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(30));
        network.assert_settled();
        assert!(network.ends[A].endpoint.status(TUNNEL).unwrap().peer_certificate.is_some(), "kept over a rekey");
    }
}

#[test]
fn certificates_survive_loss_and_repetition() {
    for seed in 0..10 {
        let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
        let mut network = Network::new(100 + seed, a, b);
        (network.loss, network.repeat, network.jitter) = (20, 20, 50);
        network.run_until(Duration::from_secs(300), Network::is_up);
    }
}

#[test]
fn a_name_is_an_identity_in_either_order() {
    let (mut a, mut b) = pair(&PKCS_ECDSA_P256_SHA256);
    b.local_id = "O=Example, CN=gateway".parse().unwrap();
    a.remote_id = "CN=gateway, O=Example".parse().unwrap();
    Network::up_with(1, a, b);
}

#[test]
fn one_end_may_have_a_certificate_and_the_other_a_key() {
    for seed in 0..2 {
        let (mut a, mut b) = pair(&PKCS_RSA_SHA256);
        let key = Secret::from(b"correct horse battery staple".as_slice());
        let (shower, other) = if seed == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        shower.auth.remote = RemoteAuth::Psk(key.clone());
        other.auth.local = LocalAuth::Psk(key);
        Network::up_with(seed, a, b);
    }
}

#[test]
fn tunnels_with_keys_say_nothing_of_signatures() {
    let mut network = Network::new(1, config_a(), config_b());
    network.run(Duration::from_secs(2));
    let tells = |packet: &Packet| {
        let payloads = Message::decode(&packet.datagram).unwrap().payloads;
        let is_it = |payload: &Payload| matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::SIGNATURE_HASH_ALGORITHMS);
        payloads.iter().any(is_it)
    };
    assert!(!network.sent[..2].iter().any(tells));
    let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let mut network = Network::new(1, a, b);
    network.run(Duration::from_secs(2));
    assert!(network.sent[..2].iter().all(tells));
}

#[test]
fn a_key_where_a_certificate_is_due_is_named_and_the_reverse() {
    let key = || Authentication::psk(Secret::from(b"correct horse battery staple".as_slice()));
    let failures = fail(|a, _| a.auth = key());
    assert_eq!(reasons(&failures), ["auth", "auth_method"]);
    let text = failures[B].as_ref().unwrap().to_string();
    assert_eq!(text, "192.0.2.1:500, as 192.0.2.1, authenticates with a pre-shared key where a certificate is due");
    let failures = fail(|_, b| b.auth = key());
    let text = failures[B].as_ref().unwrap().to_string();
    assert_eq!(text, "192.0.2.1:500, as 192.0.2.1, authenticates with a certificate where a pre-shared key is due");
}

type Change = fn(&mut TunnelConfig, &mut TunnelConfig);

#[test]
fn each_end_says_what_is_wrong_with_the_other_s_certificate() {
    let elsewhere = |config: &mut TunnelConfig| {
        let ca = Ca::root("Elsewhere");
        config.auth.local = local(&ca.leaf("gateway", &["192.0.2.1", "198.51.100.2"], plain), &[]);
    };
    let cases: [(&str, [&str; 2], Change); 7] = [
        ("the initiator's is for somebody else", ["auth", "cert_identity"], |a, _| {
            a.auth.local = shows(&PKCS_ECDSA_P256_SHA256, &["gw.example.net"], plain);
        }),
        ("the initiator's has expired", ["auth", "cert_expired"], |a, _| {
            let expire = |params: &mut CertificateParams| params.not_after = date_time_ymd(2022, 1, 1);
            a.auth.local = shows(&PKCS_ECDSA_P256_SHA256, &["192.0.2.1"], expire);
        }),
        ("the responder's is for somebody else", ["cert_identity", "none"], |_, b| {
            b.auth.local = shows(&PKCS_ECDSA_P256_SHA256, &["gw.example.net"], plain);
        }),
        ("the responder's is not valid yet", ["cert_not_yet_valid", "none"], |_, b| {
            let wait = |params: &mut CertificateParams| params.not_before = date_time_ymd(2030, 1, 1);
            b.auth.local = shows(&PKCS_ECDSA_P256_SHA256, &["198.51.100.2"], wait);
        }),
        ("the initiator trusts another CA", ["cert_untrusted", "none"], |a, _| {
            a.auth.remote = trusted(&Ca::root("Another"));
        }),
        ("the responder trusts another CA", ["auth", "cert_untrusted"], |_, b| {
            b.auth.remote = trusted(&Ca::root("Another"));
        }),
        ("the intermediate one is not sent", ["auth", "cert_untrusted"], |a, _| {
            let leaf = WORLD.issuing.leaf("gateway", &["192.0.2.1"], plain);
            a.auth.local = local(&leaf, &[]);
        }),
    ];
    for (case, expected, change) in cases {
        assert_eq!(reasons(&fail(change)), expected, "{case}");
    }
    assert_eq!(reasons(&fail(|a, _| elsewhere(a))), ["auth", "cert_untrusted"]);
    assert_eq!(reasons(&fail(|_, b| elsewhere(b))), ["cert_untrusted", "none"]);
}

#[test]
fn without_a_clock_no_certificate_is_believed() {
    let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let mut network = Network::new(1, a, b);
    network.with(B, |endpoint, now| endpoint.set_wall_clock(UnixTime(0), now));
    network.run(Duration::from_secs(5));
    assert_eq!(network.failures(B)[0].reason(), "cert_not_yet_valid");
    // The clock is set: the next attempt succeeds.
    network.with(B, |endpoint, now| endpoint.set_wall_clock(NOW, now));
    network.run_until(Duration::from_secs(60), Network::is_up);
    let ups = network.ends[B].events.iter().filter(|event| matches!(event, Event::TunnelUp { .. }));
    assert_eq!(ups.count(), 1);
}

#[test]
fn who_is_not_believed_is_counted() {
    let key = Secret::from(b"correct horse battery staple".as_slice());
    for local in [LocalAuth::Psk(key), shows(&PKCS_ECDSA_P256_SHA256, &["gw.example.net"], plain)] {
        let (mut a, b) = pair(&PKCS_ECDSA_P256_SHA256);
        a.auth.local = local;
        let mut network = Network::new(1, a, b);
        network.run(Duration::from_secs(5));
        let endpoint = &network.ends[B].endpoint;
        assert!(endpoint.counters().auth_failures > 0);
        assert!(endpoint.status(TUNNEL).unwrap().counters.auth_failures > 0);
    }
}

#[test]
fn however_many_cas_are_trusted_the_first_answer_stays_small() {
    let (a, mut b) = pair(&PKCS_ECDSA_P256_SHA256);
    let mut pem: String = (0..40).map(|number| Ca::root(&format!("CA {number}")).pem).collect();
    pem.push_str(&WORLD.root.pem);
    b.auth.remote = RemoteAuth::Certificate(Arc::new(TrustedCas::from_pem(pem.as_bytes()).unwrap()));
    let mut network = Network::new(1, a, b);
    network.run(Duration::from_secs(2));
    network.assert_up();
    let answers = network.sent.iter().filter(|packet| packet.exchange == ExchangeType::IKE_SA_INIT && packet.response);
    for answer in answers {
        assert!(answer.datagram.len() < 1000, "{} octets", answer.datagram.len());
        let payloads = Message::decode(&answer.datagram).unwrap().payloads;
        let asked = payloads.iter().find_map(|payload| {
            let Payload::CertificateRequest(request) = payload else { return None };
            Some(request.authorities().count())
        });
        assert_eq!(asked, Some(16));
    }
}

fn ike_ups(network: &Network) -> usize {
    network.count(A, |event| matches!(event, Event::IkeUp { .. }))
}

/// What B believes the peer's certificate ends with, and A B's.
fn ends(network: &Network) -> [u64; 2] {
    [A, B].map(|end| network.ends[end].endpoint.status(TUNNEL).unwrap().peer_certificate.unwrap().not_after.0)
}

fn until(year: i32) -> impl Fn(&mut CertificateParams) {
    move |params| params.not_after = date_time_ymd(year, 1, 1)
}

#[test]
fn renewed_certificates_are_shown_without_a_flap() {
    let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let (renewed_a, renewed_b) = (
        Authentication { local: shows(&PKCS_ECDSA_P256_SHA256, &["192.0.2.1"], until(2035)), ..a.auth.clone() },
        Authentication { local: shows(&PKCS_ECDSA_P256_SHA256, &["198.51.100.2"], until(2036)), ..b.auth.clone() },
    );
    let mut network = Network::up_with(3, a, b);
    let before = ends(&network);
    // Who waits for the peer shows its new one when the peer authenticates anew.
    network.with(B, |endpoint, now| endpoint.set_credentials(TUNNEL, renewed_b, now));
    network.run(Duration::from_secs(20));
    assert_eq!((ends(&network), ike_ups(&network)), (before, 0));
    network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, renewed_a, now));
    network.run(Duration::from_secs(60));
    assert_eq!(ike_ups(&network), 1);
    let [of_b, of_a] = ends(&network);
    assert!(of_b > of_a && of_a < before[1] && of_b < before[0], "{of_a} {of_b}");
    network.assert_settled();
    network.assert_no_flap();
}

#[test]
fn a_ca_that_is_trusted_no_more_shows_and_the_tunnel_stays() {
    let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let distrusting = Authentication { remote: trusted(&Ca::root("Another")), ..a.auth.clone() };
    let mut network = Network::up_with(4, a, b);
    network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, distrusting, now));
    network.run(Duration::from_secs(30));
    assert_eq!(network.failures(A)[0].reason(), "cert_untrusted");
    network.assert_up();
    network.assert_no_flap();
}

#[test]
fn ends_authenticate_anew_before_a_certificate_expires_and_keep_the_tunnel_when_it_did() {
    let (mut a, mut b) = pair(&PKCS_ECDSA_P256_SHA256);
    for config in [&mut a, &mut b] {
        (config.ike_lifetime, config.child_lifetime.time) = (Duration::ZERO, Duration::ZERO);
    }
    b.auth.local = shows(&PKCS_ECDSA_P256_SHA256, &["198.51.100.2"], |params| {
        // A thousand seconds after the tests' day.
        params.not_after = date_time_ymd(2023, 11, 14) + Duration::from_secs(80_000 + 1_000);
    });
    let mut network = Network::new(5, a, b);
    network.run(Duration::from_secs(2));
    network.assert_up();
    network.forget();
    network.run(Duration::from_secs(880));
    assert_eq!(ike_ups(&network), 0);
    network.run(Duration::from_secs(100));
    assert_eq!(ike_ups(&network), 1, "once before the end, with a tenth of the time left");
    network.run(Duration::from_secs(1_000));
    assert!(network.failures(A).iter().any(|failure| failure.reason() == "cert_expired"));
    network.assert_up();
    network.assert_no_flap();
}
