//! Packets of others, from network to network.

use crate::code::Code;
use crate::evidence::{Evidence, RouteLookup, Tunnel};
use crate::finding::{Findings, Outcome, Rung, Severity, Step};
use crate::firewall::{Fate, Hook, Packet};
use crate::ike;

pub(crate) fn examine(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) -> Step {
    filter(tunnel, evidence, findings);
    nat(tunnel, evidence, findings);
    let codes = [
        Code::ForwardingOff,
        Code::StrictReversePath,
        Code::ForwardFiltered,
        Code::InnerNat,
        Code::TargetElsewhere,
        Code::TargetSilent,
        Code::BlackHole,
    ];
    match findings.worst(&codes, Some(&tunnel.name)) {
        Some((code, Severity::Failure)) => Step::new(Rung::Path, Outcome::Failure, code.title()),
        Some((code, Severity::Warning)) => Step::new(Rung::Path, Outcome::Warning, code.title()),
        None if evidence.target.is_some() => Step::new(Rung::Path, Outcome::Ok, "the target answers"),
        None => Step::new(Rung::Path, Outcome::Ok, "nothing here is in the way"),
    }
}

fn filter(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) {
    let Some(firewall) = &evidence.machine.firewall else { return };
    let inside = tunnel.interface.as_str();
    let lans = networks_behind(tunnel, evidence);
    for (version, lan) in tunnel.versions().flat_map(|version| lans.iter().map(move |lan| (version, *lan))) {
        let base = Packet { version: Some(version), ..Packet::default() };
        let out = Packet { input: Some(inside), output: lan, ..base };
        let into = Packet { input: lan, output: Some(inside), ..base };
        for (way, packet) in [("out of", out), ("into", into)] {
            let Fate::Blocked(culprit) = firewall.fate(Hook::Forward, &packet) else { continue };
            findings.fail(
                Code::ForwardFiltered,
                Some(&tunnel.name),
                format!("packets {way} {inside} are dropped by {culprit}"),
                format!(
                    "accept them: {} and {}",
                    culprit.put_before(&format!("iifname {inside}"), &format!("-i {inside}")),
                    culprit.put_before(&format!("oifname {inside}"), &format!("-o {inside}"))
                ),
            );
            return;
        }
    }
}

/// Interfaces that may have the networks of this side behind them; any, where none can be named.
fn networks_behind<'a>(tunnel: &'a Tunnel, evidence: &'a Evidence) -> Vec<Option<&'a str>> {
    let outside = ike::outside_interface(tunnel);
    let is_tunnel = |name: &str| evidence.tunnels.iter().any(|tunnel| tunnel.interface == name);
    // Containers and virtual machines have rules of their own.
    let is_guest =
        |name: &str| ["lo", "docker", "br-", "veth", "virbr", "tun", "wg"].iter().any(|it| name.starts_with(it));
    let mut names: Vec<&str> = evidence.machine.addresses.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| Some(*name) != outside && !is_tunnel(name) && !is_guest(name));
    names.dedup();
    if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() }
}

fn nat(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) {
    let Some(firewall) = &evidence.machine.firewall else { return };
    let translation = |version| {
        let packet = Packet { version: Some(version), output: Some(&tunnel.interface), ..Packet::default() };
        firewall.translation(Hook::Postrouting, &packet)
    };
    if let Some((culprit, _)) = tunnel.versions().find_map(translation) {
        findings.warn(
            Code::InnerNat,
            Some(&tunnel.name),
            format!("what leaves by {} is rewritten by {culprit}", tunnel.interface),
            format!(
                "exempt the tunnel: {}",
                culprit.put_before(&format!("oifname {}", tunnel.interface), &format!("-o {}", tunnel.interface))
            ),
        );
    }
}

/// Whether the address that is wanted answers.
pub(crate) fn target(evidence: &Evidence, findings: &mut Findings) {
    let Some(target) = &evidence.target else { return };
    let inside = |interface: &str| evidence.tunnels.iter().any(|tunnel| tunnel.interface == interface);
    match &target.route {
        RouteLookup::Via { interface } if inside(interface) => {
            if target.ping.is_some_and(|ping| ping.received == 0) {
                findings.fail(
                    Code::TargetSilent,
                    None,
                    format!("{} is reached by {interface} and does not answer", target.address),
                    "at the other side: routes back to our networks, security groups and network ACLs for ICMP, the host's \
                     own firewall",
                );
            }
        }
        RouteLookup::Via { interface } => findings.fail(
            Code::TargetElsewhere,
            None,
            format!("packets to {} leave by {interface}", target.address),
            format!("see `quadspan show route {}`", target.address),
        ),
        RouteLookup::None { reason } => findings.fail(
            Code::TargetElsewhere,
            None,
            format!("there is no route to {}: {reason}", target.address),
            format!("see `quadspan show route {}`", target.address),
        ),
    }
}
