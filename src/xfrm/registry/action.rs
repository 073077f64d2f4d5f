//! SA actions.

use std::net::SocketAddr;
use std::time::Instant;

use dataplane::{Event, Failure};
use esp::{InboundSa, KeyError, OutboundSa};
use wire::ipsec::{Direction, Encapsulation, SecurityAssociation, Spi, TunnelId};

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
        let mtu = (direction == Direction::Outbound).then(|| tunnel.follow_mtu(&sa, self.outer_mtu)).flatten();
        let sa = tunnel.prepare(direction, sa, selectors);
        let state = sa.state(tunnel.if_id, tunnel.outer, None);
        self.kernel.add_state(&state).map_err(|refusal| refused("make its state")(refusal.to_string()))?;
        tunnel.sas.push(sa);
        if let Err(refusal) = replan(&mut self.kernel, tunnel) {
            remove(&mut self.kernel, tunnel, tunnel.sas.len() - 1);
            return Err(refused("make its policies")(refusal.to_string()));
        }
        if direction == Direction::Outbound {
            self.clamp.fit(&tunnel.name, tunnel.fits());
            tunnel.last_sent = Instant::now();
            super::forget_demand(&mut self.kernel, tunnel);
        }
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
        // A packet that finds no state makes the kernel keep a place for one, which would be in the way.
        tunnel.moving = true;
        log(replan(&mut self.kernel, tunnel), "hold packets back");
        for place in (0..tunnel.sas.len()).rev() {
            let sa = &tunnel.sas[place];
            if sa.exhausted || (sa.sa.local, sa.sa.remote) == ends(&sa.sa, local, remote) {
                continue;
            }
            let spi = sa.sa.spi;
            if let Err(refusal) = move_state(&mut self.kernel, tunnel, place, local, remote) {
                // Never again under these keys: it is not known which numbers were used.
                failed = Err(Failure::Refused { spi, action: "move its state", reason: refusal.to_string() });
                let state = tunnel.sas[place].id();
                tunnel.sas[place].exhausted = true;
                self.outbox.send(Event::SaLimit {
                    tunnel: id,
                    direction: tunnel.sas[place].direction,
                    spi: state.spi,
                    limit: dataplane::Limit::Hard,
                });
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
