//! One tunnel: an attempt, IKE SAs, CHILD SAs, and the will to keep them.
//!
//! Whatever happens to a tunnel, [`Tunnel::settle`] brings it back to what it should be: it looks at what is
//! there, not at what happened, and starts what is missing.

use std::time::{Duration, Instant};

use certificate::CertificateSummary;
use handshake::Attempt;
use isakmp::Frame;
use negotiation::{
    Backoff, Cx, DownReason, Event, Failure, LimitReached, Path, RekeyKind, Slot, TunnelConfig, TunnelCounters, between,
};
use wire::ipsec::{Direction, IkeSpi, Spi, TunnelId};

use super::flow::{self, Flow, FlowId};
use super::will::Will;
use crate::sa::child::ChildSa;
use crate::sa::{IkeSa, Pending, Task};

/// Pause before we connect again after an operator took the tunnel down.
const AFTER_TERMINATE: Duration = Duration::from_secs(5);
/// How much longer the end that listens waits before it asks for a missing CHILD SA.
pub(crate) const COURTESY: Duration = Duration::from_secs(3);
/// How often an unauthenticated hint may make us begin anew.
const HINT_PAUSE: Duration = Duration::from_secs(10);
/// Spread of the first attempts of many tunnels.
const FIRST_ATTEMPT: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(50));

#[derive(Debug)]
pub(crate) struct Tunnel {
    /// Of the peer, as it was last authenticated.
    pub(crate) peer_certificate: Option<CertificateSummary>,
    pub(crate) slot: Slot,
    pub(crate) id: TunnelId,
    pub(crate) config: TunnelConfig,
    pub(crate) will: Will,
    /// A packet waits for the tunnel.
    pub(crate) demanded: bool,
    /// Another tunnel has the same two identities: no statement about all SAs between them can be made.
    pub(crate) shares_identities: bool,
    /// The peer takes no CHILD SA in `IKE_AUTH` (RFC 6023).
    pub(crate) childless: bool,
    pub(crate) attempt: Option<Attempt>,
    /// What its `IKE_AUTH` asks a CHILD SA for.
    pub(crate) asked: FlowId,
    pub(crate) sas: Vec<IkeSa>,
    pub(crate) children: Vec<ChildSa>,
    /// What it carries. The tunnel is up while a CHILD SA carries any of it.
    pub(crate) flows: Vec<Flow>,
    pub(crate) next_flow: u32,
    pub(crate) up_since: Option<Instant>,
    /// When traffic began to flow, or ceased to.
    pub(crate) since: Instant,
    /// The last authentic ESP packet.
    pub(crate) last_traffic: Option<Instant>,
    pub(crate) backoff: Backoff,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) last_hint: Option<Instant>,
    pub(crate) last_failure: Option<(Failure, Instant)>,
    pub(crate) counters: TunnelCounters,
}

impl Tunnel {
    pub(crate) fn new(cx: &mut Cx<'_>, slot: Slot, id: TunnelId, config: TunnelConfig) -> Self {
        let will = Will::of(config.start);
        let spread = between(FIRST_ATTEMPT.0, FIRST_ATTEMPT.1, cx.entropy);
        let retry_at = (will == Will::Connect).then(|| cx.now + spread);
        let flows = flow::wanted(config.wanted_children());
        Self {
            peer_certificate: None,
            slot,
            id,
            next_flow: u32::try_from(flows.len()).unwrap_or(u32::MAX),
            flows,
            config,
            will,
            demanded: false,
            shares_identities: false,
            childless: false,
            attempt: None,
            asked: FlowId::default(),
            sas: Vec::new(),
            children: Vec::new(),
            up_since: None,
            since: cx.now,
            last_traffic: None,
            backoff: Backoff::default(),
            retry_at,
            last_hint: None,
            last_failure: None,
            counters: TunnelCounters::default(),
        }
    }

    pub(crate) fn sa(&self, spi: IkeSpi) -> Option<&IkeSa> {
        self.sas.iter().find(|sa| sa.spi == spi)
    }

    pub(crate) fn sa_mut(&mut self, spi: IkeSpi) -> Option<&mut IkeSa> {
        self.sas.iter_mut().find(|sa| sa.spi == spi)
    }

    /// Where IKE begins.
    pub(crate) const fn first_path(&self) -> Path {
        self.config.first_path()
    }

    /// Takes a datagram that names `spi`, one of ours.
    pub(crate) fn handle_datagram(&mut self, cx: &mut Cx<'_>, spi: IkeSpi, frame: &Frame<'_>, path: Path) {
        match &self.attempt {
            Some(attempt) if attempt.spi() == spi => self.handle_attempt(cx, frame),
            Some(_) | None => self.handle_established(cx, spi, frame, path),
        }
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        self.handle_attempt_timeout(cx);
        self.handle_ike_timeouts(cx);
        self.handle_child_timeouts(cx);
    }

    /// Brings the tunnel back to what it should be.
    pub(crate) fn settle(&mut self, cx: &mut Cx<'_>) {
        self.resolve_duplicates(cx);
        self.drop_idle(cx);
        self.keep_connected(cx);
        self.keep_flows(cx);
        self.start_tasks(cx);
    }

    fn keep_connected(&mut self, cx: &mut Cx<'_>) {
        if self.will == Will::Stop || self.is_up() || self.attempt.is_some() {
            return;
        }
        let current = self.sas.iter_mut().rev().find(|sa| sa.is_current());
        if current.as_ref().is_some_and(|sa| is_creating(sa)) {
            return;
        }
        // Who listens begins nothing, yet an IKE SA that lost its CHILD SA is no beginning; the peer goes first.
        let courtesy = match self.will {
            Will::Connect | Will::Stop => Duration::ZERO,
            Will::Demand if self.demanded => Duration::ZERO,
            Will::Demand => return,
            Will::Listen if current.is_some() => COURTESY,
            Will::Listen => {
                self.retry_at = None;
                return;
            }
        };
        let (now, backoff) = (cx.now, &mut self.backoff);
        let retry_at = *self.retry_at.get_or_insert_with(|| backoff.fail(false, now, cx.entropy) + courtesy);
        if retry_at > now {
            return;
        }
        self.retry_at = None;
        self.begin_on(cx);
    }

    /// Asks for what is missing on the IKE SA there is, else for another one.
    pub(crate) fn begin_on(&mut self, cx: &mut Cx<'_>) {
        let flow = self.first_flow();
        match self.sas.iter_mut().rev().find(|sa| sa.is_current()) {
            Some(sa) => sa.enqueue(Task::CreateChild(flow)),
            None => self.begin_attempt(cx, false),
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let attempt = self.attempt.as_ref().map(Attempt::next_deadline);
        let acts = self.connects() || self.will == Will::Listen;
        let waits = acts && !self.is_up() && self.attempt.is_none();
        let retry = self.retry_at.filter(|_| waits && !self.sas.iter().any(is_creating));
        let sas = self.sas.iter().filter_map(|sa| self.ike_deadline(sa));
        let children = self.children.iter().filter_map(ChildSa::next_deadline);
        attempt.into_iter().chain(retry).chain(sas).chain(children).chain(self.flows_deadline()).min()
    }

    /// Whether nothing of it is left.
    pub(crate) fn is_gone(&self) -> bool {
        self.attempt.is_none() && self.children.is_empty() && self.sas.iter().all(IkeSa::is_closed)
    }

    /// Takes everything down. What the peer has to be told is queued.
    pub(crate) fn take_down(&mut self, cx: &mut Cx<'_>, reason: &DownReason) {
        self.drop_attempt(cx);
        let mut spis: Vec<_> = self.sas.iter().map(|sa| sa.spi).collect();
        // What carries traffic goes last, with `TunnelDown`.
        let carries = |ike: &IkeSpi| self.children.iter().any(|child| child.carries() && child.parent == *ike);
        spis.sort_by_key(carries);
        let (last, first): (Vec<_>, Vec<_>) = self.children.iter().partition(|child| child.carries());
        let [first, last] = [first, last].map(|children| children.iter().map(|child| child.spi).collect::<Vec<_>>());
        for child in first {
            self.drop_child(cx, child, reason);
        }
        for spi in spis {
            self.close_politely(cx, spi, reason);
        }
        for child in last {
            self.drop_child(cx, child, reason);
        }
    }

    /// An operator takes the tunnel down; it comes back if it is ours to begin.
    pub(crate) fn terminate(&mut self, cx: &mut Cx<'_>) {
        self.take_down(cx, &DownReason::Operator);
        self.demanded = false;
        self.retry_at = Some(cx.now + AFTER_TERMINATE);
    }

    /// Something failed. If the tunnel is down, we try again later.
    pub(crate) fn fail(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        self.counters.auth_failures += u64::from(failure.is_about_identity());
        if self.connects() && !self.is_up() {
            self.retry_at = Some(self.backoff.fail(failure.is_silence(), cx.now, cx.entropy));
        }
        self.note_failure(cx, failure);
    }

    /// Something failed that changes no plan.
    pub(crate) fn note_failure(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        let retry_at = self.retry_at.filter(|_| self.connects());
        // The next packet asks again.
        self.demanded = false;
        self.report_failure(cx, failure, retry_at);
    }

    pub(crate) fn report_failure(&mut self, cx: &mut Cx<'_>, failure: Failure, retry_at: Option<Instant>) {
        self.counters.failures += 1;
        self.last_failure = Some((failure.clone(), cx.now));
        cx.event(Event::Failed { tunnel: self.id, failure, retry_at });
    }

    pub(crate) fn rekey_failed(&mut self, cx: &mut Cx<'_>, kind: RekeyKind, failure: Failure, retry_at: Instant) {
        self.counters.rekey_failures += 1;
        self.last_failure = Some((failure.clone(), cx.now));
        cx.event(Event::RekeyFailed { tunnel: self.id, kind, failure, retry_at });
    }

    /// Whether an unauthenticated hint may make us begin anew now.
    pub(crate) fn may_hint(&mut self, now: Instant) -> bool {
        let may = matches!(self.will, Will::Connect | Will::Demand)
            && self.attempt.is_none()
            && self.last_hint.is_none_or(|last| now >= last + HINT_PAUSE);
        if may {
            self.last_hint = Some(now);
        }
        may
    }

    /// The peer is elsewhere now: all that we send goes there.
    pub(crate) fn follow_peer(&mut self, cx: &mut Cx<'_>, path: Path) {
        let paths = self.sas.iter_mut().filter(|sa| !sa.is_closed()).map(|sa| &mut sa.path);
        let children = self.children.iter_mut().map(|child| (child.encapsulation, &mut child.outbound));
        cx.follow_peer(self.id, path, paths, children);
    }

    /// The data plane saw authentic ESP from another address.
    pub(crate) fn handle_peer_moved(&mut self, cx: &mut Cx<'_>, path: Path) {
        self.last_traffic = Some(cx.now);
        // RFC 7296 2.23: an end that is not itself behind a NAT follows one that is.
        let carrying = self.children.iter().filter(|child| child.carries());
        let mut parents = carrying.filter_map(|child| self.sa(child.parent));
        if parents.any(|sa| sa.nat.remote && !sa.nat.local && sa.path != path) {
            self.follow_peer(cx, path);
        }
    }

    /// The data plane counted an SA to a limit.
    pub(crate) fn handle_limit(&mut self, cx: &mut Cx<'_>, direction: Direction, spi: Spi, limit: LimitReached) {
        let named = |child: &&ChildSa| match direction {
            Direction::Inbound => child.spi == spi,
            Direction::Outbound => child.peer_spi == spi && child.carries(),
        };
        let Some(spi) = self.children.iter().find(named).map(|child| child.spi) else { return };
        let now = cx.now;
        let replaced = self.is_being_replaced(spi);
        let Some(child) = self.child_mut(spi).filter(|child| child.is_live()) else { return };
        match limit {
            LimitReached::Soft if replaced => {}
            LimitReached::Soft => child.rekey_at = Some(now),
            LimitReached::Hard => child.expires_at = Some(now),
        }
        self.handle_child_timeouts(cx);
    }

    /// Whether a CHILD SA is replaced already, or is about to be.
    fn is_being_replaced(&self, spi: Spi) -> bool {
        let asked =
            |sa: &IkeSa| sa.is_replacing(spi) || sa.queue.contains(&Task::RekeyChild(spi)) || sa.asks_to_replace(spi);
        let Some(old) = self.child(spi) else { return true };
        let is_rival = |child: &ChildSa| child.flow == old.flow && !child.initiator && child.awaits_switch();
        !old.carries() || self.sas.iter().any(asked) || self.children.iter().any(is_rival)
    }

    /// An operator wants new CHILD SAs.
    pub(crate) fn rekey_children(&mut self, cx: &mut Cx<'_>) {
        let carrying = self.children.iter().filter(|child| child.carries() && child.is_live());
        let due: Vec<_> = carrying.map(|child| child.spi).filter(|spi| !self.is_being_replaced(*spi)).collect();
        for spi in due {
            if let Some(child) = self.child_mut(spi) {
                child.rekey_at = Some(cx.now);
            }
        }
        self.handle_child_timeouts(cx);
    }

    /// An operator wants a new IKE SA.
    pub(crate) fn rekey_ike(&mut self) {
        if let Some(sa) = self.sas.iter_mut().rev().find(|sa| sa.is_current()) {
            sa.enqueue(Task::RekeyIke);
        }
    }
}

/// Whether a CHILD SA is being asked for.
fn is_creating(sa: &IkeSa) -> bool {
    sa.queue.iter().any(|task| matches!(task, Task::CreateChild(_))) || matches!(sa.pending, Some(Pending::Child(_)))
}
