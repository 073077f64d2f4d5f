//! A tunnel of IKEv1 as an operator sees it.

use crypto::AdditionalKeyExchanges;
use negotiation::{ChildStatus, IkeStatus, MissingChild, TunnelState, TunnelStatus};

use crate::children::Child;
use crate::phase1::Stage;
use crate::sa::{Sa, SaPhase};
use crate::tunnel::{Tunnel, Will};

impl Tunnel {
    /// A snapshot.
    #[must_use]
    pub fn status(&self) -> TunnelStatus {
        let path = self.path();
        let alive = self.sas.iter().filter(|sa| sa.phase != SaPhase::Closing);
        let retry_at = if self.current().is_some() {
            self.pairs.iter().filter_map(|pair| pair.retry_at).min()
        } else {
            self.retry_at
        };
        TunnelStatus {
            name: self.config.name.clone(),
            version: self.config.version,
            state: self.state(),
            local: path.local,
            remote: path.remote,
            ike: alive.map(Sa::status).collect(),
            children: self.children.iter().filter(|child| child.is_live()).map(Child::status).collect(),
            missing: self.missing(),
            up_since: self.up_since,
            since: self.since,
            counters: self.counters,
            local_certificate: None,
            peer_certificate: None,
            last_failure: self.last_failure.clone(),
            retry_at: retry_at.filter(|_| self.will == Will::Connect && !self.is_up()),
        }
    }

    fn missing(&self) -> Vec<MissingChild> {
        let carried = |index| {
            self.children.iter().any(|child| child.is_installed() && self.pair_of(child.selectors) == Some(index))
        };
        let missing = self.pairs.iter().enumerate().filter(|(index, _)| !carried(*index));
        missing
            .map(|(_, pair)| MissingChild {
                local_selectors: vec![pair.selectors.local],
                remote_selectors: vec![pair.selectors.remote],
                failure: None,
                retry_at: pair.retry_at,
            })
            .collect()
    }

    fn state(&self) -> TunnelState {
        if self.is_up() {
            return TunnelState::Up;
        }
        let proving = |stage: &Stage| matches!(stage, Stage::Proof(_));
        if self.negotiations.iter().any(|negotiation| proving(&negotiation.stage)) {
            return TunnelState::Authenticating;
        }
        if self.has_attempt() {
            return TunnelState::Connecting;
        }
        match (self.current(), self.will) {
            (Some(_), _) => TunnelState::IkeOnly,
            (None, Will::Connect) => TunnelState::Waiting,
            (None, Will::Listen) => TunnelState::Listening,
            (None, Will::Stop) => TunnelState::Stopped,
        }
    }
}

impl Sa {
    fn status(&self) -> IkeStatus {
        let initiator = self.role == crypto::Role::Initiator;
        let (ours, theirs) = if initiator {
            (self.cookies.initiator, self.cookies.responder)
        } else {
            (self.cookies.responder, self.cookies.initiator)
        };
        IkeStatus {
            our_spi: ours.0,
            peer_spi: theirs.0,
            initiator,
            suite: self.suite,
            ppk: false,
            nat_local: self.nat.local,
            nat_remote: self.nat.remote,
            established_at: self.established_at,
            rekey_at: self.rekey_at,
            expires_at: self.expires_at,
        }
    }
}

impl Child {
    fn status(&self) -> ChildStatus {
        ChildStatus {
            inbound: self.spi,
            outbound: self.peer_spi,
            suite: self.suite,
            group: self.group,
            additional: AdditionalKeyExchanges::NONE,
            encapsulation: self.encapsulation,
            local_selectors: vec![self.selectors.local],
            remote_selectors: vec![self.selectors.remote],
            carries_outbound: self.is_installed(),
            established_at: self.established_at,
            rekey_at: self.rekey_at,
            expires_at: self.expires_at,
        }
    }
}
