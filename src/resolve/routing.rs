//! What leads packets into a tunnel: its static routes, or its protected flows (S0-09 to S0-13).

use ipnet::IpNet;
use rib::Distance;

use super::martian::martian;
use super::selectors::Selectors;
use super::statics::{HopDraft, StaticDraft};
use super::tunnel::TunnelDraft;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, OneOf};
use document::scalar::{RoutingMode, Within};
use document::source::{At, Span};
use schema::{RoutingField, TunnelRouteSection, TunnelRoutesField};
use settings::{MAX_FLOWS, Protected};

/// A static route into the tunnel it is written at.
#[derive(Clone, Copy, Debug)]
pub struct TunnelRoute {
    /// The destination.
    pub prefix: At<IpNet>,
    distance: u8,
    weight: u16,
    announce: bool,
}

impl TunnelRoute {
    pub(super) fn is_ipv6(&self) -> bool {
        !self.prefix.value.addr().is_ipv4()
    }
}

pub(super) fn routes(written: TunnelRoutesField, findings: &Findings) -> Vec<TunnelRoute> {
    let entries = written.at().map(|list| list.value).unwrap_or_default();
    entries.into_iter().filter_map(Field::at).filter_map(|entry| route(entry, findings)).collect()
}

fn route(entry: At<OneOf<IpNet, TunnelRouteSection>>, findings: &Findings) -> Option<TunnelRoute> {
    let section = match entry.value {
        OneOf::Short(prefix) => {
            let prefix = At::new(prefix.0, entry.span);
            return Some(TunnelRoute { prefix, distance: Distance::STATIC, weight: 1, announce: false });
        }
        OneOf::Long(section) => section,
    };
    let remedy = "give the destination, such as `10.8.0.0/16`";
    Some(TunnelRoute {
        prefix: section.prefix.require("prefix", entry.span, remedy, findings)?,
        distance: section.distance.value().map_or(Distance::STATIC, octet),
        weight: section.weight.value().and_then(|within| u16::try_from(within.0).ok()).unwrap_or(1),
        announce: section.announce.value().unwrap_or(false),
    })
}

fn octet(within: Within<1, 255>) -> u8 {
    u8::try_from(within.0).unwrap_or(u8::MAX)
}

/// The flows of a tunnel whose packets are chosen by source and destination.
#[derive(Clone, Debug)]
pub struct ProtectedDraft {
    /// Where it is written.
    pub at: Span,
    /// Networks on our side.
    pub local: Vec<At<IpNet>>,
    /// Networks on the peer's side.
    pub remote: Vec<At<IpNet>>,
    distance: u8,
    announce: bool,
}

/// What a tunnel carries between networks; `links` are those inside it, which the kernel routes by itself.
pub(super) fn protected(
    written: RoutingField,
    selectors: &Selectors,
    links: &[IpNet],
    findings: &Findings,
) -> Option<ProtectedDraft> {
    let At { value, span: at } = written.at()?;
    let (mode, distance, announce) = match value {
        OneOf::Short(mode) => (Some(mode.0), None, None),
        OneOf::Long(section) => {
            let mode = section.mode.require("mode", at, "write `mode: protected` or `mode: destination`", findings);
            (mode.map(|mode| mode.value), section.distance.scalar(), section.announce.scalar())
        }
    };
    match mode? {
        RoutingMode::Destination => {
            let first = [distance.map(|key| key.span), announce.map(|key| key.span)].into_iter().flatten().next();
            if let Some(span) = first {
                findings.push(
                    Finding::error(
                        Code::RoutingIdle,
                        span,
                        "this has no effect on a tunnel that is routed by destination",
                    )
                    .label("belongs to protected flows")
                    .remedy("write `mode: protected`, or give distance and announcement to each of its `routes`"),
                );
            }
            None
        }
        RoutingMode::Protected => {
            let beyond = |side: &[At<IpNet>]| {
                let inside = |net: &At<IpNet>| links.iter().any(|link| link.contains(&net.value));
                side.iter().filter(|net| !inside(net)).copied().collect()
            };
            let draft = ProtectedDraft {
                at,
                local: beyond(&selectors.local_networks),
                remote: beyond(&selectors.remote_networks),
                distance: distance.map_or(Distance::STATIC, |distance| octet(distance.value)),
                announce: announce.is_some_and(|announce| announce.value),
            };
            draft.check(announce.map(|announce| announce.span), findings);
            Some(draft)
        }
    }
}

impl ProtectedDraft {
    /// Pairs of networks of one family.
    pub fn pairs(&self) -> impl Iterator<Item = (At<IpNet>, At<IpNet>)> {
        let remote = |local: At<IpNet>| {
            let same = move |remote: &&At<IpNet>| remote.value.addr().is_ipv4() == local.value.addr().is_ipv4();
            self.remote.iter().filter(same).map(move |remote| (local, *remote))
        };
        self.local.iter().flat_map(move |local| remote(*local))
    }

    fn check(&self, announce: Option<Span>, findings: &Findings) {
        if self.local.is_empty() || self.remote.is_empty() || self.pairs().next().is_none() {
            // S0-10.
            findings.push(
                Finding::error(Code::FlowNetworks, self.at, "protected flows need networks on both sides")
                    .label("what would be protected?")
                    .remedy(
                        "write `selectors: {local: [10.1.0.0/16], remote: [10.2.0.0/16]}`; the peer has them swapped",
                    ),
            );
        }
        for (local, remote) in self.pairs() {
            self.check_pair(local, remote, findings);
        }
        let default = self.remote.iter().find(|remote| remote.value.prefix_len() == 0);
        if let (Some(span), Some(default)) = (announce.filter(|_| self.announce), default) {
            findings.push(
                Finding::error(Code::FlowNetworks, span, "a default route would be announced")
                    .label("announces the remote networks")
                    .also(default.span, "one of which is everything")
                    .remedy("announce it where that is meant: `bgp: {default-originate: true}`"),
            );
        }
    }

    fn check_pair(&self, local: At<IpNet>, remote: At<IpNet>, findings: &Findings) {
        if local.value.prefix_len() == 0 && remote.value.prefix_len() == 0 {
            findings.push(
                Finding::error(Code::FlowNetworks, self.at, "everything to everywhere is not a protected flow")
                    .label("would take what this router itself sends, too")
                    .also(remote.span, "the remote network")
                    .remedy("name the networks on our side, or write `routing: destination` and a route"),
            );
        } else if local.value == remote.value {
            findings.push(
                Finding::error(Code::FlowNetworks, remote.span, format!("{} is on both sides", remote.value))
                    .label("the peer's side")
                    .also(local.span, "our side")
                    .remedy(
                        "networks with the same addresses cannot be routed to each other: renumber or translate one",
                    ),
            );
        }
        for (net, place) in [(local, "our side"), (remote, "the peer's side")] {
            if let Some(reason) = martian(net.value) {
                findings.push(
                    Finding::error(Code::FlowNetworks, net.span, format!("{} on {place} is not routed", net.value))
                        .label(reason)
                        .remedy("name networks that machines have addresses of"),
                );
            }
        }
    }

    pub(super) fn finish(self) -> Protected {
        let nets = |side: Vec<At<IpNet>>| side.into_iter().map(|net| net.value.trunc()).collect();
        Protected {
            local: nets(self.local),
            remote: nets(self.remote),
            distance: self.distance,
            announce: self.announce,
        }
    }
}

/// All static routes that are written at tunnels. Those of one prefix and distance are one route with several next hops.
pub(super) fn statics(tunnels: &[TunnelDraft]) -> Vec<StaticDraft> {
    let mut drafts: Vec<StaticDraft> = Vec::new();
    for tunnel in tunnels {
        let Some(name) = &tunnel.name else { continue };
        for route in &tunnel.routes {
            let hop = HopDraft::tunnel(At::new(name.value.clone(), route.prefix.span), route.weight);
            let own = |known: &&mut StaticDraft| {
                let same = known.prefix.is_some_and(|prefix| prefix.value == route.prefix.value);
                // A route that is there twice in one tunnel is one that is there twice.
                let here = known.hops.iter().any(|hop| hop.tunnel.as_ref().is_some_and(|at| at.value == name.value));
                same && known.distance == route.distance && !known.elsewhere && !here
            };
            match drafts.iter_mut().find(own) {
                Some(known) => {
                    known.hops.push(hop);
                    known.announce |= route.announce;
                }
                None => drafts.push(StaticDraft::to(route.prefix, vec![hop], route.distance, route.announce)),
            }
        }
    }
    drafts.extend(tunnels.iter().flat_map(announced));
    drafts
}

/// S0-12: only where that is asked for are peers told of what protected flows lead to.
fn announced(tunnel: &TunnelDraft) -> Vec<StaticDraft> {
    let (Some(name), Some(protected)) = (&tunnel.name, &tunnel.protected) else { return Vec::new() };
    let remote = protected.remote.iter().filter(|_| protected.announce);
    remote
        .map(|remote| {
            let hop = HopDraft::tunnel(At::new(name.value.clone(), protected.at), 1);
            let route = StaticDraft::to(*remote, vec![hop], protected.distance, true);
            StaticDraft { elsewhere: true, ..route }
        })
        .collect()
}

/// No more flows than packets can be compared with one after the other.
pub(super) fn check_count(tunnels: &[TunnelDraft], findings: &Findings) {
    let protected = || tunnels.iter().filter_map(|tunnel| tunnel.protected.as_ref());
    let count = protected().flat_map(ProtectedDraft::pairs).count();
    if let Some(last) = protected().next_back().filter(|_| count > MAX_FLOWS) {
        findings.push(
            Finding::error(Code::FlowCount, last.at, format!("there would be {count} protected flows"))
                .label(format!("at most {MAX_FLOWS}: every packet is compared with each"))
                .remedy("summarise the networks, or route by destination"),
        );
    }
}
