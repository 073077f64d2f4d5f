//! What it costs when a peer deletes a tunnel's SA under 1,000 packets per second, many times over.
//!
//! `QUADSPAN_LAB_RUNS` sets how often (8 by default, 20 or more for a figure worth quoting).

use std::time::Duration;

use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::{ensure, tell};

#[test]
fn the_loss_when_a_peer_deletes_its_sa_is_a_few_packets() {
    let runs: usize = std::env::var("QUADSPAN_LAB_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        let mut losses = Vec::with_capacity(runs);
        for run in 0..runs {
            let cloud = run % TUNNELS.len();
            let before = stream.checkpoint();
            if run % 8 < TUNNELS.len() {
                lab.clouds[cloud].swan()?.delete_ike()?
            } else {
                lab.clouds[cloud].swan()?.delete_child()?
            }
            lab.wait_all_up()?;
            std::thread::sleep(Duration::from_millis(500));
            let after = stream.checkpoint();
            std::thread::sleep(Duration::from_millis(100));
            losses.push(stream.lost_between(before, after));
        }
        losses.sort_unstable();
        let (median, worst) = (losses[losses.len() / 2], losses.last().copied().unwrap_or(0));
        tell(&format!("packets lost per deletion over {runs} runs: median {median}, worst {worst}, all {losses:?}"));
        ensure(worst < 100, "every deletion was acted upon at once", || format!("{losses:?}"))
    });
}
