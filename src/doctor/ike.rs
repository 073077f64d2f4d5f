//! The IKE SA.

use crate::code::Code;
use crate::evidence::{Evidence, Failure, IkeAnswer, RouteLookup, Tunnel, TunnelState};
use crate::finding::{Findings, Outcome, Rung, Severity, Step};
use crate::firewall::{Culprit, Fate, Hook, Packet, Rewrite, UDP};

/// What on this machine keeps IKE from working.
const LOCAL_CAUSES: [Code; 5] =
    [Code::LocalAbsent, Code::PeerUnroutable, Code::PeerInside, Code::IkeFiltered, Code::PortTaken];

pub(crate) fn examine(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) -> Step {
    let carries = tunnel.state == Some(TunnelState::Up) || tunnel.has_ike;
    let severity = if carries { Severity::Warning } else { Severity::Failure };
    place(tunnel, evidence, severity, findings);
    filters(tunnel, evidence, severity, findings);
    nat(tunnel, evidence, findings);
    let local = findings.worst(&LOCAL_CAUSES, Some(&tunnel.name));
    match (tunnel.state, local) {
        _ if carries && local.is_none_or(|(code, _)| code == Code::PortTaken) => {
            Step::new(Rung::Ike, Outcome::Ok, "the IKE SA is established")
        }
        _ if carries => Step::new(Rung::Ike, Outcome::Warning, "it is established and would not be again"),
        (_, Some((code, Severity::Failure))) if is_silence(tunnel) => {
            Step::new(Rung::Ike, Outcome::Failure, code.title())
        }
        (None, _) => absent(tunnel, findings),
        (Some(TunnelState::Waiting), _) if tunnel.on_demand || tunnel.failure.is_none() => waiting(tunnel, findings),
        (Some(_), _) => failed(tunnel, findings),
    }
}

/// Whether what the router says leaves open why: then it is what this machine lacks. What the peer said stays true.
fn is_silence(tunnel: &Tunnel) -> bool {
    tunnel.failure.as_ref().is_none_or(|failure| matches!(failure.reason.as_str(), "timeout" | "dpd" | "address"))
}

/// Our address, and the way to the peer's.
fn place(tunnel: &Tunnel, evidence: &Evidence, severity: Severity, findings: &mut Findings) {
    let about = Some(tunnel.name.as_str());
    if !evidence.machine.addresses.iter().any(|(_, net)| net.addr() == tunnel.local) {
        findings.push(
            Code::LocalAbsent,
            severity,
            about,
            format!("no interface has {}", tunnel.local),
            "set `local` to an address of this machine (`ip address`), or give the interface this address",
        );
        // Without it, what the kernel says of the way means nothing.
        return;
    }
    match &tunnel.route {
        Some(RouteLookup::None { reason }) => findings.push(
            Code::PeerUnroutable,
            severity,
            about,
            format!("no way from {} to {}: {reason}", tunnel.local, tunnel.remote),
            format!("add a route: `ip route add {} via GATEWAY`, or mend the default route", tunnel.remote),
        ),
        Some(RouteLookup::Via { interface }) if evidence.tunnels.iter().any(|other| other.interface == *interface) => {
            findings.push(
                Code::PeerInside,
                severity,
                about,
                format!("packets to {} leave by {interface}", tunnel.remote),
                format!(
                    "remove the route that leads there, or add a narrower one: `ip route add {} via GATEWAY`",
                    tunnel.remote
                ),
            );
        }
        Some(RouteLookup::Via { .. }) | None => {}
    }
}

fn filters(tunnel: &Tunnel, evidence: &Evidence, severity: Severity, findings: &mut Findings) {
    let Some(firewall) = &evidence.machine.firewall else { return };
    let outside = outside_interface(tunnel);
    let blocked = |hook, packet: &Packet<'_>| match firewall.fate(hook, packet) {
        Fate::Blocked(culprit) => Some(culprit),
        Fate::Passes | Fate::Perhaps => None,
    };
    let dropped = |port: u16| {
        let base =
            Packet { protocol: Some(UDP), source_port: Some(port), destination_port: Some(port), ..Packet::default() };
        let out = Packet { source: Some(tunnel.local), destination: Some(tunnel.remote), output: outside, ..base };
        let back = Packet { source: Some(tunnel.remote), destination: Some(tunnel.local), input: outside, ..base };
        let leaving = blocked(Hook::Output, &out).or_else(|| blocked(Hook::Postrouting, &out));
        let arriving = || blocked(Hook::Prerouting, &back).or_else(|| blocked(Hook::Input, &back));
        leaving.map(|culprit| ("leaving", culprit)).or_else(|| Some(("arriving", arriving()?)))
    };
    // Where no NAT is, IKE stays on the port where it began (RFC 7296 2.23); on 4500 it stays in any case.
    let needed = |port: &u16| *port == tunnel.ike_port || (*port == 4500 && tunnel.in_udp != Some(false));
    let ports = [500, 4500].into_iter().filter(needed);
    let ports = ports.filter_map(|port| Some((port, dropped(port)?)));
    let (ports, mut culprits): (Vec<u16>, Vec<(&str, Culprit)>) = ports.unzip();
    if culprits.is_empty() {
        return;
    }
    let severity = if ports.contains(&tunnel.ike_port) { severity } else { Severity::Warning };
    let (way, culprit) = culprits.swap_remove(0);
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    findings.push(
        Code::IkeFiltered,
        severity,
        Some(&tunnel.name),
        format!("UDP {} {way} is dropped by {culprit}", ports.join(" and ")),
        format!(
            "accept UDP 500 and 4500 from and to {}: {}",
            tunnel.remote,
            culprit.put_before("udp dport { 500, 4500 }", "-p udp -m multiport --dports 500,4500")
        ),
    );
}

fn nat(tunnel: &Tunnel, evidence: &Evidence, findings: &mut Findings) {
    let Some(firewall) = &evidence.machine.firewall else { return };
    let packet = Packet {
        protocol: Some(UDP),
        source: Some(tunnel.local),
        destination: Some(tunnel.remote),
        source_port: Some(tunnel.ike_port),
        destination_port: Some(tunnel.ike_port),
        output: outside_interface(tunnel),
        ..Packet::default()
    };
    let changes = |(_, rewrite): &(Culprit, Rewrite)| !keeps_source(*rewrite, tunnel, evidence);
    if let Some((culprit, _)) = firewall.translation(Hook::Postrouting, &packet).filter(changes) {
        let (family, local) = (if tunnel.local.is_ipv4() { "ip" } else { "ip6" }, tunnel.local);
        let exemption = culprit.put_before(
            &format!("{family} saddr {local} udp dport {{ 500, 4500 }}"),
            &format!("-s {local} -p udp -m multiport --dports 500,4500"),
        );
        findings.warn(
            Code::OuterNat,
            Some(&tunnel.name),
            format!("packets from {} to {} are rewritten by {culprit}", tunnel.local, tunnel.remote),
            format!("exempt them: {exemption}"),
        );
    }
}

/// Whether packets of this machine itself leave with the address that they had.
fn keeps_source(rewrite: Rewrite, tunnel: &Tunnel, evidence: &Evidence) -> bool {
    let local = tunnel.local;
    match rewrite {
        Rewrite::To(address) => address == local,
        // One of the interface's networks, where the first address of that network is taken.
        Rewrite::OfInterface => {
            let here =
                evidence.machine.addresses.iter().filter(|(name, _)| Some(name.as_str()) == outside_interface(tunnel));
            here.map(|(_, net)| net).find(|net| net.contains(&local)).is_some_and(|net| net.addr() == local)
        }
        Rewrite::Other => false,
    }
}

/// The interface that outer packets take.
pub(crate) fn outside_interface(tunnel: &Tunnel) -> Option<&str> {
    match &tunnel.route {
        Some(RouteLookup::Via { interface }) => Some(interface),
        Some(RouteLookup::None { .. }) | None => None,
    }
}

/// The router does not run: only the peer's host can be asked.
fn absent(tunnel: &Tunnel, findings: &mut Findings) -> Step {
    match rejected(tunnel) {
        Some(text) => unreachable(tunnel, text, Severity::Failure, findings),
        None => match first_answer(tunnel) {
            Some(IkeAnswer::Answered) => {
                Step::new(Rung::Ike, Outcome::Unknown, "the peer's IKE daemon answers; the router does not run")
            }
            Some(_) | None => Step::new(Rung::Ike, Outcome::Unknown, "the router does not run"),
        },
    }
}

fn waiting(tunnel: &Tunnel, findings: &mut Findings) -> Step {
    if tunnel.on_demand {
        return Step::new(Rung::Ike, Outcome::Unknown, "it begins with the first packet, and none has come");
    }
    findings.warn(
        Code::NobodyBegins,
        Some(&tunnel.name),
        format!("{} waits for the peer, and nothing has come", tunnel.name),
        "write `start: initiate`, or have the peer begin",
    );
    Step::new(Rung::Ike, Outcome::Failure, "nobody has begun")
}

fn failed(tunnel: &Tunnel, findings: &mut Findings) -> Step {
    let Some(failure) = &tunnel.failure else {
        return match rejected(tunnel) {
            Some(text) => unreachable(tunnel, text, Severity::Failure, findings),
            None => Step::new(Rung::Ike, Outcome::Unknown, "a negotiation is under way"),
        };
    };
    let (code, seen, remedy) = match failure.reason.as_str() {
        "timeout" | "dpd" => match (rejected(tunnel), first_answer(tunnel)) {
            (Some(text), _) => return unreachable(tunnel, text, Severity::Failure, findings),
            (None, _) if is_past_first(failure) => (Code::AuthSilent, failure.text.clone(), failure.remedy.clone()),
            (None, Some(IkeAnswer::Answered)) => {
                let text = format!("{}; just now an IKE daemon answered there", failure.text);
                (
                    Code::IkeSilent,
                    text,
                    format!("wait for the next attempt, or begin it: `quadspan reset tunnel {}`", tunnel.name),
                )
            }
            (None, _) => (Code::IkeSilent, failure.text.clone(), silent_remedy(tunnel, failure)),
        },
        reason => (code(reason), failure.text.clone(), failure.remedy.clone()),
    };
    findings.fail(code, Some(&tunnel.name), seen, remedy);
    // The IKE SA stands or falls with its first CHILD SA.
    Step::new(Rung::Ike, Outcome::Failure, code.title())
}

fn silent_remedy(tunnel: &Tunnel, failure: &Failure) -> String {
    format!(
        "{}; at the peer, compare the address it expects us at with {} as the Internet sees it, and look whether anything \
         arrives",
        failure.remedy, tunnel.local
    )
}

/// Whether the first exchange had its answer.
fn is_past_first(failure: &Failure) -> bool {
    let first = ["IKE_SA_INIT", "message 1 ", "message 2 ", "message 3 ", "liveness", "DELETE", "CREATE_CHILD_SA"];
    !first.iter().any(|words| failure.text.contains(words))
}

/// How the peer's host took a datagram for the port where IKE begins.
const fn first_answer(tunnel: &Tunnel) -> Option<&IkeAnswer> {
    if tunnel.ike_port == 4500 { tunnel.nat_answer.as_ref() } else { tunnel.ike_answer.as_ref() }
}

/// What an ICMP error says, if one came.
fn rejected(tunnel: &Tunnel) -> Option<String> {
    [(500, &tunnel.ike_answer), (4500, &tunnel.nat_answer)].into_iter().find_map(|(port, answer)| match answer {
        Some(IkeAnswer::Unreachable { what, from }) => {
            let from = from.map_or_else(String::new, |from| format!(" by {from}"));
            Some(format!("a datagram for UDP {port} of {} was answered{from} with \"{what}\"", tunnel.remote))
        }
        Some(IkeAnswer::NotSent { reason }) => {
            Some(format!("a datagram for UDP {port} of {} could not be sent: {reason}", tunnel.remote))
        }
        Some(IkeAnswer::Answered | IkeAnswer::Silent) | None => None,
    })
}

fn unreachable(tunnel: &Tunnel, text: String, severity: Severity, findings: &mut Findings) -> Step {
    findings.push(
        Code::IkeUnreachable,
        severity,
        Some(&tunnel.name),
        text,
        "check `remote`, that the peer's IKE daemon runs, and the firewalls between for UDP 500 and 4500",
    );
    Step::new(Rung::Ike, Outcome::Failure, Code::IkeUnreachable.title())
}

/// The router's own labels, by the rung and kind that they belong to.
pub(crate) fn code(reason: &str) -> Code {
    match reason {
        "psk" | "psk_or_ppk" | "ppk" | "ppk_missing" | "ppk_unknown" | "ppk_auth" | "auth" | "auth_method"
        | "undecryptable" => Code::Authentication,
        "ike_no_proposal" | "invalid_ke" | "intermediate" | "bad_public_value" => Code::IkeProposals,
        "identity" | "unknown_peer" => Code::Identity,
        "version" | "mode" => Code::Version,
        "nat_forbidden" => Code::NatForbidden,
        "child_no_proposal" | "pfs_mismatch" => Code::ChildProposals,
        "ts_unacceptable" | "single_pair" => Code::Selectors,
        "expired" => Code::Expired,
        "interface" => Code::InterfaceAbsent,
        "address" => Code::LocalAbsent,
        "cert_not_yet_valid" => Code::ClockWrong,
        reason if reason.starts_with("cert_") => Code::CertificateRefused,
        _ => Code::IkeOther,
    }
}
