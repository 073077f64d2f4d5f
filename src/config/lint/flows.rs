//! Protected flows beside each other and beside the rest.

use ipnet::IpNet;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use resolve::{ProtectedDraft, RouterDraft, TunnelDraft};

pub(super) fn lint(router: Option<&RouterDraft>, tunnels: &[TunnelDraft], findings: &Findings) {
    for (index, tunnel) in tunnels.iter().enumerate() {
        let Some(protected) = &tunnel.protected else { continue };
        overlap(tunnel, tunnels.get(..index).unwrap_or_default(), findings);
        if router.is_some_and(|router| !router.install) {
            findings.push(
                Finding::error(Code::FlowIdle, protected.at, "nothing would lead these flows into the tunnel")
                    .label("protected flows are routes of the kernel")
                    .remedy("take `install: false` out of `router`, or write `routing: destination`"),
            );
        }
        if let Some(route) = tunnel.routes.first() {
            findings.push(
                Finding::error(
                    Code::RoutingIdle,
                    route.prefix.span,
                    "a tunnel has routes or protected flows, not both",
                )
                .label("leads everything to there into the tunnel")
                .also(protected.at, "only what is protected may enter it")
                .remedy("leave `routes` out, or write `routing: destination`"),
            );
        }
    }
}

/// One finding per pair of tunnels.
fn overlap(tunnel: &TunnelDraft, earlier: &[TunnelDraft], findings: &Findings) {
    for other in earlier {
        let pairs = |draft: &TunnelDraft| draft.protected.iter().flat_map(ProtectedDraft::pairs).collect::<Vec<_>>();
        let theirs = pairs(other);
        let clash =
            pairs(tunnel).into_iter().find_map(|flow| Some((flow, *theirs.iter().find(|one| differ(flow, **one))?)));
        if let Some((flow, first)) = clash {
            let words = |(local, remote): (At<IpNet>, At<IpNet>)| format!("{} to {}", local.value, remote.value);
            findings.push(
                Finding::warning(
                    Code::FlowOverlap,
                    flow.1.span,
                    format!("protected flows of {} and {} overlap", other.title(), tunnel.title()),
                )
                .label(words(flow))
                .also(first.1.span, words(first))
                .remedy(
                    "of two that match, the longer remote network decides, then the longer local one: is that meant?",
                ),
            );
        }
    }
}

/// Whether some packet belongs to both, and they are not the same.
fn differ(one: (At<IpNet>, At<IpNet>), other: (At<IpNet>, At<IpNet>)) -> bool {
    let meet = |one: IpNet, other: IpNet| one.contains(&other) || other.contains(&one);
    let same = one.0.value == other.0.value && one.1.value == other.1.value;
    !same && meet(one.0.value, other.0.value) && meet(one.1.value, other.1.value)
}
