//! Static routes beside the tunnels and beside each other.

use std::net::IpAddr;

use document::code::Code;
use document::de::nearest;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use resolve::{HopDraft, NeighborDraft, StaticDraft, TunnelDraft, martian};

pub(super) fn lint(statics: &[StaticDraft], tunnels: &[TunnelDraft], neighbors: &[NeighborDraft], findings: &Findings) {
    for (index, route) in statics.iter().enumerate() {
        alone(route, statics.get(..index).unwrap_or_default(), findings);
        for hop in &route.hops {
            way(route, hop, tunnels, findings);
        }
        watched(route, statics, neighbors, findings);
        inside(route, tunnels, findings);
        capture(route, statics, tunnels, findings);
    }
}

fn alone(route: &StaticDraft, earlier: &[StaticDraft], findings: &Findings) {
    let Some(prefix) = route.prefix else { return };
    if let Some(reason) = martian(prefix.value) {
        findings.push(
            Finding::error(Code::StaticPrefix, prefix.span, format!("{} is not routed", prefix.value))
                .label(reason)
                .remedy("name a prefix that machines have addresses of"),
        );
    }
    // Several tunnels may be there for what is announced: it is told once.
    let same = |other: &&StaticDraft| {
        !(other.elsewhere && route.elsewhere)
            && other.distance == route.distance
            && other.prefix.is_some_and(|other| other.value == prefix.value)
    };
    if let Some(first) = earlier.iter().find(same) {
        findings.push(
            Finding::error(Code::StaticDuplicate, prefix.span, format!("{} has two static routes", prefix.value))
                .label("second")
                .also(first.at, "first")
                .remedy("list all next hops in one entry, or give the second a higher `distance` to let it stand by"),
        );
    }
}

/// There is one BFD session between two addresses (RFC 5881 3).
fn watched(route: &StaticDraft, statics: &[StaticDraft], neighbors: &[NeighborDraft], findings: &Findings) {
    for (hop, bfd) in route.hops.iter().filter_map(|hop| Some((hop, hop.bfd.as_ref()?))) {
        let finding = |message: &str| Finding::error(Code::StaticBfd, bfd.span, message);
        if hop.tunnel.is_some() {
            findings.push(
                finding("a tunnel is not watched by its static routes")
                    .label("the next hop is a tunnel")
                    .remedy("leave `bfd` out: the liveness checks of the tunnel (`dpd`) take the route away with it"),
            );
        }
        let Some(address) = hop.address else { continue };
        let session = neighbors.iter().find(|neighbor| {
            neighbor.session.has_bfd() && neighbor.address.is_some_and(|other| other.value == address.value)
        });
        if let Some(session) = session {
            findings.push(
                finding("this next hop is watched already")
                    .label("second BFD session with it")
                    .also(session.at, "the neighbour there has BFD")
                    .remedy("leave `bfd` out here: static routes follow what the neighbour's BFD says"),
            );
        }
        let same = |other: &HopDraft| {
            // Without one, it may well be the same.
            let interfaces = other.interface.as_ref().zip(hop.interface.as_ref());
            other.address.is_some_and(|other| other.value == address.value)
                && interfaces.is_none_or(|(one, other)| one.value == other.value)
        };
        let others = statics.iter().flat_map(|route| &route.hops).filter(|other| same(other));
        if let Some(other) = others.filter_map(|other| other.bfd.as_ref()).find(|other| other.value != bfd.value) {
            findings.push(
                finding("one next hop is watched in two ways")
                    .label("one way")
                    .also(other.span, "another")
                    .remedy("give the same `bfd` in both places, or in one alone"),
            );
        }
    }
}

fn way(route: &StaticDraft, hop: &HopDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    if let Some(name) = &hop.tunnel {
        through_tunnel(route, name, tunnels, findings);
    }
    if let (Some(address), Some(prefix)) = (hop.address, route.prefix)
        && address.value.is_ipv4() != prefix.value.addr().is_ipv4()
    {
        findings.push(
            Finding::error(Code::StaticHop, address.span, "the next hop is of another family than the destination")
                .label("the next hop")
                .also(prefix.span, "the destination")
                .remedy("give an address of the destination's family"),
        );
    }
    if let Some(address) = hop.address
        && (address.value.is_unspecified() || address.value.is_loopback() || address.value.is_multicast())
    {
        findings.push(
            Finding::error(Code::StaticHop, address.span, format!("{} is no next hop", address.value))
                .label("no other machine has this address")
                .remedy("give the address of the machine that packets go to"),
        );
    }
    if let (Some(address), None) = (hop.address, &hop.interface)
        && is_link_local(address.value)
    {
        findings.push(
            Finding::error(Code::StaticHop, hop.at, format!("{} may be on any link", address.value))
                .label("link scope")
                .remedy("say which: `{tunnel: NAME}`, or `interface: NAME` beside the address"),
        );
    }
    let named = |tunnel: &&TunnelDraft| match (&hop.interface, &tunnel.interface) {
        (Some(written), Some(interface)) => written.value == interface.value,
        (_, _) => false,
    };
    if let (Some(written), Some(tunnel)) = (&hop.interface, tunnels.iter().find(named)) {
        findings.push(
            Finding::error(Code::StaticHop, written.span, format!("{} is the interface of a tunnel", written.value))
                .label("not a plain interface")
                .remedy(format!("write `{{tunnel: {}}}` instead", tunnel.title())),
        );
    }
}

fn through_tunnel(route: &StaticDraft, name: &At<String>, tunnels: &[TunnelDraft], findings: &Findings) {
    let tunnel = tunnels.iter().find(|tunnel| tunnel.name.as_ref().is_some_and(|known| known.value == name.value));
    let Some(tunnel) = tunnel else {
        let known: Vec<&str> = tunnels.iter().map(TunnelDraft::title).collect();
        let remedy = match nearest(&name.value, &known) {
            Some(near) => format!("write `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        findings.push(
            Finding::error(Code::StaticHop, name.span, format!("there is no tunnel `{}`", name.value))
                .label("unknown")
                .remedy(remedy),
        );
        return;
    };
    if let Some(prefix) = route.prefix.filter(|prefix| !prefix.value.addr().is_ipv4() && tunnel.inside6.is_none()) {
        findings.push(
            Finding::error(Code::StaticHop, name.span, format!("no IPv6 link inside {}", tunnel.title()))
                .label("has no IPv6 next hop")
                .also(prefix.span, "the destination")
                .remedy("add `inside6: fd00:...::/126` to the tunnel"),
        );
    }
}

/// The address of the BGP peer must stay in its tunnel.
fn inside(route: &StaticDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    let Some(prefix) = route.prefix else { return };
    let link = tunnels
        .iter()
        .find_map(|tunnel| Some((tunnel, tunnel.links().find(|link| link.value.contains(&prefix.value))?.span)));
    if let Some((tunnel, link)) = link {
        findings.push(
            Finding::error(
                Code::StaticPrefix,
                prefix.span,
                format!("{} lies in the link inside {}", prefix.value, tunnel.title()),
            )
            .label("would take the peer's address away from its tunnel")
            .also(link, "the inside link")
            .remedy("leave this route out: the inside link is routed already"),
        );
    }
}

/// A tunnel's own packets must not be routed into a tunnel, or dropped.
fn capture(route: &StaticDraft, statics: &[StaticDraft], tunnels: &[TunnelDraft], findings: &Findings) {
    let Some(prefix) = route.prefix.filter(|_| !route.elsewhere) else { return };
    if !leads_astray(route, tunnels) {
        return;
    }
    let captured = tunnels.iter().find_map(|tunnel| {
        let remote = tunnel.remote.filter(|at| prefix.value.contains(&at.value))?;
        (!bypassed(remote.value, prefix.value, statics, tunnels)).then_some((tunnel, remote))
    });
    if let Some((tunnel, remote)) = captured {
        findings.push(
            Finding::error(
                Code::StaticCapture,
                prefix.span,
                format!("{} holds the outside address of the peer of {}", prefix.value, tunnel.title()),
            )
            .label("would route the tunnel's own packets into a tunnel, or drop them")
            .also(remote.span, "the peer")
            .remedy(format!(
                "add a static route to {}/{} by the way it is reached now, or narrow this one",
                remote.value,
                if remote.value.is_ipv4() { 32 } else { 128 },
            )),
        );
    }
}

/// Whether a static route narrower than `prefix` leads to a peer outside all tunnels.
pub(super) fn bypassed(remote: IpAddr, prefix: ipnet::IpNet, statics: &[StaticDraft], tunnels: &[TunnelDraft]) -> bool {
    statics.iter().any(|other| {
        let narrower = other
            .prefix
            .is_some_and(|other| other.value.contains(&remote) && other.value.prefix_len() > prefix.prefix_len());
        narrower && !leads_astray(other, tunnels)
    })
}

fn leads_astray(route: &StaticDraft, tunnels: &[TunnelDraft]) -> bool {
    let is_inside =
        |address: IpAddr| tunnels.iter().any(|tunnel| tunnel.links().any(|link| link.value.contains(&address)));
    let into_tunnel = |hop: &HopDraft| hop.tunnel.is_some() || hop.address.is_some_and(|at| is_inside(at.value));
    route.blackhole || route.hops.iter().any(into_tunnel)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
