//! From what is written to what is meant: profiles and defaults applied, secrets fetched, each value judged alone.
//!
//! One file per part of a tunnel. Each gives what it could make out and reports what it could not, so that
//! [`crate::lint`] can compare the parts of an unfinished configuration too.

mod auth;
mod bfd;
mod certificate;
mod connections;
mod health;
mod inside;
mod inside6;
mod links;
mod local_asn;
mod neighbors;
mod offers;
mod outside;
mod place;
mod pools;
mod ppk;
mod psk;
mod router;
mod routes;
mod routing;
mod selectors;
mod session;
mod statics;
mod suites;
mod timing;
mod transport;
mod tunnel;
mod version;

use crate::lint;
use crate::model::{Defaults, Document};
use crate::name::is_name;
use crate::policies::{self, PoliciesDraft, PoliciesSections};
use crate::router::Router;
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, missing};
use document::source::Span;

pub(crate) use connections::{ConnectionDraft, MemberDraft};
pub(crate) use neighbors::NeighborDraft;
pub(crate) use pools::PoolDraft;
pub(crate) use router::RouterDraft;
pub(crate) use routes::AggregateDraft;
pub(crate) use routing::ProtectedDraft;
pub(crate) use session::SessionDraft;
pub(crate) use statics::{HopDraft, StaticDraft};
pub(crate) use tunnel::TunnelDraft;

/// The configuration, if there is no error in it.
pub(crate) fn resolve(document: Field<Document>, secrets: &dyn SecretSource, findings: &Findings) -> Option<Router> {
    let document = document.at()?;
    let at = document.span;
    let Document {
        router,
        defaults,
        tunnels,
        connections,
        neighbors,
        prefix_lists,
        as_path_lists,
        community_lists,
        policies,
        pools,
    } = document.value;
    let sections = PoliciesSections {
        prefix_lists: prefix_lists.section(at).value,
        as_path_lists: as_path_lists.section(at).value,
        community_lists: community_lists.section(at).value,
        policies: policies.section(at).value,
    };
    let policies = policies::resolve(sections, findings);
    if router.span().is_none() {
        findings.push(missing("router", at, "begin with a `router:` section: name, asn, router-id"));
    }
    let mut router = router.at().map(|section| router::resolve(section, secrets, findings));
    let defaults = defaults.section(at).value;
    let neighbors = neighbors::resolve(neighbors, &policies, secrets, findings);
    let pools = pools::resolve(pools, secrets, findings);
    // Without tunnels it is a plain router, or a route server: somebody has to be there to exchange routes with.
    let alone = neighbors.is_empty().then_some(at);
    let mut tunnels = tunnel_drafts(tunnels, &defaults, &policies, alone, secrets, findings);
    links::complete(&mut tunnels);
    routing::check_count(&tunnels, findings);
    if let Some(router) = &mut router {
        router.statics.extend(routing::statics(&tunnels));
        router.silent &= !pools.iter().any(|pool| pool.announce);
    }
    let connections = connections::resolve(connections, findings);
    let health = health::resolve(&tunnels, &connections, findings);
    lint::lint(router.as_ref(), &tunnels, &connections, &neighbors, &pools, &policies, findings);
    if findings.has_errors() {
        return None;
    }
    let connections = connections.into_iter().map(ConnectionDraft::finish).collect::<Option<Vec<_>>>()?;
    let router = router?.finish(tunnels, neighbors, pools, policies.set())?;
    Some(Router { connections, health: health.into_iter().collect(), ..router })
}

fn tunnel_drafts(
    tunnels: Field<Vec<Field<crate::model::TunnelSection>>>,
    defaults: &Defaults,
    policies: &PoliciesDraft,
    alone: Option<Span>,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Vec<TunnelDraft> {
    let written = tunnels.span();
    let sections = tunnels.at().map(|list| list.value);
    let none = written.is_none() || sections.as_ref().is_some_and(Vec::is_empty);
    if let Some(owner) = alone.filter(|_| none) {
        findings.push(
            Finding::error(Code::NoTunnels, written.unwrap_or(owner), "there is no tunnel, and no neighbour either")
                .label("nothing to connect")
                .remedy("add at least one entry below `tunnels:`; two or more make the router redundant"),
        );
    }
    let sections = sections.unwrap_or_default().into_iter().filter_map(Field::at);
    sections.map(|section| tunnel::resolve(section, defaults, policies, secrets, findings)).collect()
}

/// A name as it may stand in logs, labels and paths.
fn name_finding(name: &str, span: Span) -> Option<Finding> {
    (!is_name(name)).then(|| {
        Finding::error(Code::Name, span, format!("`{name}` cannot be a name"))
            .label("stands in logs, metric labels and paths")
            .remedy("use at most 32 letters, digits, `-`, `_` and `.`, beginning with a letter or digit")
    })
}
