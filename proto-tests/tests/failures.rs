//! What breaks, mends: each failure is played against running tunnels under a stream of 1,000 packets per second.

use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::{ensure, patience, tell, wait_for};

const ALL: [usize; 4] = [0, 1, 2, 3];
/// Liveness at the router: 2 s of silence, then 6 s without an answer; the hold time is 30 s.
const DETECTION: u64 = 12;

#[test]
fn a_child_sa_deleted_by_the_peer_moves_its_traffic_at_once() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        lab.clouds[0].swan()?.delete_child()?;
        lab.wait_all_up()?;
        stream.flows_again(500, patience(10))?;
        let report = stream.finish();
        tell(&format!("peer deletes a CHILD SA: {report}"));
        ensure(report.lost < 100, "the stream moved before the hold time", || report.to_string())
    });
}

#[test]
fn an_ike_sa_deleted_by_the_peer_moves_its_traffic_at_once() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        lab.clouds[1].swan()?.delete_ike()?;
        lab.wait_all_up()?;
        stream.flows_again(500, patience(10))?;
        let report = stream.finish();
        tell(&format!("peer deletes an IKE SA: {report}"));
        ensure(report.lost < 100, "the stream moved before the hold time", || report.to_string())
    });
}

#[test]
fn a_peer_killed_without_a_word_is_found_dead_and_taken_back() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        lab.clouds[2].kill()?;
        lab.wait_fib(&[0, 1, 3], patience(DETECTION))?;
        lab.daemon()?.expect_down("aws3")?;
        ensure(lab.daemon()?.tunnel("aws3")?["last_failure"]["reason"] == "dpd", "the reason", || {
            "another".to_owned()
        })?;
        let dead = stream.so_far().lost;
        stream.flows_again(1000, patience(5))?;
        let after = stream.so_far().lost;
        ensure(after <= dead + 50, "nothing is lost once the FIB has moved", || format!("{dead} then {after}"))?;
        lab.clouds[2].start()?;
        lab.wait_all_up()?;
        tell(&format!("peer killed with SIGKILL: {}", stream.finish()));
        Ok(())
    });
}

#[test]
fn a_peer_killed_without_a_word_begins_again_itself() {
    FourTunnel::run(Initiator::Clouds, |lab| {
        lab.wait_all_up()?;
        lab.clouds[3].kill()?;
        lab.wait_fib(&[0, 1, 2], patience(DETECTION))?;
        lab.clouds[3].start()?;
        lab.wait_all_up()
    });
}

#[test]
fn a_peer_that_restarts_before_it_is_missed_replaces_its_tunnel() {
    FourTunnel::run(Initiator::Clouds, |lab| {
        lab.wait_all_up()?;
        let before = lab.daemon()?.tunnel("aws2")?["child"]["spi_in"].clone();
        lab.clouds[1].kill()?;
        lab.clouds[1].start()?;
        wait_for(patience(20), "the tunnel has new SAs", || {
            let now = lab.daemon()?.tunnel("aws2")?["child"]["spi_in"].clone();
            ensure(now != before && !now.is_null(), "another SPI", || now.to_string())
        })?;
        lab.wait_all_up()
    });
}

#[test]
fn a_link_cut_without_a_word_is_noticed_and_mended() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        lab.layout.cut(&TUNNELS[1])?;
        lab.wait_fib(&[0, 2, 3], patience(DETECTION))?;
        stream.flows_again(500, patience(5))?;
        lab.layout.mend(&TUNNELS[1])?;
        lab.wait_all_up()?;
        stream.flows_again(500, patience(5))?;
        tell(&format!("link cut: {}", stream.finish()));
        Ok(())
    });
}

#[test]
fn all_links_cut_and_mended_bring_everything_back() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        for plan in &TUNNELS {
            lab.layout.cut(plan)?;
        }
        lab.wait_fib(&[], patience(DETECTION))?;
        for plan in &TUNNELS {
            lab.layout.mend(plan)?;
        }
        lab.wait_up(&ALL)
    });
}

#[test]
fn a_session_reset_by_bird_or_frr_comes_back_without_touching_the_tunnel() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        for (index, plan) in TUNNELS.iter().enumerate().take(2) {
            let spi = lab.daemon()?.tunnel(plan.name)?["child"]["spi_in"].clone();
            lab.clouds[index].reset_session()?;
            wait_for(patience(10), "the session was lost", || {
                let peer = lab.daemon()?.peer(plan.name)?;
                ensure(peer["flaps"].as_u64() >= Some(1), "a flap", || peer.to_string())
            })?;
            lab.wait_all_up()?;
            let now = lab.daemon()?.tunnel(plan.name)?["child"]["spi_in"].clone();
            ensure(now == spi, "the same SA", || format!("{spi} became {now}"))?;
        }
        Ok(())
    });
}

#[test]
fn a_session_that_we_reset_comes_back() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        lab.daemon()?.order(&["reset", "peer", "aws4"])?;
        lab.wait_fib(&[0, 1, 2], patience(5))?;
        lab.wait_all_up()?;
        let report = stream.finish();
        tell(&format!("session reset by us: {report}"));
        ensure(report.lost == 0, "the tunnel carries what is on its way: nothing is lost", || report.to_string())
    });
}

#[test]
fn a_tunnel_that_we_reset_comes_back() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        lab.daemon()?.order(&["reset", "tunnel", "aws1"])?;
        lab.wait_all_up()
    });
}
