//! Static routes and connected networks.

use std::net::IpAddr;
use std::time::Duration;

use bgp::Family;
use ipnet::IpNet;
use rib::{ConnectedRule, Distance, StaticHop, StaticRoute, StaticTarget};

use super::place::Over;
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, OneOf};
use document::source::{At, Span};
use profile::Profile;
use schema::{ConnectedField, StaticHopSection, StaticSection};
use settings::{Tunnel, Watch};

/// What could be made out of one entry of `static`.
#[derive(Clone, Debug)]
pub struct StaticDraft {
    /// Where it is written.
    pub at: Span,
    /// The destination.
    pub prefix: Option<At<IpNet>>,
    /// The next hops.
    pub hops: Vec<HopDraft>,
    /// Whether packets are dropped.
    pub blackhole: bool,
    /// The lower is preferred.
    pub distance: u8,
    /// Whether peers are told.
    pub announce: bool,
    /// Rules of policy routing lead there: peers may be told, the forwarding table is not.
    pub elsewhere: bool,
}

/// One next hop of it.
#[derive(Clone, Debug)]
pub struct HopDraft {
    /// Where it is written.
    pub at: Span,
    /// The tunnel, if it is the peer in one.
    pub tunnel: Option<At<String>>,
    /// Its address otherwise.
    pub address: Option<At<IpAddr>>,
    /// The interface that the address is behind, if that is said.
    pub interface: Option<At<String>>,
    weight: u16,
    /// How it is watched.
    pub bfd: Option<At<bfd::Config>>,
}

pub(super) fn resolve(
    written: Field<Vec<Field<StaticSection>>>,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Vec<StaticDraft> {
    let sections = written.at().map(|list| list.value).unwrap_or_default();
    sections.into_iter().filter_map(Field::at).map(|section| one(section, secrets, findings)).collect()
}

fn one(section: At<StaticSection>, secrets: &dyn SecretSource, findings: &Findings) -> StaticDraft {
    let At { value: section, span: at } = section;
    let prefix = section.prefix.require("prefix", at, "give the destination, such as `10.8.0.0/16`", findings);
    let blackhole = section.blackhole.value().unwrap_or(false);
    let via = section.via.span();
    let hops: Vec<HopDraft> = section
        .via
        .at()
        .map(|list| list.value)
        .unwrap_or_default()
        .into_iter()
        .filter_map(Field::at)
        .map(|hop| one_hop(hop, secrets, findings))
        .collect();
    let wrong = match (via, blackhole) {
        (Some(span), true) => Some((span, "packets cannot be both sent and dropped")),
        (None, false) => Some((at, "this route leads nowhere")),
        (Some(span), false) if hops.is_empty() => Some((span, "this route leads nowhere")),
        (Some(_), false) | (None, true) => None,
    };
    if let Some((span, message)) = wrong {
        findings.push(
            Finding::error(Code::StaticTarget, span, message)
                .label("where to?")
                .remedy("write `via: [{tunnel: NAME}]`, `via: [ADDRESS]` or `blackhole: true`"),
        );
    }
    StaticDraft {
        at,
        prefix,
        hops,
        blackhole,
        distance: section.distance.value().and_then(|within| u8::try_from(within.0).ok()).unwrap_or(Distance::STATIC),
        announce: section.announce.value().unwrap_or(false),
        elsewhere: false,
    }
}

fn one_hop(hop: At<OneOf<IpAddr, StaticHopSection>>, secrets: &dyn SecretSource, findings: &Findings) -> HopDraft {
    let At { value, span: at } = hop;
    let section = match value {
        OneOf::Short(address) => {
            let address = Some(At::new(address.0, at));
            return HopDraft { at, tunnel: None, address, interface: None, weight: 1, bfd: None };
        }
        OneOf::Long(section) => section,
    };
    let family = section.address.clone().value().map_or(Family::Ipv4Unicast, |address| Family::of(&address.into()));
    let over = Over::Neighbor { family, accepts: false };
    let bfd_at = section.bfd.span();
    let bfd = super::bfd::resolve(section.bfd, Profile::Generic, over, Duration::ZERO, secrets, findings);
    let text = |at: At<document::scalar::Text>| At::new(at.value.0, at.span);
    let hop = HopDraft {
        at,
        tunnel: section.tunnel.scalar().map(text),
        address: section.address.scalar(),
        interface: section.interface.scalar().map(text),
        weight: section.weight.value().and_then(|within| u16::try_from(within.0).ok()).unwrap_or(1),
        bfd: bfd_at.and_then(|at| Some(At::new(bfd?, at))),
    };
    let clear = match (&hop.tunnel, &hop.address, &hop.interface) {
        (Some(_), None, None) | (None, Some(_), _) => true,
        (Some(_), _, _) | (None, None, _) => false,
    };
    if !clear {
        findings.push(
            Finding::error(Code::StaticHop, at, "this is not a next hop")
                .label("neither a tunnel nor an address, or both")
                .remedy("write `{tunnel: NAME}`, or `{address: ADDRESS}` with or without `interface: NAME`"),
        );
    }
    hop
}

/// Which interfaces' networks are known.
pub(super) fn connected(written: ConnectedField) -> ConnectedRule {
    match written.at().map(|at| at.value) {
        None => ConnectedRule::default(),
        Some(OneOf::Short(_)) => ConnectedRule::All,
        Some(OneOf::Long(names)) => {
            let names = names.into_iter().filter_map(document::field::Leaf::scalar);
            ConnectedRule::Named(names.map(|name| name.value.0).collect())
        }
    }
}

impl StaticDraft {
    /// The next hops that are asked whether they are there.
    pub(super) fn watches(&self) -> impl Iterator<Item = Watch> + '_ {
        self.hops.iter().filter_map(|hop| {
            let (address, config) = (hop.address?.value, hop.bfd.clone()?.value);
            let interface = hop.interface.as_ref().map(|name| name.value.clone());
            Some(Watch { name: format!("static-{address}"), interface, address, config })
        })
    }

    /// A route that is written at a tunnel.
    pub(super) fn to(prefix: At<IpNet>, hops: Vec<HopDraft>, distance: u8, announce: bool) -> Self {
        let (at, prefix) = (prefix.span, Some(prefix));
        Self { at, prefix, hops, blackhole: false, distance, announce, elsewhere: false }
    }

    /// The route; `None` if a part is missing, which was reported.
    pub(super) fn finish(self, tunnels: &[Tunnel]) -> Option<StaticRoute> {
        let prefix = self.prefix?.value;
        let hops = self.hops.into_iter().map(|hop| hop.finish(&prefix, tunnels));
        Some(StaticRoute {
            prefix,
            target: match (self.blackhole, self.elsewhere) {
                (true, _) => StaticTarget::Blackhole,
                (false, true) => StaticTarget::Elsewhere(hops.collect::<Option<Vec<_>>>()?),
                (false, false) => StaticTarget::Via(hops.collect::<Option<Vec<_>>>()?),
            },
            distance: self.distance,
            announce: self.announce,
        })
    }
}

impl HopDraft {
    /// The peer inside a tunnel.
    pub(super) fn tunnel(name: At<String>, weight: u16) -> Self {
        Self { at: name.span, tunnel: Some(name), address: None, interface: None, weight, bfd: None }
    }

    fn finish(self, prefix: &IpNet, tunnels: &[Tunnel]) -> Option<StaticHop> {
        let Some(name) = self.tunnel else {
            let interface = self.interface.map(|name| name.value);
            return Some(StaticHop { interface, address: self.address?.value, weight: self.weight });
        };
        let tunnel = tunnels.iter().find(|tunnel| tunnel.name == name.value)?;
        let address = match prefix {
            IpNet::V4(_) => tunnel.inside.peer,
            IpNet::V6(_) => tunnel.inside6?.peer.into(),
        };
        Some(StaticHop { interface: Some(tunnel.interface.clone()), address, weight: self.weight })
    }
}
