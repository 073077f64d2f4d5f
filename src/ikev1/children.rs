//! ESP SAs of a tunnel, in pairs, and which of them carries what we send.
//!
//! ```text
//!            inbound                           outbound
//!  answered  installed before our answer       held until the peer's last message
//!  in use    installed                         installed; one of each pair of selectors
//!  retired   installed until it is deleted     removed
//!  lingering installed, deleted at the peer    removed
//! ```
//!
//! The newest takes over. Where both ends began at the same time, both have to choose the same: the one with the higher
//! nonce of its initiator. A DELETE is not acknowledged, so that what was deleted still receives for a while.

use std::time::{Duration, Instant};

use crypto::Group;
use isakmp::v1::{Delete, Payload};
use negotiation::{Cx, DownReason, Event, Outbound, between};
use wire::ipsec::{Direction, Encapsulation, EspSuite, SaAction, SecurityAssociation, Spi, TrafficSelector};

use crate::tunnel::Tunnel;

/// How long we receive on what was deleted: longer than a DELETE is repeated.
const LINGER: Duration = Duration::from_secs(20);
/// When we delete what our own SA took the place of, and what the peer's did, should the peer not do it.
const REPLACED_BY_OURS: Duration = Duration::from_secs(5);
const REPLACED_BY_PEERS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(50));
/// When we send on what we made, where there is something else to send on.
const HANDOVER: Duration = Duration::from_millis(300);
/// When the peer's SA that lost to one of ours is used after all, as the peer does not delete it.
const ADOPT: Duration = Duration::from_secs(12);

/// An exchange of the peer's that begins so soon after ours may have crossed it.
pub(crate) const CROSSING: Duration = Duration::from_secs(2);

/// What an SA carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selectors {
    pub(crate) local: TrafficSelector,
    pub(crate) remote: TrafficSelector,
}

/// A pair of ESP SAs.
#[derive(Debug)]
pub(crate) struct Child {
    /// Ours: the peer sends with it.
    pub(crate) spi: Spi,
    /// The peer's.
    pub(crate) peer_spi: Spi,
    pub(crate) selectors: Selectors,
    /// Whether we began the exchange that made it.
    pub(crate) initiator: bool,
    /// The nonce of the initiator of that exchange.
    pub(crate) nonce: Vec<u8>,
    /// The other end began one for the same selectors at the same time.
    pub(crate) crossing: bool,
    pub(crate) suite: EspSuite,
    pub(crate) group: Option<Group>,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) outbound: Outbound,
    pub(crate) began: Instant,
    pub(crate) established_at: Instant,
    /// Both ends are known to have it.
    pub(crate) complete: bool,
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) expires_at: Option<Instant>,
    /// When we delete it.
    pub(crate) delete_at: Option<Instant>,
    /// When we use it although it lost.
    pub(crate) adopt_at: Option<Instant>,
    /// Deleted; receives until then.
    pub(crate) lingers_until: Option<Instant>,
}

impl Child {
    pub(crate) const fn is_live(&self) -> bool {
        self.lingers_until.is_none()
    }

    pub(crate) fn is_installed(&self) -> bool {
        self.is_live() && matches!(self.outbound, Outbound::Installed)
    }

    fn is_heir_of(&self, selectors: Selectors, than: Spi) -> bool {
        let held = matches!(self.outbound, Outbound::Held(_));
        self.spi != than && self.selectors == selectors && self.is_live() && held && self.complete
    }

    /// Whether it takes over from `other` in a moment.
    pub(crate) fn is_next_of(&self, other: &Self) -> bool {
        self.initiator && self.is_heir_of(other.selectors, other.spi) && self.adopt_at.is_some()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.lingers_until {
            Some(until) => Some(until),
            None => [self.rekey_at, self.expires_at, self.delete_at, self.adopt_at].into_iter().flatten().min(),
        }
    }
}

impl Tunnel {
    pub(crate) fn child(&self, spi: Spi) -> Option<&Child> {
        self.children.iter().find(|child| child.spi == spi)
    }

    pub(crate) fn child_mut(&mut self, spi: Spi) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.spi == spi)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.children.iter().any(Child::is_installed)
    }

    /// Receives on a new pair from now on.
    pub(crate) fn add_child(&mut self, cx: &mut Cx<'_>, child: Child, inbound: SecurityAssociation) {
        let (tunnel, direction) = (self.id, Direction::Inbound);
        cx.sa(SaAction::Install { tunnel, direction, sa: Box::new(inbound) });
        self.children.push(child);
    }

    /// Both ends have it: sends on it, unless it lost to one that crossed it.
    pub(crate) fn complete_child(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        let now = cx.now;
        let Some(child) = self.child_mut(spi) else { return };
        child.complete = true;
        child.established_at = now;
        let (selectors, initiator, nonce) = (child.selectors, child.initiator, child.nonce.clone());
        let (crossing, began) = (child.crossing, child.began);
        let beats = |other: &&Child| {
            let crossed = other.crossing && other.initiator != initiator && other.established_at + CROSSING > began;
            crossed && other.is_installed() && other.nonce > nonce
        };
        let others = || self.children.iter().filter(|other| other.spi != spi && other.selectors == selectors);
        let lost = crossing && others().any(|other| beats(&other));
        let replaces = others().any(Child::is_live);
        let spare = others().any(Child::is_installed);
        if lost {
            if let Some(child) = self.child_mut(spi) {
                child.rekey_at = None;
                if initiator {
                    child.delete_at = Some(now + REPLACED_BY_OURS);
                } else {
                    child.adopt_at = Some(now + ADOPT);
                }
            }
        } else if initiator && spare && !crossing {
            // RFC 2409 5.5: the peer makes its SA from our last message, where there is PFS after a computation.
            if let Some(child) = self.child_mut(spi) {
                child.adopt_at = Some(now + HANDOVER);
            }
        } else {
            self.switch_to(cx, spi);
        }
        if replaces {
            self.counters.child_rekeys += 1;
            let outbound = self.child(spi).map_or(spi, |child| child.peer_spi);
            cx.event(Event::ChildRekeyed { tunnel: self.id, initiator, inbound: spi, outbound });
        }
        self.satisfied(selectors);
    }

    /// Sends on `spi` from now on; what it takes the place of is deleted later.
    pub(crate) fn switch_to(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        let (tunnel, was_up) = (self.id, self.is_up());
        let Some(child) = self.child_mut(spi) else { return };
        child.adopt_at = None;
        child.delete_at = None;
        let Outbound::Held(sa) = std::mem::replace(&mut child.outbound, Outbound::Installed) else {
            child.outbound = Outbound::Retired;
            return;
        };
        let (selectors, initiator, peer_spi, began) = (child.selectors, child.initiator, child.peer_spi, child.began);
        let (local, remote) = (sa.local, sa.remote);
        let up = Event::TunnelUp {
            tunnel,
            suite: child.suite,
            encapsulation: child.encapsulation,
            local,
            remote,
            inbound: spi,
            outbound: peer_spi,
            local_selectors: vec![selectors.local],
            remote_selectors: vec![selectors.remote],
        };
        cx.sa(SaAction::Install { tunnel, direction: Direction::Outbound, sa });
        let pause =
            if initiator { REPLACED_BY_OURS } else { between(REPLACED_BY_PEERS.0, REPLACED_BY_PEERS.1, cx.entropy) };
        let (delete_at, sooner) = (cx.now + pause, cx.now + REPLACED_BY_OURS);
        let replaced = |other: &&mut Child| other.spi != spi && other.selectors == selectors && other.is_live();
        for other in self.children.iter_mut().filter(replaced) {
            if !other.complete {
                continue;
            }
            other.rekey_at = None;
            other.adopt_at = None;
            // Of two that crossed, each end deletes its own.
            let crossed = other.crossing && other.initiator && !initiator && other.established_at + CROSSING > began;
            let delete_at = if crossed { sooner } else { delete_at };
            other.delete_at = Some(other.delete_at.map_or(delete_at, |at| at.min(delete_at)));
            if matches!(std::mem::replace(&mut other.outbound, Outbound::Retired), Outbound::Installed)
                && other.peer_spi != peer_spi
            {
                cx.sa(SaAction::Remove { tunnel, direction: Direction::Outbound, spi: other.peer_spi });
            }
        }
        if !was_up {
            self.up_since = Some(cx.now);
            self.since = cx.now;
            self.backoff.up();
            (self.retry_at, self.demand_after) = (None, None);
            cx.event(up);
        }
    }

    /// Forgets a pair at once.
    pub(crate) fn drop_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        let Some(index) = self.children.iter().position(|child| child.spi == spi) else { return };
        let child = self.children.remove(index);
        let tunnel = self.id;
        cx.sa(SaAction::Remove { tunnel, direction: Direction::Inbound, spi });
        cx.names.release_esp(spi);
        if child.is_installed() {
            self.release_outbound(cx, &child, reason);
        }
    }

    /// Stops sending on a pair that is deleted at either end, and receives what is in flight.
    pub(crate) fn retire_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        let Some(index) = self.children.iter().position(|child| child.spi == spi) else { return };
        let others = self
            .children
            .iter()
            .any(|child| child.spi != spi && (child.is_installed() || child.complete && child.is_live()));
        if !others {
            self.drop_child(cx, spi, reason);
            return;
        }
        let mut child = self.children.remove(index);
        let installed = child.is_installed();
        child.lingers_until = Some(cx.now + LINGER);
        if installed {
            self.release_outbound(cx, &child, reason);
        }
        child.outbound = Outbound::Retired;
        self.children.push(child);
    }

    /// Another takes over from a pair that is not used any more; else nothing does.
    fn release_outbound(&mut self, cx: &mut Cx<'_>, child: &Child, reason: &DownReason) {
        let (tunnel, spi) = (self.id, child.peer_spi);
        let heirs = self.children.iter().filter(|other| other.is_heir_of(child.selectors, child.spi));
        let heir = heirs.max_by_key(|other| other.established_at).map(|other| other.spi);
        if let Some(heir) = heir {
            // The tunnel does not count as down in between.
            self.bridge(cx, heir);
            cx.sa(SaAction::Remove { tunnel, direction: Direction::Outbound, spi });
            return;
        }
        cx.sa(SaAction::Remove { tunnel, direction: Direction::Outbound, spi });
        if self.is_up() {
            return;
        }
        if let Some(since) = self.up_since.take() {
            self.backoff.down(cx.now.saturating_duration_since(since));
        }
        self.since = cx.now;
        cx.event(Event::TunnelDown { tunnel, reason: reason.clone() });
    }

    fn bridge(&mut self, cx: &mut Cx<'_>, heir: Spi) {
        let tunnel = self.id;
        let Some(child) = self.child_mut(heir) else { return };
        child.adopt_at = None;
        child.delete_at = None;
        if let Outbound::Held(sa) = std::mem::replace(&mut child.outbound, Outbound::Installed) {
            cx.sa(SaAction::Install { tunnel, direction: Direction::Outbound, sa });
        }
    }

    /// Deletes a pair at both ends.
    pub(crate) fn delete_child(&mut self, cx: &mut Cx<'_>, spi: Spi, reason: &DownReason) {
        if let Some(sa) = self.sas.iter_mut().rev().find(|sa| sa.is_current()) {
            sa.bid_farewell(cx, vec![Payload::Delete(Delete::esp(&[spi]))]);
        }
        self.retire_child(cx, spi, reason);
    }

    /// Does what is due on the pairs.
    pub(crate) fn handle_child_timeouts(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let due = self.children.iter().filter(|child| child.next_deadline().is_some_and(|at| at <= now));
        let due: Vec<_> = due.map(|child| child.spi).collect();
        for spi in due {
            self.handle_child_timeout(cx, spi);
        }
    }

    fn handle_child_timeout(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        let now = cx.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let Some(child) = self.child(spi) else { return };
        let installed = child.is_installed();
        if due(child.lingers_until) {
            self.drop_child(cx, spi, &DownReason::Expired);
        } else if due(child.expires_at) {
            self.expire_child(cx, spi, installed);
        } else if due(child.delete_at) {
            self.delete_child(cx, spi, &DownReason::Superseded);
        } else if due(child.adopt_at) {
            self.switch_to(cx, spi);
        } else if due(child.rekey_at) {
            self.rekey_child_now(cx, spi);
        }
    }

    fn expire_child(&mut self, cx: &mut Cx<'_>, spi: Spi, installed: bool) {
        let peer = self.path().remote;
        self.delete_child(cx, spi, &DownReason::Expired);
        if installed && !self.is_up() {
            let phase = negotiation::Phase::Child;
            self.fail(cx, negotiation::Failure::LifetimeExpired { peer, phase });
        }
    }

    /// All pairs are to be renewed soon.
    pub(crate) fn renew_children(&mut self, now: Instant) {
        for child in self.children.iter_mut().filter(|child| child.is_installed()) {
            child.rekey_at = Some(now);
        }
    }
}
