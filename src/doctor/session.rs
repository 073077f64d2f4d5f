//! The BGP session.

use crate::code::Code;
use crate::evidence::{Evidence, Failure, PortAnswer, Session, Tunnel};
use crate::finding::{Findings, Outcome, Rung, Severity, Step};
use crate::firewall::{Fate, Hook, Packet, TCP};

/// The BGP port (RFC 4271 8.2.1).
const BGP_PORT: u16 = 179;

pub(crate) fn examine(
    session: &Session,
    tunnel: Option<&Tunnel>,
    evidence: &Evidence,
    findings: &mut Findings,
) -> Step {
    let Some(state) = &session.state else {
        return Step::new(Rung::Bgp, Outcome::Unknown, "the router does not run");
    };
    let established = state == "Established";
    filter(session, tunnel, evidence, established, findings);
    if established {
        return exchange(session, findings);
    }
    let about = Some(session.name.as_str());
    // One direction that is blocked explains nothing: the session could come up by the other.
    let code = match findings.worst(&[Code::BgpFiltered], about) {
        Some((code, Severity::Failure)) => code,
        Some((_, Severity::Warning)) | None => {
            let (code, seen, remedy) = reason(session, state);
            findings.fail(code, about, seen, remedy);
            code
        }
    };
    Step::new(Rung::Bgp, Outcome::Failure, format!("{state}: {}", code.title()))
}

fn filter(session: &Session, tunnel: Option<&Tunnel>, evidence: &Evidence, established: bool, findings: &mut Findings) {
    let Some(firewall) = &evidence.machine.firewall else { return };
    let interface = tunnel.map(|tunnel| tunnel.interface.as_str()).or(session.interface.as_deref());
    let peer = Some(session.address);
    let base = Packet { protocol: Some(TCP), ..Packet::default() };
    let out = Packet {
        source: session.local,
        destination: peer,
        output: interface,
        destination_port: Some(BGP_PORT),
        ..base
    };
    let back = Packet { source: peer, destination: session.local, input: interface, ..base };
    let answer = Packet { source_port: Some(BGP_PORT), ..back };
    let call = Packet { destination_port: Some(BGP_PORT), ..back };
    let fate = |hook, packet: &Packet<'_>| match firewall.fate(hook, packet) {
        Fate::Blocked(culprit) => Some(culprit),
        Fate::Passes | Fate::Perhaps => None,
    };
    // One of the two directions is enough for a session: both must be blocked to say that it cannot be.
    let ours =
        fate(Hook::Output, &out).or_else(|| fate(Hook::Input, &answer)).or_else(|| fate(Hook::Prerouting, &answer));
    let theirs = fate(Hook::Input, &call).or_else(|| fate(Hook::Prerouting, &call));
    let (culprit, severity) = match (ours, theirs, established) {
        (Some(culprit), Some(_), false) => (culprit, Severity::Failure),
        (Some(culprit), _, _) | (None, Some(culprit), _) => (culprit, Severity::Warning),
        (None, None, _) => return,
    };
    findings.push(
        Code::BgpFiltered,
        severity,
        Some(&session.name),
        format!("TCP {BGP_PORT} with {} is dropped by {culprit}", session.address),
        format!(
            "accept it from and to {}: {} and {}",
            session.address,
            culprit.put_before(&format!("tcp dport {BGP_PORT}"), &format!("-p tcp --dport {BGP_PORT}")),
            culprit.put_before(&format!("tcp sport {BGP_PORT}"), &format!("-p tcp --sport {BGP_PORT}"))
        ),
    );
}

/// Why it is not established.
fn reason(session: &Session, state: &str) -> (Code, String, String) {
    let failure = session.failure.as_ref();
    if let Some(failure) = failure.filter(|failure| speaks(failure)) {
        return (code(failure), failure.text.clone(), failure.remedy.clone());
    }
    let address = session.address;
    match &session.port {
        Some(PortAnswer::Refused) => (
            Code::BgpRefused,
            format!("{address} answers a connection to TCP {BGP_PORT} with a reset"),
            "start the peer's BGP speaker, and let it listen on its inside address".to_owned(),
        ),
        Some(PortAnswer::Silent) => (
            Code::BgpSilent,
            format!("{address} answers nothing to a connection to TCP {BGP_PORT}"),
            "let TCP 179 pass at the peer; compare the inside addresses, and `md5` if one end has it".to_owned(),
        ),
        Some(PortAnswer::Open | PortAnswer::NotTried { .. }) | None => {
            let waiting = session.waiting.as_ref().map_or_else(String::new, |waiting| format!(", waiting {waiting}"));
            let (text, remedy) = failure.map_or_else(
                || (String::new(), "see `quadspan show neighbors` for what it waits for".to_owned()),
                |failure| (format!(": {}", failure.text), failure.remedy.clone()),
            );
            (failure.map_or(Code::BgpOther, code), format!("the session is {state}{waiting}{text}"), remedy)
        }
    }
}

/// Whether the failure comes from what one end said to the other: then there is no need to ask the port.
fn speaks(failure: &Failure) -> bool {
    !matches!(
        failure.reason.as_str(),
        "connect-failed" | "connection-closed" | "tunnel-down" | "bfd-down" | "configuration-changed" | "reset"
    )
}

/// The router's own labels, and, in what was said, which of the two ends minded what.
fn code(failure: &Failure) -> Code {
    let text = failure.text.to_ascii_lowercase();
    match failure.reason.as_str() {
        "shutdown" | "restarting" | "deconfigured" => Code::BgpClosed,
        "prefix-limit" => Code::BgpLimit,
        "hold-timer-expired" | "send-hold-timer-expired" => Code::BgpHold,
        "open-refused" | "notification-received" => {
            if failure.remedy.contains("AS number") || text.contains("bad peer as") {
                Code::BgpAsn
            } else if text.contains("shutdown") || text.contains("de-configured") || text.contains("deconfigured") {
                Code::BgpClosed
            } else if text.contains("prefixes") {
                Code::BgpLimit
            } else if text.contains("hold timer") {
                Code::BgpHold
            } else {
                Code::BgpOpen
            }
        }
        _ => Code::BgpOther,
    }
}

/// The session stands: what goes over it?
fn exchange(session: &Session, findings: &mut Findings) -> Step {
    let about = Some(session.name.as_str());
    let Session { received, accepted, advertised, held_back, .. } = session;
    if *accepted == 0 {
        findings.warn(
            Code::NothingLearnt,
            about,
            format!("{received} prefixes received, none accepted"),
            format!(
                "see `quadspan show received {} --rejected`; at the peer, propagate its networks (AWS: route propagation)",
                session.name
            ),
        );
    }
    if *advertised == 0 {
        findings.warn(
            Code::NothingTold,
            about,
            "no prefix is announced",
            format!("give `networks`, or see `quadspan show advertised {} --rejected`", session.name),
        );
    }
    if *held_back > 0 {
        findings.warn(
            Code::HeldBack,
            about,
            format!("{advertised} prefixes are announced and {held_back} are not"),
            "announce aggregates, or raise `max-prefix: {out: ..}` if the peer takes more",
        );
    }
    let text = format!("established; {accepted} prefixes accepted, {advertised} announced");
    let codes = [Code::NothingLearnt, Code::NothingTold, Code::HeldBack, Code::BgpFiltered];
    let outcome = if findings.worst(&codes, about).is_some() { Outcome::Warning } else { Outcome::Ok };
    Step::new(Rung::Bgp, outcome, text)
}
