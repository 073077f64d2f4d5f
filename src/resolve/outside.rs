//! The outside addresses: each must be one that IKE can use over the network between the ends (S1-09).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Leaf;
use document::source::{At, Span};
use profile::Profile;

type Address = Option<At<IpAddr>>;

pub(super) fn resolve(
    local: Leaf<IpAddr>,
    remote: Leaf<IpAddr>,
    profile: Profile,
    owner: Span,
    findings: &Findings,
) -> (Address, Address) {
    let local = local.require("local", owner, "give our outside address, here or in `defaults`", findings);
    let remote = remote.require("remote", owner, "give the peer's outside address", findings);
    for (address, ours) in [(local, true), (remote, false)] {
        let Some(address) = address else { continue };
        let Some(reason) = forbidden(address.value) else { continue };
        let cloud = profile.cloud();
        if let Some(range) = cloud.outside.forbidden(address.value).filter(|_| ours && reason == SHARED) {
            findings.push(
                Finding::error(
                    Code::OutsideCloud,
                    address.span,
                    format!("{} takes no customer at {}", cloud.name, address.value),
                )
                .label(format!("in {range}"))
                .remedy("give the cloud the address that a NAT turns it into, and use another one here"),
            );
            continue;
        }
        if ours && reason == SHARED {
            findings.push(
                Finding::warning(Code::OutsideShared, address.span, format!("{} is a shared address", address.value))
                    .label("a carrier's NAT translates it; the peer sees another")
                    .remedy("give the cloud the translated address, and set `local-id` to what it expects"),
            );
            continue;
        }
        let remedy = if ours {
            "give an address of this machine that the peer can reach"
        } else {
            "give the public \
            (or, over private lines, private) address of the peer's gateway"
        };
        findings.push(
            Finding::error(Code::OutsideForbidden, address.span, format!("no tunnel can end at {}", address.value))
                .label(reason)
                .remedy(remedy),
        );
    }
    if let (Some(local), Some(remote)) = (local, remote) {
        compare(local, remote, findings);
    }
    (local, remote)
}

fn compare(local: At<IpAddr>, remote: At<IpAddr>, findings: &Findings) {
    if local.value == remote.value {
        findings.push(
            Finding::error(Code::OutsideEqual, remote.span, "the peer's outside address is our own")
                .label("the peer")
                .also(local.span, "ourselves")
                .remedy("`local` is our address, `remote` the peer's"),
        );
    } else if local.value.is_ipv4() != remote.value.is_ipv4() {
        findings.push(
            Finding::error(Code::OutsideFamily, remote.span, "the outside addresses are of different families")
                .label("of one family")
                .also(local.span, "of the other")
                .remedy("use two IPv4 or two IPv6 addresses"),
        );
    }
}

const SHARED: &str = "in 100.64.0.0/10, which is for carriers' NAT";

/// S1-09, and what goes without saying.
fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("in 0.0.0.0/8, which is not an address"),
        [100, second, ..] if second & 0xc0 == 64 => Some(SHARED),
        [127, ..] => Some("in 127.0.0.0/8, which never leaves a machine"),
        [169, 254, ..] => Some("in 169.254.0.0/16, which never leaves a link"),
        [224..=239, ..] => Some("in 224.0.0.0/4, which is multicast"),
        [240..=255, ..] => Some("in 240.0.0.0/4, which is reserved"),
        _ => None,
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("not an address")
    } else if address.is_loopback() {
        Some("never leaves a machine")
    } else if address.is_unicast_link_local() {
        Some("in fe80::/10, which never leaves a link")
    } else if address.is_multicast() {
        Some("in ff00::/8, which is multicast")
    } else if address.to_ipv4_mapped().is_some() {
        Some("an IPv4 address in disguise")
    } else {
        None
    }
}
