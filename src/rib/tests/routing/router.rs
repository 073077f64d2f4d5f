//! A routing table with the neighbours it talks to: what the kernel and each peer would have after the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp::{Announcement, AsPath, AsPathSegment, Attributes, Family, Nlri, Update};
use ipnet::IpNet;
use policy::{Chain, PrefixRule, RuleAction};
use rib::{GracefulShutdown, NextHop, NextHopSet, Output, PeerId, PeerPolicy, PeerSession, Rib, RibConfig};
use wire::LinkId;
use wire::{Asn, RouterId};

pub(crate) const V4: Family = Family::Ipv4Unicast;

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn path(numbers: &[u32]) -> AsPath {
    AsPath(vec![AsPathSegment::Sequence(numbers.iter().copied().map(Asn).collect())])
}

pub(crate) fn attributes(numbers: &[u32]) -> Attributes {
    Attributes { as_path: path(numbers), ..Attributes::default() }
}

pub(crate) fn permit(prefix: &str, max_len: u8) -> PrefixRule {
    let prefix = net(prefix);
    PrefixRule { action: RuleAction::Permit, prefix, min_len: prefix.prefix_len(), max_len }
}

pub(crate) fn config() -> RibConfig {
    RibConfig {
        asn: Asn(65000),
        router_id: RouterId([10, 1, 0, 1].into()),
        originated: vec![net("10.1.0.0/16")],
        aggregates: Vec::new(),
        decision: rib::DecisionRules::default(),
        ecmp_width: 8,
        protected: vec!["203.0.113.7".parse().unwrap()],
    }
}

/// Tunnel and session `number`, inside 169.254.21.(4 * number).
pub(crate) fn policy(number: u32, peer_asn: u32) -> PeerPolicy {
    let base = u8::try_from(number * 4).unwrap();
    PeerPolicy {
        name: format!("tunnel-{number}"),
        link: LinkId(number),
        reach: rib::Reach::Tunnel,
        peer_asn: Asn(peer_asn),
        local_address: [169, 254, 21, base + 2].into(),
        peer_address: [169, 254, 21, base + 1].into(),
        inside6: None,
        import: Chain::everything(),
        export: Chain::networks(),
        graceful_shutdown: GracefulShutdown::default(),
        max_prefix_in: None,
        max_prefix_out: None,
        local_preference: 100,
        med: None,
        prepend: 0,
        treatment: rib::Treatment::default(),
    }
}

pub(crate) fn session(number: u32) -> PeerSession {
    let last = u8::try_from(number + 1).unwrap();
    PeerSession::new(vec![V4], RouterId([192, 0, 2, last].into()))
}

pub(crate) fn announce(policy: &PeerPolicy, attributes: Attributes, prefixes: &[IpNet]) -> Update {
    Update {
        announced: vec![Announcement { next_hop: policy.peer_address, prefixes: nlris(prefixes) }],
        attributes: attributes.into(),
        ..Update::default()
    }
}

pub(crate) fn withdraw(prefixes: &[IpNet]) -> Update {
    Update { withdrawn: nlris(prefixes), ..Update::default() }
}

pub(crate) fn nlris(prefixes: &[IpNet]) -> Vec<Nlri> {
    prefixes.iter().copied().map(Nlri::from).collect()
}

/// The updates among `outputs`.
pub(crate) fn sends(outputs: &[Output]) -> Vec<(PeerId, &Update)> {
    let sent = |output| {
        let &Output::Send { peer, ref updates } = output else { return None };
        Some(updates.iter().map(move |update| (peer, update)))
    };
    outputs.iter().filter_map(sent).flatten().collect()
}

/// The tables, and what others know from their outputs.
pub(crate) struct Router {
    pub(crate) rib: Rib,
    pub(crate) kernel: BTreeMap<IpNet, Vec<NextHop>>,
    /// Where packets go, discarded or weighted too.
    pub(crate) ways: BTreeMap<IpNet, NextHopSet>,
    /// One route per prefix; of several the one announced last.
    pub(crate) told: BTreeMap<PeerId, BTreeMap<IpNet, (IpAddr, Attributes)>>,
    pub(crate) told_paths: BTreeMap<PeerId, BTreeMap<Nlri, Attributes>>,
    pub(crate) limits: BTreeMap<PeerId, u32>,
    /// Peers that are up.
    pub(crate) up: BTreeSet<PeerId>,
}

impl Router {
    pub(crate) fn new(config: RibConfig) -> Self {
        Self {
            rib: Rib::new(config),
            kernel: BTreeMap::new(),
            ways: BTreeMap::new(),
            told: BTreeMap::new(),
            told_paths: BTreeMap::new(),
            limits: BTreeMap::new(),
            up: BTreeSet::new(),
        }
    }

    pub(crate) fn peer_up(&mut self, peer: PeerId, session: PeerSession) {
        self.told.insert(peer, BTreeMap::new());
        self.told_paths.insert(peer, BTreeMap::new());
        self.up.insert(peer);
        self.rib.handle_peer_up(peer, session);
    }

    pub(crate) fn peer_down(&mut self, peer: PeerId) {
        self.told.remove(&peer);
        self.up.remove(&peer);
        self.rib.handle_peer_down(peer);
    }

    /// Acts on all outputs, as the process does, and returns them.
    pub(crate) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.rib.poll_output() {
            match &output {
                Output::Fib(change) => {
                    let hops = change.next_hops.as_slice().to_vec();
                    match hops.is_empty() {
                        true => self.kernel.remove(&change.prefix),
                        false => self.kernel.insert(change.prefix, hops),
                    };
                    let known = match change.next_hops.is_empty() {
                        true => self.ways.remove(&change.prefix).unwrap_or_default(),
                        false => self.ways.insert(change.prefix, change.next_hops.clone()).unwrap_or_default(),
                    };
                    assert_ne!(known, change.next_hops, "{}: a change that changes nothing", change.prefix);
                }
                Output::Send { peer, updates } => updates.iter().for_each(|update| self.receive(*peer, update)),
                Output::PrefixLimit { peer, .. } => self.peer_down(*peer),
                Output::PrefixWarning { .. }
                | Output::HeldBack { .. }
                | Output::Forgotten { .. }
                | Output::EndOfRib { .. }
                | Output::RequestRefresh { .. } => {}
            }
            outputs.push(output);
        }
        outputs
    }

    fn receive(&mut self, peer: PeerId, update: &Update) {
        assert!(self.up.contains(&peer), "{peer:?} is down");
        let told = self.told.get_mut(&peer).unwrap();
        let paths = self.told_paths.get_mut(&peer).unwrap();
        for nlri in &update.withdrawn {
            assert!(paths.remove(nlri).is_some(), "{nlri} withdrawn from {peer:?}, which does not have it");
            if !paths.keys().any(|left| left.prefix == nlri.prefix) {
                told.remove(&nlri.prefix);
            }
        }
        for Announcement { next_hop, prefixes } in &update.announced {
            for nlri in prefixes {
                paths.insert(*nlri, Attributes::clone(&update.attributes));
                told.insert(nlri.prefix, (*next_hop, Attributes::clone(&update.attributes)));
            }
        }
        if let Some(limit) = self.limits.get(&peer) {
            assert!(told.len() <= *limit as usize, "{peer:?} has more than its {limit} prefixes");
        }
    }

    /// Tunnels over which `prefix` goes.
    pub(crate) fn tunnels_of(&self, prefix: &str) -> Vec<u32> {
        self.kernel.get(&net(prefix)).into_iter().flatten().map(|hop| hop.link.0).collect()
    }
}
