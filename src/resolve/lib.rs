//! From what is written to what is meant: profiles and defaults applied, secrets fetched, each value judged alone.
//!
//! ```text
//!  schema::Document --resolve--> Drafts --finish--> settings::Router
//!                        |          |
//!   SecretSource --------+          +--- whoever compares the parts with each other
//! ```
//!
//! One file per part of a tunnel. Each gives what it could make out and reports what it could not, so that the parts of an
//! unfinished configuration can be compared, too. [`Drafts::finish`] is for those in which there is no error.

mod auth;
mod bfd;
mod certificate;
mod connections;
mod health;
mod inside;
mod inside6;
mod links;
mod local_asn;
mod martian;
mod neighbors;
mod offers;
mod outside;
mod place;
mod policies;
mod pools;
mod ppk;
mod psk;
mod router;
mod routes;
mod routing;
mod secrets;
mod selectors;
mod session;
mod statics;
mod suites;
mod timing;
mod transport;
mod tunnel;
mod version;

use std::collections::BTreeMap;

use schema::{Defaults, Document, TunnelSection};
use settings::{Router, is_name};
use steering::HealthCheck;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, missing};
use document::source::Span;

pub use connections::{ConnectionDraft, MemberDraft};
pub use local_asn::LocalAsnDraft;
pub use martian::martian;
pub use neighbors::NeighborDraft;
pub use offers::OffersDraft;
pub use policies::PoliciesDraft;
pub use pools::PoolDraft;
pub use router::RouterDraft;
pub use routes::{AggregateDraft, TreatmentDraft};
pub use routing::{ProtectedDraft, TunnelRoute};
pub use secrets::{FoundSecret, MAX_SECRET, SecretError, SecretReference, SecretSource, SystemSecrets};
pub use session::SessionDraft;
pub use statics::{HopDraft, StaticDraft};
pub use tunnel::TunnelDraft;

/// A configuration as far as it could be made out.
#[derive(Debug)]
pub struct Drafts {
    /// The router itself, if there is such a section.
    pub router: Option<RouterDraft>,
    /// Its tunnels, in the order of the file.
    pub tunnels: Vec<TunnelDraft>,
    /// Its connections, in the order of the file.
    pub connections: Vec<ConnectionDraft>,
    /// Its peers outside the tunnels, in the order of the file.
    pub neighbors: Vec<NeighborDraft>,
    /// Its pools of remote clients, in the order of the file.
    pub pools: Vec<PoolDraft>,
    /// Its policies, and the lists they are made of.
    pub policies: PoliciesDraft,
    health: BTreeMap<String, HealthCheck>,
}

/// What `document` means, with secrets from `secrets`. `None` if it is no document at all, which was reported.
pub fn resolve(document: Field<Document>, secrets: &dyn SecretSource, findings: &Findings) -> Option<Drafts> {
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
    let sections = policies::Sections {
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
    let health = health::resolve(&tunnels, &connections, findings).into_iter().collect();
    Some(Drafts { router, tunnels, connections, neighbors, pools, policies, health })
}

impl Drafts {
    /// The configuration; `None` if a part is missing, which was reported.
    #[must_use]
    pub fn finish(self) -> Option<Router> {
        let connections = self.connections.into_iter().map(ConnectionDraft::finish).collect::<Option<Vec<_>>>()?;
        let router = self.router?.finish(self.tunnels, self.neighbors, self.pools, self.policies.set())?;
        Some(Router { connections, health: self.health, ..router })
    }
}

fn tunnel_drafts(
    tunnels: Field<Vec<Field<TunnelSection>>>,
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
