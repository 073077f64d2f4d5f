//! AS numbers: which can be used at all, which a cloud takes, and that the two ends differ.

use std::collections::BTreeSet;

use wire::Asn;

use document::asn_range::AsnRange;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::At;
use profile::Profile;
use resolve::{NeighborDraft, RouterDraft, SessionDraft, TunnelDraft};

pub(super) fn lint(
    router: Option<&RouterDraft>,
    tunnels: &[TunnelDraft],
    neighbors: &[NeighborDraft],
    findings: &Findings,
) {
    let own = router.and_then(|router| router.asn);
    if let Some(own) = own {
        usable(own, findings);
        toward_clouds(own, tunnels, findings);
    }
    roles(own, tunnels, neighbors, findings);
    let within = tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref());
    for session in within.chain(neighbors.iter().map(|neighbor| &neighbor.session)) {
        own.iter().for_each(|own| toward_one(*own, session, findings));
    }
    own.iter().for_each(|own| neighbors.iter().for_each(|neighbor| toward_range(*own, neighbor, findings)));
    // A neighbour may well be of our own AS.
    for asn in neighbors.iter().filter_map(|neighbor| neighbor.session.asn) {
        usable(asn, findings);
    }
    for session in tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref()) {
        let Some(peer) = session.asn else { continue };
        usable(peer, findings);
        if let Some(own) = own.filter(|own| own.value == peer.value) {
            // S4-11.
            findings.push(
                Finding::error(Code::AsnEqual, peer.span, format!("both ends are AS {}", peer.value))
                    .label("the peer")
                    .also(own.span, "ourselves")
                    .remedy("sessions with clouds are external: choose another private number for one end"),
            );
        }
    }
}

// RFC 9234 4.1: a role is about two ASes.
fn roles(own: Option<At<Asn>>, tunnels: &[TunnelDraft], neighbors: &[NeighborDraft], findings: &Findings) {
    let sessions = tunnels.iter().filter_map(|tunnel| tunnel.session.as_ref());
    for session in sessions.chain(neighbors.iter().map(|neighbor| &neighbor.session)) {
        let (Some(role), Some(own), Some(peer)) = (session.offers.role, own, session.asn) else { continue };
        if own.value == peer.value {
            findings.push(
                Finding::error(Code::Role, role.span, "inside one AS nobody is provider, customer or peer")
                    .label("what we are to the peer")
                    .also(peer.span, "of our own AS")
                    .remedy("leave `role` out"),
            );
        }
    }
}

/// RFC 7705: another number is for sessions with other ASes, and is neither end's.
fn toward_one(own: At<Asn>, session: &SessionDraft, findings: &Findings) {
    let (Some(local), Some(peer)) = (session.local_asn.map(|local| local.asn), session.asn) else { return };
    usable(local, findings);
    let wrong = if local.value == own.value {
        Some((own.span, "our own number as it is", "leave `local-asn` out"))
    } else if local.value == peer.value {
        Some((peer.span, "the peer's number", "give the number of ours that the peer is configured with"))
    } else if peer.value == own.value {
        Some((peer.span, "the peer is of our own AS", "leave `local-asn` out: inside an AS there is one number"))
    } else {
        None
    };
    if let Some((span, reason, remedy)) = wrong {
        findings.push(
            Finding::error(Code::LocalAsn, local.span, format!("AS {} cannot be ours toward this peer", local.value))
                .label(reason)
                .also(span, "compare")
                .remedy(remedy),
        );
    }
}

/// The same of all the ASes that a peer may be of which is not known beforehand; of the first, [`toward_one`] speaks.
fn toward_range(own: At<Asn>, neighbor: &NeighborDraft, findings: &Findings) {
    let Some(local) = neighbor.session.local_asn.filter(|_| neighbor.range.is_some()) else { return };
    let told = neighbor.asns.iter().take(1).filter(|asns| asns.value.is_one()).count();
    for asns in neighbor.asns.iter().skip(told) {
        // Of those that stand for all, ours are left out.
        let AsnRange::Numbers { first, last } = asns.value else { continue };
        let held = [local.asn.value, own.value].into_iter().find(|ours| (first..=last).contains(&ours.0));
        if let Some(held) = held {
            findings.push(
                Finding::error(Code::LocalAsn, asns.span, format!("AS {held} is ours and no peer's"))
                    .label("holds it")
                    .also(local.asn.span, "by this number these peers know us")
                    .remedy("leave that number out: sessions with `local-asn` are with other ASes"),
            );
        }
    }
}

fn usable(asn: At<Asn>, findings: &Findings) {
    let reason = match asn.value.0 {
        // RFC 7607.
        0 => "means no AS",
        // RFC 6793 9.
        23456 => "AS_TRANS, stands in for numbers that do not fit two octets",
        // RFC 7300.
        65535 | 4_294_967_295 => "reserved as the last number",
        // RFC 5398.
        64496..=64511 | 65536..=65551 => {
            findings.push(
                Finding::warning(Code::AsnDocumentation, asn.span, format!("AS {} is for documentation", asn.value))
                    .label("no real network has it")
                    .remedy("for private use take 64512 to 65534, or 4200000000 to 4294967294"),
            );
            return;
        }
        _ => return,
    };
    findings.push(
        Finding::error(Code::AsnReserved, asn.span, format!("AS {} cannot be used", asn.value))
            .label(reason)
            .remedy("for private use take 64512 to 65534, or 4200000000 to 4294967294"),
    );
}

/// What peers with this profile see of us: our own number, unless another one stands in its place.
fn seen(own: At<Asn>, tunnels: &[TunnelDraft], profile: Profile) -> Vec<At<Asn>> {
    let of = |tunnel: &TunnelDraft| {
        let local = tunnel.session.as_ref().and_then(|session| session.local_asn);
        let behind = local.is_none_or(|local| !local.replaces()).then_some(own);
        local.map(|local| local.asn).into_iter().chain(behind).collect::<Vec<_>>()
    };
    let mut seen: Vec<At<Asn>> = tunnels.iter().filter(|tunnel| tunnel.profile == profile).flat_map(of).collect();
    seen.sort_by_key(|at| at.value);
    seen.dedup_by_key(|at| at.value);
    seen
}

fn toward_clouds(own: At<Asn>, tunnels: &[TunnelDraft], findings: &Findings) {
    let clouds: BTreeSet<Profile> = tunnels.iter().map(|tunnel| tunnel.profile).collect();
    let someone = clouds.iter().any(|cloud| *cloud != Profile::Generic);
    if someone && is_public(own.value) {
        // S0-20, S1-12.
        findings.push(
            Finding::advice(Code::AsnPublic, own.span, format!("AS {} is a public number", own.value))
                .label("is it yours?")
                .remedy("unless it was assigned to you, take 64512 to 65534"),
        );
    }
    for (cloud, seen) in clouds.into_iter().flat_map(|profile| {
        let seen = seen(own, tunnels, profile);
        seen.into_iter().map(move |seen| (profile.cloud(), seen))
    }) {
        if cloud.asn.is_reserved(seen.value) {
            // S1-10, and Azure's like.
            findings.push(
                Finding::error(
                    Code::AsnCloud,
                    seen.span,
                    format!("{} takes AS {} from no customer", cloud.name, seen.value),
                )
                .label("its own, or reserved")
                .remedy(format!(
                    "take {}; `local-asn` with `replace-as` shows another one to it alone",
                    cloud.asn.take
                )),
            );
        }
    }
}

/// RFC 6996: neither private nor, RFC 5398, for documentation, nor reserved.
fn is_public(asn: Asn) -> bool {
    !matches!(asn.0, 0 | 23456 | 64496..=65551 | 4_200_000_000..)
}
