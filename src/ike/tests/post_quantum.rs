//! Further key exchanges and post-quantum pre-shared keys, over the simulated network.

use std::time::Duration;

use isakmp::ExchangeType;
use negotiation::{Event, Failure, Ppk, StartAction, TunnelConfig, TunnelState, TunnelStatus};
use wire::Secret;

use fixtures::Seeded;

use super::network::*;

const HYBRID: &str = "aes256gcm16-prfsha384-x25519-ke1_mlkem768";
const HYBRID_OPTIONAL: &str = "aes256gcm16-prfsha384-x25519-ke1_mlkem768-ke1_none";
const PLAIN: &str = "aes256gcm16-prfsha384-x25519";
const ESP: &str = "aes256gcm16-x25519-ke1_mlkem768";

fn with(ike: &str, esp: &str) -> impl Fn(TunnelConfig) -> TunnelConfig {
    let (ike, esp) = (ike.parse().unwrap(), esp.parse().unwrap());
    move |config| TunnelConfig { ike_proposals: vec![ike], esp_proposals: vec![esp], ..config }
}

fn ppk(id: &str, key: &[u8], required: bool) -> Option<Ppk> {
    Some(Ppk { id: id.as_bytes().to_vec(), secret: Secret::from(key), required })
}

fn pair(ike: [&str; 2], esp: [&str; 2]) -> Network {
    Network::new(1, with(ike[0], esp[0])(config_a()), with(ike[1], esp[1])(config_b()))
}

fn status(network: &Network, end: usize) -> TunnelStatus {
    network.ends[end].endpoint.status(TUNNEL).unwrap()
}

fn suites(network: &Network) -> [String; 2] {
    [A, B].map(|end| status(network, end).ike.last().map_or_else(String::new, |ike| ike.suite.to_string()))
}

fn exchanges(network: &Network, exchange: ExchangeType) -> usize {
    network.sent.iter().filter(|packet| packet.exchange == exchange && !packet.response).count()
}

#[test]
fn a_second_key_exchange_travels_in_fragments_before_the_authentication() {
    let mut network = pair([HYBRID; 2], [ESP; 2]);
    network.run(Duration::from_secs(2));
    network.assert_settled();
    assert_eq!(suites(&network), [HYBRID, HYBRID]);
    // 1,184 octets and all that goes around them are more than fits one datagram.
    assert_eq!(exchanges(&network, ExchangeType::IKE_INTERMEDIATE), 2);
    let ids: Vec<_> = network.sent.iter().map(|packet| (packet.exchange, packet.message_id)).collect();
    assert!(ids.contains(&(ExchangeType::IKE_AUTH, 2)) && !ids.contains(&(ExchangeType::IKE_AUTH, 1)), "{ids:?}");
}

#[test]
fn every_method_works_in_every_place() {
    for ike in [
        "aes128gcm16-prfsha256-x25519-ke1_mlkem512",
        "aes256-sha384-ecp384-ke1_mlkem1024",
        "aes256gcm16-prfsha512-x25519-ke3_mlkem1024-ke5_ecp256",
        "aes256gcm16-prfsha384-mlkem768",
        "aes256gcm16-prfsha384-mlkem512-ke1_x25519-ke2_mlkem768-ke3_mlkem1024-ke4_ecp256-ke5_ecp384-ke6_ecp521-ke7_modp2048",
    ] {
        let mut network = pair([ike; 2], ["aes128gcm16"; 2]);
        network.run(Duration::from_secs(2));
        network.assert_settled();
        assert_eq!(suites(&network), [ike, ike]);
    }
}

#[test]
fn keys_survive_rekeys_of_both_kinds_from_both_ends() {
    let mut network = pair([HYBRID; 2], [ESP; 2]);
    network.run(Duration::from_secs(2));
    network.forget();
    for end in [A, B, A, B] {
        network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(12));
        network.assert_settled();
        let child = status(&network, end).children.remove(0);
        assert_eq!(format!("{}", child.additional), "-ke1_mlkem768");
        network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.run(Duration::from_secs(12));
        network.assert_settled();
        assert_eq!(suites(&network), [HYBRID, HYBRID]);
    }
    network.assert_no_flap();
    assert_eq!(network.failures(A), []);
    for end in [A, B] {
        assert_eq!(network.count(end, |event| matches!(event, Event::ChildRekeyed { .. })), 4);
        assert_eq!(network.count(end, |event| matches!(event, Event::IkeRekeyed { .. })), 4);
    }
    assert!(exchanges(&network, ExchangeType::IKE_FOLLOWUP_KE) >= 8);
}

#[test]
fn several_follow_up_exchanges_in_a_row() {
    let esp = "aes256gcm16-x25519-ke1_mlkem768-ke2_ecp256-ke4_mlkem1024";
    let mut network = pair([HYBRID; 2], [esp; 2]);
    network.run(Duration::from_secs(2));
    network.with(B, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(12));
    network.assert_settled();
    let child = status(&network, A).children.remove(0);
    assert_eq!(child.additional.to_string(), "-ke1_mlkem768-ke2_ecp256-ke4_mlkem1024");
}

#[test]
fn an_optional_exchange_is_made_where_both_can_and_left_out_where_one_cannot() {
    let esp_optional = "aes256gcm16-x25519-ke1_mlkem768-ke1_none";
    let plain_esp = "aes256gcm16-x25519";
    for (ours, theirs, outcome) in [
        (HYBRID_OPTIONAL, HYBRID_OPTIONAL, HYBRID),
        (HYBRID_OPTIONAL, HYBRID, HYBRID),
        (HYBRID, HYBRID_OPTIONAL, HYBRID),
        (HYBRID_OPTIONAL, PLAIN, PLAIN),
        (PLAIN, HYBRID_OPTIONAL, PLAIN),
    ] {
        let esp = |ike: &str| if ike == PLAIN { plain_esp } else { esp_optional };
        let mut network = pair([ours, theirs], [esp(ours), esp(theirs)]);
        network.run(Duration::from_secs(2));
        network.assert_settled();
        assert_eq!(suites(&network), [outcome, outcome], "{ours} with {theirs}");
        for end in [A, B] {
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(12));
            network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
            network.run(Duration::from_secs(12));
            network.assert_settled();
        }
        assert_eq!(suites(&network), [outcome, outcome], "{ours} with {theirs}, rekeyed");
    }
}

#[test]
fn a_required_exchange_that_the_peer_does_not_offer_names_both_lists() {
    for (ours, theirs) in [(HYBRID, PLAIN), (PLAIN, HYBRID)] {
        let mut network = pair([ours, theirs], ["aes256gcm16"; 2]);
        network.run(Duration::from_secs(10));
        assert!(!network.is_up());
        for end in [A, B] {
            assert_eq!(network.failures(end)[0].reason(), "ike_no_proposal");
        }
        let text = network.failures(B)[0].to_string();
        assert!(text.contains(&format!("ours are {theirs};")) && text.contains("x25519"), "{text}");
        assert!(text.contains("ke1_mlkem768"), "{text}");
    }
}

#[test]
fn a_required_exchange_for_esp_shows_when_rekeying() {
    let mut network = pair([PLAIN; 2], [ESP, "aes256gcm16-x25519"]);
    network.run(Duration::from_secs(2));
    network.assert_up();
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(5));
    network.assert_up();
    assert_eq!(network.failures(A)[0].reason(), "pfs_mismatch");
    assert!(network.failures(B)[0].to_string().contains("ke1_mlkem768"), "{}", network.failures(B)[0]);
}

#[test]
fn loss_repetition_and_reordering_do_no_harm() {
    for seed in 1..40 {
        let mut network = Network::new(seed, with(HYBRID, ESP)(config_a()), with(HYBRID, ESP)(config_b()));
        (network.loss, network.repeat, network.jitter) = (25, 25, 400);
        network.run_until(Duration::from_secs(300), Network::is_up);
        network.run(Duration::from_secs(30));
        for round in 0..4 {
            let end = usize::try_from((seed + round) % 2).unwrap();
            network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
            network.run(Duration::from_secs(20));
            network.with(1 - end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
            network.run(Duration::from_secs(20));
        }
        (network.loss, network.repeat, network.jitter) = (0, 0, 0);
        network.run(Duration::from_secs(120));
        network.assert_settled();
    }
}

#[test]
fn crossing_rekeys_leave_one_of_each() {
    for seed in 1..60 {
        let mut network = Network::new(seed, with(HYBRID, ESP)(config_a()), with(HYBRID, ESP)(config_b()));
        network.run(Duration::from_secs(2));
        network.forget();
        network.jitter = 40 * (seed % 5);
        for end in [A, B] {
            network.with(end, |endpoint, now| match seed % 3 {
                0 => endpoint.rekey_child(TUNNEL, now),
                1 => endpoint.rekey_ike(TUNNEL, now),
                _ if end == A => endpoint.rekey_ike(TUNNEL, now),
                _ => endpoint.rekey_child(TUNNEL, now),
            });
            network.run(Duration::from_millis(seed % 7 * 6));
        }
        network.run(Duration::from_secs(90));
        network.assert_settled();
        network.assert_no_flap();
        let rekeyed = |event: &Event| matches!(event, Event::ChildRekeyed { .. } | Event::IkeRekeyed { .. });
        assert!(network.count(A, rekeyed) > 0, "seed {seed}: nothing was rekeyed");
    }
}

#[test]
fn crossing_rekeys_with_loss_settle() {
    for seed in 1..60 {
        let mut network = Network::new(seed, with(HYBRID, ESP)(config_a()), with(HYBRID, ESP)(config_b()));
        network.run(Duration::from_secs(2));
        network.forget();
        (network.loss, network.repeat, network.jitter) = (20, 20, 300);
        for _ in 0..6 {
            for end in [A, B] {
                network.with(end, |endpoint, now| {
                    endpoint.rekey_child(TUNNEL, now);
                    endpoint.rekey_ike(TUNNEL, now);
                });
            }
            network.run(Duration::from_secs(15));
        }
        (network.loss, network.repeat, network.jitter) = (0, 0, 0);
        network.run(Duration::from_secs(120));
        network.assert_settled();
    }
}

/// Holds the first `IKE_FOLLOWUP_KE` of `from` up for longer than its responder waits.
fn hold_up(network: &mut Network, from: usize) {
    let mut first = None;
    network.fate = Box::new(move |packet| {
        let other = first.is_some_and(|id| id != packet.message_id);
        if packet.exchange != ExchangeType::IKE_FOLLOWUP_KE || packet.from != from || other {
            return Some(10);
        }
        first = Some(packet.message_id);
        Some(24_000)
    });
}

#[test]
fn a_rekey_whose_follow_up_was_given_up_is_begun_anew() {
    for end in [A, B] {
        for child in [true, false] {
            let mut network = pair([HYBRID; 2], [ESP; 2]);
            network.run(Duration::from_secs(2));
            network.forget();
            hold_up(&mut network, end);
            network.with(
                end,
                |endpoint, now| {
                    if child { endpoint.rekey_child(TUNNEL, now) } else { endpoint.rekey_ike(TUNNEL, now) }
                },
            );
            network.run(Duration::from_secs(120));
            network.assert_settled();
            network.assert_no_flap();
            let begun = network.sent.iter().filter(|packet| {
                packet.from == end && !packet.response && packet.exchange == ExchangeType::CREATE_CHILD_SA
            });
            let begun: std::collections::BTreeSet<_> = begun.map(|packet| packet.message_id).collect();
            assert!(begun.len() >= 2, "end {end}, child {child}: begun anew after it was given up");
            let done = |event: &Event| match child {
                true => matches!(event, Event::ChildRekeyed { .. }),
                false => matches!(event, Event::IkeRekeyed { .. }),
            };
            assert_eq!(network.count(end, done), 1, "end {end}, child {child}");
        }
    }
}

#[test]
fn a_responder_begins_nothing_about_what_the_peer_is_replacing() {
    let mut network = pair([HYBRID; 2], [ESP; 2]);
    network.run(Duration::from_secs(2));
    network.fate =
        Box::new(|packet| (packet.exchange != ExchangeType::IKE_FOLLOWUP_KE || packet.response).then_some(10));
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(5));
    network.with(B, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(5));
    assert_eq!(exchanges(&network, ExchangeType::CREATE_CHILD_SA), 1);
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(60));
    network.assert_settled();
}

#[test]
fn under_load_a_cookie_comes_before_any_kem() {
    let kem = "aes256gcm16-prfsha384-mlkem768";
    let set = with(kem, "aes128gcm16");
    let mut network = Network::bare(1);
    network.add(B, set(config_b()));
    // More half-open SAs in the name of A than one source has without a cookie.
    for seed in 0..10 {
        let mut forger = crate::Endpoint::new(Box::new(Seeded::new(1000 + seed)));
        forger.add_tunnel(TUNNEL, set(config_a()), network.now);
        forger.handle_timeout(network.now + Duration::from_secs(1));
        while let Some(output) = forger.poll_output() {
            if let negotiation::Output::Transmit { local, remote, datagram } = output {
                network.with(B, |endpoint, now| endpoint.handle_datagram(remote, local, &datagram, now));
            }
        }
    }
    let before = network.ends[B].endpoint.counters();
    assert_eq!((before.half_open, before.cookies_sent), (3, 7), "what is answered by a cookie has no state");
    network.add(A, set(config_a()));
    network.run_until(Duration::from_secs(5), Network::is_up);
    assert_eq!(suites(&network), [kem, kem]);
    assert_eq!(network.ends[B].endpoint.counters().cookies_sent, 8);
    let requests =
        network.sent.iter().filter(|packet| packet.from == A && packet.exchange == ExchangeType::IKE_SA_INIT);
    assert_eq!(requests.count(), 2, "the second one returns the cookie");
}

#[test]
fn half_open_exchanges_end_in_time() {
    let mut network = pair([HYBRID; 2], [ESP; 2]);
    network.fate = Box::new(|packet| (packet.exchange != ExchangeType::IKE_AUTH).then_some(10));
    network.run(Duration::from_secs(5));
    assert_eq!(status(&network, A).state, TunnelState::Authenticating);
    assert_eq!(network.ends[B].endpoint.half_open_counts().0, 1);
    network.run(Duration::from_secs(30));
    assert_eq!(network.failures(A)[0].reason(), "timeout");
    assert!(network.failures(A)[0].to_string().contains("IKE_AUTH"), "{}", network.failures(A)[0]);
    network.with(A, |endpoint, now| endpoint.remove_tunnel(TUNNEL, now));
    network.run(Duration::from_secs(60));
    assert_eq!(network.ends[B].endpoint.half_open_counts(), (0, 0, 0));
    assert_eq!(network.ends[B].endpoint.names_in_use(), (0, 0));
}

#[test]
fn silence_in_the_middle_names_the_exchange() {
    let mut network = pair([HYBRID; 2], [ESP; 2]);
    network.fate = Box::new(|packet| (packet.exchange != ExchangeType::IKE_INTERMEDIATE).then_some(10));
    network.run(Duration::from_secs(40));
    let failure = network.failures(A).remove(0);
    assert_eq!(failure.reason(), "timeout");
    assert!(failure.to_string().contains("IKE_INTERMEDIATE"), "{failure}");
}

fn with_ppks(a: Option<Ppk>, b: Option<Ppk>) -> Network {
    let mut network = Network::new(1, TunnelConfig { ppk: a, ..config_a() }, TunnelConfig { ppk: b, ..config_b() });
    network.run(Duration::from_secs(4));
    network
}

#[test]
fn a_ppk_that_both_have_is_mixed_in_and_stays_over_rekeys() {
    for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut network = with_ppks(ppk("k1", &[7; 32], a), ppk("k1", &[7; 32], b));
        network.assert_settled();
        assert!([A, B].iter().all(|end| status(&network, *end).ike[0].ppk), "{a} {b}");
        network.with(B, |endpoint, now| endpoint.rekey_ike(TUNNEL, now));
        network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
        network.run(Duration::from_secs(20));
        network.assert_settled();
        assert!([A, B].iter().all(|end| status(&network, *end).ike[0].ppk), "{a} {b}");
    }
}

#[test]
fn the_keys_of_esp_depend_on_the_ppk() {
    let keys = |ppk: Option<Ppk>| {
        let network = with_ppks(ppk.clone(), ppk);
        network.assert_settled();
        network.ends[A].data.outbound.as_ref().unwrap().keys.encryption.expose().to_vec()
    };
    let plain = keys(None);
    assert_ne!(plain, keys(ppk("k1", &[7; 32], true)));
    assert_ne!(keys(ppk("k1", &[8; 32], true)), keys(ppk("k1", &[7; 32], true)));
    assert_eq!(plain, keys(None));
}

#[test]
fn an_optional_ppk_is_left_out_with_a_peer_that_has_none_or_another_name() {
    for (a, b) in [
        (ppk("k1", &[7; 32], false), None),
        (None, ppk("k1", &[7; 32], false)),
        (ppk("k1", &[7; 32], false), ppk("k2", &[7; 32], false)),
    ] {
        let network = with_ppks(a, b);
        network.assert_settled();
        assert!([A, B].iter().all(|end| !status(&network, *end).ike[0].ppk));
    }
}

#[test]
fn a_ppk_that_does_not_fit_says_so_at_the_end_that_can_know() {
    let own = |required| ppk("k1", &[7; 32], required);
    let cases: [(Option<Ppk>, Option<Ppk>, [&str; 2]); 8] = [
        // A has one and insists: it sees at once that B has none.
        (own(true), None, ["ppk_missing", ""]),
        (None, own(true), ["auth", "ppk_missing"]),
        (own(true), ppk("k2", &[7; 32], true), ["ppk_auth", "ppk_unknown"]),
        (own(true), ppk("k2", &[7; 32], false), ["ppk_auth", "ppk_unknown"]),
        (own(false), ppk("k2", &[7; 32], true), ["ppk_auth", "ppk_unknown"]),
        // With a proof without the PPK beside it, the responder knows which of the two keys differs.
        (own(false), ppk("k1", &[8; 32], false), ["ppk_auth", "ppk"]),
        (own(false), ppk("k1", &[8; 32], true), ["ppk_auth", "ppk"]),
        (own(true), ppk("k1", &[8; 32], true), ["ppk_auth", "psk_or_ppk"]),
    ];
    for (a, b, reasons) in cases {
        let network = with_ppks(a, b);
        assert!(!network.is_up(), "{reasons:?}");
        for (end, reason) in [(A, reasons[0]), (B, reasons[1])] {
            let found = network.failures(end).first().map_or("", Failure::reason);
            assert_eq!(found, reason, "{reasons:?} at {end}");
        }
        let failure = &network.failures(A)[0];
        assert!(reasons[0] == "auth" || failure.to_string().contains("`k1`"), "{failure}");
    }
}

#[test]
fn another_psk_with_the_right_ppk_is_told_apart_where_it_can_be() {
    for (required, reason) in [(true, "psk_or_ppk"), (false, "psk_or_ppk")] {
        let a = TunnelConfig { ppk: ppk("k1", &[7; 32], required), ..config_a() };
        let psk = Secret::from(b"other".as_slice());
        let b = TunnelConfig {
            ppk: ppk("k1", &[7; 32], required),
            auth: negotiation::Authentication::psk(psk),
            ..config_b()
        };
        let mut network = Network::new(1, a, b);
        network.run(Duration::from_secs(4));
        assert_eq!(network.failures(B)[0].reason(), reason);
        assert!(network.failures(B)[0].remedy().contains("post-quantum"));
    }
}

#[test]
fn a_ppk_goes_with_further_key_exchanges() {
    let change = |config| TunnelConfig { ppk: ppk("both", &[3; 48], true), ..with(HYBRID, ESP)(config) };
    let mut network = Network::new(3, change(config_a()), change(config_b()));
    (network.loss, network.repeat, network.jitter) = (20, 20, 200);
    network.run_until(Duration::from_secs(200), Network::is_up);
    (network.loss, network.repeat, network.jitter) = (0, 0, 0);
    network.run(Duration::from_secs(60));
    network.assert_settled();
    assert!(status(&network, B).ike[0].ppk);
    assert_eq!(suites(&network), [HYBRID, HYBRID]);
}

#[test]
fn the_name_of_the_ppk_tells_tunnels_with_the_same_identities_apart() {
    let mut network = Network::bare(5);
    let other = wire::ipsec::TunnelId(8);
    let b = |id: &str| TunnelConfig { ppk: ppk(id, id.as_bytes(), true), ..config_b() };
    network.with(B, |endpoint, now| endpoint.add_tunnel(other, b("first"), now));
    network.add(B, b("second"));
    network.add(A, TunnelConfig { ppk: ppk("second", b"second", true), ..config_a() });
    network.run(Duration::from_secs(3));
    assert!(network.is_up());
    assert_eq!(network.ends[B].endpoint.status(TUNNEL).unwrap().state, TunnelState::Up);
    assert_eq!(network.ends[B].endpoint.status(other).unwrap().state, TunnelState::Listening);
}

#[test]
fn both_ends_may_begin() {
    for seed in 1..20 {
        let start = |config| TunnelConfig { start: StartAction::Initiate, ..with(HYBRID, ESP)(config) };
        let mut network = Network::new(seed, start(config_a()), start(config_b()));
        network.jitter = 100;
        network.run(Duration::from_secs(60));
        network.assert_settled();
    }
}
