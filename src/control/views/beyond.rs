//! What a person reads of what lies beyond the tunnels.

use daemon::NeighborPart;
use daemon::topology::Topology;
use view::{FailureView, PeerPlace, PeerView, StaticHopView, StaticView};

/// A session outside tunnels.
pub(crate) fn neighbor(part: &NeighborPart, session: PeerView) -> PeerView {
    let place = match (&part.neighbor.range, part.neighbor.place.multihop) {
        (Some(_), _) => PeerPlace::Range,
        (None, Some(_)) => PeerPlace::Multihop,
        (None, None) => PeerPlace::Interface,
    };
    let (interface, waits) = match &part.spot {
        Ok(spot) => (spot.interface.clone(), None),
        Err(reason) => (None, Some(reason.clone())),
    };
    let waits = waits.map(|text| FailureView {
        reason: "no-place".to_owned(),
        text,
        remedy: "bring the interface up and give it an address on the peer's network, or correct the neighbour"
            .to_owned(),
        ago: 0,
    });
    PeerView { place, interface, last_error: waits.or(session.last_error), ..session }
}

/// A static route and what became of it.
pub(crate) fn static_route(view: &rib::StaticView<'_>, topology: &Topology) -> StaticView {
    let (via, blackhole) = match &view.route.target {
        rib::StaticTarget::Blackhole => (&[] as &[rib::StaticHop], true),
        rib::StaticTarget::Via(hops) | rib::StaticTarget::Elsewhere(hops) => (hops.as_slice(), false),
    };
    let configured = |hop: &rib::StaticHop| StaticHopView {
        address: hop.address,
        interface: hop.interface.clone(),
        weight: hop.weight,
        alive: view.next_hops.as_slice().iter().any(|way| {
            way.address == hop.address
                && hop.interface.as_ref().is_none_or(|name| topology.link_interface(way.link) == *name)
        }) || (hop.interface.is_none() && !view.next_hops.as_slice().is_empty() && via.len() == 1),
    };
    StaticView {
        prefix: view.route.prefix,
        state: view.standing.to_string(),
        active: view.standing == rib::StaticStanding::Active,
        distance: view.route.distance,
        announce: view.route.announce,
        blackhole,
        via: via.iter().map(configured).collect(),
    }
}
