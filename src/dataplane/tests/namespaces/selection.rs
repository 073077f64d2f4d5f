//! Several SAs in one tunnel: which one a packet takes, and what becomes of a packet that none is for.

use std::process::Command;

use crate::support::{End, GCM, Lab, TUNNEL, association, eventually};
use dataplane::SaUsage;
use wire::ipsec::{Direction, Encapsulation, SaAction, SecurityAssociation, TrafficSelector};

/// The networks 10.N.0.0/24 that pair `pair` joins, as side 0 sees them.
fn networks(pair: u8) -> [TrafficSelector; 2] {
    [pair * 2 + 1, pair * 2 + 2].map(|net| TrafficSelector::range([10, net, 0, 0].into(), [10, net, 0, 255].into()))
}

fn narrow(side: usize, direction: Direction, pair: u8, generation: u32) -> SecurityAssociation {
    let mut sa = association(GCM, Encapsulation::Udp, side, direction, generation);
    let [mine, theirs] = networks(pair);
    (sa.local_selectors, sa.remote_selectors) =
        if side == 0 { (vec![mine], vec![theirs]) } else { (vec![theirs], vec![mine]) };
    sa
}

fn install(ends: &[End; 2], pair: u8, generation: u32) {
    for direction in [Direction::Inbound, Direction::Outbound] {
        for end in ends {
            end.install(direction, narrow(end.side, direction, pair, generation));
        }
    }
}

fn remove(end: &End, pair: u8, generation: u32) {
    let spi = narrow(end.side, Direction::Outbound, pair, generation).spi;
    end.dataplane.apply(SaAction::Remove { tunnel: TUNNEL, direction: Direction::Outbound, spi });
}

async fn two_pairs(lab: &Lab) -> [End; 2] {
    let ends = [lab.engine(0, |_, _| ()).await, lab.engine(1, |_, _| ()).await];
    for pair in 0..2 {
        install(&ends, pair, u32::from(pair) + 1);
        let (mine, theirs) = (pair * 2 + 1, pair * 2 + 2);
        lab.sides[0].sh(&format!("ip addr add 10.{mine}.0.1/32 dev lo"));
        lab.sides[1].sh(&format!("ip addr add 10.{theirs}.0.1/32 dev lo"));
        lab.sides[0].sh(&format!("ip route add 10.{theirs}.0.0/24 dev tun0 src 10.{mine}.0.1"));
        lab.sides[1].sh(&format!("ip route add 10.{mine}.0.0/24 dev tun0 src 10.{theirs}.0.1"));
    }
    ends
}

fn ping(lab: &Lab, from: &str, to: &str) -> (bool, String) {
    let arguments = ["-c", "2", "-i", "0.1", "-W", "1", "-I", from, to].map(str::to_owned);
    lab.sides[0].run(move || {
        let output = Command::new("ping").args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    })
}

/// Packets of each outbound SA of side 0, by generation.
fn sent(end: &End) -> Vec<(u32, u64)> {
    let outbound = |usage: &SaUsage| usage.direction == Direction::Outbound;
    let mut sent: Vec<_> = end
        .dataplane
        .sas(TUNNEL)
        .into_iter()
        .filter(outbound)
        .map(|usage| (usage.spi.0 >> 12, usage.packets))
        .collect();
    sent.sort_unstable();
    sent
}

#[tokio::test]
async fn each_packet_takes_the_sa_that_is_for_it() {
    let lab = Lab::new();
    let ends = two_pairs(&lab).await;
    assert!(ping(&lab, "10.1.0.1", "10.2.0.1").0);
    assert_eq!(sent(&ends[0]), [(1, 2), (2, 0)]);
    for _ in 0..2 {
        assert!(ping(&lab, "10.3.0.1", "10.4.0.1").0);
    }
    assert_eq!(sent(&ends[0]), [(1, 2), (2, 4)]);
    // A new SA for the same traffic takes over; the other one is left alone.
    install(&ends, 0, 3);
    assert!(ping(&lab, "10.1.0.1", "10.2.0.1").0);
    assert_eq!(sent(&ends[0]), [(1, 2), (2, 4), (3, 2)]);
    remove(&ends[0], 0, 1);
    eventually("the SA replaced is forgotten", || sent(&ends[0]) == [(2, 4), (3, 2)]);
    assert!(ping(&lab, "10.3.0.1", "10.4.0.1").0);
    assert_eq!(sent(&ends[0]), [(2, 6), (3, 2)]);
    // Removing one leaves the other.
    remove(&ends[0], 1, 2);
    assert!(!ping(&lab, "10.3.0.1", "10.4.0.1").0);
    assert!(ping(&lab, "10.1.0.1", "10.2.0.1").0);
}

#[tokio::test]
async fn a_packet_that_no_sa_is_for_is_dropped_counted_and_answered() {
    let lab = Lab::new();
    let ends = two_pairs(&lab).await;
    let (passed, said) = ping(&lab, "10.1.0.1", "10.4.0.1");
    assert!(!passed && said.contains("Packet filtered"), "{said}");
    assert_eq!(sent(&ends[0]), [(1, 0), (2, 0)]);
    let counters = ends[0].dataplane.counters(TUNNEL).unwrap();
    assert_eq!((counters.selector_drops, counters.no_sa_drops), (2, 0));
}

#[tokio::test]
async fn a_packet_on_the_wrong_sa_is_refused_by_its_receiver() {
    let lab = Lab::new();
    let ends = two_pairs(&lab).await;
    // Side 0 believes that its first SA is for everything.
    let mut wide = narrow(0, Direction::Outbound, 0, 1);
    (wide.local_selectors, wide.remote_selectors) = (vec![TrafficSelector::ANY_V4], vec![TrafficSelector::ANY_V4]);
    remove(&ends[0], 0, 1);
    remove(&ends[0], 1, 2);
    ends[0].install(Direction::Outbound, wide);
    assert!(!ping(&lab, "10.3.0.1", "10.4.0.1").0);
    let counters = ends[1].dataplane.counters(TUNNEL).unwrap();
    assert_eq!((counters.selector_drops, counters.packets_in), (2, 0), "RFC 4301 5.2 step 4");
    assert!(ping(&lab, "10.1.0.1", "10.2.0.1").0);
}
