//! What happens in a scenario, step by step.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use isakmp::{Delete, ExchangeType, Payload};
use negotiation::{Cx, DownReason, LimitReached, Retransmit};
use wire::ipsec::{Direction, Spi};

use super::super::failover;
use super::super::network::*;
use crate::endpoint::Tunnel;
use crate::sa::{Pending, Task};

/// Which messages are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) from: usize,
    pub(super) exchange: ExchangeType,
    pub(super) response: bool,
}

/// A step. Ends are parts: which end plays which is for the runner.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Do(usize, Operation),
    /// Milliseconds pass.
    Wait(u64),
    /// The next message of a kind is lost.
    Lose(Kind),
    /// So many messages of a kind are lost.
    LoseAll(Kind, usize),
    /// What the script still has to say about messages is void.
    LoseNoMore,
    /// The next message of a kind takes so many milliseconds.
    Hold(Kind, u64),
}

#[derive(Clone, Copy)]
pub(super) enum Operation {
    RekeyChild,
    RekeyIke,
    /// Both of them.
    RekeyBoth,
    /// A CHILD SA for what has none.
    CreateChild,
    /// The CHILD SA in use ends at once and is deleted.
    DeleteChild,
    /// The newest CHILD SA is deleted.
    DeleteNewest,
    /// A CHILD SA that nobody has is deleted.
    DeleteUnknown,
    DeleteIke,
    /// The CHILD SA in use has carried so much that it is to be rekeyed.
    SoftLimit,
    /// Its CHILD SAs are lost without a word.
    LoseChild,
    /// It gives up what it has asked, and asks nothing more under this IKE SA, which would say that it was answered.
    Forget,
    /// A sign of life is asked for.
    Probe,
    /// Another member of the cluster takes over, which knows the window as it was two messages ago.
    FailOver,
    /// A member takes over that speaks of IDs long used.
    FailOverBehind,
}

/// What the script says about messages to come.
#[derive(Default)]
pub(super) struct Script {
    said: Vec<(Kind, Option<u64>)>,
}

pub(super) type Fates = Rc<RefCell<Script>>;

impl Script {
    /// What becomes of a packet that would take so long.
    pub(super) fn of(&mut self, packet: &Packet, takes: u64) -> Option<u64> {
        let kind = Kind { from: packet.from, exchange: packet.exchange, response: packet.response };
        match self.said.iter().position(|(said, _)| *said == kind) {
            Some(index) => self.said.remove(index).1,
            None => Some(takes),
        }
    }
}

/// The end that plays a part.
pub(super) const fn part(end: usize, swapped: bool) -> usize {
    if swapped { 1 - end } else { end }
}

impl Act {
    pub(super) fn take(self, network: &mut Network, fates: &Fates, swapped: bool) {
        let say = |kind: Kind, times, fate| {
            let kind = Kind { from: part(kind.from, swapped), ..kind };
            fates.borrow_mut().said.extend(std::iter::repeat_n((kind, fate), times));
        };
        match self {
            Self::Do(end, operation) => operation.perform(network, part(end, swapped)),
            Self::Wait(millis) => network.run(Duration::from_millis(millis)),
            Self::Lose(kind) => say(kind, 1, None),
            Self::LoseAll(kind, times) => say(kind, times, None),
            Self::LoseNoMore => fates.borrow_mut().said.clear(),
            Self::Hold(kind, millis) => say(kind, 1, Some(millis)),
        }
    }
}

impl Operation {
    fn perform(self, network: &mut Network, end: usize) {
        match self {
            Self::RekeyChild => network.with(end, |endpoint, now| endpoint.rekey_child(TUNNEL, now)),
            Self::RekeyIke => network.with(end, |endpoint, now| endpoint.rekey_ike(TUNNEL, now)),
            Self::RekeyBoth => network.with(end, |endpoint, now| {
                endpoint.rekey_child(TUNNEL, now);
                endpoint.rekey_ike(TUNNEL, now);
            }),
            Self::DeleteChild => limit(network, end, LimitReached::Hard, false),
            Self::DeleteNewest => limit(network, end, LimitReached::Hard, true),
            Self::SoftLimit => limit(network, end, LimitReached::Soft, false),
            Self::DeleteIke => network.with(end, |endpoint, now| endpoint.terminate(TUNNEL, now)),
            Self::CreateChild => within(network, end, create_missing),
            Self::DeleteUnknown => within(network, end, delete_unknown),
            Self::LoseChild => within(network, end, lose_children),
            Self::Forget => within(network, end, forget),
            Self::Probe => within(network, end, |tunnel, _| {
                for sa in tunnel.sas.iter_mut().filter(|sa| sa.is_current()) {
                    sa.enqueue(Task::Liveness);
                }
            }),
            Self::FailOver => failover::fail_over(network, end, 2, 6),
            Self::FailOverBehind => failover::ask_with_used_ids(network, end),
        }
    }
}

fn within(network: &mut Network, end: usize, operation: fn(&mut Tunnel, &mut Cx<'_>)) {
    network.with(end, |endpoint, now: Instant| endpoint.with(TUNNEL, now, operation));
}

fn limit(network: &mut Network, end: usize, limit: LimitReached, newest: bool) {
    let children = network.ends[end].endpoint.status(TUNNEL).unwrap().children;
    let Some(child) = (if newest { children.last() } else { children.first() }) else { return };
    let spi = child.inbound;
    network.with(end, |endpoint, now| endpoint.handle_sa_limit(TUNNEL, Direction::Inbound, spi, limit, now));
}

fn create_missing(tunnel: &mut Tunnel, _: &mut Cx<'_>) {
    let missing = tunnel.flows.iter().find(|flow| tunnel.carrier(flow.id).is_none()).map(|flow| flow.id);
    let sa = tunnel.sas.iter_mut().rev().find(|sa| sa.is_current());
    if let Some((flow, sa)) = missing.zip(sa) {
        sa.enqueue(Task::CreateChild(flow));
    }
}

fn delete_unknown(tunnel: &mut Tunnel, cx: &mut Cx<'_>) {
    let idle = tunnel.sas.iter().find(|sa| sa.is_current() && sa.pending.is_none()).map(|sa| sa.spi);
    if let Some(ike) = idle {
        let delete = vec![Payload::Delete(Delete::Esp(vec![Spi(0x0bad_cafe)]))];
        tunnel.request(cx, ike, ExchangeType::INFORMATIONAL, delete, Pending::Liveness);
    }
}

fn lose_children(tunnel: &mut Tunnel, cx: &mut Cx<'_>) {
    let spis: Vec<_> = tunnel.children.iter().map(|child| child.spi).collect();
    for spi in spis {
        tunnel.drop_child(cx, spi, &DownReason::Operator);
    }
}

fn forget(tunnel: &mut Tunnel, cx: &mut Cx<'_>) {
    for sa in &mut tunnel.sas {
        if let Some(pending) = sa.pending.take() {
            crate::sa::exchange::release(cx, &pending);
            sa.requests.resume(sa.requests.next());
            sa.requests.begin(Retransmit::new(Vec::new(), cx.now, cx.entropy).at_most(1));
        }
    }
}
