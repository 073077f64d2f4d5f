//! Address plans: what is here must not be behind a peer as well, and not where the clouds have something of their own.
//!
//! ```text
//!   our networks --+-- overlap --- what static routes and selectors put behind a peer
//!   all announced -+-- within ---- 100.64.0.0/10, and what a peer's cloud refuses
//! ```

use ipnet::{IpNet, Ipv4Net};

use super::networks::{Announced, exported};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use profile::DefaultRoute;
use resolve::{RouterDraft, TunnelDraft, martian};

pub(super) fn lint(router: &RouterDraft, announced: &[Announced], tunnels: &[TunnelDraft], findings: &Findings) {
    let routed = router.statics.iter().filter(|route| route.hops.iter().any(|hop| hop.tunnel.is_some()));
    let routed: Vec<At<IpNet>> = routed.filter_map(|route| route.prefix).collect();
    for network in router.networks.iter().filter(|network| network.value.prefix_len() > 0) {
        both_sides(*network, &routed, tunnels, findings);
    }
    for Announced { network, .. } in announced {
        if network.value.prefix_len() > 0 {
            whose(*network, findings);
        }
        refused(*network, tunnels, findings);
    }
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other) || other.contains(&one)
}

/// S1-01, S4-13, S2-20.
fn both_sides(network: At<IpNet>, routed: &[At<IpNet>], tunnels: &[TunnelDraft], findings: &Findings) {
    let selected = tunnels.iter().flat_map(|tunnel| tunnel.far.iter().map(move |far| (Some(tunnel), *far)));
    let mut far = selected.chain(routed.iter().map(|route| (None, *route)));
    let found = far.find(|(_, far)| far.value.prefix_len() > 0 && overlap(network.value, far.value));
    if let Some((tunnel, far)) = found {
        let place = tunnel.map_or("a tunnel", TunnelDraft::title);
        findings.push(
            Finding::warning(
                Code::NetworkOverlap,
                far.span,
                format!("{} is behind this router and behind {place}", network.value),
            )
            .label(format!("{} overlaps it", far.value))
            .also(network.span, "ours")
            .remedy("plan networks that do not overlap, or narrow the route or the selector"),
        );
    }
}

/// RFC 6598.
const SHARED: IpNet = IpNet::V4(v4(100, 64, 10));
/// Of nobody in particular: RFC 1918, RFC 5737 (documentation), RFC 2544.
const UNOWNED: [Ipv4Net; 7] = [
    v4(10, 0, 8),
    v4(172, 16, 12),
    v4(192, 168, 16),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(203, 0, 113, 0), 24),
    v4(198, 18, 15),
];

const fn v4(first: u8, second: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(first, second, 0, 0), length)
}

fn whose(network: At<IpNet>, findings: &Findings) {
    if overlap(network.value, SHARED) {
        findings.push(
            // S1-23.
            Finding::warning(Code::NetworkShared, network.span, format!("{} touches 100.64.0.0/10", network.value))
                .label("where clouds have services and carriers translate addresses")
                .remedy("use 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 for networks of your own"),
        );
        return;
    }
    let IpNet::V4(v4) = network.value else { return };
    if martian(network.value).is_none() && !UNOWNED.iter().any(|range| range.contains(&v4)) {
        findings.push(
            // S1-02.
            Finding::advice(Code::NetworkPublic, network.span, format!("{v4} is public address space"))
                .label("is it yours? Its owners cannot be reached from here otherwise")
                .remedy("use 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 unless it was assigned to you"),
        );
    }
}

/// S1-23: what a cloud does not take of anybody.
fn refused(network: At<IpNet>, tunnels: &[TunnelDraft], findings: &Findings) {
    let refusing = tunnels.iter().find(|tunnel| {
        let routes = &tunnel.profile.cloud().routes;
        let default = network.value.prefix_len() == 0;
        let taken = if default {
            routes.default_route == DefaultRoute::Accepted
        } else {
            !routes.refuses.iter().any(|range| overlap(network.value, *range))
        };
        let session = tunnel.session.as_ref();
        !taken && session.is_some_and(|session| exported(network.value, session.export.as_ref()))
    });
    let Some(tunnel) = refusing else { return };
    let cloud = tunnel.profile.cloud();
    findings.push(
        Finding::warning(Code::NetworkCloud, network.span, format!("{} does not take {}", cloud.name, network.value))
            .label(format!("announced in {}", tunnel.title()))
            .remedy("leave it out there, with `export` of the session"),
    );
}
