//! What only shows when values are compared: tunnels with each other, tunnels with the router.

mod asns;
mod neighbors;
mod networks;
mod statics;
mod tunnels;

use crate::diagnostic::Findings;
use crate::resolve::{NeighborDraft, RouterDraft, TunnelDraft};

/// Compares what could be made out so far.
pub(crate) fn lint(
    router: Option<&RouterDraft>,
    tunnels: &[TunnelDraft],
    neighbors: &[NeighborDraft],
    findings: &Findings,
) {
    tunnels::lint(tunnels, findings);
    neighbors::lint(neighbors, tunnels, findings);
    asns::lint(router, tunnels, neighbors, findings);
    if let Some(router) = router {
        networks::lint(router, tunnels, neighbors, findings);
        statics::lint(&router.statics, tunnels, findings);
    }
}
