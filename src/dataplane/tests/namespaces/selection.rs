//! Several SAs in one tunnel: which one a packet takes, and what becomes of a packet that none is for.

use std::process::Command;

use crate::support::{End, Lab, TUNNEL, eventually, install, narrow, two_pairs};
use dataplane::SaUsage;
use wire::ipsec::{Direction, SaAction, TrafficSelector};

fn remove(end: &End, pair: u8, generation: u32) {
    let spi = narrow(end.side, Direction::Outbound, pair, generation).spi;
    end.engine.apply(SaAction::Remove { tunnel: TUNNEL, direction: Direction::Outbound, spi });
}

async fn with_two_pairs(lab: &Lab) -> [End; 2] {
    let ends = [lab.engine(0, |_, _| ()).await, lab.engine(1, |_, _| ()).await];
    two_pairs(lab, &ends);
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
    let mut sent: Vec<_> =
        end.engine.sas(TUNNEL).into_iter().filter(outbound).map(|usage| (usage.spi.0 >> 12, usage.packets)).collect();
    sent.sort_unstable();
    sent
}

#[tokio::test]
async fn each_packet_takes_the_sa_that_is_for_it() {
    let lab = Lab::new();
    let ends = with_two_pairs(&lab).await;
    assert!(ping(&lab, "10.1.0.1", "10.2.0.1").0);
    assert_eq!(sent(&ends[0]), [(1, 2), (2, 0)]);
    for _ in 0..2 {
        assert!(ping(&lab, "10.3.0.1", "10.4.0.1").0);
    }
    assert_eq!(sent(&ends[0]), [(1, 2), (2, 4)]);
    // A new SA for the same traffic takes over; the other one is left alone.
    install(&ends, |side, direction| narrow(side, direction, 0, 3));
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
    let ends = with_two_pairs(&lab).await;
    let (passed, said) = ping(&lab, "10.1.0.1", "10.4.0.1");
    assert!(!passed && said.contains("Packet filtered"), "{said}");
    assert_eq!(sent(&ends[0]), [(1, 0), (2, 0)]);
    let counters = ends[0].engine.counters(TUNNEL).unwrap();
    assert_eq!((counters.selector_drops, counters.no_sa_drops), (2, 0));
}

#[tokio::test]
async fn a_packet_on_the_wrong_sa_is_refused_by_its_receiver() {
    let lab = Lab::new();
    let ends = with_two_pairs(&lab).await;
    // Side 0 believes that its first SA is for everything.
    let mut wide = narrow(0, Direction::Outbound, 0, 1);
    (wide.local_selectors, wide.remote_selectors) = (vec![TrafficSelector::ANY_V4], vec![TrafficSelector::ANY_V4]);
    remove(&ends[0], 0, 1);
    remove(&ends[0], 1, 2);
    ends[0].install(Direction::Outbound, wide);
    assert!(!ping(&lab, "10.3.0.1", "10.4.0.1").0);
    let counters = ends[1].engine.counters(TUNNEL).unwrap();
    assert_eq!((counters.selector_drops, counters.packets_in), (2, 0), "RFC 4301 5.2 step 4");
    assert!(ping(&lab, "10.1.0.1", "10.2.0.1").0);
}
