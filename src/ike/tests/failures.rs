//! Every failure ends as a reason a person can act on, at the end that can know it.

use std::time::Duration;

use isakmp::ExchangeType;
use negotiation::{Authentication, EncapsulationPolicy, Failure, TunnelConfig, TunnelState};
use wire::Secret;
use wire::ipsec::TrafficSelector;

use super::network::*;

/// What each end reports first when the configurations differ as told.
fn fail(change_a: impl FnOnce(&mut TunnelConfig), change_b: impl FnOnce(&mut TunnelConfig)) -> (Network, [Failure; 2]) {
    let (mut a, mut b) = (config_a(), config_b());
    change_a(&mut a);
    change_b(&mut b);
    let mut network = Network::new(1, a, b);
    network.run(Duration::from_secs(50));
    let failures = [A, B].map(|end| network.failures(end).into_iter().next().expect("a failure"));
    assert!(!network.ends[A].data.up && !network.ends[B].data.up);
    (network, failures)
}

fn reasons(failures: &[Failure; 2]) -> [&'static str; 2] {
    failures.each_ref().map(Failure::reason)
}

#[test]
fn another_psk_is_named_by_the_responder_and_corrected_at_once() {
    let (mut network, failures) = fail(|_| {}, |b| b.auth = Authentication::psk(Secret::from(b"other".as_slice())));
    assert_eq!(reasons(&failures), ["auth", "psk"]);
    assert!(failures[B].to_string().contains("192.0.2.1"), "{}", failures[B]);
    assert!(failures[B].remedy().contains("pre-shared key"));
    assert_eq!(network.ends[A].endpoint.status(TUNNEL).unwrap().state, TunnelState::Waiting);
    network.with(B, |endpoint, now| endpoint.add_tunnel(TUNNEL, config_b(), now));
    network.run_until(Duration::from_secs(40), Network::is_up);
}

#[test]
fn a_responder_with_another_identity_is_refused_by_the_initiator() {
    // B answers whatever identity is asked for, and says it is somebody else.
    let (mut a, mut b) = (config_a(), config_b());
    b.local_id = "somebody.example".parse().unwrap();
    a.remote_id = "b.example".parse().unwrap();
    let mut network = Network::new(1, a, b);
    network.run(Duration::from_secs(5));
    assert!(!network.is_up());
    let failure = network.failures(A).remove(0);
    assert_eq!(failure.reason(), "identity", "{failure}");
    // B held the SA for established and is told.
    assert_eq!(network.ends[B].endpoint.status(TUNNEL).unwrap().ike.len(), 0);
    assert_eq!(network.downs(B).first(), Some(&negotiation::DownReason::PeerDeleted));
}

#[test]
fn another_identity_is_named_with_what_was_expected() {
    let (_, failures) = fail(|a| a.local_id = "a.example".parse().unwrap(), |_| {});
    assert_eq!(reasons(&failures), ["auth", "identity"]);
    let Failure::IdentityMismatch { expected, found, .. } = &failures[B] else { panic!("{:?}", failures[B]) };
    assert_eq!((expected.to_string().as_str(), found.to_string().as_str()), ("192.0.2.1", "a.example"));
}

#[test]
fn no_common_ike_proposal_names_both_lists() {
    let (network, failures) = fail(|_| {}, |b| b.ike_proposals = vec!["aes256-sha256-modp2048".parse().unwrap()]);
    assert_eq!(reasons(&failures), ["ike_no_proposal"; 2]);
    let text = failures[B].to_string();
    assert!(text.contains("aes256-sha256-modp2048") && text.contains("aes128gcm16"), "{text}");
    // The pauses grow.
    let attempts = network.ends[A].endpoint.status(TUNNEL).unwrap().counters.attempts;
    assert!((3..10).contains(&attempts), "{attempts} attempts in 50 s");
}

#[test]
fn no_common_esp_proposal_names_both_lists() {
    let (network, failures) = fail(|_| {}, |b| b.esp_proposals = vec!["aes256-sha256".parse().unwrap()]);
    assert_eq!(reasons(&failures), ["child_no_proposal"; 2]);
    let text = failures[B].to_string();
    assert!(text.contains("aes256-sha256") && text.contains("aes128gcm16"), "{text}");
    assert_eq!(network.ends[B].endpoint.status(TUNNEL).unwrap().ike.len(), 0, "no IKE SA without a CHILD SA");
}

#[test]
fn selectors_without_overlap_are_named() {
    let far = TrafficSelector::range([10, 9, 9, 0].into(), [10, 9, 9, 9].into());
    let near = TrafficSelector::range([10, 1, 1, 0].into(), [10, 1, 1, 9].into());
    let (_, failures) = fail(|a| a.remote_selectors = vec![near], |b| b.local_selectors = vec![far]);
    assert_eq!(reasons(&failures), ["ts_unacceptable"; 2]);
    let text = failures[B].to_string();
    assert!(text.contains("10.9.9.0") && text.contains("10.1.1.0"), "{text}");
}

#[test]
fn a_group_that_only_the_peer_has_is_no_proposal() {
    let (_, failures) = fail(|_| {}, |b| b.ike_proposals = vec!["aes128gcm16-prfsha256-ecp521".parse().unwrap()]);
    assert_eq!(reasons(&failures), ["ike_no_proposal"; 2]);
}

#[test]
fn a_silent_peer_is_asked_for_ever() {
    let mut network = Network::bare(1);
    network.add(A, config_a());
    network.fate = Box::new(|_| None);
    network.run(Duration::from_secs(3600));
    let failures = network.failures(A);
    assert!((90..130).contains(&failures.len()), "{} attempts in an hour", failures.len());
    assert!(failures.iter().all(|failure| failure.reason() == "timeout"));
    // It is noticed soon when the peer comes back.
    network.add(B, config_b());
    network.fate = Box::new(|_| Some(10));
    network.run_until(Duration::from_secs(13), Network::is_up);
}

#[test]
fn silence_after_the_first_exchange_points_at_4500() {
    let mut network = Network::new(1, config_a(), config_b());
    network.fate = Box::new(|packet| (packet.exchange == ExchangeType::IKE_SA_INIT).then_some(10));
    network.run(Duration::from_secs(40));
    let failure = network.failures(A).remove(0);
    assert_eq!(failure.reason(), "timeout");
    assert!(failure.remedy().contains("4500"));
}

#[test]
fn a_nat_where_none_may_be_is_a_failure() {
    let mut a = config_a();
    a.encapsulation = EncapsulationPolicy::Never;
    let mut network = Network::new(1, a, config_b());
    network.nat = Some(7000);
    network.run(Duration::from_secs(5));
    assert_eq!(network.failures(A)[0].reason(), "nat_forbidden");
    assert!(!network.is_up());

    let mut b = config_b();
    b.encapsulation = EncapsulationPolicy::Never;
    let mut network = Network::new(2, config_a(), b);
    network.nat = Some(7000);
    network.run(Duration::from_secs(5));
    assert_eq!(network.failures(B)[0].reason(), "nat_forbidden");
    assert!(!network.is_up());
}

#[test]
fn a_forged_refusal_does_not_stop_the_real_answer() {
    use isakmp::{Frame, Message, Notify, NotifyType, Payload};
    let mut network = Network::new(1, config_a(), config_b());
    network.fate = Box::new(|packet| Some(if packet.from == B { 500 } else { 10 }));
    network.run(Duration::from_millis(100));
    let request = network.sent[0].clone();
    let mut header = Frame::decode(&request.datagram).unwrap().header;
    (header.flags.initiator, header.flags.response) = (false, true);
    let payloads = vec![Payload::Notify(Notify::new(NotifyType::NO_PROPOSAL_CHOSEN))];
    let forged = Message { header, payloads }.encode().unwrap();
    network.with(A, |endpoint, now| endpoint.handle_datagram(request.source, request.destination, &forged, now));
    network.run(Duration::from_secs(3));
    network.assert_settled();
    assert_eq!(network.failures(A), []);
}

#[test]
fn a_stranger_is_refused_and_reported() {
    let mut network = Network::bare(1);
    network.add(A, config_a());
    let mut b = config_b();
    b.local = "198.51.100.77".parse().unwrap();
    network.add(B, b);
    network.run(Duration::from_secs(3));
    assert_eq!(network.failures(A)[0].reason(), "ike_no_proposal");
    let strangers = network.count(B, |event| matches!(event, negotiation::Event::Stranger { .. }));
    assert!(strangers > 0);
}

#[test]
fn failures_never_show_the_key() {
    let (network, _) = fail(|_| {}, |b| b.auth = Authentication::psk(Secret::from(b"other".as_slice())));
    for end in &network.ends {
        let text = format!("{:?} {:?}", end.events, end.endpoint.tunnel(TUNNEL));
        assert!(!text.contains("battery") && !text.contains("other"));
    }
}

/// Two configurations that do not fit, what each end calls it, and the words of both sides that one of them names.
struct Mismatch {
    what: &'static str,
    a: fn(&mut TunnelConfig),
    b: fn(&mut TunnelConfig),
    reasons: [&'static str; 2],
    named: &'static [&'static str],
}

fn ike(config: &mut TunnelConfig, suite: &str) {
    config.ike_proposals = vec![suite.parse().unwrap()];
}

fn esp(config: &mut TunnelConfig, suite: &str) {
    config.esp_proposals = vec![suite.parse().unwrap()];
}

fn selectors(config: &mut TunnelConfig, local: [u8; 4], remote: [u8; 4]) {
    config.local_selectors = vec![TrafficSelector::range(local.into(), local.into())];
    config.remote_selectors = vec![TrafficSelector::range(remote.into(), remote.into())];
}

const MISMATCHES: [Mismatch; 15] = [
    Mismatch {
        what: "pre-shared key",
        a: |_| {},
        b: |b| b.auth = Authentication::psk(Secret::from(b"other".as_slice())),
        reasons: ["auth", "psk"],
        named: &["192.0.2.1"],
    },
    Mismatch {
        what: "identity of the initiator",
        a: |a| a.local_id = "a.example".parse().unwrap(),
        b: |_| {},
        reasons: ["auth", "identity"],
        named: &["192.0.2.1", "a.example"],
    },
    Mismatch {
        what: "identity of the responder",
        a: |a| a.remote_id = "b.example".parse().unwrap(),
        b: |b| b.local_id = "c.example".parse().unwrap(),
        reasons: ["identity", ""],
        named: &["b.example", "c.example"],
    },
    Mismatch {
        what: "IKE cipher",
        a: |a| ike(a, "aes128gcm16-prfsha256-x25519"),
        b: |b| ike(b, "aes256gcm16-prfsha256-x25519"),
        reasons: ["ike_no_proposal"; 2],
        named: &["aes128gcm16", "aes256gcm16"],
    },
    Mismatch {
        what: "IKE integrity",
        a: |a| ike(a, "aes128-sha256-prfsha256-x25519"),
        b: |b| ike(b, "aes128-sha384-prfsha256-x25519"),
        reasons: ["ike_no_proposal"; 2],
        named: &["sha256", "sha384"],
    },
    Mismatch {
        what: "IKE PRF",
        a: |a| ike(a, "aes128gcm16-prfsha256-x25519"),
        b: |b| ike(b, "aes128gcm16-prfsha512-x25519"),
        reasons: ["ike_no_proposal"; 2],
        named: &["prfsha256", "prfsha512"],
    },
    Mismatch {
        what: "IKE group",
        a: |a| ike(a, "aes128gcm16-prfsha256-x25519"),
        b: |b| ike(b, "aes128gcm16-prfsha256-ecp256"),
        reasons: ["ike_no_proposal"; 2],
        named: &["x25519", "ecp256"],
    },
    Mismatch {
        what: "ESP cipher",
        a: |a| esp(a, "aes128gcm16"),
        b: |b| esp(b, "aes192gcm16"),
        reasons: ["child_no_proposal"; 2],
        named: &["aes128gcm16", "aes192gcm16"],
    },
    Mismatch {
        what: "ESP integrity",
        a: |a| esp(a, "aes128-sha256"),
        b: |b| esp(b, "aes128-sha512"),
        reasons: ["child_no_proposal"; 2],
        named: &["sha256", "sha512"],
    },
    Mismatch {
        what: "extended sequence numbers",
        a: |a| esp(a, "aes128gcm16-esn"),
        b: |b| esp(b, "aes128gcm16"),
        reasons: ["child_no_proposal"; 2],
        named: &["aes128gcm16-esn"],
    },
    Mismatch {
        what: "selectors of our side",
        a: |a| selectors(a, [10, 1, 1, 1], [10, 2, 2, 2]),
        b: |b| selectors(b, [10, 2, 2, 2], [10, 9, 9, 9]),
        reasons: ["ts_unacceptable"; 2],
        named: &["10.1.1.1", "10.9.9.9"],
    },
    Mismatch {
        what: "selectors of the peer's side",
        a: |a| selectors(a, [10, 1, 1, 1], [10, 8, 8, 8]),
        b: |b| selectors(b, [10, 2, 2, 2], [10, 1, 1, 1]),
        reasons: ["ts_unacceptable"; 2],
        named: &["10.8.8.8", "10.2.2.2"],
    },
    Mismatch {
        what: "PFS group",
        a: |a| (a.early_rekey, a.esp_proposals) = (true, vec!["aes128gcm16-x25519".parse().unwrap()]),
        b: |b| esp(b, "aes128gcm16-ecp521"),
        reasons: ["pfs_mismatch"; 2],
        named: &["x25519", "ecp521"],
    },
    Mismatch {
        what: "PFS that only the peer wants",
        a: |a| (a.early_rekey, a.esp_proposals) = (true, vec!["aes128gcm16".parse().unwrap()]),
        b: |b| esp(b, "aes128gcm16-ecp384"),
        reasons: ["pfs_mismatch"; 2],
        named: &["ecp384"],
    },
    Mismatch {
        what: "outside address",
        a: |_| {},
        b: |b| b.local = "198.51.100.77".parse().unwrap(),
        reasons: ["ike_no_proposal", "unknown_peer"],
        named: &["192.0.2.1", "198.51.100.2"],
    },
];

#[test]
fn every_mismatch_has_a_reason_of_its_own_with_the_words_of_both_sides() {
    let mut texts = std::collections::BTreeMap::new();
    for mismatch in &MISMATCHES {
        let what = mismatch.what;
        let (mut a, mut b) = (config_a(), config_b());
        (mismatch.a)(&mut a);
        (mismatch.b)(&mut b);
        let mut network = Network::new(1, a, b);
        network.run(Duration::from_secs(50));
        let mut first = [A, B].map(|end| network.failures(end).into_iter().next());
        if mismatch.reasons[B] == "unknown_peer" {
            first[B] = network.ends[B].endpoint.strangers().first().map(|stranger| stranger.failure.clone());
        }
        let reasons = first.each_ref().map(|failure| failure.as_ref().map_or("", Failure::reason));
        assert_eq!(reasons, mismatch.reasons, "{what}: {first:?}");
        let text: Vec<_> = first.iter().flatten().map(ToString::to_string).collect();
        let text = text.join(" | ");
        for word in mismatch.named {
            assert!(text.contains(word), "{what}: `{word}` is not in {text}");
        }
        assert!(first.iter().flatten().all(|failure| !failure.remedy().is_empty()));
        if let Some(other) = texts.insert(text.clone(), what) {
            panic!("{what} and {other} look alike: {text}");
        }
    }
}

#[test]
fn a_blocked_port_has_a_reason_of_its_own() {
    let blocked = |open: fn(&Packet) -> bool| {
        let mut network = Network::new(1, config_a(), config_b());
        network.fate = Box::new(move |packet| open(packet).then_some(10));
        network.run(Duration::from_secs(40));
        let failure = network.failures(A).remove(0);
        (failure.reason(), failure.to_string(), failure.remedy())
    };
    let all = blocked(|_| false);
    let answers = blocked(|packet| packet.from == A);
    let auth = blocked(|packet| packet.exchange == ExchangeType::IKE_SA_INIT);
    assert_eq!([all.0, answers.0, auth.0], ["timeout"; 3]);
    assert!(all.2.contains("UDP 500") && auth.2.contains("4500"));
    assert!(all.1 != auth.1 && all.2 != auth.2);
}
