//! Packets between the inside addresses.

use crate::code::Code;
use crate::evidence::{Evidence, Sizes, Tunnel};
use crate::finding::{Findings, Outcome, Rung, Severity, Step};

/// Octets of an IPv4 header and a TCP header (RFC 9293 3.7.1).
const HEADERS: u32 = 40;

pub(crate) fn examine(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) -> Step {
    let about = Some(tunnel.name.as_str());
    if !evidence.machine.up.contains(&tunnel.interface) {
        findings.fail(
            Code::InterfaceAbsent,
            about,
            format!("there is no interface {} that is up", tunnel.interface),
            format!("run `ip link set {} up`, or `quadspan reset tunnel {}`", tunnel.interface, tunnel.name),
        );
        return Step::new(Rung::Inside, Outcome::Failure, Code::InterfaceAbsent.title());
    }
    twice(tunnel, evidence, findings);
    if tunnel.inside_made_up {
        return match findings.worst(&[Code::InsideTwice], about) {
            Some((code, _)) => Step::new(Rung::Inside, Outcome::Warning, code.title()),
            None => Step::new(Rung::Inside, Outcome::Unknown, "the peer has no inside address to ask"),
        };
    }
    let established = tunnel.session.as_ref().is_some_and(|session| session.state.as_deref() == Some("Established"));
    let silent = tunnel.ping.is_some_and(|ping| ping.sent > 0 && ping.received == 0);
    if silent {
        // Who speaks BGP is there; that it does not answer pings is then no more than a nuisance.
        let severity = if established { Severity::Warning } else { Severity::Failure };
        findings.push(
            Code::InsideSilent,
            severity,
            about,
            format!(
                "{} of {} pings to {} were answered",
                0,
                tunnel.ping.map_or(0, |ping| ping.sent),
                tunnel.inside_peer
            ),
            "compare the inside addresses of both ends; let the peer's firewall accept ICMP on the tunnel",
        );
    }
    if let Some(sizes) = tunnel.sizes.filter(|sizes| !silent && !sizes.told && sizes.passed < sizes.mtu) {
        black_hole(tunnel, sizes, findings);
    }
    match findings.worst(&[Code::BlackHole, Code::InsideTwice, Code::InsideSilent], about) {
        // A packet that is too large is no reason not to look further.
        Some((code, Severity::Failure)) if code == Code::InsideSilent => {
            Step::new(Rung::Inside, Outcome::Failure, code.title())
        }
        Some((code, _)) => Step::new(Rung::Inside, Outcome::Warning, code.title()),
        None => match tunnel.ping {
            Some(ping) => {
                Step::new(Rung::Inside, Outcome::Ok, format!("{} of {} pings answered", ping.received, ping.sent))
            }
            None => Step::new(Rung::Inside, Outcome::Unknown, "no ping was sent"),
        },
    }
}

fn twice(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) {
    let clashes = |(interface, net): &&(String, ipnet::IpNet)| {
        *interface != tunnel.interface
            && (net.addr() == tunnel.inside_local
                || (net.contains(&tunnel.inside_peer) && net.addr() != tunnel.inside_local))
            && net.prefix_len() > 0
    };
    for (interface, net) in evidence.machine.addresses.iter().filter(clashes) {
        findings.fail(
            Code::InsideTwice,
            Some(&tunnel.name),
            format!(
                "{interface} has {net}, and {} is {} to {}",
                tunnel.interface, tunnel.inside_local, tunnel.inside_peer
            ),
            "give each tunnel an inside network of its own, or remove the address from the other interface",
        );
    }
}

fn black_hole(tunnel: &Tunnel, sizes: Sizes, findings: &mut Findings) {
    let Sizes { mtu, passed, told: _ } = sizes;
    findings.fail(
        Code::BlackHole,
        Some(&tunnel.name),
        format!("packets of {passed} octets pass through {} and those of {mtu}, its MTU, do not", tunnel.interface),
        format!(
            "write `mtu: {passed}` in the tunnel (TCP then takes segments of {}), or mend the path; let ICMP \"fragmentation \
             needed\" pass",
            passed.saturating_sub(HEADERS)
        ),
    );
}
