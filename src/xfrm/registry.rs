//! All tunnels with what they have in the kernel, and the sockets that change it: behind one lock, so that what is noted
//! here is what the kernel did.

mod action;
mod notice;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dataplane::{Event, Failure, InterfaceInfo, Limit, Outbox, SaUsage, TunnelCounters, TunnelInterface};
use wire::ipsec::{Direction, TunnelId};

use crate::clamp::Clamp;
use crate::kernel::Kernel;
use crate::netlink::link::Drops;
use crate::netlink::socket::Refusal;
use crate::netlink::state::{StateId, Usage};
use crate::owner::Owner;
use crate::plan::{NOBODY, changes};
use crate::tunnel::Tunnel;

/// The kernel's numbers are believed so long: those who ask for one tunnel after the other get one listing.
const FRESH: Duration = Duration::from_millis(250);
/// Between two events about packets that no SA carries.
const DEMAND_PAUSE: Duration = Duration::from_secs(1);

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
}

impl Registry {
    /// Takes a range of identifiers, and removes what nobody owns any more.
    pub(crate) fn open(outbox: Outbox, outer_mtu: usize) -> Result<Self, Refusal> {
        let (mut kernel, owner) = (Kernel::open()?, Owner::claim()?);
        kernel.clear(|if_id| owner.may_remove(if_id))?;
        let clamp = Clamp::open(owner.name());
        Ok(Self { kernel, owner, clamp, tunnels: BTreeMap::new(), outbox, outer_mtu, looked: None })
    }

    /// Makes an xfrm interface. Returns its identifier.
    pub(crate) fn add_link(&mut self, name: &str) -> Result<u32, Refusal> {
        loop {
            let if_id = self.owner.next();
            match self.kernel.add_link(name, if_id) {
                Ok(()) => return Ok(if_id),
                Err(refusal) if refusal.is(libc::EEXIST) => {
                    // Another interface with the identifier, or with the name?
                    if self.kernel.links()?.iter().all(|link| link.if_id != Some(if_id)) {
                        return Err(refusal);
                    }
                }
                Err(refusal) => return Err(refusal),
            }
        }
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
        for sa in &tunnel.sas {
            log(self.kernel.remove_state(sa.id()), "remove a state");
        }
        forget_demand(&mut self.kernel, &mut tunnel);
        let all = changes(&tunnel.policies, &BTreeMap::new());
        log(self.kernel.change(tunnel.if_id, &all, &mut tunnel.policies), "remove policies");
        self.clamp.forget(&tunnel.name);
        Some(tunnel)
    }

    /// Removes everything with one identifier.
    pub(crate) fn clear(&mut self, if_id: u32) {
        log(self.kernel.clear(|found| found == if_id), "remove an interface that could not be set up");
    }

    /// Removes everything that is ours.
    pub(crate) fn end(&mut self) {
        self.tunnels.clear();
        let range = self.owner.range();
        log(self.kernel.clear(|if_id| range.contains(&if_id)), "remove what is left");
        self.clamp.end();
    }

    /// What of the machine hinders, with the remedy.
    pub(crate) fn warning(&self) -> Option<String> {
        self.clamp.warning()
    }

    /// What a tunnel has carried.
    pub(crate) fn counters(&mut self, id: TunnelId) -> Option<TunnelCounters> {
        self.look(FRESH);
        self.tunnels.get(&id).map(Tunnel::counters)
    }

    /// What the SAs of a tunnel have carried.
    pub(crate) fn usage(&mut self, id: TunnelId) -> Vec<SaUsage> {
        self.look(FRESH);
        self.tunnels.get(&id).map(Tunnel::usage).unwrap_or_default()
    }

    /// Takes a look at the kernel's numbers unless the last one is younger than `age`.
    pub(crate) fn look(&mut self, age: Duration) {
        let now = Instant::now();
        if self.tunnels.is_empty() || self.looked.is_some_and(|looked| now.duration_since(looked) < age) {
            return;
        }
        let (states, drops) = match self.kernel.states().and_then(|states| Ok((states, self.kernel.drops()?))) {
            Ok(found) => found,
            Err(refusal) => return tracing::warn!(%refusal, "cannot read the kernel's counters"),
        };
        self.looked = Some(now);
        let states: BTreeMap<StateId, Usage> = states.into_iter().map(|state| (state.id, state.usage)).collect();
        let drops: BTreeMap<u32, Drops> = drops.into_iter().map(|drops| (drops.ifindex, drops)).collect();
        let mut lost = Vec::new();
        for tunnel in self.tunnels.values_mut() {
            for sa in &mut tunnel.sas {
                let usage = states.get(&sa.id()).copied().filter(|_| !sa.exhausted);
                sa.meter.look(usage);
                if usage.is_none() && !sa.exhausted {
                    lost.push((tunnel.id, sa.id()));
                }
            }
            tunnel.look(drops.get(&tunnel.ifindex).copied(), now);
        }
        // Its notice was lost, or somebody removed it.
        for (id, state) in lost {
            self.exhaust(id, state);
        }
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

    /// What is due by time: events that wait, and places of SAs that were asked for.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Duration> {
        for tunnel in self.tunnels.values_mut() {
            if tunnel.demanded.is_some_and(|at| now.duration_since(at) >= DEMAND_PAUSE) {
                forget_demand(&mut self.kernel, tunnel);
            }
        }
        self.outbox.flush()
    }

    /// An interface is gone that was not removed here.
    pub(crate) fn link_gone(&mut self, ifindex: u32) {
        if let Some(tunnel) = self.tunnels.values().find(|tunnel| tunnel.ifindex == ifindex) {
            tracing::error!(interface = tunnel.name, "interface lost");
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
        let place = StateId { destination: NOBODY, spi: wire::ipsec::Spi(tunnel.if_id) };
        log(kernel.remove_state(place), "forget what was asked for");
    }
}

fn log(result: Result<(), Refusal>, action: &'static str) {
    if let Err(refusal) = result {
        tracing::warn!(%refusal, "cannot {action}");
    }
}
