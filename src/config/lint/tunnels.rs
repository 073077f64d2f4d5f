//! Tunnels among themselves: names, interfaces, outside pairs, inside links.

use std::net::IpAddr;

use negotiation::{IkeVersion, StartAction, V1Mode};

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use profile::Begins;
use resolve::{SessionDraft, StaticDraft, TunnelDraft};

pub(super) fn lint(tunnels: &[TunnelDraft], statics: &[StaticDraft], findings: &Findings) {
    if let [only] = tunnels {
        // S0-16.
        findings.push(
            Finding::warning(Code::SingleTunnel, only.at, "there is only one tunnel")
                .label("when it fails, nothing takes over")
                .remedy("clouds give two tunnels per connection, at different places: configure both"),
        );
    }
    for (index, tunnel) in tunnels.iter().enumerate() {
        let earlier = tunnels.get(..index).unwrap_or_default();
        unique_names(tunnel, earlier, findings);
        distinct_peers(tunnel, earlier, findings);
        distinct_main_mode(tunnel, earlier, findings);
        separate_links(tunnel, earlier, findings);
        distinct_identities(tunnel, findings);
        on_demand(statics, tunnel, findings);
        waits_in_vain(tunnel, findings);
        if tunnel.session.is_none()
            && tunnel.protected.is_none()
            && !statics.iter().any(|route| leads_into(route, tunnel))
        {
            findings.push(
                Finding::warning(Code::NoSession, tunnel.at, format!("no BGP session in {}", tunnel.title()))
                    .label("no route will lead into this tunnel")
                    .remedy(
                        "add `bgp: {asn: ...}` with the peer's AS number, or `routes: [10.2.0.0/16]` with what is behind it",
                    ),
            );
        }
    }
}

/// Whether a static route names the tunnel, its interface, or an address inside it as next hop.
fn leads_into(route: &StaticDraft, tunnel: &TunnelDraft) -> bool {
    let same = |one: &Option<At<String>>, other: &Option<At<String>>| match (one, other) {
        (Some(one), Some(other)) => one.value == other.value,
        (_, _) => false,
    };
    route.hops.iter().any(|hop| {
        let inside = hop.address.is_some_and(|address| tunnel.links().any(|link| link.value.contains(&address.value)));
        same(&hop.tunnel, &tunnel.name) || same(&hop.interface, &tunnel.interface) || inside
    })
}

/// S1-16: a negotiation that begins when there is traffic begins at once if the router itself makes traffic.
fn on_demand(statics: &[StaticDraft], tunnel: &TunnelDraft, findings: &Findings) {
    let connects = tunnel.session.as_ref().is_some_and(SessionDraft::connects);
    let (label, remedy) = match (tunnel.start.value, connects) {
        (StartAction::OnDemand, true) => {
            ("its BGP session connects at once", "add `bgp: {passive: true}`, or write `start: initiate`")
        }
        (StartAction::OnDemand, false) if statics.iter().any(|route| !route.elsewhere && leads_into(route, tunnel)) => {
            ("its static routes are there only while it is up", "write `start: initiate`, or `routing: protected`")
        }
        (StartAction::OnDemand | StartAction::Initiate | StartAction::Respond, _) => return,
    };
    findings.push(
        Finding::warning(Code::OnDemand, tunnel.start.span, "this tunnel will not wait for traffic")
            .label(label)
            .remedy(remedy),
    );
}

/// S0-15, S4-16: who begins is up to both ends.
fn waits_in_vain(tunnel: &TunnelDraft, findings: &Findings) {
    if tunnel.start.value != StartAction::Respond {
        return;
    }
    let (cloud, span) = (tunnel.profile.cloud(), tunnel.start.span);
    let name = &cloud.name;
    let finding = match cloud.start.cloud {
        Begins::Always => return,
        Begins::IfTold => Finding::advice(Code::StartCloud, span, format!("{name} begins only if it is told to"))
            .remedy("set the startup action there (AWS: start, Alibaba: effective immediately), or leave `start` out"),
        Begins::Never => Finding::error(Code::StartCloud, span, format!("{name} never begins a tunnel"))
            .remedy("leave `start` out: we then begin"),
    };
    findings.push(finding.label("we wait for the peer"));
}

fn unique_names(tunnel: &TunnelDraft, earlier: &[TunnelDraft], findings: &Findings) {
    let same = |one: &Option<At<String>>, other: &Option<At<String>>| match (one, other) {
        (Some(one), Some(other)) if one.value == other.value => Some((one.span, other.span)),
        (_, _) => None,
    };
    for other in earlier {
        if let Some((span, first)) = same(&tunnel.name, &other.name) {
            findings.push(
                Finding::error(Code::DuplicateName, span, format!("two tunnels are called {}", tunnel.title()))
                    .label("second")
                    .also(first, "first")
                    .remedy("give each tunnel a name of its own"),
            );
        } else if let Some((span, first)) = same(&tunnel.interface, &other.interface) {
            let name = tunnel.interface.as_ref().map_or("", |interface| &interface.value);
            findings.push(
                Finding::error(Code::DuplicateInterface, span, format!("two tunnels share the interface {name}"))
                    .label("second")
                    .also(first, "first")
                    .remedy("give each tunnel an `interface` of its own"),
            );
        }
    }
}

fn distinct_peers(tunnel: &TunnelDraft, earlier: &[TunnelDraft], findings: &Findings) {
    let ends = |draft: &TunnelDraft| Some((draft.local?.value, draft.remote?.value));
    let identities =
        |draft: &TunnelDraft| (draft.local_id.clone().map(|id| id.value), draft.remote_id.clone().map(|id| id.value));
    let (Some(remote), Some(pair)) = (tunnel.remote, ends(tunnel)) else { return };
    let twin = earlier.iter().find(|other| ends(other) == Some(pair) && identities(other) == identities(tunnel));
    if let Some((twin, first)) = twin.and_then(|twin| Some((twin, twin.remote?))) {
        findings.push(
            Finding::error(
                Code::OutsideSamePair,
                remote.span,
                format!("{} and {} have the same outside addresses", twin.title(), tunnel.title()),
            )
            .label("IKE cannot tell them apart")
            .also(first.span, "the same pair")
            .remedy(
                "each tunnel ends at an address of its own; or give both ends different `local-id` and `remote-id`",
            ),
        );
    }
}

/// RFC 2409 5.4: main mode with a pre-shared key tells peers apart by their addresses alone.
fn distinct_main_mode(tunnel: &TunnelDraft, earlier: &[TunnelDraft], findings: &Findings) {
    let pair = |draft: &TunnelDraft| Some((draft.local?.value, draft.remote?.value));
    let is_main = |draft: &TunnelDraft| draft.version.value == IkeVersion::V1(V1Mode::Main);
    let twin = earlier.iter().find(|other| is_main(other) && pair(other).is_some() && pair(other) == pair(tunnel));
    let twin = twin.filter(|_| is_main(tunnel));
    if let (Some(twin), Some(remote)) = (twin, tunnel.remote) {
        findings.push(
            Finding::error(
                Code::Ikev1SamePair,
                remote.span,
                format!("{} and {} both use main mode between the same addresses", twin.title(), tunnel.title()),
            )
            .label("the key is looked up by this address alone")
            .also(twin.version.span, "main mode here")
            .remedy("use aggressive mode, or IKEv2, or an address of its own for each"),
        );
    }
}

fn separate_links(tunnel: &TunnelDraft, earlier: &[TunnelDraft], findings: &Findings) {
    let Some(link) = tunnel.inside else { return };
    let overlaps = |other: &&TunnelDraft| {
        other.inside.is_some_and(|other| {
            other.value.prefix.contains(&link.value.prefix) || link.value.prefix.contains(&other.value.prefix)
        })
    };
    if let Some((other, first)) = earlier.iter().find(overlaps).and_then(|other| Some((other, other.inside?))) {
        // S0-46, S4-08.
        findings.push(
            Finding::error(
                Code::InsideOverlap,
                link.span,
                format!("the inside links of {} and {} overlap", other.title(), tunnel.title()),
            )
            .label(format!("{} is taken", link.value.prefix))
            .also(first.span, format!("by {}", first.value.prefix))
            .remedy("give each tunnel a /30 of its own, on both ends"),
        );
    }
    let Some(link6) = tunnel.inside6 else { return };
    let taken = earlier.iter().filter_map(|other| other.inside6).find(|other| {
        other.value.prefix.contains(&link6.value.prefix) || link6.value.prefix.contains(&other.value.prefix)
    });
    if let Some(first) = taken {
        findings.push(
            Finding::error(Code::InsideOverlap, link6.span, "two IPv6 inside links overlap")
                .label(format!("{} is taken", link6.value.prefix))
                .also(first.span, format!("by {}", first.value.prefix))
                .remedy("give each tunnel a /126 of its own, on both ends"),
        );
    }
}

fn distinct_identities(tunnel: &TunnelDraft, findings: &Findings) {
    if let (Some(local), Some(remote)) = (&tunnel.local_id, &tunnel.remote_id)
        && local.value == remote.value
    {
        findings.push(
            Finding::warning(Code::IdentityEqual, remote.span, "both ends identify themselves alike")
                .label("the peer")
                .also(local.span, "ourselves")
                .remedy("give each end an identity of its own, so that neither takes itself for the other"),
        );
    }
}

/// Whether some tunnel's peer is at an address in `prefix`.
pub(super) fn remote_within<'a>(
    tunnels: &'a [TunnelDraft],
    prefix: &ipnet::IpNet,
) -> Option<(&'a TunnelDraft, At<IpAddr>)> {
    tunnels.iter().find_map(|tunnel| {
        let remote = tunnel.remote?;
        prefix.contains(&remote.value).then_some((tunnel, remote))
    })
}
