//! Both ends are authenticated anew: how often that is tried where it fails, and what exchanged credentials change.

use std::time::Duration;

use fixtures::pki::Ca;
use isakmp::{ExchangeType, Notify, NotifyType, Payload};
use negotiation::{Authentication, Event, TunnelConfig};
use rcgen::{PKCS_ECDSA_P256_SHA256, date_time_ymd};

use super::certificates::{local, pair, plain, shows, trusted};
use super::network::*;
use crate::sa::Pending;

fn attempts(network: &Network) -> u64 {
    network.ends[A].endpoint.status(TUNNEL).unwrap().counters.attempts
}

/// The year that an end believes the peer's certificate to be good until, after 1970.
fn shown_to(network: &Network, end: usize) -> u64 {
    network.ends[end].endpoint.status(TUNNEL).unwrap().peer_certificate.unwrap().not_after.0 / 31_556_952
}

/// A's credentials with another certificate of its own, good until a year.
fn until(config: &TunnelConfig, year: i32) -> Authentication {
    let own = shows(&PKCS_ECDSA_P256_SHA256, &["192.0.2.1"], |params| params.not_after = date_time_ymd(year, 6, 1));
    Authentication { local: own, ..config.auth.clone() }
}

#[test]
fn what_fails_is_tried_less_and_less_often_and_at_once_with_other_credentials() {
    let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let good = a.auth.clone();
    let distrusting = Authentication { remote: trusted(&Ca::root("Another")), ..good.clone() };
    let mut network = Network::up_with(1, a, b);
    let before = attempts(&network);
    network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, distrusting, now));
    network.run(Duration::from_secs(100));
    assert!(attempts(&network) - before >= 2, "soon once more");
    network.run(Duration::from_secs(2 * 3600));
    let failed = attempts(&network) - before;
    assert!((8..=14).contains(&failed), "{failed} attempts in two hours");
    network.assert_up();
    network.forget();
    network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, good, now));
    network.run(Duration::from_secs(1));
    assert_eq!(network.count(A, |event| matches!(event, Event::IkeUp { .. })), 1);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    network.assert_no_flap();
}

#[test]
fn credentials_that_come_while_older_ones_are_on_their_way_are_shown_next() {
    for up in [false, true] {
        let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
        let renewed = [2035, 2037].map(|year| until(&a, year));
        let mut network = if up { Network::up_with(2, a, b) } else { Network::new(2, a, b) };
        network.fate = Box::new(|packet| Some(if packet.exchange == ExchangeType::IKE_AUTH { 400 } else { 10 }));
        let [first, second] = renewed;
        network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, first, now));
        network.run_until(Duration::from_secs(2), |network| {
            network.sent.iter().any(|packet| packet.exchange == ExchangeType::IKE_AUTH)
        });
        network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, second, now));
        network.run_until(Duration::from_secs(2), |network| network.is_up() && shown_to(network, B) == 2035 - 1970);
        network.run(Duration::from_secs(60));
        assert_eq!(shown_to(&network, B), 2037 - 1970, "up before: {up}");
        network.assert_settled();
        assert_eq!(network.downs(A), []);
    }
}

#[test]
fn a_tunnel_that_was_refused_for_its_credentials_is_tried_at_once_with_others() {
    let (mut a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let good = std::mem::replace(&mut a.auth.local, shows(&PKCS_ECDSA_P256_SHA256, &["gw.example.net"], plain));
    let good = Authentication { local: good, ..a.auth.clone() };
    let mut network = Network::new(3, a, b);
    network.run(Duration::from_secs(180));
    assert!(!network.is_up());
    network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, good, now));
    network.run(Duration::from_secs(1));
    network.assert_up();
}

#[test]
fn a_responder_grants_what_is_left_of_the_first_certificate_and_nothing_without() {
    let ca = Ca::root("Short chains");
    let (mut a, mut b) = (config_a(), config_b());
    let leaf = |name: &str, year| ca.leaf("gateway", &[name], |params| params.not_after = date_time_ymd(year, 6, 1));
    a.auth = Authentication { local: local(&leaf("192.0.2.1", 2030), &[]), remote: trusted(&ca) };
    b.auth = Authentication { local: local(&leaf("198.51.100.2", 2029), &[]), remote: trusted(&ca) };
    let granted = |network: &Network| {
        let answer = network.sent.iter().find(|packet| packet.exchange == ExchangeType::IKE_AUTH && packet.response);
        let contents = network.read(A, &answer.unwrap().datagram).expect("one fragment");
        contents.notify(NotifyType::AUTH_LIFETIME).map(|notify| notify.data.clone())
    };
    let mut network = Network::new(4, a, b);
    network.run(Duration::from_secs(2));
    network.assert_up();
    let seconds = u32::from_be_bytes(granted(&network).unwrap().try_into().unwrap());
    let ends = network.ends[B].endpoint.status(TUNNEL).unwrap().local_certificate.unwrap().not_after.0;
    assert!((ends - NOW.0 - 2..=ends - NOW.0).contains(&u64::from(seconds)), "{seconds}");
    let mut keys = Network::new(4, config_a(), config_b());
    keys.run(Duration::from_secs(2));
    keys.assert_up();
    assert_eq!(granted(&keys), None);
    // What has ended, or is about to, grants nothing, rather than next to no time.
    let late = [ends + 1, ends - 3600].map(certificate::UnixTime);
    let mut both = Network::up_with(5, config_a(), config_b());
    both.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, _| {
            tunnel.config.auth.local = local(&leaf("198.51.100.2", 2029), &[]);
            assert!(matches!(tunnel.granted(NOW), Some(Payload::Notify(_))));
            assert_eq!(late.map(|wall| tunnel.granted(wall)), [None, None]);
        });
    });
}

/// B grants A so many seconds from now on.
fn grant(network: &mut Network, seconds: u32) {
    network.with(B, |endpoint, now| {
        endpoint.with(TUNNEL, now, |tunnel, cx| {
            let lifetime = Notify::with_data(NotifyType::AUTH_LIFETIME, seconds.to_be_bytes().to_vec());
            let (ike, payloads) = (tunnel.sas[0].spi, vec![Payload::Notify(lifetime)]);
            tunnel.request(cx, ike, ExchangeType::INFORMATIONAL, payloads, Pending::Liveness);
        });
    });
    network.run(Duration::from_secs(1));
}

#[test]
fn a_responder_that_grants_less_is_heeded_and_more_puts_off_no_other_credentials() {
    let (a, b) = pair(&PKCS_ECDSA_P256_SHA256);
    let good = a.auth.clone();
    let distrusting = Authentication { remote: trusted(&Ca::root("Another")), ..good.clone() };
    let mut network = Network::up_with(6, a, b);
    let ups = |network: &Network| network.count(A, |event| matches!(event, Event::IkeUp { .. }));
    grant(&mut network, 10_000);
    grant(&mut network, 1_000);
    network.run(Duration::from_secs(890));
    assert_eq!(ups(&network), 0);
    network.run(Duration::from_secs(20));
    assert_eq!(ups(&network), 1, "nine tenths of the shorter time");
    grant(&mut network, 1_000);
    grant(&mut network, 10_000);
    network.run(Duration::from_secs(1_100));
    assert_eq!(ups(&network), 1, "the longer one came last");
    // What A has to show is not accepted, and granting more time does not make A forget to show it.
    network.with(A, |endpoint, now| endpoint.set_credentials(TUNNEL, distrusting, now));
    network.run(Duration::from_secs(2));
    let before = attempts(&network);
    grant(&mut network, 10_000);
    network.run(Duration::from_secs(200));
    assert!(attempts(&network) > before, "tried again");
    network.assert_up();
}
