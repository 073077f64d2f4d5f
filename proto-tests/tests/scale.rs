//! Four sessions with 1,000 prefixes each: the FIB is complete; memory and time stand beside BIRD's in the same laboratory.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use proto_tests::lab::bird::Bird;
use proto_tests::lab::layout::{Layout, TUNNELS};
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::process::{Process, Usage};
use proto_tests::lab::scenario::{FourTunnel, Initiator, cloud_plan};
use proto_tests::lab::{Lab, Result, ensure, not_yet, tell, wait_for, write_file};

const PREFIXES: u16 = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

/// 10.128.0.0/24, 10.128.1.0/24, ...
fn prefixes() -> Vec<Ipv4Net> {
    (0..PREFIXES)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            Ipv4Net::new_assert(Ipv4Addr::new(10, 128 + high, low, 0), 24)
        })
        .collect()
}

/// Succeeds when the kernel sends every prefix through all four tunnels.
fn expect_complete(router: &Namespace) -> Result<()> {
    let shown = router.ip(&["-o", "route", "show"])?;
    let count = shown.lines().filter(|line| line.starts_with("10.1") && line.contains("/24")).count();
    if count < usize::from(PREFIXES) {
        return not_yet(format!("{count} routes"));
    }
    for probe in ["10.128.0.0/24", "10.129.7.0/24", "10.131.231.0/24"] {
        let hops = router.next_hops(probe)?.len();
        if hops != TUNNELS.len() {
            return not_yet(format!("{probe} has {hops} next hops"));
        }
    }
    Ok(())
}

#[test]
fn four_sessions_with_a_thousand_prefixes_each_fill_the_fib() {
    let announce =
        |lab: &mut FourTunnel| lab.clouds.iter_mut().for_each(|cloud| cloud.plan.bgp.announce.extend(prefixes()));
    FourTunnel::run_with(Initiator::Router, announce, |lab| {
        wait_for(PATIENCE, "the FIB is complete", || expect_complete(&lab.layout.router))?;
        let took = lab.started.map_or(PATIENCE, |start| start.elapsed());
        let usage = lab.daemon()?.usage()?;
        let objects = lab.layout.router.nexthop_objects()?.len();
        ensure(objects == 5, "a thousand routes share one group of four", || format!("{objects} next-hop objects"))?;
        let peer = lab.daemon()?.peer("aws1")?;
        ensure(peer["prefixes"]["accepted"] == u64::from(PREFIXES) + 1, "all accepted", || {
            peer["prefixes"].to_string()
        })?;
        let (bird_took, bird) = the_same_with_bird()?;
        tell(&format!(
            "from start to {PREFIXES} routes over four next hops: Quadspan {took:.1?} with IKE and ESP, {usage:?}"
        ));
        tell(&format!("BIRD {bird_took:.1?} over plain cables, {bird:?}"));
        Ok(())
    });
}

/// BIRD in the router's place, cables in the tunnels' place.
fn the_same_with_bird() -> Result<(Duration, Usage)> {
    let lab = Lab::new()?;
    let layout = Layout::build(&lab)?;
    let mut clouds = Vec::new();
    let mut sessions = String::new();
    for (plan, host) in TUNNELS.iter().zip(&layout.clouds) {
        // The concentrator's configuration speaks on `ipsec0`, whatever that is.
        layout.router.cable(plan.name, host, "ipsec0")?;
        layout.router.address(plan.name, &format!("{}/30", plan.router_inside))?;
        host.address("ipsec0", &format!("{}/30", plan.cloud_inside))?;
        let mut side = cloud_plan(plan, false).bgp;
        side.announce.extend(prefixes());
        clouds.push(Bird::start(host, &lab.subdirectory(plan.name)?, &side)?);
        sessions += &format!(
            "protocol bgp {} {{ local {} as 65000; neighbor {} as 64512; direct; connect delay time 1; ipv4 {{ import all; export none; }}; }}\n",
            plan.name, plan.router_inside, plan.cloud_inside
        );
    }
    let directory = lab.subdirectory("router")?;
    let config = directory.join("bird.conf");
    write_file(
        &config,
        &format!(
            "log stderr all;\nrouter id 198.51.100.1;\nprotocol device {{}}\n\
             protocol kernel {{ merge paths on limit 16; ipv4 {{ import none; export all; }}; }}\n{sessions}"
        ),
    )?;
    let mut command = layout.router.command("bird");
    command.arg("-f").arg("-c").arg(&config).arg("-s").arg(directory.join("bird.ctl"));
    let start = Instant::now();
    let bird = Process::spawn("router bird", command, &directory.join("bird.log"))?;
    wait_for(PATIENCE, "BIRD's FIB is complete", || expect_complete(&layout.router))?;
    Ok((start.elapsed(), bird.usage()?))
}
