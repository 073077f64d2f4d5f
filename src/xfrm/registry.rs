//! All tunnels with what they have in the kernel, and the sockets that change it: behind one lock, so that what is noted
//! here is what the kernel did.

mod action;
mod notice;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use dataplane::{Event, Failure, InterfaceInfo, Limit, Outbox, TunnelInterface};
use wire::ipsec::{Direction, TunnelId};

use crate::clamp::Clamp;
use crate::kernel::{Kernel, Links};
use crate::look::{FRESH, View};
use crate::netlink::policy::InstalledPolicy;
use crate::netlink::socket::Refusal;
use crate::netlink::state::StateId;
use crate::owner::Owner;
use crate::plan::changes;
use crate::tunnel::Tunnel;

/// Between two events about packets that no SA carries.
const DEMAND_PAUSE: Duration = Duration::from_secs(1);
/// Between two events about one interface that is gone.
const LOSS_PAUSE: Duration = Duration::from_secs(1);

/// The registry.
#[derive(Debug)]
pub(crate) struct Registry {
    kernel: Kernel,
    owner: Owner,
    clamp: Clamp,
    pub(crate) tunnels: BTreeMap<TunnelId, Tunnel>,
    pub(crate) outbox: Outbox,
    outer_mtu: usize,
    looked: Option<Instant>,
    /// Somebody else may have removed policies.
    in_doubt: bool,
}

impl Registry {
    /// Takes a range of identifiers, and removes what nobody owns any more.
    pub(crate) fn open(outbox: Outbox, outer_mtu: usize) -> Result<Self, Refusal> {
        let (mut kernel, owner) = (Kernel::open()?, Owner::claim()?);
        kernel.clear(|if_id| owner.may_remove(if_id))?;
        Links::open()?.clear(|if_id| owner.may_remove(if_id))?;
        let clamp = Clamp::open(owner.name());
        Ok(Self { kernel, owner, clamp, tunnels: BTreeMap::new(), outbox, outer_mtu, looked: None, in_doubt: false })
    }

    /// An identifier for an interface.
    pub(crate) fn identifier(&mut self) -> u32 {
        self.owner.next()
    }

    /// Enters a tunnel whose interface, of this number and identifier, is set up. From now on packets ask for an SA.
    pub(crate) fn enter(
        &mut self,
        id: TunnelId,
        interface: TunnelInterface,
        numbers: (u32, u32),
        mtu: u32,
    ) -> Result<InterfaceInfo, Refusal> {
        let mut tunnel = Tunnel::new(id, interface, numbers, mtu, Instant::now());
        replan(&mut self.kernel, &mut tunnel)?;
        self.clamp.fit(&tunnel.name, tunnel.fits());
        let info = tunnel.info();
        self.tunnels.insert(id, tunnel);
        Ok(info)
    }

    /// Removes a tunnel with all it has but its interface.
    pub(crate) fn leave(&mut self, id: TunnelId) -> Option<Tunnel> {
        let mut tunnel = self.tunnels.remove(&id)?;
        // While there are policies, packets ask for SAs.
        let all = changes(&tunnel.policies, &BTreeMap::new());
        log(self.kernel.change(tunnel.if_id, &all, &mut tunnel.policies), "remove policies");
        for sa in &tunnel.sas {
            log(self.kernel.remove_state(sa.id()), "remove a state");
        }
        log(self.kernel.remove_state(tunnel.place()), "forget what was asked for");
        self.clamp.forget(&tunnel.name);
        Some(tunnel)
    }

    /// Removes all policies and states with one identifier.
    pub(crate) fn clear(&mut self, if_id: u32) {
        log(self.kernel.clear(|found| found == if_id), "remove an interface that could not be set up");
    }

    /// Removes everything that is ours but interfaces. Returns their identifiers.
    pub(crate) fn end(&mut self) -> RangeInclusive<u32> {
        self.tunnels.clear();
        let range = self.owner.range();
        log(self.kernel.clear(|if_id| range.contains(&if_id)), "remove what is left");
        self.clamp.end();
        range
    }

    /// What of the machine hinders, with the remedy.
    pub(crate) fn warning(&self) -> Option<String> {
        self.clamp.warning()
    }

    /// Whether it is time for another look.
    pub(crate) fn is_stale(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= FRESH)
    }

    /// Takes over the kernel's numbers. What it says nothing of, though it was there before, is lost.
    pub(crate) fn look(&mut self, view: &View) {
        self.looked = Some(view.began);
        let (now, mut spent, mut lost) = (Instant::now(), Vec::new(), Vec::new());
        for tunnel in self.tunnels.values_mut() {
            for sa in &mut tunnel.sas {
                let is_known = !sa.exhausted && sa.since < view.began;
                let usage = view.states.get(&sa.id()).copied().filter(|_| is_known);
                sa.meter.look(usage);
                // Its notice was lost, or somebody removed it. A notice that is on its way has until the next look.
                let was_missing = std::mem::replace(&mut sa.missing, is_known && usage.is_none());
                let limit = if usage.is_none() { was_missing.then_some(Limit::Hard) } else { sa.reached() };
                spent.extend(limit.filter(|_| is_known).map(|limit| (tunnel.id, sa.id(), limit)));
            }
            let drops = view.drops.get(&tunnel.ifindex);
            tunnel.look(drops.copied(), now);
            if drops.is_none() && tunnel.since < view.began {
                lost.push(tunnel.ifindex);
            }
        }
        for (id, state, limit) in spent {
            match limit {
                Limit::Hard => self.exhaust(id, state),
                Limit::Soft => self.renew(id, state),
            }
        }
        for ifindex in lost {
            self.link_gone(ifindex);
        }
    }

    /// It is time to renew an SA: said once.
    fn renew(&mut self, id: TunnelId, state: StateId) {
        let Some(tunnel) = self.tunnels.get_mut(&id) else { return };
        let Some(sa) = tunnel.sas.iter_mut().find(|sa| sa.id() == state && !sa.exhausted && !sa.told) else { return };
        sa.told = true;
        let (direction, spi) = (sa.direction, sa.sa.spi);
        self.outbox.send(Event::SaLimit { tunnel: id, direction, spi, limit: Limit::Soft });
    }

    /// An SA is gone that nobody asked to remove: what it carried is refused until there is another one.
    fn exhaust(&mut self, id: TunnelId, state: StateId) {
        let Some(tunnel) = self.tunnels.get_mut(&id) else { return };
        let Some(sa) = tunnel.sas.iter_mut().find(|sa| sa.id() == state && !sa.exhausted) else { return };
        sa.exhausted = true;
        let (direction, spi) = (sa.direction, sa.sa.spi);
        self.outbox.send(Event::SaLimit { tunnel: id, direction, spi, limit: Limit::Hard });
        if direction == Direction::Outbound {
            log(replan(&mut self.kernel, tunnel), "refuse what an SA carries no more");
        }
    }

    /// What is due by time: events that wait, and places of SAs that were asked for. Puts back what somebody else removed.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Duration> {
        for tunnel in self.tunnels.values_mut() {
            if tunnel.demanded.is_some_and(|at| now.duration_since(at) >= DEMAND_PAUSE) {
                forget_demand(&mut self.kernel, tunnel);
            }
        }
        if std::mem::take(&mut self.in_doubt) {
            log(self.restore(), "put back policies that somebody else removed");
        }
        self.outbox.flush()
    }

    /// Notices were lost.
    pub(crate) fn doubt(&mut self) {
        self.in_doubt = true;
    }

    /// Makes the policies that are no longer there.
    fn restore(&mut self) -> Result<(), Refusal> {
        let found: BTreeSet<InstalledPolicy> = self.kernel.policies()?.into_iter().collect();
        for tunnel in self.tunnels.values_mut() {
            let (if_id, before) = (tunnel.if_id, tunnel.policies.len());
            tunnel.policies.retain(|key, _| found.contains(&InstalledPolicy::of(if_id, key)));
            let missing = before - tunnel.policies.len();
            if missing > 0 {
                tracing::warn!(interface = tunnel.name, missing, "somebody removed policies: they are put back");
                replan(&mut self.kernel, tunnel)?;
            }
        }
        Ok(())
    }

    /// An interface is gone that was not removed here. Said again until its tunnel is removed.
    pub(crate) fn link_gone(&mut self, ifindex: u32) {
        let now = Instant::now();
        let quiet = |tunnel: &Tunnel| tunnel.told_lost.is_none_or(|told| now.duration_since(told) >= LOSS_PAUSE);
        let gone = self.tunnels.values_mut().find(|tunnel| tunnel.ifindex == ifindex);
        if let Some(tunnel) = gone.filter(|tunnel| quiet(tunnel)) {
            tracing::error!(interface = tunnel.name, "interface lost");
            tunnel.told_lost = Some(now);
            let (id, failure) = (tunnel.id, Failure::InterfaceLost(tunnel.name.clone()));
            self.outbox.send(Event::Failed { tunnel: Some(id), failure });
        }
    }
}

/// Brings a tunnel's policies to what its SAs ask for.
fn replan(kernel: &mut Kernel, tunnel: &mut Tunnel) -> Result<(), Refusal> {
    let changes = changes(&tunnel.policies, &tunnel.wanted());
    kernel.change(tunnel.if_id, &changes, &mut tunnel.policies)
}

/// While the kernel keeps a place for an SA, it asks for none.
fn forget_demand(kernel: &mut Kernel, tunnel: &mut Tunnel) {
    if tunnel.demanded.take().is_some() {
        log(kernel.remove_state(tunnel.place()), "forget what was asked for");
    }
}

fn log(result: Result<(), Refusal>, action: &'static str) {
    if let Err(refusal) = result {
        tracing::warn!(%refusal, "cannot {action}");
    }
}
