//! Neighbours beside the tunnels and beside each other.

use ipnet::IpNet;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use resolve::{NeighborDraft, TunnelDraft};

pub(super) fn lint(neighbors: &[NeighborDraft], tunnels: &[TunnelDraft], findings: &Findings) {
    for (index, neighbor) in neighbors.iter().enumerate() {
        let earlier = neighbors.get(..index).unwrap_or_default();
        unique_name(neighbor, earlier, tunnels, findings);
        unique_address(neighbor, earlier, findings);
        outside_tunnels(neighbor, tunnels, findings);
        unsigned(neighbor, neighbors, findings);
    }
}

fn unique_name(neighbor: &NeighborDraft, earlier: &[NeighborDraft], tunnels: &[TunnelDraft], findings: &Findings) {
    let Some(name) = &neighbor.name else { return };
    let names = tunnels.iter().filter_map(|tunnel| tunnel.name.as_ref());
    let mut names = names.chain(earlier.iter().filter_map(|other| other.name.as_ref()));
    if let Some(first) = names.find(|other| other.value == name.value) {
        findings.push(
            Finding::error(Code::DuplicateName, name.span, format!("two things are called {}", name.value))
                .label("second")
                .also(first.span, "first")
                .remedy("give each tunnel and each neighbour a name of its own"),
        );
    }
}

fn unique_address(neighbor: &NeighborDraft, earlier: &[NeighborDraft], findings: &Findings) {
    let interface = |draft: &NeighborDraft| draft.interface.as_ref().map(|at| at.value.clone());
    if let Some(address) = neighbor.address
        && let Some(first) = earlier.iter().find(|other| {
            other.address.is_some_and(|other| other.value == address.value) && interface(other) == interface(neighbor)
        })
    {
        findings.push(
            Finding::error(Code::NeighborDuplicate, address.span, format!("{} is a neighbour twice", address.value))
                .label("second time")
                .also(first.at, "first time")
                .remedy("BGP has one session between two addresses: keep one of the two"),
        );
    }
    if let Some(range) = neighbor.range {
        let overlaps = |other: &IpNet| other.contains(&range.value) || range.value.contains(other);
        if let Some(first) = earlier.iter().filter_map(|other| other.range).find(|other| overlaps(&other.value)) {
            findings.push(
                Finding::error(Code::NeighborDuplicate, range.span, "two ranges overlap")
                    .label("second")
                    .also(first.span, "first")
                    .remedy("who belongs to which? let each address be in one range"),
            );
        }
    }
}

/// Keys of TCP MD5 (RFC 2385) are given to the kernel by prefix, and there is none that means "without".
fn unsigned(neighbor: &NeighborDraft, all: &[NeighborDraft], findings: &Findings) {
    let Some(address) = neighbor.address.filter(|_| !neighbor.session.has_key()) else { return };
    let apart = |other: &NeighborDraft| {
        let locals = neighbor.local_address.zip(other.local_address);
        let interfaces = neighbor.interface.as_ref().zip(other.interface.as_ref());
        locals.is_some_and(|(one, other)| one.value != other.value)
            || interfaces.is_some_and(|(one, other)| one.value != other.value)
    };
    let signed = |other: &&NeighborDraft| {
        other.session.has_key() && other.range.is_some_and(|range| range.value.contains(&address.value))
    };
    if let Some(range) = all.iter().filter(signed).find(|other| !apart(other)).and_then(|other| other.range) {
        findings.push(
            Finding::warning(Code::NeighborKey, address.span, format!("{} cannot connect unsigned", address.value))
                .label("has no `md5`")
                .also(range.span, "every connection from here has to be signed")
                .remedy("give it `md5`, too, or make the range one that it is not in"),
        );
    }
}

fn outside_tunnels(neighbor: &NeighborDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    let inside = |tunnel: &&TunnelDraft| {
        neighbor.address.is_some_and(|address| tunnel.links().any(|link| link.value.contains(&address.value)))
    };
    if let (Some(address), Some(tunnel)) = (neighbor.address, tunnels.iter().find(inside)) {
        findings.push(
            Finding::error(
                Code::NeighborInside,
                address.span,
                format!("{} is inside {}", address.value, tunnel.title()),
            )
            .label("not a neighbour outside the tunnels")
            .also(tunnel.at, "the tunnel")
            .remedy("give the tunnel a `bgp:` section instead: its session then follows the tunnel"),
        );
    }
    let named = |tunnel: &&TunnelDraft| match (&neighbor.interface, &tunnel.interface) {
        (Some(written), Some(interface)) => written.value == interface.value,
        (_, _) => false,
    };
    if let (Some(interface), Some(tunnel)) = (&neighbor.interface, tunnels.iter().find(named)) {
        findings.push(
            Finding::error(
                Code::NeighborInside,
                interface.span,
                format!("{} is the interface of {}", interface.value, tunnel.title()),
            )
            .label("not a plain interface")
            .remedy("give the tunnel a `bgp:` section instead: its session then follows the tunnel"),
        );
    }
}
