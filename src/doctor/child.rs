//! The CHILD SAs.

use crate::code::Code;
use crate::evidence::{Evidence, Tunnel, TunnelState};
use crate::finding::{Findings, Outcome, Rung, Severity, Step};
use crate::firewall::{ESP, Fate, Hook, Packet};
use crate::ike;

/// Packets that went before it means something that none came.
const ENOUGH: u64 = 10;

pub(crate) fn examine(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) -> Step {
    let about = Some(tunnel.name.as_str());
    if tunnel.state != Some(TunnelState::Up) {
        let Some(failure) = &tunnel.failure else {
            return Step::new(Rung::Ipsec, Outcome::Unknown, "a negotiation is under way");
        };
        let code = ike::code(&failure.reason);
        findings.fail(code, about, &failure.text, &failure.remedy);
        return Step::new(Rung::Ipsec, Outcome::Failure, code.title());
    }
    for missing in &tunnel.missing {
        let why = missing.failure.as_ref();
        findings.fail(
            Code::ChildMissing,
            about,
            format!(
                "{} has no CHILD SA{}",
                missing.selectors,
                why.map_or(String::new(), |why| format!(": {}", why.text))
            ),
            why.map_or("wait for the next attempt; see `quadspan show tunnels`", |why| &why.remedy),
        );
    }
    filter(tunnel, evidence, findings);
    let traffic = &tunnel.traffic;
    let answered = tunnel.ping.is_some_and(|ping| ping.received > 0);
    if traffic.packets_in == 0 && traffic.packets_out >= ENOUGH && !answered {
        findings.fail(
            Code::OneWay,
            about,
            format!("{} packets went and none came", traffic.packets_out),
            "at the peer: let ESP (or UDP 4500) out and in, and look for a route to our inside address and networks",
        );
        return Step::new(Rung::Ipsec, Outcome::Failure, Code::OneWay.title());
    }
    let refused = ["replay", "integrity", "malformed", "selector"];
    let count = |cause: &&str| traffic.drops.get(*cause).copied().unwrap_or(0);
    let total: u64 = refused.iter().map(count).sum();
    if total > 0 && total * 100 > traffic.packets_in {
        let each: Vec<String> =
            refused.iter().filter(|cause| count(cause) > 0).map(|cause| format!("{cause} {}", count(cause))).collect();
        findings.warn(
            Code::Refusals,
            about,
            format!("{} of {} packets: {}", total, traffic.packets_in + total, each.join(", ")),
            "replay: let the peer order its packets, or widen `esp: {replay-window: ..}`; selector: compare both ends' \
             networks; integrity: look for damage on the way",
        );
    }
    match findings.worst(&[Code::ChildMissing, Code::EspFiltered, Code::Refusals], about) {
        Some((code, Severity::Failure)) if code == Code::EspFiltered => {
            Step::new(Rung::Ipsec, Outcome::Failure, code.title())
        }
        Some((code, _)) => Step::new(Rung::Ipsec, Outcome::Warning, code.title()),
        None => Step::new(Rung::Ipsec, Outcome::Ok, "a CHILD SA carries traffic"),
    }
}

fn filter(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) {
    let Some(firewall) = evidence.machine.firewall.as_ref().filter(|_| tunnel.in_udp == Some(false)) else { return };
    let interface = ike::outside_interface(tunnel);
    let base = Packet { protocol: Some(ESP), ..Packet::default() };
    let back = Packet { source: Some(tunnel.remote), destination: Some(tunnel.local), input: interface, ..base };
    let out = Packet { source: Some(tunnel.local), destination: Some(tunnel.remote), output: interface, ..base };
    for (hook, packet) in
        [(Hook::Prerouting, &back), (Hook::Input, &back), (Hook::Output, &out), (Hook::Postrouting, &out)]
    {
        if let Fate::Blocked(culprit) = firewall.fate(hook, packet) {
            findings.fail(
                Code::EspFiltered,
                Some(&tunnel.name),
                format!("ESP with {} is dropped by {culprit}", tunnel.remote),
                format!(
                    "accept it: {}, or write `encapsulation: always`",
                    culprit.put_before("meta l4proto esp", "-p esp")
                ),
            );
            return;
        }
    }
}
