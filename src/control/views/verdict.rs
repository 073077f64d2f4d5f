//! How the router is as a whole: all in one word and one sentence.

use settings::Router;
use view::{Health, PeerPlace, PeerView, RoutingView, TunnelState, TunnelView, Verdict};

/// What should be is what the file says, whatever became of it.
pub(crate) fn verdict(router: &Router, tunnels: &[TunnelView], peers: &[PeerView], routing: &RoutingView) -> Verdict {
    let up = tunnels.iter().filter(|tunnel| tunnel.state == TunnelState::Up).count();
    // A tunnel on demand that nobody asks for is as it should be, and the session in it waits with it.
    let resting: Vec<&str> =
        tunnels.iter().filter(|tunnel| tunnel.is_at_rest()).map(|tunnel| tunnel.name.as_str()).collect();
    let rests = |name: &str| resting.contains(&name);
    let configured = router.tunnels.len();
    let inside = router.tunnels.iter().filter(|tunnel| tunnel.bgp.is_some() && !rests(&tunnel.name)).count();
    let sessions = inside + router.neighbors.iter().filter(|neighbor| neighbor.range.is_none()).count();
    // Those of ranges come and go as they like.
    let established = peers.iter().filter(|peer| match peer.place {
        PeerPlace::Range => false,
        PeerPlace::Tunnel => peer.state == "Established" && !rests(&peer.tunnel),
        PeerPlace::Interface | PeerPlace::Multihop => peer.state == "Established",
    });
    let (established, well) = (established.count(), up + resting.len());
    let complete = well == configured && established == sessions && routing.fib_matches_kernel;
    let health = match (well + established, configured + sessions, complete) {
        (0, 1.., _) => Health::Down,
        (_, _, true) => Health::Ok,
        (_, _, false) => Health::Degraded,
    };
    let waiting = if resting.is_empty() { String::new() } else { format!(" and {} on demand", resting.len()) };
    let kernel = if routing.fib_matches_kernel { "" } else { "; the kernel's routes differ and are being repaired" };
    let text = format!(
        "{up} of {configured} tunnels up{waiting}, {established} of {sessions} BGP sessions established{kernel}"
    );
    Verdict { health, text }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use daemon::topology::{Trouble, Unmade};

    use super::*;
    use crate::views;

    const TUNNEL: &str = "  - {name: t, local: 198.51.100.1, remote: 203.0.113.1, psk: {inline: a-key-for-the-tunnel}, \
                          inside: {prefix: 169.254.21.0/30, side: first}, ";
    const WITH_BGP: &str = "bgp: {asn: 64512}}\n";
    const ON_DEMAND: &str = "start: on-demand, routes: [10.2.0.0/16]}\n";
    const PASSIVE: &str = "start: on-demand, bgp: {asn: 64512, passive: true}}\n";
    const NEIGHBOR: &str = "neighbors: [{name: n, address: 192.0.2.9, bgp: {asn: 65001}}]\n";
    const RANGE: &str = "neighbors: [{name: n, range: 192.0.2.0/24, asn: [65001], bgp: {}}]\n";

    fn router(tunnel: &str, neighbors: &str) -> Router {
        let tunnels = if tunnel.is_empty() { String::new() } else { format!("tunnels:\n{TUNNEL}{tunnel}") };
        let text = format!("router: {{name: r, asn: 65000, router-id: 10.0.0.1}}\n{tunnels}{neighbors}");
        config::parse("test.yaml", &text, &config::SystemSecrets::new(".".as_ref())).unwrap().router
    }

    /// The verdict on a tunnel in this state, a session in it and a session beside it.
    fn judged(
        router: &Router,
        tunnel: TunnelState,
        inside: peering::State,
        beside: peering::State,
        agrees: bool,
    ) -> Verdict {
        let now = Instant::now();
        let peer = |session: &settings::Session, state, place| {
            let status = peering::PeerStatus { state, ..peering::PeerStatus::default() };
            PeerView { place, ..views::session(session, &status, rib::PeerCounts::default(), now) }
        };
        let made = |it: &settings::Tunnel| {
            let trouble = Trouble { reason: "interface", text: String::new(), remedy: String::new() };
            let unmade = Unmade { tunnel: Arc::new(it.clone()), trouble, since: now };
            TunnelView { state: tunnel, ..views::unmade_tunnel(&unmade, now) }
        };
        let tunnels: Vec<_> = router.tunnels.iter().map(made).collect();
        let inside = router.tunnels.iter().filter_map(|it| Some(peer(it.bgp.as_ref()?, inside, PeerPlace::Tunnel)));
        let place = |it: &settings::Neighbor| if it.range.is_some() { PeerPlace::Range } else { PeerPlace::Interface };
        let beside = router.neighbors.iter().map(|it| peer(&it.session, beside, place(it)));
        let peers: Vec<_> = inside.chain(beside).collect();
        verdict(router, &tunnels, &peers, &RoutingView { fib_matches_kernel: agrees, ..RoutingView::default() })
    }

    #[test]
    fn a_router_is_down_only_if_nothing_that_it_should_have_is_up() {
        use Health::{Degraded, Down, Ok};
        use TunnelState::{Connecting, Up, Waiting};
        use peering::State::{Active, Established, Idle};
        // What is configured; how the tunnel, the session in it and the one beside it are; what comes of it.
        let rows = [
            ((WITH_BGP, ""), (Up, Established, Idle), Ok, "1 of 1 tunnels up, 1 of 1"),
            ((WITH_BGP, ""), (Up, Active, Idle), Degraded, "1 of 1 tunnels up, 0 of 1"),
            ((WITH_BGP, ""), (Connecting, Idle, Idle), Down, "0 of 1 tunnels up, 0 of 1"),
            ((WITH_BGP, ""), (Waiting, Idle, Idle), Down, "0 of 1 tunnels up, 0 of 1"),
            ((WITH_BGP, NEIGHBOR), (TunnelState::Down, Idle, Established), Degraded, "0 of 1 tunnels up, 1 of 2"),
            ((WITH_BGP, NEIGHBOR), (TunnelState::Down, Idle, Active), Down, "0 of 1 tunnels up, 0 of 2"),
            (("", NEIGHBOR), (Up, Idle, Established), Ok, "0 of 0 tunnels up, 1 of 1"),
            (("", NEIGHBOR), (Up, Idle, Active), Down, "0 of 0 tunnels up, 0 of 1"),
            (("", RANGE), (Up, Idle, Idle), Ok, "0 of 0 tunnels up, 0 of 0"),
            ((ON_DEMAND, ""), (Waiting, Idle, Idle), Ok, "0 of 1 tunnels up and 1 on demand, 0 of 0"),
            ((ON_DEMAND, ""), (Connecting, Idle, Idle), Down, "0 of 1 tunnels up, 0 of 0"),
            ((ON_DEMAND, NEIGHBOR), (Waiting, Idle, Active), Degraded, "0 of 1 tunnels up and 1 on demand, 0 of 1"),
            ((PASSIVE, ""), (Waiting, Active, Idle), Ok, "0 of 1 tunnels up and 1 on demand, 0 of 0"),
            // The session outlives its tunnel for a while.
            (
                (PASSIVE, NEIGHBOR),
                (Waiting, Established, Active),
                Degraded,
                "0 of 1 tunnels up and 1 on demand, 0 of 1",
            ),
            ((PASSIVE, ""), (Up, Active, Idle), Degraded, "1 of 1 tunnels up, 0 of 1"),
        ];
        for ((tunnel, neighbors), (state, inside, beside), health, text) in rows {
            let router = router(tunnel, neighbors);
            let found = judged(&router, state, inside, beside, true);
            let what = format!("{tunnel}{neighbors}{state:?} {inside} {beside}");
            assert_eq!((found.health, found.text), (health, format!("{text} BGP sessions established")), "{what}");
            let behind = judged(&router, state, inside, beside, false).health;
            assert_eq!(behind, if health == Ok { Degraded } else { health }, "{what}");
        }
    }
}
