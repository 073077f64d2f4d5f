//! What authentication establishes: the IKE SA, when it ends, and when its first CHILD SA is tried out.

use std::time::Duration;

use crypto::Role;
use negotiation::{Cx, Event, Owner, Path, between, soft};
use wire::ipsec::{IkeSpi, Spi};

use crate::endpoint::Tunnel;
use crate::sa::init::FirstExchange;
use crate::sa::protect::Protection;
use crate::sa::reauthentication::Reauthentication;
use crate::sa::sync::Synchronisation;
use crate::sa::window::{Requests, Responses};
use crate::sa::{IkeSa, Origin, Phase};

/// Pause before the rekey that tries whether rekeys work.
const EARLY_REKEY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));

/// An IKE SA about to be established.
pub(crate) struct NewIke {
    pub(crate) spi: IkeSpi,
    pub(crate) peer_spi: IkeSpi,
    pub(crate) role: Role,
    pub(crate) path: Path,
    pub(crate) first: FirstExchange,
    pub(crate) protection: Protection,
    pub(crate) began: std::time::Instant,
    pub(crate) requests: Requests,
    pub(crate) responses: Responses,
}

impl Tunnel {
    pub(super) fn new_ike(&self, cx: &mut Cx<'_>, new: NewIke) -> IkeSa {
        let NewIke { spi, peer_spi, role, path, first, protection, began, requests, responses } = new;
        let lifetime = self.config.ike_lifetime;
        IkeSa {
            spi,
            peer_spi,
            role,
            path,
            nat: first.nat,
            suite: first.suite,
            keys: first.keys,
            protection,
            origin: Origin {
                ours: role == Role::Initiator,
                began,
                authenticated: cx.now,
                low_nonce: first.nonce_i.min(first.nonce_r),
            },
            phase: Phase::Current,
            heir: None,
            forgotten: false,
            confirmed: role == Role::Initiator,
            requests,
            responses,
            sync: Synchronisation::default(),
            pending: None,
            queue: std::collections::VecDeque::new(),
            unfinished: Vec::new(),
            ppk: first.ppk,
            established_at: cx.now,
            rekey_at: soft(lifetime, &self.config, cx.entropy).map(|soft| cx.now + soft),
            expires_at: (!lifetime.is_zero()).then(|| cx.now + lifetime),
            reauthentication: Reauthentication::default(),
            child_due: None,
            last_heard: cx.now,
        }
    }

    pub(super) fn establish(&mut self, cx: &mut Cx<'_>, new: NewIke) {
        let sa = self.new_ike(cx, new);
        cx.names.claim(sa.spi, Owner::Tunnel(self.slot));
        cx.event(Event::IkeUp {
            tunnel: self.id,
            peer: sa.path.remote,
            initiator: sa.origin.ours,
            suite: sa.suite,
            ppk: sa.ppk,
            nat: sa.nat.any(),
        });
        self.counters.ike_established += 1;
        self.sas.push(sa);
    }

    /// The keys of the first CHILD SA come from the IKE SA, without a group: whether the ends agree about that shows
    /// at the first rekey, so that one is done while somebody is looking.
    pub(super) fn plan_early_rekey(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        if !self.config.early_rekey {
            return;
        }
        let at = cx.now + between(EARLY_REKEY.0, EARLY_REKEY.1, cx.entropy);
        if let Some(child) = self.child_mut(spi).filter(|child| child.rekey_at.is_some_and(|regular| at < regular)) {
            child.regular_rekey_at = child.rekey_at.replace(at);
        }
    }
}
