//! What authentication establishes: the IKE SA, when it ends, and when its first CHILD SA is tried out.

use std::time::Duration;

use certificate::{Certificate, CertificateSummary};
use crypto::Role;
use handshake::{Contents, Opening};
use isakmp::CertEncoding;
use negotiation::{Cx, Event, LocalAuth, Owner, RemoteAuth, between, soft};
use wire::ipsec::Spi;

use crate::endpoint::Tunnel;
use crate::sa::reauthentication::Reauthentication;
use crate::sa::sync::Synchronisation;
use crate::sa::window::{Requests, Responses};
use crate::sa::{IkeSa, Origin, Phase};

/// Pause before the rekey that tries whether rekeys work.
const EARLY_REKEY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));

impl Tunnel {
    pub(super) fn new_ike(&self, cx: &mut Cx<'_>, role: Role, opening: Opening) -> IkeSa {
        let Opening { spi, peer_spi, path, began, first, protection } = opening;
        // RFC 7296 2.2: the initiator has used up the ID of its `IKE_AUTH`; the responder is about to answer that one.
        let (requests, responses) = match role {
            Role::Initiator => (Requests::starting_at(first.next_id() + 1), Responses::default()),
            Role::Responder => (Requests::default(), Responses::starting_at(first.next_id())),
        };
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

    pub(super) fn establish(&mut self, cx: &mut Cx<'_>, role: Role, opening: Opening) {
        let sa = self.new_ike(cx, role, opening);
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

    /// Remembers the certificate of a peer that was authenticated by what `contents` hold.
    pub(super) fn note_peer_certificate(&mut self, contents: &Contents) {
        let wanted = matches!(self.config.auth.remote, RemoteAuth::Certificate(_));
        let leaf = contents.certificates.iter().find(|leaf| wanted && leaf.encoding == CertEncoding::X509_SIGNATURE);
        self.peer_certificate = leaf.and_then(|leaf| Some(Certificate::from_der(&leaf.data).ok()?.summary()));
    }

    /// Our own certificate.
    pub(crate) fn local_certificate(&self) -> Option<CertificateSummary> {
        match &self.config.auth.local {
            LocalAuth::Psk(_) => None,
            LocalAuth::Certificate(certificate) => Some(certificate.leaf().summary()),
        }
    }
}
