//! Tunnel state and BFD drive routing: what no combination of separate daemons can do.
//!
//! ```text
//! ike: TunnelDown ──┬─ 1 ─► fib      the tunnel's next hop leaves every group: one kernel operation, traffic moves
//! bfd: Failed ──────┼─ 2 ─► rib      its paths are no candidates any more, other peers get withdrawals
//!                   └─ 3 ─► session  the BGP session ends without waiting for the hold timer
//!
//! ike: TunnelUp ──── the same three, so that everything comes back by itself
//! bfd: Usable
//! ```
//!
//! The order is the order of urgency. All three are told while the event is handled, before the next one, and none of
//! them can make the key exchange wait: FIB and RIB take a level, and a session always takes commands.
//!
//! A tunnel's next hop is used while the tunnel is up *and* BFD, where it is configured, has nothing against it. Outside
//! the tunnels several peers share an interface, so there BFD ends the session, and its routes go with it, and static
//! routes to the same address do. BFD may also watch the next hop of a static route by itself.
//!
//! A tunnel can be closed besides: its probes have nothing good to say about it. It stays up, and so does its session.
//!
//! While routes are held for a peer that restarts (RFC 4724), BFD is not asked: our BFD shares the fate of our control
//! plane, as the peer's may, so its silence says nothing about forwarding (RFC 5882 4.3.2). What it said holds from the
//! moment on when no routes are held any more. A session that BFD itself ends holds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bfd::{Hops, Obstacle, Path, Verdict};
use rib::{NextHop, PeerId};
use settings::Session;
use tokio::sync::Mutex;
use wire::ipsec::TunnelId;

use super::bfd_task::{self, Add};
use super::link_states::LinkStates;
use super::neighbors::Where;
use super::steering_task::Facts;
use super::topology::{Part, TopologyReader};
use super::watches::WatchPart;
use telemetry::report::Reporter;

/// How long SAs that are to go wait for their traffic to move.
const LEAVING: Duration = Duration::from_millis(20);

/// The three that follow a tunnel's state, and BFD.
#[derive(Clone, Debug)]
pub(super) struct Coupling {
    pub(super) fib: fib::Fib,
    pub(super) rib: Arc<LinkStates>,
    pub(super) topology: TopologyReader,
    pub(super) bfd: bfd_task::Handle,
    pub(super) gates: Arc<Mutex<Gates>>,
    /// For whoever chooses among tunnels.
    pub(super) facts: Arc<Facts>,
    /// What BFD said last of peers while routes were held for them; something waits for the end of that for each.
    pub(super) overruled: Arc<Mutex<BTreeMap<PeerId, Verdict>>>,
    pub(super) reporter: Reporter,
}

/// What next hops of tunnels wait for.
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// Tunnels that are up, and whether BFD has nothing against them.
    up: BTreeMap<TunnelId, bool>,
    /// Tunnels that are not used whether up or not.
    closed: BTreeSet<TunnelId>,
}

impl Coupling {
    /// A CHILD SA carries traffic.
    pub(super) async fn tunnel_up(&self, id: TunnelId) {
        let topology = self.topology.borrow().clone();
        let Some(part) = topology.tunnels.get(&id) else { return };
        let watched = part.tunnel.bgp.as_ref().and_then(|session| Some((session.id, session.bfd.as_ref()?)));
        let open = watched.is_none_or(|(_, bfd)| !bfd.strict);
        let mut gates = self.gates.lock().await;
        gates.up.insert(id, open);
        if open && !gates.closed.contains(&id) {
            self.use_link(id, part);
        }
        if !open {
            tell(part, session::Command::BfdDown).await;
        }
        self.facts.note(id, |fact| (fact.up, fact.unreachable) = (true, !open));
        let link = session::Link {
            interface: Some(part.tunnel.interface.clone()),
            mss: Some(part.interface.mss),
            hops: None,
            listens: true,
        };
        tell(part, session::Command::TunnelUp(link)).await;
        drop(gates);
        if let Some((peer, _)) = watched {
            drop(self.bfd.send(bfd_task::Command::Start(peer)).await);
        }
    }

    /// These tunnels are about to lose their last CHILD SA: traffic moves off them first, so that what goes into them until
    /// then is still carried. Returns when the kernel has done it, or is too slow to be waited for.
    pub(super) async fn leave(&self, tunnels: &[TunnelId]) {
        let mut gates = self.gates.lock().await;
        for id in tunnels {
            gates.up.remove(id);
            self.leave_link(*id);
        }
        drop(gates);
        if tokio::time::timeout(LEAVING, self.fib.left()).await.is_err() {
            tracing::debug!("SAs are deleted before their traffic has moved");
        }
    }

    /// No CHILD SA is left.
    pub(super) async fn tunnel_down(&self, id: TunnelId) {
        let mut gates = self.gates.lock().await;
        gates.up.remove(&id);
        self.leave_link(id);
        // The session ends with the tunnel: one failure and not two.
        self.facts.note(id, |fact| (fact.up, fact.established) = (false, false));
        let part = self.topology.borrow().tunnels.get(&id).cloned();
        let Some(part) = part else { return };
        // What BFD said was about the tunnel that is gone; it begins anew with the next.
        if let Some(session) = &part.tunnel.bgp
            && let Some(remembered) = self.overruled.lock().await.get_mut(&session.id)
        {
            *remembered = Verdict::Usable;
        }
        tell(&part, session::Command::TunnelDown).await;
        drop(gates);
        if let Some(session) = part.tunnel.bgp.as_ref().filter(|session| session.bfd.is_some()) {
            drop(self.bfd.send(bfd_task::Command::Stop(session.id)).await);
        }
    }

    /// Closes a tunnel, or opens it: its next hops are not used, or are if nothing else speaks against it.
    pub(super) async fn set_closed(&self, id: TunnelId, closed: bool) {
        let mut gates = self.gates.lock().await;
        let changed = if closed { gates.closed.insert(id) } else { gates.closed.remove(&id) };
        if !changed || gates.up.get(&id) != Some(&true) {
            return;
        }
        let part = self.topology.borrow().tunnels.get(&id).cloned();
        match part {
            Some(part) if !closed => self.use_link(id, &part),
            Some(_) | None => self.leave_link(id),
        }
    }

    /// BFD has come to an opinion.
    pub(super) async fn bfd_verdict(&self, peer: PeerId, verdict: Verdict) {
        let topology = self.topology.borrow().clone();
        if let Some(Ok(hop)) = topology.watches.get(&peer).map(WatchPart::hop) {
            return self.note_hop(hop, verdict);
        }
        let Some(session) = topology.session(peer) else { return };
        let mut gates = self.gates.lock().await;
        let mut overruled = self.overruled.lock().await;
        if !verdict.is_usable() && session.keeps_stale_routes() {
            self.reporter.bfd_overruled(&topology.session_name(peer));
            if overruled.insert(peer, verdict).is_none() {
                self.remember(peer, session.clone());
            }
            return;
        }
        // Who waits for the peer finds that nothing speaks against it any more.
        if let Some(remembered) = overruled.get_mut(&peer) {
            *remembered = verdict;
        }
        drop(overruled);
        self.act_on(peer, verdict, &mut gates).await;
    }

    async fn act_on(&self, peer: PeerId, verdict: Verdict, gates: &mut Gates) {
        let topology = self.topology.borrow().clone();
        let Some(session) = topology.session(peer) else { return };
        let tunnel = topology.tunnels.iter().find(|(_, part)| part.tunnel.bgp.as_ref().is_some_and(|s| s.id == peer));
        if let Some((id, part)) = tunnel {
            // What is not up has nothing to lose, and is asked again when it is.
            let closed = gates.closed.contains(id);
            let Some(open) = gates.up.get_mut(id) else { return };
            self.facts.note(*id, |fact| fact.unreachable = !verdict.is_usable());
            if std::mem::replace(open, verdict.is_usable()) != verdict.is_usable() && !closed {
                if verdict.is_usable() { self.use_link(*id, part) } else { self.leave_link(*id) }
            }
        }
        if let Some(part) = topology.neighbors.get(&peer)
            && let Ok(Where { link, interface: Some(_), .. }) = part.spot
        {
            self.note_hop(NextHop { link, address: part.session.peer.peer_address }, verdict);
        }
        let command = if verdict.is_usable() { session::Command::BfdUp } else { session::Command::BfdDown };
        drop(session.commands.send(command).await);
    }

    fn note_hop(&self, hop: NextHop, verdict: Verdict) {
        self.rib.set_hop(hop, if verdict.is_usable() { rib::LinkState::Up } else { rib::LinkState::Down });
    }

    /// What BFD said while routes were held for the peer counts once they no longer are.
    fn remember(&self, peer: PeerId, session: session::Handle) {
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                let runs = session.stale_routes_gone().await;
                let mut gates = this.gates.lock().await;
                if runs && session.keeps_stale_routes() {
                    continue;
                }
                let verdict = this.overruled.lock().await.remove(&peer);
                if let Some(verdict) = verdict.filter(|verdict| runs && !verdict.is_usable()) {
                    this.act_on(peer, verdict, &mut gates).await;
                }
                return;
            }
        });
    }

    /// A session in a tunnel has come, changed or gone: so does its BFD.
    pub(super) async fn watch(&self, part: &Part, old: Option<&Session>, new: Option<&Session>) {
        let config = |session: Option<&Session>| session.and_then(|session| Some((session.id, session.bfd.clone()?)));
        match (config(old), config(new), new) {
            (Some((_, old)), Some((_, new)), _) if old == new => {}
            (Some(_), Some((peer, new)), _) => self.tell_bfd(bfd_task::Command::Reconfigure(peer, Box::new(new))).await,
            (None, Some((peer, config)), Some(session)) => {
                let path = Path {
                    link: Some(part.tunnel.id.into()),
                    local: session.peer.local_address,
                    remote: session.peer.peer_address,
                    hops: Hops::One,
                };
                let interface = Some(part.tunnel.interface.clone());
                let (name, counted) = (session.name.clone(), session.peer.name.clone());
                let add = Add { peer, name, counted, path, interface, config };
                self.tell_bfd(bfd_task::Command::Add(Box::new(add))).await;
                if self.gates.lock().await.up.contains_key(&part.tunnel.id) {
                    self.tell_bfd(bfd_task::Command::Start(peer)).await;
                }
            }
            (Some((peer, _)), None, Some(_)) => self.go_on_without_bfd(peer).await,
            (Some((peer, _)), None, None) => self.unwatch(peer).await,
            (None, None, _) | (None, Some(_), None) => {}
        }
    }

    /// A session outside the tunnels has a place: BFD watches its path from there on.
    pub(super) async fn watch_outside(&self, add: Add) {
        let peer = add.peer;
        if add.config.strict {
            self.bfd_verdict(peer, Verdict::Failed(Obstacle::NotUpYet)).await;
        }
        self.tell_bfd(bfd_task::Command::Add(Box::new(add))).await;
        self.tell_bfd(bfd_task::Command::Start(peer)).await;
    }

    /// Its BFD has other settings.
    pub(super) async fn change_outside(&self, peer: PeerId, config: bfd::Config) {
        self.tell_bfd(bfd_task::Command::Reconfigure(peer, Box::new(config))).await;
    }

    /// A session goes on and BFD does not. The peer, which still has it, is not to take that for a failure.
    pub(super) async fn go_on_without_bfd(&self, peer: PeerId) {
        bfd_task::end(&self.bfd, |done| bfd_task::Command::Retire(peer, done)).await;
        self.bfd_verdict(peer, Verdict::Usable).await;
    }

    /// A session, or the next hop of static routes, is watched no more. What BFD still had to say of it comes before.
    pub(super) async fn unwatch(&self, peer: PeerId) {
        bfd_task::end(&self.bfd, |done| bfd_task::Command::Remove(peer, done)).await;
        self.bfd_verdict(peer, Verdict::Usable).await;
    }

    /// It is nowhere any more, or over.
    pub(super) async fn unwatch_outside(&self, session: &Session) {
        if session.bfd.is_some() {
            self.unwatch(session.id).await;
        }
    }

    async fn tell_bfd(&self, command: bfd_task::Command) {
        drop(self.bfd.send(command).await);
    }

    fn use_link(&self, id: TunnelId, part: &Part) {
        self.fib.link_up(id.into(), part.interface.ifindex, None);
        self.rib.set(id.into(), rib::LinkState::Up);
    }

    fn leave_link(&self, id: TunnelId) {
        self.fib.link_down(id.into());
        self.rib.set(id.into(), rib::LinkState::Down);
    }
}

async fn tell(part: &Part, command: session::Command) {
    if let Some(session) = &part.session {
        drop(session.commands.send(command).await);
    }
}
