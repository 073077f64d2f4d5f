//! SA actions.

use std::net::SocketAddr;
use std::time::Instant;

use dataplane::{Event, Failure, Limit};
use esp::{InboundSa, KeyError, OutboundSa};
use wire::ipsec::{Direction, Encapsulation, SecurityAssociation, Spi, TunnelId};
use wire::outer::OuterHeader;

use super::{Registry, log, replan};
use crate::kernel::Kernel;
use crate::netlink::socket::Refusal;
use crate::selector;
use crate::tunnel::{Sa, Tunnel};

impl Registry {
    /// Puts an SA in force. Returns the MTU that the interface is to have, if that is another one.
    pub(crate) fn install(
        &mut self,
        id: TunnelId,
        direction: Direction,
        sa: SecurityAssociation,
    ) -> Result<Option<u32>, Failure> {
        let tunnel = self.tunnels.get_mut(&id).ok_or(Failure::NoInterface)?;
        check(direction, &sa).map_err(|reason| Failure::BadSa { spi: sa.spi, reason })?;
        let spi = sa.spi;
        let refused = |action| move |reason: String| Failure::Refused { spi, action, reason };
        if let Some(place) = tunnel.find(direction, spi) {
            // RFC 4303 3.3.3: an SA installed twice must go on counting, never begin again.
            if tunnel.sas[place].is_same(&sa) {
                return Ok(None);
            }
            remove(&mut self.kernel, tunnel, place);
        }
        let selectors = selector::expand(&sa.local_selectors, &sa.remote_selectors).ok_or_else(|| {
            refused("match its traffic selectors")(format!("they take more than {} policies", selector::MOST))
        })?;
        let sa = tunnel.prepare(direction, sa, selectors);
        let state = sa.state(tunnel.if_id, tunnel.outer, None);
        self.kernel.add_state(&state).map_err(|refusal| refused("make its state")(refusal.to_string()))?;
        tunnel.sas.push(sa);
        if let Err(refusal) = replan(&mut self.kernel, tunnel) {
            remove(&mut self.kernel, tunnel, tunnel.sas.len() - 1);
            return Err(refused("make its policies")(refusal.to_string()));
        }
        if direction == Direction::Inbound {
            return Ok(None);
        }
        let mtu = tunnel.follow_mtu(self.outer_mtu);
        self.clamp.fit(&tunnel.name, tunnel.fits());
        tunnel.last_sent = Instant::now();
        super::forget_demand(&mut self.kernel, tunnel);
        Ok(mtu)
    }

    /// Takes an SA out of force.
    pub(crate) fn remove(&mut self, id: TunnelId, direction: Direction, spi: Spi) {
        let Some(tunnel) = self.tunnels.get_mut(&id) else { return };
        if let Some(place) = tunnel.find(direction, spi) {
            remove(&mut self.kernel, tunnel, place);
        }
    }

    /// The peer is elsewhere: its SAs go on there, with their sequence numbers and windows.
    pub(crate) fn relocate(&mut self, id: TunnelId, local: SocketAddr, remote: SocketAddr) -> Result<(), Failure> {
        let tunnel = self.tunnels.get_mut(&id).ok_or(Failure::NoInterface)?;
        let mut failed = Ok(());
        let moves = |sa: &Sa| !sa.exhausted && (sa.sa.local, sa.sa.remote) != ends(&sa.sa, local, remote);
        let named = |sa: &Sa| (sa.sa.local.ip(), sa.sa.remote.ip()) != (local.ip(), remote.ip());
        // A packet that finds no state makes the kernel keep a place for one, which would be in the way.
        tunnel.moving = tunnel.sas.iter().any(|sa| moves(sa) && named(sa));
        log(replan(&mut self.kernel, tunnel), "hold packets back");
        for place in (0..tunnel.sas.len()).rev().filter(|place| moves(&tunnel.sas[*place])).collect::<Vec<_>>() {
            let sa = &mut tunnel.sas[place];
            sa.since = Instant::now();
            let (spi, direction) = (sa.sa.spi, sa.direction);
            let moved = if named(sa) {
                move_state(&mut self.kernel, tunnel, place, local, remote)
            } else {
                let (if_id, outer) = (tunnel.if_id, tunnel.outer);
                move_ports(&mut self.kernel, if_id, outer, sa, (local, remote))
            };
            if let Err(refusal) = moved {
                // Never again under these keys: it is not known which numbers were used.
                failed = Err(Failure::Refused { spi, action: "move its state", reason: refusal.to_string() });
                tunnel.sas[place].exhausted = true;
                self.outbox.send(Event::SaLimit { tunnel: id, direction, spi, limit: Limit::Hard });
            }
        }
        tunnel.moving = false;
        log(replan(&mut self.kernel, tunnel), "point policies at the new address");
        failed
    }
}

/// Whether keys and algorithms fit: the same that the engine in user space asks.
fn check(direction: Direction, sa: &SecurityAssociation) -> Result<(), KeyError> {
    match direction {
        Direction::Inbound => InboundSa::new(sa).map(drop),
        Direction::Outbound => OutboundSa::new(sa).map(drop),
    }
}

/// The policies leave an SA before its state goes.
fn remove(kernel: &mut Kernel, tunnel: &mut Tunnel, place: usize) {
    let id = tunnel.sas[place].id();
    if let Ok(Some(state)) = kernel.state(id) {
        tunnel.sas[place].meter.look(Some(state.usage));
    }
    tunnel.forget(place);
    log(replan(kernel, tunnel), "change policies");
    log(kernel.remove_state(id), "remove a state");
}

/// Raw ESP has no ports: only addresses move.
fn ends(sa: &SecurityAssociation, local: SocketAddr, remote: SocketAddr) -> (SocketAddr, SocketAddr) {
    let to = |mut now: SocketAddr, then: SocketAddr| {
        match sa.encapsulation {
            Encapsulation::Udp => now = then,
            Encapsulation::Esp => now.set_ip(then.ip()),
        }
        now
    };
    (to(sa.local, local), to(sa.remote, remote))
}

/// A state is named by its address: where only ports change, the kernel changes them in place, and no packet is lost.
fn move_ports(
    kernel: &mut Kernel,
    if_id: u32,
    outer: OuterHeader,
    sa: &mut Sa,
    (local, remote): (SocketAddr, SocketAddr),
) -> Result<(), Refusal> {
    (sa.sa.local, sa.sa.remote) = ends(&sa.sa, local, remote);
    sa.reported = None;
    kernel.update_state(&sa.state(if_id, outer, None))
}

/// Another address: the state is made anew where the old one left off. Meanwhile packets are refused.
fn move_state(
    kernel: &mut Kernel,
    tunnel: &mut Tunnel,
    place: usize,
    local: SocketAddr,
    remote: SocketAddr,
) -> Result<(), Refusal> {
    let lost = || Refusal::Socket(std::io::Error::other("it is not known where the state left off"));
    let state =
        kernel.take_state(tunnel.sas[place].id())?.filter(|state| state.progress.is_known()).ok_or_else(lost)?;
    let (if_id, outer) = (tunnel.if_id, tunnel.outer);
    let sa: &mut Sa = &mut tunnel.sas[place];
    sa.meter.look(Some(state.usage));
    (sa.sa.local, sa.sa.remote) = ends(&sa.sa, local, remote);
    sa.reported = None;
    kernel.add_state(&sa.state(if_id, outer, Some(&state.progress)))?;
    sa.meter.begin_again();
    Ok(())
}
