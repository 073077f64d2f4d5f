//! Asking the running router why a route is where it is, and what its policies do.

use std::net::IpAddr;

use ipnet::IpNet;
use rib::{PeerId, Verdict};

use crate::{Control, views};
use daemon::topology::Topology;
use view::answer::ControlError;
use view::explain;
use view::policy::{
    CandidateDetailView, DryRunView, ExchangeView, ExchangedRouteView, PoliciesView, ProbeView, RouteDetailView,
};

/// A prefix, or an address whose longest match is meant.
#[derive(Clone, Copy, Debug)]
pub enum Destination {
    /// Exactly this.
    Prefix(IpNet),
    /// The route that packets to it take.
    Address(IpAddr),
}

impl std::str::FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map(Self::Address);
        address.or_else(|_| text.parse().map(Self::Prefix)).map_err(|_| format!("`{text}` is no prefix and no address"))
    }
}

impl Control {
    /// Every candidate of one destination, and what became of it.
    ///
    /// # Errors
    /// When nothing is known of it, or the router is stopping.
    pub async fn route(&self, destination: Destination) -> Result<RouteDetailView, ControlError> {
        let topology = self.owners.topology.borrow().clone();
        let view = self
            .owners
            .read_rib(move |rib| match destination {
                Destination::Prefix(prefix) => rib.route(&prefix).map(|view| detail(&view, &topology)),
                Destination::Address(address) => rib.lookup(address).map(|view| detail(&view, &topology)),
            })
            .await?;
        view.ok_or_else(|| ControlError::NoRoute {
            prefix: match destination {
                Destination::Prefix(prefix) => prefix,
                Destination::Address(address) => address.into(),
            },
        })
    }

    /// What a peer announced, or only what of it is not accepted.
    ///
    /// # Errors
    /// When there is no such session; so for the others.
    pub async fn received(&self, name: &str, rejected: bool) -> Result<ExchangeView, ControlError> {
        let (id, import, _) = self.session_policy(name)?;
        let routes = self
            .owners
            .read_rib(move |rib| -> Vec<ExchangedRouteView> {
                let routes = rib.adj_in(id).filter(|route| !rejected || route.refusal.is_some());
                let view = |route: rib::Received<'_>| ExchangedRouteView {
                    prefix: route.prefix,
                    path_id: route.path_id,
                    next_hop: Some(route.next_hop),
                    attributes: Some(explain::attributes(route.attributes)),
                    rejected: route.refusal.map(|refusal| refusal.to_string()),
                };
                routes.map(view).collect()
            })
            .await?;
        Ok(ExchangeView { session: name.to_owned(), policy: explain::accepts(&import), routes })
    }

    /// What a peer was told, or only what it is not told.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn advertised(&self, name: &str, rejected: bool) -> Result<ExchangeView, ControlError> {
        let (id, _, export) = self.session_policy(name)?;
        let routes = self
            .owners
            .read_rib(move |rib| -> Vec<ExchangedRouteView> {
                if rejected {
                    return rib.withheld(id).map(|(prefix, withheld)| withheld_view(prefix, &withheld)).collect();
                }
                let view = |route: rib::Advertised<'_>| ExchangedRouteView {
                    prefix: route.prefix,
                    path_id: route.path_id,
                    next_hop: Some(route.next_hop),
                    attributes: Some(explain::attributes(route.attributes)),
                    rejected: None,
                };
                rib.adj_out(id).map(view).collect()
            })
            .await?;
        Ok(ExchangeView { session: name.to_owned(), policy: explain::announces(&export), routes })
    }

    /// All policies, with the hits of their rules.
    #[must_use]
    pub fn policies(&self) -> PoliciesView {
        let router = &self.owners.topology.borrow().clone().router;
        let sessions = router.sessions();
        explain::policies(
            &router.policies,
            sessions.map(|session| (session.name.as_str(), &session.policy.import, &session.policy.export)),
        )
    }

    /// What a policy makes of a made-up route.
    ///
    /// # Errors
    /// When there is no such policy or session, or the route cannot be read.
    pub fn dry_run(&self, name: &str, probe: &ProbeView) -> Result<DryRunView, ControlError> {
        let router = &self.owners.topology.borrow().clone().router;
        let sessions = router.sessions().map(|session| session.name.as_str());
        explain::dry_run(&router.policies, sessions, name, probe).map_err(ControlError::Probe)
    }

    /// Has traffic leave a session (RFC 8326), or come back.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn drain(&self, name: &str, draining: bool) -> Result<String, ControlError> {
        let (peer, ..) = self.session_policy(name)?;
        self.owners.set_draining(peer, draining).await?;
        Ok(if draining {
            format!(
                "session {name}: announced with graceful-shutdown and the highest MED, received routes come last; wait until \
                 traffic has left, then do the work; `quadspan bgp undrain {name}` ends it"
            )
        } else {
            format!("session {name}: announced and used as configured")
        })
    }

    /// Sessions that are drained by command.
    pub(super) async fn draining(&self) -> Result<Vec<PeerId>, ControlError> {
        self.owners.read_rib(|rib| rib.draining().collect()).await
    }

    fn session_policy(&self, name: &str) -> Result<(PeerId, policy::Chain, policy::Chain), ControlError> {
        let router = &self.owners.topology.borrow().clone().router;
        let found = router.sessions().find(|session| session.name == name);
        let found = found.map(|session| (session.id, session.policy.import.clone(), session.policy.export.clone()));
        found.ok_or_else(|| ControlError::NoSuchSession {
            name: name.to_owned(),
            known: router.sessions().map(|session| session.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

fn withheld_view(prefix: IpNet, withheld: &rib::Withheld) -> ExchangedRouteView {
    ExchangedRouteView { prefix, path_id: 0, next_hop: None, attributes: None, rejected: Some(withheld.to_string()) }
}

fn detail(view: &rib::RouteView<'_>, topology: &Topology) -> RouteDetailView {
    let hop = |hop: &rib::NextHop| format!("{} through {}", hop.address, topology.link_name(hop.link));
    RouteDetailView {
        prefix: view.prefix,
        local: view.local.map(|kind| views::source(kind).to_owned()),
        next_hops: view.next_hops.as_slice().iter().map(hop).collect(),
        candidates: view.candidates.iter().map(|candidate| candidate_view(candidate, topology)).collect(),
    }
}

fn candidate_view(candidate: &rib::CandidateView<'_>, topology: &Topology) -> CandidateDetailView {
    let step = match &candidate.verdict {
        Verdict::Worse(step) | Verdict::LeftOut { step, .. } => Some(*step),
        Verdict::Best | Verdict::Multipath | Verdict::LinkDown | Verdict::NoWay | Verdict::Refused(_) => None,
    };
    CandidateDetailView {
        session: candidate.name.to_owned(),
        link: topology.link_name(candidate.link),
        path_id: candidate.path_id,
        next_hop: candidate.next_hop,
        received: explain::attributes(candidate.attributes),
        effective: candidate.changed.map(explain::attributes),
        local_preference: candidate.local_preference,
        bandwidth: candidate.bandwidth,
        stale: candidate.stale,
        best: candidate.verdict == Verdict::Best,
        multipath: matches!(candidate.verdict, Verdict::Best | Verdict::Multipath),
        step: step.and_then(|step| Some(serde_json::to_value(step).ok()?.as_str()?.to_owned())),
        reason: candidate.verdict.to_string(),
    }
}
