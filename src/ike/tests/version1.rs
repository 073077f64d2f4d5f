//! IKEv1 between two endpoints: both modes and roles, over networks that lose, repeat and reorder.

use std::time::Duration;

use isakmp::ExchangeType;
use isakmp::v1::{self, Payload, VendorId};
use negotiation::{DownReason, EncapsulationPolicy, Failure, IkeVersion, PORT_NAT, StartAction, TunnelConfig, V1Mode};
use wire::Secret;
use wire::ipsec::{Encapsulation, TrafficSelector};

use fixtures::Seeded;

use super::network::*;

pub(super) const MODES: [V1Mode; 2] = [V1Mode::Main, V1Mode::Aggressive];
pub(super) const QUICK: ExchangeType = ExchangeType(32);
pub(super) const INFORMATIONAL: ExchangeType = ExchangeType(5);

fn v1(mut config: TunnelConfig, mode: V1Mode) -> TunnelConfig {
    config.version = IkeVersion::V1(mode);
    config.ike_proposals = vec!["aes128-sha256-ecp256".parse().unwrap()];
    config.esp_proposals = vec!["aes128gcm16-ecp256".parse().unwrap()];
    config
}

pub(super) fn pair(mode: V1Mode) -> (TunnelConfig, TunnelConfig) {
    (v1(config_a(), mode), v1(config_b(), mode))
}

pub(super) fn up(seed: u64, mode: V1Mode) -> Network {
    let (a, b) = pair(mode);
    Network::up_with(seed, a, b)
}

/// Runs until what was replaced is deleted, and its deletion repeated.
pub(super) fn settle(network: &mut Network) {
    network.run(Duration::from_secs(200));
    network.assert_settled();
}

pub(super) fn spis(network: &Network) -> Vec<u32> {
    network.ends.iter().map(|end| end.data.outbound.as_ref().unwrap().spi.0).collect()
}

#[test]
fn both_modes_come_up_and_settle() {
    for (seed, mode) in (1..).zip(MODES) {
        let mut network = up(seed, mode);
        let status = network.ends[A].endpoint.status(TUNNEL).unwrap();
        assert_eq!(status.version, IkeVersion::V1(mode));
        assert_eq!(status.ike[0].suite.to_string(), "aes128-sha256-ecp256");
        assert_eq!(status.children[0].suite.to_string(), "aes128gcm16");
        assert_eq!(status.children[0].encapsulation, Encapsulation::Esp);
        settle(&mut network);
        assert!(network.failures(A).is_empty() && network.failures(B).is_empty());
    }
}

#[test]
fn every_suite_that_it_has_numbers_for_comes_up() {
    let suites = [
        ("aes256-sha1-modp1024", "aes256-sha1"),
        ("3des-md5-modp1024", "3des-md5"),
        ("aes192-sha384-modp1536", "aes192-sha384-modp1536"),
        ("aes256-sha512-ecp384", "aes256gcm8-ecp384"),
        ("des-sha1-modp768", "des-sha1"),
        ("3des-sha256-ecp521", "aes128gcm12-ecp521"),
        ("aes128-sha256-modp2048", "aes256-sha512-modp2048-modpnone"),
        ("aes128-sha256-ecp256", "aes128-sha256-esn"),
    ];
    for (seed, (ike, esp)) in (10..).zip(suites) {
        for mode in MODES {
            let (mut a, mut b) = pair(mode);
            for config in [&mut a, &mut b] {
                config.ike_proposals = vec![ike.parse().unwrap()];
                config.esp_proposals = vec![esp.parse().unwrap()];
            }
            let network = Network::up_with(seed, a, b);
            let status = network.ends[B].endpoint.status(TUNNEL).unwrap();
            assert_eq!(status.ike[0].suite.to_string(), ike);
        }
    }
}

#[test]
fn our_order_of_preference_decides_and_one_group_at_a_time_is_tried() {
    let (mut a, mut b) = pair(V1Mode::Aggressive);
    a.ike_proposals = ["aes128-sha1-ecp384", "aes128-sha1-ecp256"].map(|suite| suite.parse().unwrap()).into();
    b.ike_proposals = vec!["aes128-sha1-ecp256".parse().unwrap()];
    a.esp_proposals = ["aes128-sha1-ecp384", "aes128-sha1"].map(|suite| suite.parse().unwrap()).into();
    b.esp_proposals = vec!["aes128-sha1".parse().unwrap()];
    let mut network = Network::new(20, a, b);
    network.run(Duration::from_secs(20));
    network.assert_up();
    let refused = |failure: &Failure| matches!(failure, Failure::NoProposalChosen { .. });
    assert_eq!(network.failures(A).iter().filter(|failure| refused(failure)).count(), 2);
}

#[test]
fn loss_and_reordering_only_delay_the_start() {
    for seed in 0..30 {
        let mut network = up_slowly(seed, MODES[usize::try_from(seed % 2).unwrap()]);
        (network.loss, network.repeat, network.jitter) = (0, 0, 0);
        settle(&mut network);
    }
}

fn up_slowly(seed: u64, mode: V1Mode) -> Network {
    let (a, b) = pair(mode);
    let mut network = Network::new(seed, a, b);
    (network.loss, network.repeat, network.jitter) = (35, 30, 500);
    network.run_until(Duration::from_secs(600), Network::is_up);
    network
}

#[test]
fn the_peer_behind_a_nat_moves_to_4500_and_sends_esp_in_udp() {
    for (seed, mode) in (30..).zip(MODES) {
        let (a, mut b) = pair(mode);
        b.remote = ADDRESS_NAT;
        b.remote_id = ADDRESS_A.into();
        let mut network = Network::bare(seed);
        network.nat = Some(1000);
        network.add(B, b);
        network.add(A, a);
        network.run(Duration::from_secs(3));
        network.assert_up();
        let status = network.ends[B].endpoint.status(TUNNEL).unwrap();
        assert!(status.ike[0].nat_remote && !status.ike[0].nat_local);
        assert_eq!(status.remote.port(), 5500);
        assert_eq!(status.children[0].encapsulation, Encapsulation::Udp);
        settle(&mut network);
    }
}

#[test]
fn on_4500_from_the_first_message_on_nothing_goes_through_500() {
    for (seed, mode) in (70..).zip(MODES) {
        for nat in [None, Some(1000)] {
            let (mut a, mut b) = pair(mode);
            a.ike_port = PORT_NAT;
            b.remote = if nat.is_some() { ADDRESS_NAT } else { ADDRESS_A };
            b.remote_id = ADDRESS_A.into();
            let mut network = Network::bare(seed);
            network.nat = nat;
            network.add(B, b);
            network.add(A, a);
            network.run(Duration::from_secs(3));
            network.assert_up();
            settle(&mut network);
            let shifted = PORT_NAT + nat.unwrap_or_default();
            let ports = |packet: &Packet| [packet.source.port(), packet.destination.port()];
            assert!(network.arrived.iter().flat_map(ports).all(|port| [PORT_NAT, shifted].contains(&port)));
            let carrier = if nat.is_some() { Encapsulation::Udp } else { Encapsulation::Esp };
            assert_eq!(network.ends[B].endpoint.status(TUNNEL).unwrap().children[0].encapsulation, carrier);
        }
    }
}

#[test]
fn encapsulation_can_be_had_without_a_nat_and_refused_with_one() {
    for (seed, end) in [(40, A), (41, B)] {
        let (mut a, mut b) = pair(V1Mode::Main);
        [&mut a, &mut b][end].encapsulation = EncapsulationPolicy::Always;
        let network = Network::up_with(seed, a, b);
        for end in &network.ends {
            assert_eq!(end.data.outbound.as_ref().unwrap().encapsulation, Encapsulation::Udp);
        }
    }
    let (mut a, mut b) = pair(V1Mode::Main);
    (a.encapsulation, b.remote) = (EncapsulationPolicy::Never, ADDRESS_NAT);
    b.remote_id = ADDRESS_A.into();
    let mut network = Network::bare(42);
    network.nat = Some(1000);
    network.add(B, b);
    network.add(A, a);
    network.run(Duration::from_secs(3));
    assert!(network.failures(A).iter().any(|failure| matches!(failure, Failure::NatForbidden { .. })));
}

#[test]
fn both_ends_beginning_at_once_leave_one_of_each() {
    for seed in 90..110 {
        let (a, mut b) = pair(MODES[usize::try_from(seed % 2).unwrap()]);
        b.start = StartAction::Initiate;
        let mut network = Network::new(seed, a, b);
        network.jitter = 30;
        network.run(Duration::from_secs(10));
        network.assert_up();
        settle(&mut network);
    }
}

#[test]
fn a_silent_peer_is_found_dead_and_found_again() {
    let mut network = up(150, V1Mode::Main);
    network.fate = Box::new(|_| None);
    network.run(Duration::from_secs(60));
    for end in [A, B] {
        assert!(matches!(network.downs(end)[..], [DownReason::PeerSilent(_)]), "{:?}", network.downs(end));
    }
    network.fate = Box::new(|_| Some(10));
    network.run(Duration::from_secs(60));
    network.assert_up();
    settle(&mut network);
}

#[test]
fn a_peer_that_lost_its_state_is_believed_when_it_comes_back() {
    for (seed, mode) in (160..).zip(MODES) {
        let mut network = up(seed, mode);
        let (a, _) = pair(mode);
        network.restart(A, a);
        network.run(Duration::from_secs(3));
        network.assert_up();
        assert!(network.downs(B).contains(&DownReason::PeerRestarted), "{:?}", network.downs(B));
        settle(&mut network);
    }
}

#[test]
fn taking_a_tunnel_down_is_told_to_the_peer() {
    let mut network = up(170, V1Mode::Main);
    network.with(B, |endpoint, now| endpoint.terminate(TUNNEL, now));
    network.run(Duration::from_millis(200));
    assert_eq!(network.downs(B), [DownReason::Operator]);
    assert_eq!(network.downs(A), [DownReason::PeerDeleted]);
    network.run(Duration::from_secs(20));
    network.assert_up();
    network.with(A, |endpoint, now| endpoint.remove_tunnel(TUNNEL, now));
    network.run(Duration::from_secs(30));
    assert_eq!(network.ends[A].endpoint.names_in_use(), (0, 0));
}

#[test]
fn a_lost_confirmation_is_sent_again_when_the_answer_is() {
    let mut network = up(180, V1Mode::Main);
    let mut quick = 0;
    network.fate = Box::new(move |packet| {
        quick += usize::from(packet.exchange == QUICK && packet.from == A);
        // The first message passes, the confirmation is lost twice.
        (packet.exchange != QUICK || packet.from == B || !(2..=3).contains(&quick)).then_some(10)
    });
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(4));
    network.assert_no_flap();
    settle(&mut network);
}

#[test]
fn what_is_not_authentic_changes_nothing() {
    let mut network = up(190, V1Mode::Main);
    let sent = network.sent.clone();
    assert!(sent.is_empty());
    network.with(A, |endpoint, now| endpoint.rekey_child(TUNNEL, now));
    network.run(Duration::from_secs(1));
    let genuine: Vec<_> = network.sent.iter().filter(|packet| packet.exchange == QUICK).cloned().collect();
    let before = spis(&network);
    for packet in &genuine {
        let to = 1 - packet.from;
        // Replayed, bent in its last block, under another message ID, and as an error in the clear.
        let mut forgeries = vec![packet.datagram.clone()];
        let mut bent = packet.datagram.clone();
        *bent.last_mut().unwrap() ^= 1;
        forgeries.push(bent);
        let mut renamed = packet.datagram.clone();
        renamed[20] ^= 0x55;
        forgeries.push(renamed);
        let mut clear = packet.datagram[..28].to_vec();
        clear[16] = 11;
        clear[18] = 5;
        clear[19] = 0;
        clear.extend([0, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 14]);
        clear[24..28].copy_from_slice(&40_u32.to_be_bytes());
        forgeries.push(clear);
        for forgery in forgeries {
            network.with(to, |endpoint, now| {
                endpoint.handle_datagram(packet.destination, packet.source, &forgery, now);
            });
        }
    }
    network.run(Duration::from_secs(1));
    assert_eq!(spis(&network), before);
    settle(&mut network);
    network.assert_no_flap();
}

#[test]
fn probes_are_answered_and_keep_a_quiet_tunnel_up() {
    let mut network = up(200, V1Mode::Main);
    network.run(Duration::from_secs(300));
    let probes = network.sent.iter().filter(|packet| packet.exchange == INFORMATIONAL).count();
    assert!((20..200).contains(&probes), "{probes} informational messages");
    network.assert_no_flap();
    network.assert_settled();
}

#[test]
fn a_long_first_message_travels_in_fragments_where_the_peer_can() {
    let (mut a, mut b) = pair(V1Mode::Main);
    // An identity of aggressive mode would be seen; in main mode the encrypted one is what is long.
    let long = format!("{}.example.net", "x".repeat(3000));
    for config in [&mut a, &mut b] {
        config.version = IkeVersion::V1(V1Mode::Main);
    }
    a.local_id = format!("fqdn:{long}").parse().unwrap();
    b.remote_id = a.local_id.clone();
    let mut network = Network::up_with(210, a, b);
    network.run(Duration::from_secs(5));
    network.assert_settled();
}

#[test]
fn a_selector_pair_each_has_esp_sas_of_its_own() {
    let range = |second: u8| TrafficSelector::range([10, second, 0, 0].into(), [10, second, 255, 255].into());
    let (mut a, mut b) = pair(V1Mode::Main);
    a.local_selectors = vec![range(1), range(2)];
    a.remote_selectors = vec![range(3)];
    (b.local_selectors, b.remote_selectors) = (a.remote_selectors.clone(), a.local_selectors.clone());
    let mut network = Network::bare(220);
    network.lenient_until = network.now + Duration::from_secs(3600);
    network.add(B, b);
    network.add(A, a);
    network.run(Duration::from_secs(60));
    for end in &network.ends {
        let status = end.endpoint.status(TUNNEL).unwrap();
        assert_eq!(status.children.len(), 2, "{:#?}", status.children);
        assert!(status.children.iter().all(|child| child.carries_outbound));
        let mut locals: Vec<_> = status.children.iter().map(|child| child.local_selectors.clone()).collect();
        locals.dedup();
        assert_eq!(end.data.inbound.len(), 2);
    }
}

/// One thing configured otherwise at B, and the reason each end gives.
struct Mismatch {
    name: &'static str,
    change: fn(&mut TunnelConfig),
    ours: &'static str,
    theirs: &'static str,
}

fn mismatches() -> Vec<Mismatch> {
    vec![
        Mismatch {
            name: "pre-shared key",
            change: |config| config.auth = negotiation::Authentication::psk(Secret::from(b"another".as_slice())),
            ours: "undecryptable",
            theirs: "undecryptable",
        },
        Mismatch {
            name: "IKE proposal",
            change: |config| config.ike_proposals = vec!["aes256-sha1-modp2048".parse().unwrap()],
            ours: "ike_no_proposal",
            theirs: "ike_no_proposal",
        },
        Mismatch {
            name: "ESP proposal",
            change: |config| config.esp_proposals = vec!["aes256-sha1".parse().unwrap()],
            ours: "child_no_proposal",
            theirs: "child_no_proposal",
        },
        Mismatch {
            name: "identity of A",
            change: |config| config.remote_id = ADDRESS_NAT.into(),
            ours: "auth",
            theirs: "identity",
        },
        Mismatch {
            name: "selectors",
            change: |config| {
                config.local_selectors = vec![TrafficSelector::ANY_V6];
                config.remote_selectors = vec![TrafficSelector::ANY_V6];
            },
            ours: "ts_unacceptable",
            theirs: "ts_unacceptable",
        },
        Mismatch {
            name: "mode",
            change: |config| config.version = IkeVersion::V1(V1Mode::Aggressive),
            ours: "mode",
            theirs: "mode",
        },
        Mismatch {
            name: "version",
            change: |config| config.version = IkeVersion::V2,
            ours: "version",
            theirs: "version",
        },
    ]
}

#[test]
fn every_mismatch_has_its_reason_at_both_ends() {
    for (seed, Mismatch { name, change, ours, theirs }) in (230..).zip(mismatches()) {
        let (a, mut b) = pair(V1Mode::Main);
        change(&mut b);
        let mut network = Network::new(seed, a, b);
        network.run(Duration::from_secs(8));
        assert!(!network.is_up(), "{name}");
        for (end, reason) in [(A, ours), (B, theirs)] {
            let failures = network.failures(end);
            let found: Vec<_> = failures.iter().map(Failure::reason).collect();
            assert!(found.contains(&reason), "{name}: {found:?} {failures:?}");
        }
    }
}

#[test]
fn a_first_message_of_version_2_where_version_1_is_configured_is_told_so() {
    let (_, b) = pair(V1Mode::Main);
    let mut network = Network::new(240, config_a(), b);
    network.run(Duration::from_secs(8));
    for end in [A, B] {
        let failures = network.failures(end);
        assert!(failures.iter().any(|failure| failure.reason() == "version"), "{failures:?}");
    }
}

#[test]
fn in_aggressive_mode_a_wrong_key_is_seen_by_whom_it_is_shown_first() {
    let (a, mut b) = pair(V1Mode::Aggressive);
    b.auth = negotiation::Authentication::psk(Secret::from(b"another".as_slice()));
    let mut network = Network::new(250, a, b);
    network.run(Duration::from_secs(8));
    assert!(network.failures(A).iter().any(|failure| failure.reason() == "psk"), "{:?}", network.failures(A));
}

#[test]
fn aggressive_mode_finds_the_tunnel_by_name_wherever_the_peer_comes_from() {
    let (mut a, mut b) = pair(V1Mode::Aggressive);
    a.local_id = "branch.example.net".parse().unwrap();
    b.remote_id = a.local_id.clone();
    b.local_id = "hub.example.net".parse().unwrap();
    a.remote_id = b.local_id.clone();
    b.remote = "192.0.2.200".parse().unwrap();
    let mut network = Network::bare(260);
    network.add(B, b);
    network.add(A, a);
    network.run(Duration::from_secs(3));
    network.assert_up();
}

/// Moves the announcement of dead peer detection to the messages with the public values, where some devices have it.
fn announced_late(datagram: &[u8]) -> Vec<u8> {
    let frame = v1::Frame::decode(datagram).unwrap();
    if frame.header.flags.encrypted {
        return datagram.to_vec();
    }
    let chain = v1::Chain::decode(frame.first, frame.body, false).unwrap();
    let mut payloads: Vec<_> = chain.payloads.into_iter().map(|located| located.payload).collect();
    let announcement = Payload::VendorId(VendorId::DeadPeerDetection.octets());
    if payloads.contains(&announcement) {
        payloads.retain(|payload| *payload != announcement);
    } else {
        payloads.push(announcement);
    }
    v1::encode(&frame.header, &payloads).unwrap()
}

#[test]
fn dead_peer_detection_may_be_announced_with_the_public_values() {
    let now = std::time::Instant::now();
    let (a, b) = pair(V1Mode::Main);
    let mut ends = [71, 72].map(|seed| crate::Endpoint::new(Box::new(Seeded::new(seed))));
    ends[A].add_tunnel(TUNNEL, a, now);
    ends[B].add_tunnel(TUNNEL, b, now);
    let now = now + Duration::from_millis(100);
    ends[A].handle_timeout(now);
    for turn in 0..20 {
        while let Some(output) = ends[turn % 2].poll_output() {
            if let negotiation::Output::Transmit { local, remote, datagram } = output {
                ends[1 - turn % 2].handle_datagram(remote, local, &announced_late(&datagram), now);
            }
        }
    }
    for end in &ends {
        let abilities = end.v1_tunnel(TUNNEL).unwrap().abilities().expect("phase 1 is complete");
        assert!(abilities.dead_peer_detection && abilities.fragmentation);
    }
}
