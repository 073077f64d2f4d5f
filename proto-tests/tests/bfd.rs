//! BFD with real peers over tunnels: BIRD's in tunnels 1 and 3, FRR's bfdd in 2 and 4.
//!
//! Tunnels are checked for liveness too rarely to matter here, and hold times are long: what moves traffic is BFD.

use std::time::Duration;

use nix::sys::signal::Signal;
use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::{Result, ensure, not_yet, wait_for};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

/// Four tunnels with BFD at both ends, everything up.
fn with_bfd(bfd: &str, body: impl FnOnce(&mut FourTunnel) -> Result<()>) {
    let prepare = |lab: &mut FourTunnel| {
        for tunnel in &mut lab.file.tunnels {
            tunnel.bfd = Some(bfd.to_owned());
            (tunnel.dpd_interval, tunnel.dpd_timeout, tunnel.hold) = (120, 240, 90);
        }
        for cloud in &mut lab.clouds {
            cloud.plan.bgp.bfd = true;
            (cloud.plan.bgp.hold, cloud.plan.swan.dpd) = (90, 120);
        }
    };
    FourTunnel::run_with(Initiator::Router, prepare, |lab| {
        lab.wait_all_up()?;
        wait_for(SOON, "BFD is up in every tunnel", || {
            TUNNELS.iter().try_for_each(|tunnel| expect(lab, tunnel.name, "Up"))
        })?;
        body(lab)
    });
}

fn session(lab: &FourTunnel, tunnel: &str) -> Result<Value> {
    let shown = lab.daemon()?.show("bfd")?;
    let sessions = shown["sessions"].as_array().cloned().unwrap_or_default();
    sessions.into_iter().find(|session| session["tunnel"] == tunnel).map_or_else(|| not_yet(shown.to_string()), Ok)
}

fn expect(lab: &FourTunnel, tunnel: &str, state: &str) -> Result<()> {
    let session = session(lab, tunnel)?;
    if session["state"] == state { Ok(()) } else { not_yet(session.to_string()) }
}

fn flaps(lab: &FourTunnel) -> Result<Vec<u64>> {
    TUNNELS.iter().map(|tunnel| Ok(session(lab, tunnel.name)?["flaps"].as_u64().unwrap_or(u64::MAX))).collect()
}

fn peer(lab: &FourTunnel, tunnel: usize) -> Result<Value> {
    lab.daemon()?.peer(TUNNELS[tunnel].name)
}

#[test]
fn timers_are_agreed_as_both_ends_show_and_change_over_a_reload_without_a_flap() {
    with_bfd("{interval: 200ms, min-receive: 200ms, multiplier: 4}", |lab| {
        for (index, tunnel) in TUNNELS.iter().enumerate() {
            wait_for(SOON, "300 ms is the slower", || {
                let session = session(lab, tunnel.name)?;
                let found = (&session["transmit_microseconds"], &session["detection_microseconds"]);
                ensure(found == (&300_000.into(), &900_000.into()), "what was agreed", || session.to_string())
            })?;
            let shown = if index % 2 == 0 {
                lab.clouds[index].bird()?.birdc("show bfd sessions")?
            } else {
                lab.clouds[index].frr()?.ask_bfdd("show bfd peers")?
            };
            // The peer waits four times the slower of the two.
            let agreed = if index % 2 == 0 {
                shown.contains("Up") && shown.contains("0.300") && shown.contains("1.200")
            } else {
                shown.contains("Status: up") && shown.contains("Detect-multiplier: 4")
            };
            ensure(agreed, "the peer shows the same", || shown.clone())?;
        }
        for tunnel in &mut lab.file.tunnels {
            tunnel.bfd = Some("{interval: 600ms, min-receive: 500ms, multiplier: 5}".to_owned());
        }
        lab.reload()?;
        wait_for(SOON, "the new timers hold", || {
            TUNNELS.iter().try_for_each(|tunnel| {
                let session = session(lab, tunnel.name)?;
                let found = (&session["transmit_microseconds"], &session["detection_microseconds"]);
                ensure(found == (&600_000.into(), &1_500_000.into()), "600 ms and 3 * 500 ms", || session.to_string())
            })
        })?;
        ensure(flaps(lab)? == [0; 4], "no session was lost", || format!("{:?}", flaps(lab)))?;
        for index in 0..TUNNELS.len() {
            let shown = peer(lab, index)?;
            ensure(shown["flaps"] == 0, "nor was BGP", || shown.to_string())?;
        }
        Ok(())
    });
}

#[test]
fn a_peer_that_hangs_loses_its_routes_long_before_its_hold_time() {
    with_bfd("true", |lab| {
        // BIRD with all it does; of FRR only BFD: BGP alone would notice nothing at all.
        lab.clouds[0].bird()?.process().signal(Signal::SIGSTOP)?;
        let bfdd = lab.clouds[1].frr()?.bfdd().map(|bfdd| bfdd.signal(Signal::SIGSTOP));
        bfdd.transpose()?;
        lab.wait_fib(&[2, 3], SOON)?;
        for index in [0, 1] {
            let name = TUNNELS[index].name;
            let session = session(lab, name)?;
            ensure(session["last_failure"]["reason"] == "silence", "BFD noticed", || session.to_string())?;
            wait_for(SOON, "BGP ended for BFD", || {
                let shown = peer(lab, index)?;
                ensure(shown["last_error"]["reason"] == "bfd-down", "the reason", || shown.to_string())
            })?;
            let tunnel = lab.daemon()?.tunnel(name)?;
            ensure(tunnel["state"] == "up", "the tunnel itself is well", || tunnel.to_string())?;
        }
        // The living bgpd was told why (RFC 9384).
        let told = lab.clouds[1].frr()?.json("show bgp neighbors json")?.to_string();
        ensure(
            told.contains("BFD Down") || told.contains("0000060A") || told.contains("060A"),
            "Cease, BFD Down",
            || told,
        )?;
        lab.clouds[0].bird()?.process().signal(Signal::SIGCONT)?;
        let bfdd = lab.clouds[1].frr()?.bfdd().map(|bfdd| bfdd.signal(Signal::SIGCONT));
        bfdd.transpose()?;
        lab.wait_all_up()
    });
}

#[test]
fn a_cut_path_is_left_and_returned_to() {
    with_bfd("true", |lab| {
        for index in [2, 3] {
            lab.layout.cut(&TUNNELS[index])?;
        }
        lab.wait_fib(&[0, 1], SOON)?;
        for index in [2, 3] {
            let session = session(lab, TUNNELS[index].name)?;
            ensure(session["state"] != "Up" && !session["obstacle"].is_null(), "BFD says so", || session.to_string())?;
        }
        for index in [2, 3] {
            lab.layout.mend(&TUNNELS[index])?;
        }
        lab.wait_all_up()?;
        wait_for(SOON, "BFD is back", || TUNNELS.iter().try_for_each(|tunnel| expect(lab, tunnel.name, "Up")))
    });
}

#[test]
fn bgp_goes_on_when_an_operator_ends_bfd() {
    with_bfd("true", |lab| {
        // FRR says AdminDown (RFC 5882 3.2).
        let inside = TUNNELS[1].router_inside;
        let local = TUNNELS[1].cloud_inside;
        lab.clouds[1].frr()?.configure_bfdd(&[
            "bfd",
            &format!("peer {inside} local-address {local} interface ipsec0"),
            "shutdown",
        ])?;
        wait_for(SOON, "the peer says AdminDown", || {
            let session = session(lab, TUNNELS[1].name)?;
            ensure(session["last_failure"]["reason"] == "peer-admin-down", "why", || session.to_string())
        })?;
        let shown = peer(lab, 1)?;
        ensure(shown["state"] == "Established" && shown["flaps"] == 0, "BGP goes on", || shown.to_string())?;
        lab.expect_fib(&[0, 1, 2, 3])?;
        // We take BFD out of a tunnel's configuration. FRR 8.4.4, and BIRD 2.0.12, would take AdminDown for a failure of the
        // path, though RFC 5882 3.2 says otherwise; so it hears nothing of it.
        lab.file.tunnels[3].bfd = None;
        lab.reload()?;
        ensure(session(lab, TUNNELS[3].name).is_err(), "BFD is gone here", String::new)?;
        std::thread::sleep(Duration::from_secs(3));
        let shown = lab.clouds[3].frr()?.ask_bfdd("show bfd peers")?;
        ensure(shown.contains("Status: up"), "and goes on there", || shown)?;
        let shown = peer(lab, 3)?;
        ensure(shown["state"] == "Established" && shown["flaps"] == 0, "BGP goes on", || shown.to_string())?;
        lab.expect_fib(&[0, 1, 2, 3])
    });
}

#[test]
fn strict_waits_for_bfd() {
    with_bfd("{strict: true}", |lab| {
        // FRR's BFD ends for good; BGP does not begin again without it.
        let bfdd = lab.clouds[3].frr()?.bfdd().map(proto_tests::lab::process::Process::kill);
        bfdd.transpose()?;
        lab.wait_fib(&[0, 1, 2], SOON)?;
        std::thread::sleep(Duration::from_secs(3));
        let shown = peer(lab, 3)?;
        ensure(shown["state"] != "Established", "not without BFD", || shown.to_string())
    });
}
