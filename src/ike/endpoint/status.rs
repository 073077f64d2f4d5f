//! What an operator sees of a tunnel.

use negotiation::{ChildStatus, IkeStatus, MissingChild, TunnelState, TunnelStatus};

use super::tunnel::Tunnel;
use super::will::Will;
use crate::sa::child::{ChildPhase, ChildSa};
use crate::sa::{IkeSa, Phase};

impl Tunnel {
    /// A snapshot.
    pub(crate) fn status(&self) -> TunnelStatus {
        let carrying = self.children.iter().find(|child| child.carries()).map(|child| child.parent);
        let alive = || self.sas.iter().filter(|sa| matches!(sa.phase, Phase::Current | Phase::Replaced { .. }));
        let main = alive().find(|sa| Some(sa.spi) == carrying).or_else(|| alive().next_back());
        let path = main.map_or_else(|| self.first_path(), |sa| sa.path);
        let children = self.children.iter().filter(|child| !matches!(child.phase, ChildPhase::Lingering { .. }));
        TunnelStatus {
            name: self.config.name.clone(),
            version: self.config.version,
            state: self.state(),
            local: path.local,
            remote: path.remote,
            ike: alive().map(IkeSa::status).collect(),
            children: children.map(ChildSa::status).collect(),
            missing: self.missing(),
            up_since: self.up_since,
            since: self.since,
            counters: self.counters,
            local_certificate: self.local_certificate(),
            peer_certificate: self.peer_certificate.clone().filter(|_| main.is_some()),
            last_failure: self.last_failure.clone(),
            retry_at: self.retry_at.filter(|_| self.connects() && !self.is_up()),
        }
    }

    fn missing(&self) -> Vec<MissingChild> {
        let missing = self.flows.iter().filter(|flow| flow.wanted && self.carrier(flow.id).is_none());
        missing
            .map(|flow| MissingChild {
                local_selectors: flow.selectors.local.clone(),
                remote_selectors: flow.selectors.remote.clone(),
                failure: flow.failure.clone(),
                retry_at: flow.retry_at,
            })
            .collect()
    }

    fn state(&self) -> TunnelState {
        match (self.will, self.is_up(), &self.attempt) {
            (_, true, _) => TunnelState::Up,
            (_, false, Some(attempt)) if attempt.is_answered() => TunnelState::Authenticating,
            (_, false, Some(_)) => TunnelState::Connecting,
            (_, false, None) if self.sas.iter().any(IkeSa::is_current) => TunnelState::IkeOnly,
            (Will::Connect, false, None) => TunnelState::Waiting,
            (Will::Demand, false, None) if self.demanded => TunnelState::Waiting,
            (Will::Demand, false, None) => TunnelState::Idle,
            (Will::Listen, false, None) => TunnelState::Listening,
            (Will::Stop, false, None) => TunnelState::Stopped,
        }
    }
}

impl IkeSa {
    fn status(&self) -> IkeStatus {
        IkeStatus {
            our_spi: self.spi.0,
            peer_spi: self.peer_spi.0,
            initiator: self.origin.ours,
            suite: self.suite,
            ppk: self.ppk,
            nat_local: self.nat.local,
            nat_remote: self.nat.remote,
            established_at: self.established_at,
            rekey_at: self.rekey_at,
            expires_at: self.expires_at,
        }
    }
}

impl ChildSa {
    fn status(&self) -> ChildStatus {
        ChildStatus {
            inbound: self.spi,
            outbound: self.peer_spi,
            suite: self.suite,
            group: self.group,
            additional: self.additional,
            encapsulation: self.encapsulation,
            local_selectors: self.local_selectors.clone(),
            remote_selectors: self.remote_selectors.clone(),
            carries_outbound: self.carries(),
            established_at: self.established_at,
            rekey_at: self.rekey_at,
            expires_at: self.expires_at,
        }
    }
}
