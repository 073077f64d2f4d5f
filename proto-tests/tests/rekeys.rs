//! Keys are renewed every few seconds by both ends, at the same moment more often than not, and no packet is lost.

use std::time::Duration;

use proto_tests::lab::daemon::Daemon;
use proto_tests::lab::layout::{HOST_B, TUNNELS};
use proto_tests::lab::own::OwnSides;
use proto_tests::lab::router_file::TunnelEntry;
use proto_tests::lab::scenario::{ALL_LINES, FourTunnel, Initiator};
use proto_tests::lab::{Result, ensure, tell, wait_for};
use serde_json::Value;

/// CHILD SAs are renewed every 3 s, a quarter of their lifetime; IKE SAs every 5 s.
fn often(tunnel: &mut TunnelEntry) {
    tunnel.rekey_margin = 10;
    tunnel.esp_lifetime = 12;
    tunnel.ike_lifetime = 15;
}

/// Our SPIs of each tunnel's IKE SA.
fn ike_spis(daemon: &Daemon) -> Result<Vec<Value>> {
    TUNNELS.iter().map(|plan| Ok(daemon.tunnel(plan.name)?["ike"]["spi_local"].clone())).collect()
}

/// Both kinds of keys were renewed in each tunnel, those of CHILD SAs at least so often.
fn expect_renewed(daemon: &Daemon, before: &[Value], least: u64) -> Result<()> {
    for (plan, (before, now)) in TUNNELS.iter().zip(before.iter().zip(ike_spis(daemon)?)) {
        let child = daemon.tunnel(plan.name)?["child"].clone();
        ensure(child["rekeys"].as_u64() >= Some(least), "the CHILD SA was renewed", || child.to_string())?;
        ensure(now != *before && now.is_string(), "the IKE SA was renewed", || format!("{}: {now}", plan.name))?;
    }
    Ok(())
}

fn both_sides(lab: &mut FourTunnel) {
    lab.file.tunnels.iter_mut().for_each(often);
    for cloud in &mut lab.clouds {
        cloud.plan.swan.rekey_child = 3;
        cloud.plan.swan.rekey_ike = 5;
    }
}

#[test]
fn both_ends_renew_at_once_under_traffic_without_a_packet_lost() {
    FourTunnel::run_with(Initiator::Router, both_sides, renewed_without_loss);
}

#[test]
fn both_ends_renew_at_once_where_the_peers_began() {
    FourTunnel::run_with(Initiator::Clouds, both_sides, renewed_without_loss);
}

fn renewed_without_loss(lab: &mut FourTunnel) -> Result<()> {
    lab.wait_all_up()?;
    let before = ike_spis(lab.daemon()?)?;
    let stream = lab.stream()?;
    std::thread::sleep(Duration::from_secs(20));
    let report = stream.finish();
    // The peers drop packets of their own while they replace a policy, and say so: those are counted and taken off.
    let dropped: u64 =
        lab.clouds.iter().map(|cloud| cloud.swan().map(|swan| swan.dropped_outbound(HOST_B))).sum::<Result<u64>>()?;
    tell(&format!("both ends renew: {report}; the peers dropped {dropped} before sending"));
    lab.ensure_lost("every packet reaches the other host", report.lost, 0, &report)?;
    lab.ensure_lost("every packet that the peers sent comes back", report.lost_round_trip, dropped, &report)?;
    expect_renewed(lab.daemon()?, &before, 5)?;
    for cloud in &lab.clouds {
        wait_for(Duration::from_secs(10), "one SA of each kind is left at the peer", || {
            let counts = cloud.swan()?.sa_counts()?;
            ensure(counts == (1, 1), "IKE and CHILD SAs", || {
                cloud.swan().and_then(|swan| swan.list_sas()).unwrap_or_default()
            })
        })?;
    }
    Ok(())
}

#[test]
fn our_own_process_on_all_sides_renews_without_a_packet_lost() -> Result<()> {
    let sides = OwnSides::start(|file| file.tunnels.iter_mut().for_each(often))?;
    sides.wait_all_up()?;
    let before = ike_spis(sides.router()?)?;
    let stream = sides.stream()?;
    std::thread::sleep(Duration::from_secs(14));
    let report = stream.finish();
    expect_renewed(sides.router()?, &before, 4)?;
    tell(&format!("our own process on all sides renews: {report}"));
    ensure(report.lost_round_trip == 0, "every packet arrives and returns", || {
        format!("{report}\n{}", sides.logs(ALL_LINES))
    })
}

#[test]
fn an_operator_renews_each_kind_of_sa() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let stream = lab.stream()?;
        let spi = |lab: &FourTunnel| Ok(lab.daemon()?.tunnel("aws1")?["child"]["spi_in"].clone());
        let before = spi(lab)?;
        lab.daemon()?.order(&["rekey", "aws1"])?;
        wait_for(Duration::from_secs(5), "the CHILD SA is another one", || {
            let now = spi(lab)?;
            ensure(now != before, "its SPI", || now.to_string())
        })?;
        let before = ike_spis(lab.daemon()?)?;
        lab.daemon()?.order(&["rekey", "aws1", "--ike"])?;
        wait_for(Duration::from_secs(5), "the IKE SA is another one", || {
            let now = ike_spis(lab.daemon()?)?;
            let right = now[0] != before[0] && now[0].is_string() && now[1..] == before[1..];
            ensure(right, "its SPI, and no other's", || format!("{now:?}, {before:?} before"))
        })?;
        lab.wait_all_up()?;
        let report = stream.finish();
        lab.ensure_lost("no packet is lost", report.lost, 0, &report)
    });
}
