//! The plan works: four tunnels to real peers, four sessions, one kernel FIB, packets counted from host to host.

use std::process::Command;
use std::time::Duration;

use proto_tests::lab::kernel::array;
use proto_tests::lab::layout::{CLOUD_NETWORK, TUNNELS};
use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::strongswan::INTERFACE;
use proto_tests::lab::{Result, daemon, ensure, patience, run, wait_for};

const ALL: [usize; 4] = [0, 1, 2, 3];

#[test]
fn four_tunnels_that_we_begin_carry_traffic_over_ecmp() {
    FourTunnel::run(Initiator::Router, |lab| carries_traffic_over_ecmp(lab, "initiator"));
}

#[test]
fn four_tunnels_that_the_peers_begin_carry_traffic_over_ecmp() {
    FourTunnel::run(Initiator::Clouds, |lab| carries_traffic_over_ecmp(lab, "responder"));
}

fn carries_traffic_over_ecmp(lab: &mut FourTunnel, role: &str) -> Result<()> {
    lab.wait_all_up()?;
    for plan in &TUNNELS {
        let tunnel = lab.daemon()?.tunnel(plan.name)?;
        ensure(tunnel["ike"]["role"] == role, "we have the expected role", || tunnel["ike"].to_string())?;
        let peer = lab.daemon()?.peer(plan.name)?;
        ensure(peer["prefixes"]["accepted"] == 1, "one prefix is accepted", || peer["prefixes"].to_string())?;
        ensure(peer["hold_time"] == 30, "the hold time is the one both want", || peer["hold_time"].to_string())?;
    }
    let objects = lab.layout.router.nexthop_objects()?;
    let groups: Vec<usize> = objects.iter().filter_map(|object| object["group"].as_array()).map(Vec::len).collect();
    ensure(groups == [4] && objects.len() == 5, "one group over one next hop per tunnel", || format!("{objects:?}"))?;

    let before = received(lab)?;
    let stream = lab.stream()?;
    std::thread::sleep(Duration::from_secs(4));
    let report = stream.finish();
    ensure(report.lost_round_trip == 0 && report.duplicated == 0, "every packet arrives and returns", || {
        report.to_string()
    })?;
    let carried: Vec<u64> = received(lab)?.iter().zip(before).map(|(now, then)| now - then).collect();
    ensure(carried.iter().all(|&packets| packets > report.sent / 50), "every tunnel carries its part", || {
        format!("{carried:?} of {}", report.sent)
    })?;
    ensure(carried.iter().sum::<u64>() >= report.sent, "the tunnels carried all of it", || format!("{carried:?}"))?;

    let status = lab.daemon()?.ask(&["status"])?;
    ensure(status["verdict"]["health"] == "ok", "the verdict is good", || status["verdict"].to_string())?;
    let fib = lab.daemon()?.show("fib")?;
    let hops = array(&fib["routes"])
        .iter()
        .find(|route| route["prefix"] == CLOUD_NETWORK)
        .map(|route| array(&route["next_hops"]).len());
    ensure(hops == Some(4), "show fib has the four next hops", || fib.to_string())
}

/// Packets that left strongSwan's side of each tunnel.
fn received(lab: &FourTunnel) -> Result<Vec<u64>> {
    lab.clouds.iter().map(|cloud| cloud.namespace.packets(INTERFACE).map(|(received, _)| received)).collect()
}

#[test]
fn a_clean_stop_leaves_nothing_and_touches_no_foreign_route() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        lab.take_daemon()?.stop()?;
        for (command, what) in [
            (["route", "add", "192.0.2.0/24", "via", "198.51.100.254"].as_slice(), "a route of its own"),
            (&["route", "add", CLOUD_NETWORK, "via", "198.51.100.254", "metric", "9000"], "a route to the same prefix"),
            (&["nexthop", "add", "id", "77", "via", "198.51.100.254", "dev", "wan"], "a next hop"),
            (&["route", "add", "192.0.3.0/24", "nhid", "77"], "a route through it"),
        ] {
            lab.layout.router.ip(command).map_err(|error| proto_tests::lab::LabError::Unexpected {
                what: format!("somebody else adds {what}"),
                found: error.to_string(),
            })?;
        }
        let before = lab.layout.router.picture()?;
        let compat = sysctl(lab, "nexthop_compat_mode")?;
        lab.start_daemon()?;
        lab.wait_all_up()?;
        let running = lab.layout.router.picture()?;
        let lost: Vec<String> = before.added_since(&running);
        ensure(lost.is_empty(), "nothing foreign is missing while we run", || format!("{lost:#?}"))?;

        let status = lab.take_daemon()?.stop()?;
        ensure(status.success(), "it ends with success", || status.to_string())?;
        wait_for(patience(3), "nothing is left and nothing is missing", || {
            let after = lab.layout.router.picture()?;
            let (left, missing) = (after.added_since(&before), before.added_since(&after));
            ensure(left.is_empty() && missing.is_empty(), "as before", || {
                format!("left {left:#?} missing {missing:#?}")
            })
        })?;
        ensure(sysctl(lab, "nexthop_compat_mode")? == compat, "kernel settings are put back", || compat.clone())?;
        wait_for(patience(5), "the peers were told", || {
            let counts: Vec<_> = lab.clouds.iter().map(|cloud| cloud.swan()?.sa_counts()).collect::<Result<_>>()?;
            ensure(counts.iter().all(|&count| count == (0, 0)), "no SA at the peers", || format!("{counts:?}"))
        })
    });
}

fn sysctl(lab: &FourTunnel, key: &str) -> Result<String> {
    run(Command::new("ip").args([
        "netns",
        "exec",
        lab.layout.router.name(),
        "cat",
        &format!("/proc/sys/net/ipv4/{key}"),
    ]))
}

#[test]
fn killed_and_started_again_it_adopts_what_it_left() {
    FourTunnel::run(Initiator::Router, |lab| {
        lab.wait_all_up()?;
        let before = lab.layout.router.picture()?;
        lab.take_daemon()?.kill()?;
        lab.start_daemon()?;
        lab.wait_up(&ALL)?;
        let stream = lab.stream()?;
        stream.flows_again(1000, patience(10))?;
        wait_for(patience(10), "the kernel holds as much as before", || {
            let after = lab.layout.router.picture()?;
            let same = after.routes.len() == before.routes.len() && after.nexthops.len() == before.nexthops.len();
            let same = same && after.links == before.links && after.rules == before.rules;
            let same = same && after.ipsec.len() == before.ipsec.len();
            ensure(same, "routes, next hops, links, rules and IPsec", || format!("{:#?}", after.added_since(&before)))
        })
    });
}

#[test]
fn the_file_of_the_laboratory_passes_the_check_and_a_broken_one_does_not() -> Result<()> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = proto_tests::lab::router_file::RouterFile::router(true);
    let path = file.write(directory.path())?;
    daemon::quadspan(&["check", &path.display().to_string()])?;

    let mut broken = file;
    broken.asn = proto_tests::lab::layout::CLOUD_ASN;
    let path = broken.write(directory.path())?;
    match daemon::quadspan(&["check", &path.display().to_string()]) {
        Ok(text) => panic!("equal AS numbers were accepted: {text}"),
        Err(error) => assert!(error.to_string().contains("64512"), "{error}"),
    }
    Ok(())
}
