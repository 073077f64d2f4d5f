//! What a tunnel may carry. Everything by default: routes decide what enters it.

use std::net::IpAddr;

use ipnet::IpNet;
use wire::ipsec::TrafficSelector;

use crate::code::Code;
use crate::diagnostic::{Finding, Findings};
use crate::field::{Field, Leaf};
use crate::model::SelectorsSection;
use crate::router::InsideLink;
use crate::source::{At, Span};

#[derive(Clone, Debug)]
pub(super) struct Selectors {
    pub(super) local: Vec<TrafficSelector>,
    pub(super) remote: Vec<TrafficSelector>,
}

pub(super) fn resolve(
    field: Field<SelectorsSection>,
    inside: Option<&At<InsideLink>>,
    ipv6: bool,
    session: bool,
    findings: &Findings,
) -> Selectors {
    let section = field.at().map(|at| at.value).unwrap_or_default();
    let link = inside.filter(|_| session).map(|link| link.value);
    Selectors {
        local: side(section.local, link.map(|link| link.local), ipv6, findings),
        remote: side(section.remote, link.map(|link| link.peer), ipv6, findings),
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
