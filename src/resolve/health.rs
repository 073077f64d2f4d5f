//! Health of tunnels by probes through them.

use std::net::IpAddr;
use std::time::Duration;

use steering::{HealthCheck, MAX_PROBES, Target};

use super::{ConnectionDraft, TunnelDraft};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Field;
use document::source::{At, Span};
use schema::{HealthSection, ProbeSection};

const FASTEST: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(3600);
const INTERVAL: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_millis(500);
const IN_A_ROW: u32 = 3;

/// What each tunnel's own section, and that of its connection, come to.
pub(super) fn resolve(
    tunnels: &[TunnelDraft],
    connections: &[ConnectionDraft],
    findings: &Findings,
) -> Vec<(String, HealthCheck)> {
    let checks = tunnels.iter().filter_map(|tunnel| {
        let name = &tunnel.name.as_ref()?.value;
        let mut of = connections.iter().filter(|one| one.members.iter().any(|member| member.tunnel.value == *name));
        let base = of.next().map(|connection| connection.health.clone()).unwrap_or_default();
        let section = tunnel.health.clone().over(base).at()?;
        Some((name.clone(), one(section, tunnel, tunnels, findings)?))
    });
    checks.collect()
}

fn one(
    section: At<HealthSection>,
    tunnel: &TunnelDraft,
    tunnels: &[TunnelDraft],
    findings: &Findings,
) -> Option<HealthCheck> {
    let At { value: section, span } = section;
    let interval = section.interval.scalar();
    if let Some(at) = interval.as_ref().filter(|at| !(FASTEST..=SLOWEST).contains(&at.value)) {
        findings.push(
            Finding::error(Code::HealthTiming, at.span, "probes do not work at this pace")
                .label(if at.value < FASTEST { "shorter than 100ms" } else { "longer than an hour" })
                .remedy("give `1s`; for failures within a second there is BFD"),
        );
    }
    let interval = interval.map_or(INTERVAL, |at| at.value);
    let timeout = section.timeout.scalar();
    if let Some(at) = timeout.as_ref().filter(|at| at.value > interval || at.value.is_zero()) {
        findings.push(
            Finding::error(Code::HealthTiming, at.span, "an answer has to come before the next question")
                .label(if at.value.is_zero() {
                    "no time at all".to_owned()
                } else {
                    format!("`interval` is {interval:?}")
                })
                .remedy("give at most as much as `interval`"),
        );
    }
    let in_a_row =
        |field: document::field::Leaf<document::scalar::Within<1, 100>>| field.value().map_or(IN_A_ROW, |at| at.0);
    let probes = probes(section.probes, span, tunnel, tunnels, findings)?;
    Some(HealthCheck {
        probes,
        policy: section.policy.value().unwrap_or_default(),
        interval,
        timeout: timeout.map_or(TIMEOUT.min(interval), |at| at.value),
        down_after: in_a_row(section.down_after),
        up_after: in_a_row(section.up_after),
    })
}

fn probes(
    written: Field<Vec<Field<ProbeSection>>>,
    owner: Span,
    tunnel: &TunnelDraft,
    tunnels: &[TunnelDraft],
    findings: &Findings,
) -> Option<Vec<Target>> {
    let at = written.span();
    let entries: Vec<_> =
        written.at().map(|list| list.value).unwrap_or_default().into_iter().filter_map(Field::at).collect();
    if at.is_none() || entries.is_empty() {
        findings.push(
            Finding::error(Code::HealthProbe, at.unwrap_or(owner), "nobody is asked")
                .label("no probes")
                .remedy("add `probes: [{icmp: ADDRESS}]` with a host behind the tunnel"),
        );
    }
    if entries.len() > MAX_PROBES {
        findings.push(
            Finding::error(Code::HealthProbe, at.unwrap_or(owner), "too many probes")
                .label(format!("{} of them", entries.len()))
                .remedy(format!("name at most {MAX_PROBES} targets per tunnel")),
        );
    }
    let mut targets: Vec<Target> = Vec::new();
    for entry in entries {
        let At { value: ProbeSection { icmp, tcp }, span } = entry;
        let target = match (icmp.scalar(), tcp.scalar()) {
            (Some(at), None) => At::new(Target::Icmp(at.value), at.span),
            (None, Some(at)) => At::new(Target::Tcp(at.value), at.span),
            (Some(_), Some(_)) | (None, None) => {
                findings.push(
                    Finding::error(Code::HealthProbe, span, "this is not a probe")
                        .label("neither `icmp` nor `tcp`, or both")
                        .remedy("write `{icmp: ADDRESS}` or `{tcp: 'ADDRESS:PORT'}`"),
                );
                continue;
            }
        };
        if let Some((message, remedy)) = nonsense(&target.value, &targets, tunnel, tunnels) {
            findings.push(
                Finding::error(Code::HealthProbe, target.span, message)
                    .label(format!("asked through {}", tunnel.title()))
                    .remedy(remedy),
            );
        }
        targets.push(target.value);
    }
    (!targets.is_empty()).then_some(targets)
}

/// What makes a target tell nothing about the tunnel.
fn nonsense(
    target: &Target,
    earlier: &[Target],
    tunnel: &TunnelDraft,
    tunnels: &[TunnelDraft],
) -> Option<(String, &'static str)> {
    let address = target.address();
    let behind = "name a host behind the tunnel, or the peer's inside address";
    let outside = |other: &TunnelDraft| {
        let at = |end: Option<At<IpAddr>>| end.is_some_and(|at| at.value == address);
        at(other.local) || at(other.remote)
    };
    let own = |other: &TunnelDraft| {
        other.inside.is_some_and(|link| link.value.local == address)
            || other.inside6.is_some_and(|link| IpAddr::V6(link.value.local) == address)
    };
    let foreign =
        |other: &&TunnelDraft| other.at != tunnel.at && other.links().any(|link| link.value.contains(&address));
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return Some((format!("{address} is no host"), behind));
    }
    if tunnels.iter().any(outside) {
        return Some((format!("{address} is the outside address of a tunnel"), behind));
    }
    if tunnels.iter().any(own) {
        return Some((format!("{address} is our own address"), behind));
    }
    if let Some(other) = tunnels.iter().find(foreign) {
        let message = format!("{address} lies in the link inside {}", other.title());
        return Some((message, "ask each tunnel's peer in the `health` of that tunnel"));
    }
    if let IpAddr::V6(host) = address {
        let Some(link) = tunnel.inside6 else {
            return Some((
                format!("{} has no IPv6 address inside", tunnel.title()),
                "ask an IPv4 host, or add `inside6`",
            ));
        };
        // Linux sends IPv6 only where a route leads, also from a socket that is bound to an interface. While nothing is
        // known of the tunnel, no other leads into it.
        if !link.value.prefix.contains(&host) {
            let message = format!("{address} is no address of the IPv6 link inside {}", tunnel.title());
            return Some((message, "ask the peer's address in `inside6`, or an IPv4 host behind the tunnel"));
        }
    }
    if matches!(target, Target::Tcp(target) if target.port() == 0) {
        return Some(("nobody listens on port 0".to_owned(), "name the port of a service"));
    }
    earlier.contains(target).then(|| (format!("{target} is asked twice"), "name each target once"))
}
