//! Connections beside each other and beside their tunnels.

use negotiation::StartAction;
use steering::Mode;

use document::code::Code;
use document::de::nearest;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use resolve::{ConnectionDraft, MemberDraft, SessionDraft, TunnelDraft};

pub(super) fn lint(connections: &[ConnectionDraft], tunnels: &[TunnelDraft], findings: &Findings) {
    for (index, connection) in connections.iter().enumerate() {
        let earlier = connections.get(..index).unwrap_or_default();
        several(connection, findings);
        for (place, member) in connection.members.iter().enumerate() {
            let before = connection.members.get(..place).unwrap_or_default();
            known(member, tunnels, findings);
            once(member, before, connection, earlier, findings);
            priority(member, before, connection, findings);
        }
        ready(connection, tunnels, findings);
        alike(connection, tunnels, findings);
        steerable(connection, tunnels, findings);
    }
}

/// S0-16.
fn several(connection: &ConnectionDraft, findings: &Findings) {
    let message = match connection.members.as_slice() {
        [] => "a connection without tunnels",
        [_] => "a connection of one tunnel",
        [_, _, ..] => return,
    };
    findings.push(
        Finding::error(Code::ConnectionTunnels, connection.list, message)
            .label("nothing takes over")
            .remedy("name at least two; clouds give two tunnels per connection, at different places"),
    );
}

fn known(member: &MemberDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    if find(member, tunnels).is_none() {
        let known: Vec<&str> = tunnels.iter().map(TunnelDraft::title).collect();
        let remedy = match nearest(&member.tunnel.value, &known) {
            Some(near) => format!("write `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        findings.push(
            Finding::error(
                Code::ConnectionTunnels,
                member.tunnel.span,
                format!("there is no tunnel `{}`", member.tunnel.value),
            )
            .label("unknown")
            .remedy(remedy),
        );
    }
}

fn once(
    member: &MemberDraft,
    before: &[MemberDraft],
    connection: &ConnectionDraft,
    earlier: &[ConnectionDraft],
    findings: &Findings,
) {
    let elsewhere = earlier.iter().flat_map(|other| other.members.iter().map(move |member| (other, member)));
    let here = before.iter().map(|member| (connection, member));
    let mut all = elsewhere.chain(here);
    if let Some((other, first)) = all.find(|(_, other)| other.tunnel.value == member.tunnel.value) {
        findings.push(
            Finding::error(
                Code::ConnectionTunnels,
                member.tunnel.span,
                format!("{} is in {} already", member.tunnel.value, other.name.value),
            )
            .label("second")
            .also(first.tunnel.span, "first")
            .remedy("name each tunnel once, in one connection"),
        );
    }
}

fn priority(member: &MemberDraft, before: &[MemberDraft], connection: &ConnectionDraft, findings: &Findings) {
    let Some(mode) = &connection.mode else { return };
    match (mode.value, &member.written) {
        (Mode::PrimaryStandby, _) => {
            let Some(first) = before.iter().find(|other| other.priority == member.priority) else { return };
            let (span, at) = (&member.tunnel, &member.written);
            findings.push(
                Finding::error(
                    Code::ConnectionPriority,
                    at.as_ref().map_or(span.span, |at| at.span),
                    format!("{} and {} have the same priority", first.tunnel.value, member.tunnel.value),
                )
                .label(format!("priority {}", member.priority))
                .also(first.written.as_ref().map_or(first.tunnel.span, |at| at.span), "the same")
                .remedy("give each tunnel another one, or none: then the order of the list counts"),
            );
        }
        (Mode::MedSteered, Some(written)) => findings.push(
            Finding::error(Code::ConnectionPriority, written.span, "a priority would overrule the peer's MEDs")
                .label("all tunnels are equal here")
                .also(mode.span, "the mode")
                .remedy("leave `priority` out, or write `mode: primary-standby`"),
        ),
        (Mode::MedSteered, None) | (Mode::ActiveActive, _) => {}
    }
}

/// S0-03: the standby is kept ready.
fn ready(connection: &ConnectionDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    let members = connection.members.iter().filter_map(|member| find(member, tunnels));
    for tunnel in members.filter(|tunnel| tunnel.start.value == StartAction::OnDemand) {
        findings.push(
            Finding::warning(Code::ConnectionReady, tunnel.start.span, "this tunnel is not ready to take over")
                .label("begins when a packet waits for it")
                .also(connection.name.span, "the connection")
                .remedy("leave `start` out: a tunnel that stands by costs next to nothing"),
        );
    }
}

/// Tunnels that differ in what they prefer contradict their roles.
fn alike(connection: &ConnectionDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    let mut sessions = sessions(connection, tunnels);
    let Some((first, one)) = sessions.next() else { return };
    for (tunnel, other) in sessions {
        if one.preferences() != other.preferences() {
            findings.push(
                Finding::error(
                    Code::ConnectionContradiction,
                    other.at,
                    format!(
                        "{} and {} differ in `local-preference`, `med` or `prepend`",
                        first.title(),
                        tunnel.title()
                    ),
                )
                .label("would contradict the connection")
                .also(one.at, "the other")
                .also(connection.name.span, "the connection")
                .remedy("leave them out: the connection sets them by role; `priority` says who is first"),
            );
        } else if let (Some(ours), Some(theirs)) = (&one.asn, &other.asn)
            && ours.value != theirs.value
        {
            findings.push(
                Finding::warning(
                    Code::ConnectionMixed,
                    theirs.span,
                    "the tunnels of this connection lead to different ASes",
                )
                .label(format!("AS {}", theirs.value))
                .also(ours.span, format!("AS {}", ours.value))
                .also(connection.name.span, "the connection")
                .remedy("make a connection of tunnels to one gateway, and another for the other"),
            );
        }
    }
}

fn steerable(connection: &ConnectionDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    let Some(mode) = connection.mode.as_ref().filter(|mode| mode.value == Mode::MedSteered) else { return };
    let members = connection.members.iter().filter_map(|member| Some((member, find(member, tunnels)?)));
    for (member, _) in members.filter(|(_, tunnel)| tunnel.session.is_none()) {
        findings.push(
            Finding::error(
                Code::ConnectionMode,
                member.tunnel.span,
                format!("no BGP session in {}", member.tunnel.value),
            )
            .label("no MEDs come through it")
            .also(mode.span, "the mode")
            .remedy("add `bgp: {asn: ...}` to the tunnel, or write `mode: primary-standby`"),
        );
    }
}

fn sessions<'a>(
    connection: &'a ConnectionDraft,
    tunnels: &'a [TunnelDraft],
) -> impl Iterator<Item = (&'a TunnelDraft, &'a SessionDraft)> {
    let members = connection.members.iter().filter_map(|member| find(member, tunnels));
    members.filter_map(|tunnel| Some((tunnel, tunnel.session.as_ref()?)))
}

fn find<'a>(member: &MemberDraft, tunnels: &'a [TunnelDraft]) -> Option<&'a TunnelDraft> {
    let is = |name: &At<String>| name.value == member.tunnel.value;
    tunnels.iter().find(|tunnel| tunnel.name.as_ref().is_some_and(is))
}
