//! What a person reads of a tunnel, by what IKE says of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon::topology::{Trouble, Unmade};
use negotiation::TunnelState as State;
use view::{TunnelState, TunnelView};

const FILE: &str = "router: {name: r, asn: 65000, router-id: 10.0.0.1}\n\
                    tunnels: [{name: t, local: 198.51.100.1, remote: 203.0.113.1, psk: {inline: a-key-for-the-tunnel}, \
                    start: on-demand, inside: {prefix: 169.254.21.0/30, side: first}, routes: [10.2.0.0/16]}]\n";

/// A tunnel on demand.
pub(crate) fn on_demand(now: Instant) -> TunnelView {
    let parsed = config::parse("test.yaml", FILE, &config::SystemSecrets::new(".".as_ref())).unwrap();
    let tunnel = Arc::new(parsed.router.tunnels[0].clone());
    let trouble = Trouble { reason: "interface", text: "taken".to_owned(), remedy: "free it".to_owned() };
    super::unmade_tunnel(&Unmade { tunnel, trouble, since: now }, now)
}

/// As IKE says it of a tunnel that went down ten seconds after `start`, and failed so long after `start`.
fn status(state: State, failed: Option<u64>, start: Instant) -> negotiation::TunnelStatus {
    let peer = "203.0.113.1:500".parse().unwrap();
    let failure = || negotiation::Failure::PeerSilent { peer, what: negotiation::Waiting::SaInit, tries: 5 };
    negotiation::TunnelStatus {
        name: "t".to_owned(),
        version: negotiation::IkeVersion::V2,
        state,
        local: "198.51.100.1:500".parse().unwrap(),
        remote: peer,
        ike: Vec::new(),
        children: Vec::new(),
        missing: Vec::new(),
        up_since: None,
        since: start + Duration::from_secs(10),
        counters: negotiation::TunnelCounters::default(),
        local_certificate: None,
        peer_certificate: None,
        last_failure: failed.map(|seconds| (failure(), start + Duration::from_secs(seconds))),
        retry_at: None,
    }
}

#[test]
fn a_tunnel_on_demand_that_failed_since_it_was_last_well_is_not_at_rest() {
    let start = Instant::now();
    let rows = [
        (State::Idle, None, TunnelState::Waiting),
        (State::Idle, Some(9), TunnelState::Waiting),
        (State::Idle, Some(10), TunnelState::Down),
        (State::Idle, Some(11), TunnelState::Down),
        (State::Listening, Some(11), TunnelState::Waiting),
        (State::Connecting, Some(11), TunnelState::Connecting),
        (State::Up, Some(11), TunnelState::Up),
    ];
    for (state, failed, expected) in rows {
        let shown = super::state(&status(state, failed, start));
        assert_eq!(shown, expected, "{state:?} {failed:?}");
        let view = TunnelView { state: shown, ..on_demand(start) };
        assert_eq!(view.is_at_rest(), expected == TunnelState::Waiting, "{state:?} {failed:?}");
    }
}

#[test]
fn a_tunnel_that_cannot_be_made_is_down_with_the_reason_and_tried_again() {
    let view = on_demand(Instant::now());
    let failure = view.last_failure.unwrap();
    let said = (view.state, failure.reason.as_str(), failure.text.as_str(), failure.remedy.as_str());
    assert_eq!(said, (TunnelState::Down, "interface", "taken", "free it; it is tried again by itself"));
}
