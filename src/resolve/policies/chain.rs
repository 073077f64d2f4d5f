//! What a session accepts and announces.

use policy::{Chain, NextHop, PrefixList, Set, Step};
use schema::{ChainField, StepWord};

use super::all;
use super::resolve::PoliciesDraft;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::{At, Span};

/// Which way routes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    Import,
    /// `tunnel`: nobody but the peer is on the link.
    Export {
        tunnel: bool,
    },
}

/// The chain, if one was written.
pub(crate) fn exchange(
    written: ChainField,
    way: Exchange,
    policies: &PoliciesDraft,
    findings: &Findings,
) -> Option<Chain> {
    let span = written.span()?;
    let words = all(written).unwrap_or_default();
    let mut steps = Vec::new();
    let mut lines = Vec::new();
    let mut all_from: Option<Span> = None;
    for At { value, span } in words {
        if let Some(first) = all_from {
            findings.push(
                Finding::warning(Code::PolicyUnreachable, span, "nothing comes this far")
                    .label("never looked at")
                    .also(first, "`all` accepts everything")
                    .remedy("put `all` at the end, or leave it out"),
            );
            break;
        }
        if let StepWord::Rule(rule) = value {
            lines.push(rule);
            continue;
        }
        if !lines.is_empty() {
            steps.push(Step::Lines(PrefixList::new(std::mem::take(&mut lines))));
        }
        match value {
            StepWord::Rule(_) => {}
            StepWord::Policy(name) => steps.extend(policies.number(&At::new(name, span), findings).map(Step::Policy)),
            StepWord::Everything => {
                all_from = Some(span);
                steps.push(Step::Everything);
            }
            StepWord::Networks => {
                if way == Exchange::Import {
                    findings.push(
                        Finding::error(Code::PolicyRule, span, "`networks` are ours: no peer announces them")
                            .label("says nothing about what comes in")
                            .remedy("name prefixes, a policy or `all`"),
                    );
                }
                steps.push(Step::Networks);
            }
        }
    }
    if !lines.is_empty() {
        steps.push(Step::Lines(PrefixList::new(lines)));
    }
    let chain = Chain::new(policies.set(), steps, policy::Basis::Written);
    next_hops(&chain, way, span, findings);
    Some(chain)
}

/// What a policy may set: on import the peer, on export ourselves or, where there is more than a tunnel between, another
/// address on the same network.
fn next_hops(chain: &Chain, way: Exchange, span: Span, findings: &Findings) {
    let misfit = |next_hop: NextHop| match (way, next_hop) {
        (Exchange::Import, NextHop::Own) => Some(("self", "write `peer` in a policy for `import`")),
        (Exchange::Import, NextHop::Address(_)) => {
            Some(("ADDRESS", "accepted routes lead to the peer: write `peer`, or add a static route"))
        }
        (Exchange::Export { .. }, NextHop::Peer) => Some(("peer", "write `self` in a policy for `export`")),
        (Exchange::Export { tunnel: true }, NextHop::Address(_)) => {
            Some(("ADDRESS", "through a tunnel there is nobody but us: write `self`"))
        }
        (Exchange::Import, NextHop::Peer)
        | (Exchange::Export { .. }, NextHop::Own)
        | (Exchange::Export { tunnel: false }, NextHop::Address(_)) => None,
    };
    for policy in chain.policies() {
        let sets = policy.rules.iter().flat_map(|rule| rule.sets.iter().flat_map(|sets| sets.iter()));
        let mut misfits =
            sets.filter_map(|set| if let Set::NextHop(next_hop) = set { misfit(*next_hop) } else { None });
        if let Some((word, remedy)) = misfits.next() {
            findings.push(
                Finding::error(Code::PolicySet, span, format!("policy `{}` sets `next-hop: {word}`", policy.name))
                    .label("cannot be in this direction of this session")
                    .remedy(remedy),
            );
        }
    }
}
