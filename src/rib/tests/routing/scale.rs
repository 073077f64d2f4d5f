//! Time and memory at the sizes that matter, printed, not judged.
//!
//! `cargo test --release -p rib --test routing -- --ignored --nocapture scale`

use std::fs;
use std::net::Ipv4Addr;
use std::time::Instant;

use bgp::Attributes;
use ipnet::IpNet;
use rib::{PeerId, TunnelState};
use wire::ipsec::TunnelId;

use crate::router::{Router, announce, attributes, config, permit, policy, session};

const AWS: u32 = 64512;
const HUB: PeerId = PeerId(5);

/// Resident memory in octets.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn feed(rib: &mut rib::Rib, peer: u32, count: u32) {
    let policy = policy(peer, AWS);
    // Ten prefixes to a set of attributes, as a real table has.
    for group in 0..count / 10 {
        let attributes = Attributes { communities: vec![group], ..attributes(&[AWS, 1000 + group % 5000]) };
        let prefix = |at: u32| IpNet::new(Ipv4Addr::from((20 << 24) + ((group * 10 + at) << 8)).into(), 24).unwrap();
        let prefixes: Vec<_> = (0..10).map(prefix).collect();
        rib.handle_update(PeerId(peer), announce(&policy, attributes, &prefixes));
    }
}

fn drain(rib: &mut rib::Rib) -> (usize, usize) {
    let (mut fib, mut sent) = (0, 0);
    while let Some(output) = rib.poll_output() {
        match output {
            rib::Output::Fib(_) => fib += 1,
            rib::Output::Send { .. } => sent += 1,
            rib::Output::PrefixLimit { .. }
            | rib::Output::HeldBack { .. }
            | rib::Output::EndOfRib { .. }
            | rib::Output::RequestRefresh { .. } => {}
        }
    }
    (fib, sent)
}

fn measure(peers: u32, count: u32) {
    let before = resident();
    let mut rib = Router::new(config()).rib;
    for peer in 0..peers {
        rib.add_peer(PeerId(peer), policy(peer, AWS));
        rib.handle_tunnel(TunnelId(peer), TunnelState::Up);
        rib.handle_peer_up(PeerId(peer), session(peer));
    }
    let hub = rib::PeerPolicy { export: Some(vec![permit("0.0.0.0/0", 32)]), ..policy(5, 65515) };
    rib.add_peer(HUB, hub);
    rib.handle_peer_up(HUB, session(5));
    let timed = |what: &str, rib: &mut rib::Rib, act: &mut dyn FnMut(&mut rib::Rib)| {
        let start = Instant::now();
        act(rib);
        let received = start.elapsed();
        let (fib, sent) = drain(rib);
        println!(
            "  {what:<16} {received:>10.1?} in, {:>10.1?} in all; {fib} FIB changes, {sent} updates",
            start.elapsed()
        );
    };
    println!("{peers} x {count}");
    timed("feed", &mut rib, &mut |rib| (0..peers).for_each(|peer| feed(rib, peer, count)));
    println!("  resident {:.1} MB, {:?}", resident().saturating_sub(before) as f64 / 1e6, rib.totals());
    timed("tunnel down", &mut rib, &mut |rib| rib.handle_tunnel(TunnelId(0), TunnelState::Down));
    timed("tunnel up", &mut rib, &mut |rib| rib.handle_tunnel(TunnelId(0), TunnelState::Up));
    timed("all sessions down", &mut rib, &mut |rib| (0..peers).for_each(|peer| rib.handle_peer_down(PeerId(peer))));
    assert_eq!(rib.totals().prefixes, 1);
}

#[test]
#[ignore = "prints figures; wants a release build"]
fn scale() {
    measure(1, 1_000);
    measure(4, 1_000);
    measure(1, 100_000);
    measure(4, 100_000);
    measure(4, 1_000_000);
}
