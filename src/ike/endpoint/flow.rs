//! What a tunnel carries, by the CHILD SAs that carry it: a flow for each set of traffic selectors with a CHILD SA of
//! its own.
//!
//! ```text
//!  tunnel --+-- 10.1.0.0/16 === 10.2.0.0/16   wanted      CHILD SA, its successor, ...
//!           +-- 10.1.0.0/16 === 10.3.0.0/16   wanted      none yet: asked for again by itself, with back-off
//!           +-- 10.9.0.0/16 === 10.2.0.0/16   the peer's  CHILD SA that only the peer asked for
//! ```
//!
//! Wanted flows follow from the configuration and last as long as the tunnel. A flow of the peer's making goes with its
//! last CHILD SA. At most one CHILD SA of a flow carries what we send; a rekeyed one stays in the flow of the old.

use std::time::{Duration, Instant};

use isakmp::narrow;
use negotiation::{Backoff, ChildSelectors, Cx, Failure};
use wire::ipsec::{IkeSpi, TrafficSelector};

use super::tunnel::{COURTESY, Tunnel};
use super::will::Will;
use crate::sa::child::ChildSa;
use crate::sa::{IkeSa, Pending, Task};

/// A flow's place in its tunnel. Never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowId(u32);

/// Traffic that has CHILD SAs of its own.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    /// What we ask for, or what the peer asked for.
    pub(crate) selectors: ChildSelectors,
    /// It follows from the configuration.
    pub(crate) wanted: bool,
    /// When to ask for a CHILD SA, while the tunnel is up without one for this flow.
    pub(crate) retry_at: Option<Instant>,
    /// Why there is none.
    pub(crate) failure: Option<(Failure, Instant)>,
    up_since: Option<Instant>,
    backoff: Backoff,
}

impl Flow {
    fn new(id: FlowId, selectors: ChildSelectors, wanted: bool) -> Self {
        Self { id, selectors, wanted, retry_at: None, failure: None, up_since: None, backoff: Backoff::default() }
    }

    /// Whether all of `selectors` is within what the flow is for.
    fn covers(&self, selectors: &ChildSelectors) -> bool {
        same(&narrow(&selectors.local, &self.selectors.local), &selectors.local)
            && same(&narrow(&selectors.remote, &self.selectors.remote), &selectors.remote)
    }

    /// A CHILD SA carries it.
    pub(crate) fn up(&mut self, now: Instant) {
        self.up_since = Some(now);
        self.retry_at = None;
        self.failure = None;
        self.backoff.up();
    }

    /// None does any more.
    pub(crate) fn down(&mut self, cx: &mut Cx<'_>) {
        if let Some(since) = self.up_since.take() {
            self.backoff.down(cx.now.saturating_duration_since(since));
        }
        self.retry_at = self.wanted.then(|| self.backoff.fail(false, cx.now, cx.entropy));
    }
}

/// All wanted flows of a configuration.
pub(crate) fn wanted(children: Vec<ChildSelectors>) -> Vec<Flow> {
    (0..).map(FlowId).zip(children).map(|(id, selectors)| Flow::new(id, selectors, true)).collect()
}

/// Whether two lists select the same, in whatever order.
fn same(one: &[TrafficSelector], other: &[TrafficSelector]) -> bool {
    one.len() == other.len() && one.iter().all(|selector| other.contains(selector))
}

fn carries_same(child: &ChildSa, selectors: &ChildSelectors) -> bool {
    same(&child.local_selectors, &selectors.local) && same(&child.remote_selectors, &selectors.remote)
}

impl Tunnel {
    pub(crate) fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.id == id)
    }

    pub(crate) fn flow_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        self.flows.iter_mut().find(|flow| flow.id == id)
    }

    /// The CHILD SA that carries what we send of a flow.
    pub(crate) fn carrier(&self, flow: FlowId) -> Option<&ChildSa> {
        self.children.iter().find(|child| child.flow == flow && child.carries())
    }

    /// Whether traffic flows at all.
    pub(crate) fn is_up(&self) -> bool {
        self.children.iter().any(ChildSa::carries)
    }

    /// The flow to begin an IKE SA with: what is missing goes first.
    pub(crate) fn first_flow(&self) -> FlowId {
        let mut wanted = self.flows.iter().filter(|flow| flow.wanted);
        let missing = wanted.clone().find(|flow| self.carrier(flow.id).is_none());
        missing.or_else(|| wanted.next()).map_or(FlowId(0), |flow| flow.id)
    }

    /// What to ask for on behalf of a flow.
    pub(crate) fn selectors_of(&self, flow: FlowId) -> ChildSelectors {
        let configured = || ChildSelectors {
            local: self.config.local_selectors.clone(),
            remote: self.config.remote_selectors.clone(),
        };
        self.flow(flow).map_or_else(configured, |flow| flow.selectors.clone())
    }

    /// What a peer may get a CHILD SA for, best first: what is missing, then anything wanted.
    pub(crate) fn acceptable(&self, ike: IkeSpi) -> Vec<ChildSelectors> {
        let wanted = || self.flows.iter().filter(|flow| flow.wanted);
        let missing = wanted().filter(|flow| !self.has_usable(ike, flow.id));
        let others = wanted().filter(|flow| self.has_usable(ike, flow.id));
        missing.chain(others).map(|flow| flow.selectors.clone()).collect()
    }

    /// The flow of a CHILD SA that is not the successor of another.
    pub(crate) fn flow_for(&mut self, selectors: &ChildSelectors) -> FlowId {
        // The same again replaces what is there.
        let known = self.children.iter().find(|child| child.is_live() && carries_same(child, selectors));
        if let Some(known) = known {
            return known.flow;
        }
        let free = |flow: &&Flow| flow.wanted && self.carrier(flow.id).is_none() && flow.covers(selectors);
        if let Some(flow) = self.flows.iter().find(free) {
            return flow.id;
        }
        // What the peer began and never finished leaves none behind.
        self.prune_flows();
        let id = FlowId(self.next_flow);
        self.next_flow += 1;
        self.flows.push(Flow::new(id, selectors.clone(), false));
        id
    }

    /// Forgets flows of the peer's making that have no CHILD SA left.
    pub(crate) fn prune_flows(&mut self) {
        let children = &self.children;
        self.flows.retain(|flow| flow.wanted || children.iter().any(|child| child.flow == flow.id));
    }

    /// Gives a wanted flow that lost its CHILD SA another one, of the peer's making, that carries part of it.
    pub(crate) fn adopt_covered(&mut self, flow: FlowId, under: Option<IkeSpi>) {
        let Some(wanted) = self.flow(flow).filter(|flow| flow.wanted) else { return };
        let covered = self.flows.iter().find(|other| {
            !other.wanted
                && wanted.covers(&other.selectors)
                && self.children.iter().any(|child| {
                    child.flow == other.id && child.is_usable() && under.is_none_or(|ike| self.is_under(child, ike))
                })
        });
        let Some(covered) = covered.map(|covered| covered.id) else { return };
        for child in self.children.iter_mut().filter(|child| child.flow == covered) {
            child.flow = flow;
        }
        self.prune_flows();
    }

    /// Whether a flow has a CHILD SA under this IKE SA that carries it or could.
    pub(crate) fn has_usable(&self, ike: IkeSpi, flow: FlowId) -> bool {
        self.children.iter().any(|child| child.flow == flow && child.is_usable() && self.is_under(child, ike))
    }

    /// Wanted flows for which there is nothing under this IKE SA, nor asked for.
    fn missing_under(&self, ike: IkeSpi) -> impl Iterator<Item = &Flow> {
        let asked = move |flow: &Flow| self.sa(ike).is_some_and(|sa| is_asked(sa, flow.id));
        self.flows.iter().filter(move |flow| flow.wanted && !self.has_usable(ike, flow.id) && !asked(flow))
    }

    /// The IKE SA that should have a CHILD SA for every wanted flow, while traffic flows.
    fn to_complete(&self) -> Option<&IkeSa> {
        (self.will != Will::Stop && self.is_up()).then(|| self.winner()).flatten()
    }

    /// Asks for what is missing while traffic flows already.
    pub(crate) fn keep_flows(&mut self, cx: &mut Cx<'_>) {
        let Some(sa) = self.to_complete() else { return };
        let ike = sa.spi;
        // Who began asks; the other one, should that not happen.
        let courtesy = if sa.origin.ours { Duration::ZERO } else { COURTESY };
        let missing: Vec<_> = self.missing_under(ike).map(|flow| flow.id).collect();
        for id in missing {
            let Some(flow) = self.flow_mut(id) else { continue };
            if *flow.retry_at.get_or_insert(cx.now + courtesy) <= cx.now {
                flow.retry_at = None;
                if let Some(sa) = self.sa_mut(ike) {
                    sa.enqueue(Task::CreateChild(id));
                }
            }
        }
    }

    /// When [`Self::keep_flows`] has something to do.
    pub(crate) fn flows_deadline(&self) -> Option<Instant> {
        let sa = self.to_complete()?;
        self.missing_under(sa.spi).filter_map(|flow| flow.retry_at).min()
    }

    /// Whether an IKE SA lacks a wanted flow that is not known to be refused, as far as the peer is known to have it.
    pub(crate) fn awaits_flow(&self, ike: IkeSpi) -> bool {
        let has = |flow: &Flow| {
            let of = |child: &&ChildSa| child.flow == flow.id && child.is_usable() && child.confirmed;
            self.children.iter().filter(of).any(|child| self.is_under(child, ike))
        };
        let lacks = |flow: &Flow| flow.wanted && flow.failure.is_none() && !has(flow);
        self.flows.iter().any(lacks)
    }

    /// There is no CHILD SA for a flow while others carry traffic; later.
    pub(crate) fn flow_failed(&mut self, cx: &mut Cx<'_>, id: FlowId, failure: Failure) {
        let mut retry_at = None;
        if let Some(flow) = self.flow_mut(id) {
            flow.retry_at = Some(flow.backoff.fail(false, cx.now, cx.entropy));
            flow.failure = Some((failure.clone(), cx.now));
            retry_at = flow.retry_at;
        }
        self.report_failure(cx, failure, retry_at);
    }

    /// Asks for another wanted flow when the peer refuses one and none is there. False if all were refused.
    pub(crate) fn try_other_flow(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, refused: FlowId, failure: &Failure) -> bool {
        let Failure::SelectorsUnacceptable { .. } = failure else { return false };
        let Some(since) = self.sa(ike).map(|sa| sa.established_at) else { return false };
        let untried = |flow: &&Flow| {
            let refused_here = flow.failure.as_ref().is_some_and(|(_, at)| *at >= since);
            flow.wanted && flow.id != refused && !refused_here
        };
        let Some(next) = self.flows.iter().find(untried).map(|flow| flow.id) else { return false };
        self.flow_failed(cx, refused, failure.clone());
        if let Some(sa) = self.sa_mut(ike) {
            sa.enqueue(Task::CreateChild(next));
        }
        true
    }
}

/// Whether a CHILD SA for a flow is being asked for.
fn is_asked(sa: &IkeSa, flow: FlowId) -> bool {
    sa.queue.contains(&Task::CreateChild(flow))
        || matches!(&sa.pending, Some(Pending::Child(expect)) if expect.flow == flow && expect.replaces.is_none())
}
