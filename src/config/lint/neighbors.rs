//! Neighbours beside the tunnels and beside each other.

use ipnet::IpNet;

use crate::code::Code;
use crate::diagnostic::{Finding, Findings};
use crate::resolve::{NeighborDraft, TunnelDraft};

pub(super) fn lint(neighbors: &[NeighborDraft], tunnels: &[TunnelDraft], findings: &Findings) {
    for (index, neighbor) in neighbors.iter().enumerate() {
        let earlier = neighbors.get(..index).unwrap_or_default();
        unique_name(neighbor, earlier, tunnels, findings);
        unique_address(neighbor, earlier, findings);
        outside_tunnels(neighbor, tunnels, findings);
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
