//! Narrowing of traffic selectors (RFC 7296 2.9).
//!
//! What both ends are willing to carry is the pairwise intersection of what is offered and what is allowed:
//! protocols, ports and addresses each by themselves.

use wire::ipsec::TrafficSelector;

/// Selectors that fit the payload's one-octet count.
const MAX_SELECTORS: usize = 255;

const OPAQUE: (u16, u16) = (65535, 0);
const ANY_PORT: (u16, u16) = (0, 65535);

/// The part of `offered` that `allowed` covers, in the order of `offered`, without what is contained in
/// another part. Empty means that no traffic is acceptable to both.
#[must_use]
pub fn narrow(offered: &[TrafficSelector], allowed: &[TrafficSelector]) -> Vec<TrafficSelector> {
    let mut narrowed: Vec<TrafficSelector> = Vec::new();
    for offer in offered {
        for allow in allowed {
            let Some(common) = intersection(offer, allow) else { continue };
            if narrowed.iter().any(|known| covers(known, &common)) {
                continue;
            }
            narrowed.retain(|known| !covers(&common, known));
            narrowed.push(common);
        }
    }
    narrowed.truncate(MAX_SELECTORS);
    narrowed
}

/// Whether all that `inner` selects is selected by `outer`.
fn covers(outer: &TrafficSelector, inner: &TrafficSelector) -> bool {
    intersection(outer, inner).as_ref() == Some(inner)
}

fn intersection(a: &TrafficSelector, b: &TrafficSelector) -> Option<TrafficSelector> {
    if a.start.is_ipv4() != b.start.is_ipv4() {
        return None;
    }
    // RFC 7296 3.13.1: protocol 0 is any.
    let protocol = match (a.protocol, b.protocol) {
        (0, protocol) | (protocol, 0) => protocol,
        (protocol, other) if protocol == other => protocol,
        _ => return None,
    };
    let (start_port, end_port) = ports((a.start_port, a.end_port), (b.start_port, b.end_port))?;
    let (start, end) = (a.start.max(b.start), a.end.min(b.end));
    (start <= end).then_some(TrafficSelector { protocol, start_port, end_port, start, end })
}

fn ports(a: (u16, u16), b: (u16, u16)) -> Option<(u16, u16)> {
    // RFC 7296 3.13.1: 65535 to 0 is OPAQUE, packets whose ports cannot be seen; "any" includes them.
    match (a, b) {
        (OPAQUE, OPAQUE | ANY_PORT) | (ANY_PORT, OPAQUE) => Some(OPAQUE),
        (OPAQUE, _) | (_, OPAQUE) => None,
        _ => {
            let common = (a.0.max(b.0), a.1.min(b.1));
            (common.0 <= common.1).then_some(common)
        }
    }
}
