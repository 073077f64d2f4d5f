//! Aggregates beside each other and beside our networks, and what is done to routes beside what the session is.

use ipnet::IpNet;

use super::statics::bypassed;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use resolve::{AggregateDraft, RouterDraft, SessionDraft, TunnelDraft, martian};

pub(super) fn lint<'a>(
    router: &RouterDraft,
    tunnels: &[TunnelDraft],
    sessions: impl Iterator<Item = &'a SessionDraft>,
    findings: &Findings,
) {
    for (index, aggregate) in router.aggregates.iter().enumerate() {
        alone(aggregate, router.aggregates.get(..index).unwrap_or_default(), findings);
        beside_networks(aggregate, router, findings);
        capture(aggregate, router, tunnels, findings);
    }
    for session in sessions {
        treatment(router, session, findings);
    }
}

fn alone(aggregate: &AggregateDraft, earlier: &[AggregateDraft], findings: &Findings) {
    let (prefix, span) = (aggregate.aggregate.value.prefix, aggregate.aggregate.span);
    if let Some(first) = earlier.iter().find(|other| other.aggregate.value.prefix == prefix) {
        findings.push(
            Finding::error(Code::AggregateDuplicate, span, format!("{prefix} is aggregated twice"))
                .label("second time")
                .also(first.aggregate.span, "first time")
                .remedy("keep one of the two"),
        );
    }
    let host = IpNet::from(prefix.addr()).prefix_len();
    let reason = martian(prefix).or((prefix.prefix_len() == host).then_some("nothing is more specific"));
    if let Some(reason) = reason {
        findings.push(
            Finding::error(Code::AggregatePrefix, span, format!("{prefix} cannot be an aggregate"))
                .label(reason)
                .remedy("name a prefix that covers what is to be summarised"),
        );
    }
    if let Some(span) = aggregate.as_set {
        findings.push(
            Finding::warning(Code::AggregateAsSet, span, "a set of AS numbers is announced")
                .label("RFC 9774 forbids it, and many networks drop such routes")
                .remedy("leave `as-set` out: ATOMIC_AGGREGATE says that numbers are missing"),
        );
    }
}

/// A network is announced whatever there is in it: the aggregate adds nothing to it.
fn beside_networks(aggregate: &AggregateDraft, router: &RouterDraft, findings: &Findings) {
    let (prefix, span) = (aggregate.aggregate.value.prefix, aggregate.aggregate.span);
    if let Some(network) = router.networks.iter().find(|network| network.value == prefix) {
        findings.push(
            Finding::warning(Code::AggregateNetwork, span, format!("{prefix} is announced in any case"))
                .label("this aggregate adds nothing")
                .also(network.span, "it is one of our networks")
                .remedy("leave it out of `networks` to announce it only while something is in it"),
        );
    }
}

/// What an aggregate covers and nothing more specific leads anywhere is dropped: not a tunnel's own packets.
fn capture(aggregate: &AggregateDraft, router: &RouterDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    let (prefix, span) = (aggregate.aggregate.value.prefix, aggregate.aggregate.span);
    let captured = tunnels.iter().find_map(|tunnel| {
        let remote = tunnel.remote.filter(|at| prefix.contains(&at.value))?;
        (!bypassed(remote.value, prefix, &router.statics, tunnels)).then_some((tunnel, remote))
    });
    if let Some((tunnel, remote)) = captured {
        findings.push(
            Finding::error(
                Code::AggregateCapture,
                span,
                format!("{prefix} holds the outside address of the peer of {}", tunnel.title()),
            )
            .label("would drop the tunnel's own packets")
            .also(remote.span, "the peer")
            .remedy(format!(
                "add a static route to {} by the way it is reached now, or aggregate less",
                IpNet::from(remote.value),
            )),
        );
    }
}

fn treatment(router: &RouterDraft, session: &SessionDraft, findings: &Findings) {
    let draft = &session.treatment;
    if let Some(warn) = draft.warn.filter(|_| !session.limits_inbound()) {
        findings.push(
            Finding::error(Code::TreatmentIdle, warn.span, "a warning about a limit that is not there")
                .label("part of `max-prefix: in`")
                .remedy("give `in`, too"),
        );
    }
    if let Some(paths) = draft.send_paths.filter(|_| !session.offers.sends_paths()) {
        findings.push(
            Finding::error(Code::TreatmentIdle, paths.span, "the peer is not offered several paths")
                .label("which of them is moot")
                .remedy("give `add-path: send` or `add-path: both`, too"),
        );
    }
    let (Some(own), Some(peer)) = (router.asn, session.asn) else { return };
    if own.value == peer.value {
        let external = [
            (draft.as_override.filter(|at| at.value).map(|at| at.span), "as-override"),
            (draft.private_as.map(|at| at.span), "remove-private-as"),
        ];
        for (span, key) in external.into_iter().filter_map(|(span, key)| Some((span?, key))) {
            findings.push(
                Finding::error(Code::TreatmentIdle, span, format!("`{key}` means nothing on an internal session"))
                    .label("the AS path does not change inside an AS")
                    .also(peer.span, "our own AS")
                    .remedy(format!("leave `{key}` out here")),
            );
        }
    } else if let Some(at) = draft.next_hop_self.filter(|at| !at.value) {
        findings.push(
            Finding::error(Code::TreatmentIdle, at.span, "toward another AS the next hop is always our own")
                .label("means something on internal sessions only")
                .also(peer.span, "another AS than ours")
                .remedy("leave `next-hop-self` out here"),
        );
    }
}
