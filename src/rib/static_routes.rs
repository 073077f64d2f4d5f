//! Static routes and the networks of interfaces, each while there is a way.
//!
//! The next hop of a static route leads through the interface it names, or through the one with the narrowest
//! network around its address. An address on no network is looked up among the static routes that name an
//! interface or a tunnel themselves, and among the routes of peers in tunnels and on networks of ours; the longest prefix
//! counts, and a learned default route does not. Neither kind hangs on static routes like this one, so that no route
//! hangs on itself.
//!
//! A way that BFD has found dead is none.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::Attributes;
use ipnet::IpNet;

use crate::local::{LocalKind, LocalRoute};
use crate::policy::Special;
use crate::rib::Rib;
use crate::source::{ConnectedRule, StaticHop, StaticRoute, StaticTarget};
use crate::standing::by_standing;
use crate::{LinkState, NextHop, NextHopSet};

/// How a static route stands.
#[derive(Clone, Debug)]
pub struct StaticView<'a> {
    /// As configured.
    pub route: &'a StaticRoute,
    /// What became of it.
    pub standing: StaticStanding,
    /// Where it leads now.
    pub next_hops: NextHopSet,
}

/// What became of a static route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticStanding {
    /// It is in use.
    Active,
    /// Another source has a route of lower distance.
    Standby,
    /// None of its next hops is reached.
    NoWay,
    /// Its next hops are reached, and BFD hears none of them.
    Dead,
    /// It would lead the packets of a tunnel into a tunnel; the address is that of the tunnel's peer.
    Captures(IpAddr),
}

impl fmt::Display for StaticStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("active"),
            Self::Standby => f.write_str("stands by: another source has a lower distance"),
            Self::NoWay => f.write_str("unusable: no next hop is reached"),
            Self::Dead => f.write_str("unusable: BFD hears no next hop; see `show bfd`"),
            Self::Captures(address) => write!(f, "refused: would lead packets to {address} into a tunnel"),
        }
    }
}

impl Rib {
    /// Replaces the static routes, and the rule for which interfaces' networks are known.
    pub fn set_sources(&mut self, statics: Vec<StaticRoute>, connected: ConnectedRule) {
        let hops = |route: &StaticRoute| match &route.target {
            StaticTarget::Blackhole => Vec::new(),
            StaticTarget::Via(hops) | StaticTarget::Elsewhere(hops) => {
                hops.iter().filter(|hop| hop.interface.is_none()).map(|hop| hop.address).collect()
            }
        };
        self.loose = statics.iter().flat_map(hops).collect();
        self.statics = statics;
        self.connected = connected;
        self.refresh_sources();
    }

    /// What BFD says of an address behind a link, for static routes that lead there. One that nothing is said of is up.
    pub fn handle_hop(&mut self, hop: NextHop, state: LinkState) {
        let changed = match state {
            LinkState::Up => self.dead_hops.remove(&hop),
            LinkState::Down => self.dead_hops.insert(hop),
        };
        if changed {
            self.refresh_sources();
        }
    }

    /// All static routes in the order of the configuration.
    pub fn statics(&self) -> impl Iterator<Item = StaticView<'_>> {
        self.statics.iter().map(|route| {
            let next_hops = self.ways(route);
            let id = self.table.find(&route.prefix);
            let held = id.and_then(|id| self.locals.get(&id)?.get(&LocalKind::Static));
            let wins = id.is_some_and(|id| self.table.entry(id).local);
            let standing = match (&next_hops, self.captured_by(route)) {
                (None, Some(address)) => StaticStanding::Captures(address),
                (None, None) if self.leads_anywhere(route) => StaticStanding::Dead,
                (None, None) => StaticStanding::NoWay,
                (Some(_), _) if wins && held.is_some_and(|held| held.distance == route.distance) => {
                    StaticStanding::Active
                }
                (Some(_), _) => StaticStanding::Standby,
            };
            StaticView { route, standing, next_hops: next_hops.unwrap_or_default() }
        })
    }

    /// Works out again which of these routes there are.
    pub(crate) fn refresh_sources(&mut self) {
        let attributes = Arc::new(Attributes::default());
        let mut connected = BTreeMap::new();
        for (link, interface) in &self.interfaces {
            let up = self.link_states.get(link) == Some(&LinkState::Up);
            if up && link.tunnel().is_none() && self.connected.includes(&interface.name) {
                let networks = interface.addresses.iter().map(IpNet::trunc);
                for network in networks.filter(|network| Special::of(network).is_none()) {
                    connected.insert(network, LocalRoute::new(Arc::clone(&attributes), NextHopSet::default()));
                }
            }
        }
        let mut statics: BTreeMap<IpNet, LocalRoute> = BTreeMap::new();
        for route in &self.statics {
            let lower = |known: &LocalRoute| known.distance <= route.distance;
            if Special::of(&route.prefix).is_some() || statics.get(&route.prefix).is_some_and(lower) {
                continue;
            }
            if let Some(next_hops) = self.ways(route) {
                let next_hops = match route.target {
                    StaticTarget::Via(_) | StaticTarget::Blackhole => next_hops,
                    StaticTarget::Elsewhere(_) => NextHopSet::default(),
                };
                let plain = LocalRoute::new(Arc::clone(&attributes), next_hops);
                let route_here = LocalRoute { distance: route.distance, announce: route.announce, ..plain };
                statics.insert(route.prefix, route_here);
            }
        }
        self.set_local(LocalKind::Connected, connected);
        self.set_local(LocalKind::Static, statics);
    }

    /// Where a static route leads now; `None` if nowhere.
    fn ways(&self, route: &StaticRoute) -> Option<NextHopSet> {
        match &route.target {
            StaticTarget::Blackhole => Some(NextHopSet::discard()),
            StaticTarget::Via(hops) | StaticTarget::Elsewhere(hops) => {
                let captures = self.captured_by(route).is_some();
                let ways =
                    hops.iter().flat_map(|hop| self.way(hop).into_iter().map(|way| (way, u64::from(hop.weight))));
                // The packets of a tunnel are never led into a tunnel.
                let ways: Vec<_> = ways.filter(|(way, _)| !captures || way.link.tunnel().is_none()).collect();
                let (ways, spare) = by_standing(ways, |(way, _)| way.link, &self.standings);
                let spare = spare.into_iter().map(|(way, _)| way).collect();
                (!ways.is_empty()).then(|| NextHopSet::weighted(ways).with_spare(spare))
            }
        }
    }

    /// The address of an IKE peer that a route holds and no narrower static route leads past all tunnels now.
    fn captured_by(&self, route: &StaticRoute) -> Option<IpAddr> {
        if matches!(route.target, StaticTarget::Elsewhere(_)) {
            return None;
        }
        let bypassed = |address: &IpAddr| {
            let length = route.prefix.prefix_len();
            let mut narrower = self
                .statics
                .iter()
                .filter(|other| other.prefix.contains(address) && other.prefix.prefix_len() > length);
            narrower.any(|other| self.leads_past_tunnels(other))
        };
        let mut held = self.config.protected.iter().filter(|address| route.prefix.contains(*address));
        held.find(|address| !bypassed(address)).copied()
    }

    /// Whether one of its next hops is reached through a plain interface.
    fn leads_past_tunnels(&self, route: &StaticRoute) -> bool {
        match &route.target {
            StaticTarget::Blackhole | StaticTarget::Elsewhere(_) => false,
            StaticTarget::Via(hops) => hops.iter().flat_map(|hop| self.way(hop)).any(|way| way.link.tunnel().is_none()),
        }
    }

    /// Whether a next hop is reached, dead or not.
    fn leads_anywhere(&self, route: &StaticRoute) -> bool {
        match &route.target {
            StaticTarget::Blackhole => true,
            StaticTarget::Via(hops) | StaticTarget::Elsewhere(hops) => {
                hops.iter().any(|hop| !self.any_way(hop).is_empty())
            }
        }
    }

    /// The ways to a static next hop that are not dead.
    fn way(&self, hop: &StaticHop) -> Vec<NextHop> {
        let mut ways = self.any_way(hop);
        ways.retain(|way| !self.dead_hops.contains(way));
        ways
    }

    fn any_way(&self, hop: &StaticHop) -> Vec<NextHop> {
        if let Some(name) = &hop.interface {
            return self.link_named(name).map(|link| NextHop { link, address: hop.address }).into_iter().collect();
        }
        for length in (0..=IpNet::from(hop.address).prefix_len()).rev() {
            if let Some(way) = self.on_network(hop.address, length) {
                return vec![way];
            }
            let Ok(cover) = IpNet::new(hop.address, length).map(|net| net.trunc()) else { continue };
            let mut anchored: Vec<_> =
                self.statics.iter().filter(|route| route.prefix == cover).filter_map(anchors).collect();
            anchored.sort_by_key(|(distance, _)| *distance);
            let ways = anchored.into_iter().map(|(_, hops)| {
                let up = |(name, address): (&str, IpAddr)| Some(NextHop { link: self.link_named(name)?, address });
                hops.into_iter().filter_map(up).collect::<Vec<_>>()
            });
            if let Some(ways) = ways.into_iter().find(|ways| !ways.is_empty()) {
                return ways;
            }
            if let Some(ways) = self.learned_ways(&cover) {
                return ways;
            }
        }
        Vec::new()
    }

    /// Where peers in tunnels and on networks of ours say that a prefix is, which is not the default route.
    fn learned_ways(&self, cover: &IpNet) -> Option<Vec<NextHop>> {
        let id = self.table.find(cover).filter(|_| cover.prefix_len() > 0)?;
        self.learned_directly(self.table.entry(id)).map(|(_, hops)| hops)
    }
}

/// The next hops of a route that names an interface with each, and its distance.
fn anchors(route: &StaticRoute) -> Option<(u8, Vec<(&str, IpAddr)>)> {
    match &route.target {
        StaticTarget::Blackhole | StaticTarget::Elsewhere(_) => None,
        StaticTarget::Via(hops) => {
            let named = hops.iter().map(|hop| Some((hop.interface.as_deref()?, hop.address)));
            Some((route.distance, named.collect::<Option<Vec<_>>>()?))
        }
    }
}
