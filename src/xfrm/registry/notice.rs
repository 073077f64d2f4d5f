//! What the kernel says of its own accord, told to the process.

use std::net::SocketAddr;
use std::time::Instant;

use dataplane::Event;
use wire::ipsec::{Direction, Spi, TunnelId};

use super::{DEMAND_PAUSE, Registry};
use crate::netlink::notice::Notice;
use crate::netlink::policy::InstalledPolicy;
use crate::netlink::state::{State, StateId};

impl Registry {
    /// Acts on a notice about something of ours.
    pub(crate) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Acquire { if_id, spi } => self.acquire(if_id, spi),
            Notice::Expire { state, hard } => self.expire(&state, hard),
            Notice::Mapping { id, from } => self.mapping(id, from),
            Notice::Removed(policy) => self.removed(policy.as_ref()),
        }
    }

    /// Whatever we remove ourselves is no longer noted when its notice comes.
    fn removed(&mut self, policy: Option<&InstalledPolicy>) {
        let is_ours = policy.is_none_or(|policy| {
            let tunnel = self.tunnels.values().find(|tunnel| tunnel.if_id == policy.if_id);
            tunnel.is_some_and(|tunnel| {
                tunnel.policies.keys().any(|key| InstalledPolicy::of(tunnel.if_id, key) == *policy)
            })
        });
        self.in_doubt |= is_ours;
    }

    fn acquire(&mut self, if_id: u32, spi: Spi) {
        let Some(tunnel) = self.tunnels.values_mut().find(|tunnel| tunnel.if_id == if_id) else { return };
        if spi.0 != if_id {
            // The place of an SA that went before its policies: these are about to be changed.
            return;
        }
        let now = Instant::now();
        tunnel.demanded = Some(now);
        // The kernel sometimes asks twice within milliseconds.
        let quiet = tunnel.told.is_none_or(|told| now.duration_since(told) >= DEMAND_PAUSE);
        if quiet && tunnel.of(Direction::Outbound).next().is_none() {
            tunnel.told = Some(now);
            self.outbox.send(Event::Demand { tunnel: tunnel.id });
        }
    }

    fn expire(&mut self, state: &State, hard: bool) {
        let Some(tunnel) = self.owner_of(state.id) else { return };
        let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
        let Some(sa) = entry.sas.iter_mut().find(|sa| sa.id() == state.id && !sa.exhausted) else { return };
        sa.meter.look(Some(state.usage));
        if hard {
            self.exhaust(tunnel, state.id);
        } else {
            self.renew(tunnel, state.id);
        }
    }

    /// RFC 7296 2.23: the packet was authentic.
    fn mapping(&mut self, id: StateId, from: SocketAddr) {
        let Some(tunnel) = self.owner_of(id) else { return };
        let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
        let Some(sa) = entry.sas.iter_mut().find(|sa| sa.id() == id) else { return };
        if sa.direction == Direction::Inbound && sa.sa.remote != from && sa.reported.replace(from) != Some(from) {
            self.outbox.send(Event::PeerMoved { tunnel, local: sa.sa.local, remote: from });
        }
    }

    fn owner_of(&self, id: StateId) -> Option<TunnelId> {
        self.tunnels.values().find(|tunnel| tunnel.sas.iter().any(|sa| sa.id() == id)).map(|tunnel| tunnel.id)
    }
}
