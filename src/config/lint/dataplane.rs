//! What a tunnel asks of its packets, and what moves them.

use wire::outer::{DontFragment, Dscp};

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use resolve::{RouterDraft, TunnelDraft};

const REMEDY: &str = "write `copy` or `clear`, or in the router `dataplane: userspace`";

/// RFC 4301 5.1.2.1: outer headers as configured, of which Linux's IPsec makes only some.
pub(super) fn lint(router: &RouterDraft, tunnels: &[TunnelDraft], findings: &Findings) {
    if !router.dataplane.is_kernel() {
        return;
    }
    for tunnel in tunnels {
        let dscp = tunnel.dscp.filter(|dscp| matches!(dscp.value, Dscp::Fixed(1..)));
        let df = tunnel.df.filter(|df| df.value == DontFragment::Set);
        let asked = dscp.map(|dscp| (dscp.span, "a DSCP of its own")).into_iter();
        for (span, what) in asked.chain(df.map(|df| (df.span, "\"don't fragment\" on every packet"))) {
            findings.push(
                Finding::error(Code::KernelHeader, span, format!("{} wants {what}", tunnel.title()))
                    .label("`dataplane: kernel` cannot write this into outer headers")
                    .remedy(REMEDY),
            );
        }
    }
}
