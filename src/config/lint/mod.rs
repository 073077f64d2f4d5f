//! What only shows when values are compared: tunnels with each other, tunnels with the router.

mod asns;
mod networks;
mod tunnels;

use crate::diagnostic::Findings;
use crate::resolve::{RouterDraft, TunnelDraft};

/// Compares what could be made out so far.
pub(crate) fn lint(router: Option<&RouterDraft>, tunnels: &[TunnelDraft], findings: &Findings) {
    tunnels::lint(tunnels, findings);
    asns::lint(router, tunnels, findings);
    if let Some(router) = router {
        networks::lint(router, tunnels, findings);
    }
}
