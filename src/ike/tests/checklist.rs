//! The collisions that implementations get wrong, by name, on a line that loses, repeats, delays and reorders; and ten
//! thousand of the commonest.

use std::time::{Duration, Instant};

use negotiation::{Event, LimitReached, SelectorLayout};
use wire::ipsec::{Direction, TrafficSelector};

use super::children::net;
use fixtures::Seeded;

use super::network::*;
use crate::Endpoint;

type Operation = fn(&mut Endpoint, Instant);

fn nothing(_: &mut Endpoint, _: Instant) {}

fn rekey_child(endpoint: &mut Endpoint, now: Instant) {
    endpoint.rekey_child(TUNNEL, now);
}

fn rekey_ike(endpoint: &mut Endpoint, now: Instant) {
    endpoint.rekey_ike(TUNNEL, now);
}

fn delete_ike(endpoint: &mut Endpoint, now: Instant) {
    endpoint.terminate(TUNNEL, now);
}

/// The SA in use ends here at once, and is deleted.
fn delete_child(endpoint: &mut Endpoint, now: Instant) {
    let status = endpoint.status(TUNNEL).unwrap();
    if let Some(child) = status.children.first() {
        endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, child.inbound, LimitReached::Hard, now);
    }
}

fn rekey_both(endpoint: &mut Endpoint, now: Instant) {
    endpoint.rekey_child(TUNNEL, now);
    endpoint.rekey_ike(TUNNEL, now);
}

/// One case of the list: what each end does at the same time, and whether traffic must not stop.
struct Case {
    name: &'static str,
    a: Operation,
    b: Operation,
    keeps: bool,
}

const CASES: [Case; 15] = [
    Case { name: "child rekey, regular", a: rekey_child, b: nothing, keeps: true },
    Case { name: "child rekey, collision", a: rekey_child, b: rekey_child, keeps: true },
    Case { name: "child rekey, collision with deletion", a: rekey_child, b: delete_child, keeps: false },
    Case { name: "child rekey, collision with IKE rekey", a: rekey_child, b: rekey_ike, keeps: true },
    Case { name: "child rekey, collision with IKE deletion", a: rekey_child, b: delete_ike, keeps: false },
    Case { name: "child rekey and IKE rekey, crossing streams", a: rekey_both, b: rekey_both, keeps: true },
    Case { name: "child rekey, hard expiry", a: delete_child, b: nothing, keeps: false },
    Case { name: "IKE rekey, regular", a: rekey_ike, b: nothing, keeps: true },
    Case { name: "IKE rekey, collision", a: rekey_ike, b: rekey_ike, keeps: true },
    Case { name: "IKE rekey, collision with deletion", a: rekey_ike, b: delete_ike, keeps: false },
    Case { name: "IKE rekey, collision with child deletion", a: rekey_ike, b: delete_child, keeps: false },
    Case { name: "child deletion, regular", a: delete_child, b: nothing, keeps: false },
    Case { name: "child deletion, collision", a: delete_child, b: delete_child, keeps: false },
    Case { name: "IKE deletion, regular", a: delete_ike, b: nothing, keeps: false },
    Case { name: "IKE deletion, collision", a: delete_ike, b: delete_ike, keeps: false },
];

/// What the line does: percent lost, percent repeated, random delay in milliseconds (which reorders).
const LINES: [(&str, (u64, u64, u64)); 5] = [
    ("good", (0, 0, 0)),
    ("loss", (25, 0, 0)),
    ("delay", (0, 0, 900)),
    ("repetition", (0, 50, 40)),
    ("all of it", (20, 30, 500)),
];

fn several(children: bool) -> (negotiation::TunnelConfig, negotiation::TunnelConfig) {
    let (mut a, mut b) = (config_a(), config_b());
    if children {
        let (ours, theirs): (Vec<TrafficSelector>, Vec<TrafficSelector>) = (vec![net(1), net(2)], vec![net(9)]);
        (a.local_selectors, a.remote_selectors) = (ours.clone(), theirs.clone());
        (b.local_selectors, b.remote_selectors) = (theirs, ours);
        (a.layout, b.layout) = (SelectorLayout::PerPair, SelectorLayout::PerPair);
    }
    (a, b)
}

#[test]
fn every_collision_on_every_line_ends_with_one_truth() {
    for case in &CASES {
        for (line, quality) in LINES {
            for children in [false, true] {
                for seed in 0..5 {
                    let what = format!("{} over {line}, children {children}, seed {seed}", case.name);
                    let (a, b) = several(children);
                    let mut network = Network::up_with(seed, a, b);
                    (network.loss, network.repeat, network.jitter) = quality;
                    if !case.keeps {
                        // What one end has deleted, the other one may use until it hears of it.
                        network.lenient_until = network.now + Duration::from_secs(60);
                    }
                    network.with(A, case.a);
                    network.run(Duration::from_millis(seed * 7));
                    network.with(B, case.b);
                    network.run(Duration::from_secs(40));
                    (network.loss, network.repeat, network.jitter) = (0, 0, 0);
                    network.run(Duration::from_secs(150));
                    eprintln!("{what}");
                    network.assert_settled_with(if children { 2 } else { 1 });
                    if case.keeps {
                        network.assert_no_flap();
                    }
                }
            }
        }
    }
}

#[test]
fn ten_thousand_crossing_rekeys_lose_nothing() {
    const ROUNDS: u64 = 10_000;
    let (mut a, mut b) = (config_a(), config_b());
    for config in [&mut a, &mut b] {
        // No group: it is the exchanges that are tried here.
        config.esp_proposals = vec!["aes128gcm16".parse().unwrap()];
        config.child_lifetime.time = Duration::from_secs(86_400 * 365);
        config.ike_lifetime = Duration::from_secs(86_400 * 365);
    }
    let mut network = Network::up_with(1, a, b);
    let mut random = Seeded::new(7);
    let (mut rekeyed, mut most) = (0, 0);
    for round in 0..ROUNDS {
        network.jitter = 1 + round % 50;
        let operation: Operation = if round % 50 == 49 { rekey_ike } else { rekey_child };
        let first = usize::from(random.percent(50));
        network.with(first, operation);
        network.run(Duration::from_millis(random.number() % 25));
        network.with(1 - first, operation);
        network.run(Duration::from_millis(7_000));
        assert!(network.is_up(), "round {round}");
        network.assert_no_flap();
        most = most.max(network.ends.iter().map(|end| end.data.inbound.len()).max().unwrap());
        rekeyed += network.count(A, |event| matches!(event, Event::ChildRekeyed { .. } | Event::IkeRekeyed { .. }));
        network.forget();
    }
    network.run(Duration::from_secs(60));
    network.assert_settled();
    println!(
        "{ROUNDS} crossing rekeys: {rekeyed} SAs replaced, at most {most} inbound SAs at a time, no flap, none left"
    );
    assert!(rekeyed > usize::try_from(ROUNDS).unwrap(), "most of them cross");
    assert!(most <= 6, "{most} inbound SAs");
}
