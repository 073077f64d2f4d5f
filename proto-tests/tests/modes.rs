//! Connection modes: what a failure, a recovery, an operator's order or the peer's MEDs do to traffic, in packets lost both
//! ways at 1,000 per second, by our process, both kernels and the peer.

use std::net::{SocketAddr, TcpListener};

use proto_tests::lab::layout::{CLOUD_NETWORK, TUNNELS};
use proto_tests::lab::scenario::{FourTunnel, Initiator, cloud_plan};
use proto_tests::lab::standby::{CONNECTION, Routing, TwoTunnels};
use proto_tests::lab::stream::Running;
use proto_tests::lab::{LabError, Result, ensure, not_yet, patience, tell, wait_for};

/// Ours: t1 is the primary.
const PRIMARY_STANDBY: &str =
    "    mode: primary-standby\n    tunnels: [t1, t2]\n    failback: {hold: 1s, max-hold: 1s}\n";
/// The peer has no opinion of its own, and heeds what we announce.
const INDIFFERENT: &str = "    mode: active-active\n    tunnels: [t1, t2]\n    way-back: free\n    failback: {hold: 100ms, max-hold: 100ms}\n";

/// Frame of a test: on any failure the logs are added.
fn with(routing: Routing, ours: &str, theirs: &str, body: impl FnOnce(&TwoTunnels) -> Result<()>) {
    let lab = TwoTunnels::start(routing, ours, theirs).unwrap_or_else(|error| panic!("{error}"));
    if let Err(error) = body(&lab) {
        panic!("{error}\n{}", lab.logs());
    }
}

/// The peer deletes t1's SAs; traffic moves to t2 and comes back. What was lost each time.
fn fail_over_and_back(lab: &TwoTunnels, stream: &Running) -> Result<[(u64, u64); 2]> {
    let before = stream.checkpoint();
    lab.peer.order(&["reset", "tunnel", "t1"])?;
    lab.wait_active(&["t2"])?;
    let over = stream.lost_since(before)?;
    let before = stream.checkpoint();
    lab.wait_ready(&["t1"])?;
    Ok([over, stream.lost_since(before)?])
}

fn expect_few(what: &str, losses: &[[(u64, u64); 2]]) -> Result<()> {
    let over: Vec<_> = losses.iter().map(|[over, _]| *over).collect();
    let back: Vec<_> = losses.iter().map(|[_, back]| *back).collect();
    tell(&format!("{what}: packets lost at failover (there, round trip) {over:?}, at failback {back:?}"));
    let mut costs: Vec<u64> = over.iter().map(|(there, both)| *there.max(both)).collect();
    costs.sort_unstable();
    // One of several may have waited for a machine that was busy with something else.
    let (median, worst) = (costs[costs.len() / 2], costs.last().copied().unwrap_or(0));
    ensure(median < 10 && worst < 50, "fewer than 10 lost at failover", || format!("{over:?}"))?;
    ensure(back.iter().all(|lost| *lost == (0, 0)), "none lost at failback", || format!("{back:?}"))
}

#[test]
fn a_deleted_sa_costs_a_few_packets_and_the_return_of_the_primary_none() {
    with(Routing::Bgp, PRIMARY_STANDBY, INDIFFERENT, |lab| {
        lab.wait_ready(&["t1"])?;
        lab.wait_way_back(&["t1"])?;
        let stream = lab.stream()?;
        let losses = (0..5).map(|_| fail_over_and_back(lab, &stream)).collect::<Result<Vec<_>>>()?;
        lab.wait_way_back(&["t1"])?;
        expect_few("primary-standby with BGP", &losses)?;

        let before = stream.checkpoint();
        lab.us.order(&["connection", "switch", CONNECTION])?;
        lab.wait_active(&["t2"])?;
        lab.wait_way_back(&["t2"])?;
        ensure(lab.connection()?["state"] == "switched", "the state is said", || format!("{:?}", lab.connection()))?;
        lab.us.order(&["connection", "release", CONNECTION])?;
        lab.wait_active(&["t1"])?;
        lab.wait_way_back(&["t1"])?;
        let moved = stream.lost_since(before)?;
        tell(&format!("switched by hand and back: packets lost (there, round trip) {moved:?}"));
        ensure(moved == (0, 0), "none lost by hand", || format!("{moved:?}"))
    });
}

#[test]
fn static_routes_fail_over_and_back_like_learned_ones() {
    with(Routing::Static, PRIMARY_STANDBY, PRIMARY_STANDBY, |lab| {
        lab.wait_ready(&["t1"])?;
        lab.wait_way_back(&["t1"])?;
        let stream = lab.stream()?;
        let losses = (0..5).map(|_| fail_over_and_back(lab, &stream)).collect::<Result<Vec<_>>>()?;
        expect_few("primary-standby with static routes", &losses)
    });
}

#[test]
fn protected_flows_fail_over_and_back_like_routes() {
    with(Routing::Protected, PRIMARY_STANDBY, PRIMARY_STANDBY, |lab| {
        lab.wait_ready(&["t1"])?;
        lab.wait_way_back(&["t1"])?;
        let stream = lab.stream()?;
        let losses = (0..5).map(|_| fail_over_and_back(lab, &stream)).collect::<Result<Vec<_>>>()?;
        expect_few("primary-standby with protected flows", &losses)?;
        let before = stream.checkpoint();
        lab.us.order(&["connection", "switch", CONNECTION])?;
        lab.wait_active(&["t2"])?;
        lab.us.order(&["connection", "release", CONNECTION])?;
        lab.wait_active(&["t1"])?;
        let moved = stream.lost_since(before)?;
        ensure(moved == (0, 0), "none lost by hand", || format!("{moved:?}"))
    });
}

#[test]
fn a_dead_path_behind_a_live_tunnel_is_found_by_probes() {
    let ours = format!(
        "{PRIMARY_STANDBY}    health: {{probes: [{{icmp: 10.2.0.10}}, {{tcp: '10.2.0.10:7100'}}], policy: all, \
         interval: 200ms, timeout: 150ms, down-after: 3, up-after: 3}}\n"
    );
    with(Routing::Bgp, &ours, INDIFFERENT, |lab| {
        let _service = lab
            .host_b
            .enter(|| TcpListener::bind(SocketAddr::from(([10, 2, 0, 10], 7100))))?
            .map_err(LabError::io("listen behind the peer"))?;
        lab.wait_ready(&["t1"])?;
        let health = lab.us.show("connections")?["health"].clone();
        ensure(health[0]["probes"][1]["verdict"] == "good", "the service answers", || health.to_string())?;
        lab.wait_way_back(&["t1"])?;
        let stream = lab.stream()?;
        let before = stream.checkpoint();
        lab.block_behind("t1", true)?;
        lab.wait_active(&["t2"])?;
        lab.wait_way_back(&["t2"])?;
        let (there, both) = stream.lost_since(before)?;
        let member = lab.member("t1")?;
        ensure(member["obstacle"] == "probes", "the obstacle is said", || member.to_string())?;
        lab.us.expect_up(&["t1", "t2"])?;
        tell(&format!("probes every 200 ms, 3 missing: packets lost (there, round trip) ({there}, {both})"));
        ensure(there < 3000, "the path is left within seconds", || there.to_string())?;

        let before = stream.checkpoint();
        lab.block_behind("t1", false)?;
        lab.wait_ready(&["t1"])?;
        lab.wait_way_back(&["t1"])?;
        let back = stream.lost_since(before)?;
        ensure(back == (0, 0), "none lost when the path is back", || format!("{back:?}"))
    });
}

#[test]
fn a_flapping_primary_moves_traffic_once_and_a_reload_forgets_nothing() {
    let ours = "    mode: primary-standby\n    tunnels: [t1, t2]\n    failback: {hold: 5s, max-hold: 1h}\n";
    with(Routing::Bgp, ours, INDIFFERENT, |lab| {
        lab.wait_ready(&["t1"])?;
        let stream = lab.stream()?;
        let started = lab.connection()?["switches"].as_u64();
        let before = stream.checkpoint();
        for flap in 1..=3_u64 {
            lab.peer.order(&["reset", "tunnel", "t1"])?;
            wait_for(patience(20), "t1 is back, and held down", || {
                let member = lab.member("t1")?;
                let (flaps, held) = (member["flaps"].as_u64(), member["held_for"].as_u64());
                if flaps == Some(flap) && held.is_some() { Ok(()) } else { not_yet(member.to_string()) }
            })?;
            lab.expect_active(&["t2"])?;
        }
        let member = lab.member("t1")?;
        let held = member["held_for"].as_u64().unwrap_or(0);
        ensure((11..=20).contains(&held), "the third hold-down is four times the first", || member.to_string())?;
        let moved = lab.connection()?["switches"].as_u64();
        ensure(moved == started.map(|count| count + 1), "traffic moved once", || format!("{started:?} {moved:?}"))?;
        lab.reload(&format!("{ours}    way-back: med\n"))?;
        let kept = lab.member("t1")?;
        ensure(kept["flaps"] == 3 && kept["held_for"].as_u64() <= Some(held), "a reload keeps them", || {
            kept.to_string()
        })?;
        let (there, both) = stream.lost_since(before)?;
        tell(&format!("three flaps of the primary: packets lost (there, round trip) ({there}, {both})"));
        ensure(there < 50 && both < 50, "only the first flap cost packets", || format!("{there} {both}"))
    });
}

#[test]
fn the_peers_meds_steer_what_we_send_and_ours_answer() {
    let prepare = |lab: &mut FourTunnel| {
        lab.file.tunnels.retain(|tunnel| tunnel.name == "aws1" || tunnel.name == "aws3");
        lab.file.extra = "connections:\n  aws:\n    mode: med-steered\n    tunnels: [aws1, aws3]\n".to_owned();
    };
    FourTunnel::run_with(Initiator::Router, prepare, |lab| {
        steered(lab, &[0, 2], &[])?;
        // AWS lowers the MED of the tunnel that is to be used while it works on the other one's endpoint.
        announce(lab, 0, 200)?;
        announce(lab, 2, 100)?;
        steered(lab, &[2], &[(0, 100), (2, 0)])?;
        announce(lab, 0, 50)?;
        steered(lab, &[0], &[(0, 0), (2, 100)])?;
        announce(lab, 2, 50)?;
        steered(lab, &[0, 2], &[(0, 0), (2, 0)])
    });
}

fn announce(lab: &mut FourTunnel, cloud: usize, med: u32) -> Result<()> {
    let side = cloud_plan(&TUNNELS[cloud], false).bgp;
    lab.clouds[cloud].bird()?.announce_with_med(&side, med)
}

/// Waits until our kernel uses exactly these tunnels, our process says so, and the peers have these MEDs of ours.
fn steered(lab: &mut FourTunnel, tunnels: &[usize], meds: &[(usize, u32)]) -> Result<()> {
    let names: Vec<&str> = tunnels.iter().map(|&index| TUNNELS[index].name).collect();
    wait_for(patience(40), &format!("{names:?} carry {CLOUD_NETWORK}"), || {
        lab.expect_fib(tunnels)?;
        let connection = lab.daemon()?.show("connections")?["connections"][0].clone();
        if connection["active"] != serde_json::Value::from(names.clone()) {
            return not_yet(connection.to_string());
        }
        for &(cloud, med) in meds {
            let shown = lab.clouds[cloud].bird()?.birdc("show route all protocol peer")?;
            if !shown.contains(&format!("BGP.med: {med}\n")) {
                return Err(LabError::Unexpected { what: format!("MED {med} at {cloud}"), found: shown });
            }
        }
        Ok(())
    })
}
