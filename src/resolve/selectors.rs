//! What a tunnel may carry. Everything by default: routes decide what enters it.

use std::net::IpAddr;

use ipnet::IpNet;
use negotiation::{IkeVersion, SelectorLayout};
use wire::ipsec::TrafficSelector;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf};
use document::source::{At, Span};
use schema::SelectorsSection;
use settings::InsideLink;

#[derive(Clone, Debug)]
pub(super) struct Selectors {
    pub(super) local: Vec<TrafficSelector>,
    pub(super) remote: Vec<TrafficSelector>,
    pub(super) layout: SelectorLayout,
    /// As written; none for everything.
    pub(super) local_networks: Vec<At<IpNet>>,
    pub(super) remote_networks: Vec<At<IpNet>>,
}

pub(super) fn resolve(
    field: Field<SelectorsSection>,
    version: IkeVersion,
    inside: Option<&At<InsideLink>>,
    ipv6: bool,
    session: bool,
    findings: &Findings,
) -> Selectors {
    let at = field.span();
    let section = field.at().map(|at| at.value).unwrap_or_default();
    let link = inside.filter(|_| session).map(|link| link.value);
    let layout = section.layout.scalar();
    let networks = |side: &Field<Vec<Leaf<IpNet>>>| side.clone().scalars().unwrap_or_default();
    let (local_networks, remote_networks) = (networks(&section.local), networks(&section.remote));
    let selectors = Selectors {
        local: side(section.local, link.map(|link| link.local), ipv6, findings),
        remote: side(section.remote, link.map(|link| link.peer), ipv6, findings),
        layout: layout.map_or(SelectorLayout::Together, |layout| layout.value),
        local_networks,
        remote_networks,
    };
    if let (Some(at), IkeVersion::V1(_), SelectorLayout::Together) = (at, version, selectors.layout)
        && selectors.local.len().max(selectors.remote.len()) > 1
    {
        // S0-14, S1-15.
        findings.push(
            Finding::warning(Code::Ikev1Selectors, at, "IKEv1 carries one pair of prefixes per SA")
                .label("several prefixes on a side")
                .remedy("write `version: ikev2`, or `layout: per-pair` for one SA per pair"),
        );
    }
    if let (SelectorLayout::PerPair, Some(layout)) = (selectors.layout, layout) {
        pairs(&selectors, layout.span, findings);
    }
    selectors
}

/// CHILD SAs of one tunnel. Each is rekeyed by itself.
const MAX_PAIRS: usize = 64;

fn pairs(selectors: &Selectors, span: Span, findings: &Findings) {
    let count = |ipv4: bool| {
        let [local, remote] = [&selectors.local, &selectors.remote]
            .map(|side| side.iter().filter(|selector| selector.start.is_ipv4() == ipv4).count());
        local * remote
    };
    let pairs = count(true) + count(false);
    if pairs == 0 {
        findings.push(
            Finding::error(Code::SelectorPairs, span, "there is no pair of selectors of one address family")
                .label("IPv4 on one side, IPv6 on the other")
                .remedy("give both sides prefixes of the same family"),
        );
    } else if pairs > MAX_PAIRS {
        findings.push(
            Finding::error(Code::SelectorPairs, span, format!("there would be {pairs} CHILD SAs"))
                .label(format!("at most {MAX_PAIRS} pairs"))
                .remedy("summarise the prefixes, or use `layout: together`"),
        );
    }
}

fn side(
    written: Field<Vec<Leaf<IpNet>>>,
    speaker: Option<IpAddr>,
    ipv6: bool,
    findings: &Findings,
) -> Vec<TrafficSelector> {
    let span = written.span();
    let prefixes = written.scalars().unwrap_or_default();
    let Some(span) = span.filter(|_| !prefixes.is_empty()) else {
        let mut any = vec![TrafficSelector::ANY_V4];
        if ipv6 {
            any.push(TrafficSelector::ANY_V6);
        }
        return any;
    };
    let selectors: Vec<_> = prefixes
        .iter()
        .map(|prefix| TrafficSelector::range(prefix.value.network(), prefix.value.broadcast()))
        .collect();
    if let Some(address) = speaker.filter(|address| !selectors.iter().any(|selector| selector.contains(*address))) {
        report(address, span, findings);
    }
    selectors
}

fn report(address: IpAddr, span: Span, findings: &Findings) {
    findings.push(
        Finding::error(
            Code::SelectorsInside,
            span,
            format!("the tunnel would not carry its own BGP session with {address}"),
        )
        .label("does not hold the inside address")
        .remedy(format!("add `{address}/32`, or leave `selectors` out")),
    );
}
