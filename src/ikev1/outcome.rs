//! What phase 1 comes to: an ISAKMP SA that is used from now on, or a refusal that either end is told.

use std::time::{Duration, Instant};

use crypto::Role;
use isakmp::v1::{
    Chain, Exchange, Flags, Frame, Header, Notify, NotifyKind, Payload, PayloadKind, Reassembly, assemble, encode,
    encode_body,
};
use negotiation::{
    Cx, DownReason, EncapsulationPolicy, Event, Failure, MAX_IKE_SAS, Path, Phase, RekeyKind, Side, Theirs, V1Mode,
    Waiting, between, list, soft,
};
use wire::ipsec::IkeSpi;

use crate::contents::Contents;
use crate::keys::holds;
use crate::phase1::{Keyed, Negotiation, Stage, open_clear};
use crate::sa::{Sa, SaPhase};
use crate::select::Lifetimes;
use crate::tunnel::{COURTESY, Tunnel};

/// Responders that are under way at once, for one tunnel.
const MAX_RESPONDERS: usize = 16;
/// When we delete an SA that our own took the place of, and when one that the peer's took the place of, should the peer
/// not do it. The second is spread, so that not both ends act in step.
const REPLACED_BY_OURS: Duration = Duration::from_secs(5);
const REPLACED_BY_PEERS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(50));
/// Pause after a failed renewal.
const RENEW_RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));

impl Tunnel {
    /// Makes an SA out of a negotiation whose peer has proven who it is. `last` is the peer's last message.
    pub(crate) fn establish(&mut self, cx: &mut Cx<'_>, negotiation: Negotiation, keyed: Keyed, last: &Contents) {
        let now = cx.now;
        let ours = Lifetimes { time: Some(self.config.ike_lifetime).filter(|time| !time.is_zero()), bytes: None };
        let lifetime = ours.least(keyed.lifetime).time;
        let rekey_at = lifetime.and_then(|lifetime| soft(lifetime, &self.config, cx.entropy)).map(|soft| now + soft);
        let initial_contact = last.notifies.iter().any(|notify| notify.kind == NotifyKind::INITIAL_CONTACT);
        let mut abilities = negotiation.abilities;
        abilities = abilities.or(last.abilities);
        let mut sent = negotiation.sent;
        sent.retransmit = None;
        let sa = Sa {
            cookie: negotiation.cookie,
            cookies: keyed.cookies,
            role: negotiation.role,
            path: negotiation.path,
            nat: keyed.nat,
            abilities,
            suite: keyed.suite,
            keys: keyed.keys,
            last_block: keyed.iv,
            sent,
            phase: SaPhase::Current,
            began: negotiation.began,
            established_at: now,
            rekey_at,
            expires_at: lifetime.map(|lifetime| now + lifetime),
            last_heard: now,
            used: [0].into(),
            farewells: Vec::new(),
            probe: None,
            our_sequence: cx.entropy.random_u32() >> 1,
            peer_sequence: None,
            partial: Reassembly::default(),
        };
        if initial_contact {
            self.forget_before(cx, sa.began);
        }
        self.take_in(cx, sa);
    }

    fn take_in(&mut self, cx: &mut Cx<'_>, sa: Sa) {
        let initiator = sa.role == Role::Initiator;
        let renewed = self.current().is_some();
        let (cookie, suite, nat, peer) = (sa.cookie, sa.suite, sa.nat.any(), sa.path.remote);
        self.counters.ike_established += 1;
        self.sas.push(sa);
        self.supersede(cx, cookie);
        self.keep_few(cx);
        self.retry_at = None;
        if renewed {
            self.counters.ike_rekeys += 1;
            cx.event(Event::IkeRekeyed { tunnel: self.id, initiator });
        } else {
            cx.event(Event::IkeUp { tunnel: self.id, peer, initiator, suite, ppk: false, nat });
            // What the peer still has of the ESP SAs is not known; new ones will tell.
            if initiator {
                self.renew_children(cx.now);
            }
        }
        // Who began phase 1 begins quick mode; the other end helps out after a while.
        let courtesy = if initiator { Duration::ZERO } else { COURTESY };
        for pair in &mut self.pairs {
            let at = cx.now + courtesy;
            pair.retry_at = Some(pair.retry_at.map_or(at, |retry| retry.min(at)));
        }
    }

    /// Forgets the oldest of too many SAs, never one in use.
    fn keep_few(&mut self, cx: &mut Cx<'_>) {
        while self.sas.len() > MAX_IKE_SAS {
            let idle = |sa: &&Sa| !self.quicks.iter().any(|quick| quick.sa == sa.cookie && quick.is_pending());
            let oldest = self.sas.iter().filter(|sa| !sa.is_current()).find(idle);
            let Some(oldest) = oldest.map(|sa| sa.cookie) else { return };
            self.forget_sa(cx, oldest, &DownReason::Superseded);
        }
    }

    /// Uses the newest SA; of two that crossed, the one whose cookie is higher, as at the other end.
    fn supersede(&mut self, cx: &mut Cx<'_>, newest: IkeSpi) {
        let Some(new) = self.sas.iter().find(|sa| sa.cookie == newest) else { return };
        let (role, began, cookies) = (new.role, new.began, new.cookies);
        let crosses = |sa: &Sa| sa.role != role && sa.established_at > began && sa.is_current();
        let stronger = self.sas.iter().find(|sa| crosses(sa) && sa.cookies > cookies).map(|sa| (sa.cookie, sa.role));
        let (winner, winners_role) = stronger.unwrap_or((newest, role));
        let pause = match winners_role {
            Role::Initiator => REPLACED_BY_OURS,
            Role::Responder => between(REPLACED_BY_PEERS.0, REPLACED_BY_PEERS.1, cx.entropy),
        };
        for sa in self.sas.iter_mut().filter(|sa| sa.cookie != winner && sa.is_current()) {
            sa.phase = SaPhase::Superseded { delete_at: cx.now + pause };
            sa.probe = None;
            sa.rekey_at = None;
        }
    }

    /// The peer has lost all that there was before: so do we. What was negotiated since `began` stays.
    pub(crate) fn forget_before(&mut self, cx: &mut Cx<'_>, began: Instant) {
        let old: Vec<_> = self.sas.iter().filter(|sa| sa.established_at <= began).map(|sa| sa.cookie).collect();
        for cookie in old {
            self.forget_sa(cx, cookie, &DownReason::PeerRestarted);
        }
        let children = self.children.iter().filter(|child| child.established_at <= began);
        let children: Vec<_> = children.map(|child| child.spi).collect();
        for spi in children {
            self.drop_child(cx, spi, &DownReason::PeerRestarted);
        }
    }

    /// Whether we may say that we know of nothing else with this peer.
    pub(crate) fn may_claim_initial_contact(&self) -> bool {
        self.sas.is_empty() && self.children.is_empty() && !self.shares_identities
    }

    /// Who is behind a NAT, or says so, we included.
    pub(crate) fn force_nat(&self, keyed: &mut Keyed, negotiation: &Negotiation) {
        if self.config.encapsulation == EncapsulationPolicy::Always && negotiation.abilities.nat_traversal {
            keyed.nat.local = true;
        }
    }

    /// Our own attempt failed.
    pub(crate) fn phase1_failed(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        if matches!(failure, Failure::NoProposalChosen { .. }) {
            self.ike_turn += 1;
        }
        let now = cx.now;
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.is_current()) else {
            self.judge_silence(cx, &failure);
            self.fail(cx, failure);
            return;
        };
        let retry_at = now + between(RENEW_RETRY.0, RENEW_RETRY.1, cx.entropy);
        sa.rekey_at = Some(retry_at);
        self.rekey_failed(cx, RekeyKind::Ike, failure, retry_at);
    }

    /// A place for one more responder: the oldest that has not shown that it is there gives way.
    pub(crate) fn make_room(&mut self, cx: &mut Cx<'_>) {
        let responders = self.negotiations.iter().filter(|negotiation| negotiation.role == Role::Responder);
        if responders.count() < MAX_RESPONDERS {
            return;
        }
        let silent = |negotiation: &Negotiation| negotiation.role == Role::Responder;
        // At random: who floods cannot choose whom it displaces.
        let victims: Vec<_> = self.negotiations.iter().enumerate().filter(|(_, one)| silent(one)).collect();
        let early: Vec<_> = victims.iter().filter(|(_, one)| matches!(one.stage, Stage::Request(_))).collect();
        let index = if early.is_empty() {
            let pick = usize::try_from(cx.entropy.random_u32()).unwrap_or(0) % victims.len().max(1);
            victims.get(pick).map(|(index, _)| *index)
        } else {
            let pick = usize::try_from(cx.entropy.random_u32()).unwrap_or(0) % early.len();
            early.get(pick).map(|(index, _)| *index)
        };
        if let Some(index) = index {
            let victim = self.negotiations.remove(index);
            cx.names.release(victim.cookie);
        }
    }

    /// Refuses a first message, in the clear and at the limited rate that the endpoint has granted.
    pub(crate) fn refuse_first(
        &mut self,
        cx: &mut Cx<'_>,
        frame: &Frame<'_>,
        path: Path,
        kind: NotifyKind,
        failure: Failure,
    ) {
        let answer = clear_notify(frame, kind, cx);
        cx.transmit(path, &[answer]);
        self.refuse(cx, path, failure);
    }

    /// Somebody was refused who has not proven who it is.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>, path: Path, failure: Failure) {
        self.refused.push((path.remote.ip(), failure.clone()));
        self.note_failure(cx, failure);
    }

    /// Tells the peer of a problem that it cannot trust us to have.
    pub(crate) fn tell_in_the_clear(&self, cx: &mut Cx<'_>, negotiation: &Negotiation, kind: NotifyKind) {
        let cookies = negotiation.cookies();
        let header = Header {
            initiator: cookies.initiator,
            responder: cookies.responder,
            exchange: Exchange::INFORMATIONAL,
            flags: Flags::default(),
            message_id: cx.entropy.random_u32(),
        };
        let payloads = [Payload::Notify(Notify::isakmp(kind))];
        let datagram = encode(&header, &payloads).unwrap_or_default();
        cx.transmit(negotiation.path, &[datagram]);
    }

    /// Tells the peer, under keys that it can trust, why we do not go on.
    pub(crate) fn tell_refusal(&self, cx: &mut Cx<'_>, negotiation: &Negotiation, keyed: &Keyed, kind: NotifyKind) {
        let message_id = cx.entropy.random_u32() | 1;
        let payloads = vec![Payload::Notify(Notify::isakmp(kind))];
        let covered = encode_body(&payloads).unwrap_or_default();
        let hash = Payload::Hash(keyed.keys.hash1(message_id, &covered).expose().to_vec());
        let chain: Vec<_> = [hash].into_iter().chain(payloads).collect();
        let mut body = encode_body(&chain).unwrap_or_default();
        let iv = keyed.keys.phase2_iv(&keyed.iv, message_id);
        if keyed.keys.encrypt(&iv, &mut body).is_none() {
            return;
        }
        let header = Header {
            initiator: keyed.cookies.initiator,
            responder: keyed.cookies.responder,
            exchange: Exchange::INFORMATIONAL,
            flags: Flags { encrypted: true, ..Flags::default() },
            message_id,
        };
        let datagram = assemble(&header, PayloadKind::HASH, &body).unwrap_or_default();
        cx.transmit(negotiation.path, &[datagram]);
    }

    /// Takes a notification while phase 1 is under way. Only one that our keys prove ends it at once.
    pub(crate) fn handle_phase1_notify(&mut self, cx: &mut Cx<'_>, index: usize, frame: &Frame<'_>) {
        let negotiation = &self.negotiations[index];
        let (contents, proven) = match (&negotiation.stage, frame.header.flags.encrypted) {
            (_, false) => (open_clear(frame), false),
            (Stage::Proof(keyed), true) => match open_proven(keyed, frame) {
                Some(contents) => (Some(contents), true),
                None => (None, false),
            },
            (Stage::Choice(_) | Stage::Public(_) | Stage::Everything(_) | Stage::Request(_), true) => return,
        };
        let failure = match contents {
            Some(contents) => {
                let error = contents.notifies.iter().find(|notify| notify.kind.is_error());
                let Some(kind) = error.map(|notify| notify.kind) else { return };
                self.phase1_refused(negotiation, kind)
            }
            // Encrypted with keys that are not ours: those of a peer with another pre-shared key.
            None if frame.header.flags.encrypted => Failure::Undecryptable {
                peer: negotiation.path.remote,
                side: Side::Peer,
                message: negotiation.sent.number,
            },
            None => return,
        };
        if proven {
            let negotiation = self.negotiations.remove(index);
            self.abandon(cx, &negotiation, failure);
        } else if negotiation.role == Role::Initiator {
            self.negotiations[index].doubt(failure, cx.now);
        }
    }

    fn phase1_refused(&self, negotiation: &Negotiation, kind: NotifyKind) -> Failure {
        let peer = negotiation.path.remote;
        let (mode, number) = (negotiation.mode, negotiation.sent.number);
        let proof = matches!(negotiation.stage, Stage::Proof(_));
        match kind {
            NotifyKind::NO_PROPOSAL_CHOSEN => Failure::NoProposalChosen {
                phase: Phase::Ike,
                peer,
                ours: list(&self.config.ike_proposals),
                theirs: Theirs::Unknown,
            },
            // What they cannot read, they call malformed.
            NotifyKind::PAYLOAD_MALFORMED | NotifyKind::UNEQUAL_PAYLOAD_LENGTHS | NotifyKind::INVALID_PAYLOAD_TYPE
                if proof =>
            {
                Failure::Undecryptable { peer, side: Side::Peer, message: number }
            }
            NotifyKind::AUTHENTICATION_FAILED
            | NotifyKind::INVALID_HASH_INFORMATION
            | NotifyKind::INVALID_ID_INFORMATION => {
                Failure::AuthenticationFailed { peer, identity: self.config.local_id.clone() }
            }
            NotifyKind::INVALID_MAJOR_VERSION => Failure::Version { peer, ours: self.config.version, theirs: None },
            NotifyKind::UNSUPPORTED_EXCHANGE_TYPE | NotifyKind::INVALID_EXCHANGE_TYPE => {
                let theirs = match mode {
                    V1Mode::Main => V1Mode::Aggressive,
                    V1Mode::Aggressive => V1Mode::Main,
                };
                Failure::ExchangeMode { peer, ours: mode, theirs }
            }
            notify => {
                let what = Waiting::Phase1 { mode, message: number };
                Failure::RefusedV1 { peer, what, notify }
            }
        }
    }
}

/// Decrypts a notification under the keys of a phase 1 that is not complete. Whether the peer has taken our last message
/// into its chain of IVs is not known: both are tried.
fn open_proven(keyed: &Keyed, frame: &Frame<'_>) -> Option<Contents> {
    let message_id = frame.header.message_id;
    let start = keyed.keys.phase1_iv(keyed.publics());
    [&keyed.iv, &start].into_iter().find_map(|last| {
        let iv = keyed.keys.phase2_iv(last, message_id);
        let (plaintext, _) = keyed.keys.decrypt(&iv, frame.body)?;
        let chain = Chain::decode(frame.first, &plaintext, true).ok()?;
        let (hash, covered) = chain.leading_hash()?;
        let genuine = holds(&keyed.keys.hash1(message_id, plaintext.get(covered)?), hash);
        genuine.then(|| Contents::collect(chain.clone(), &plaintext))
    })
}

/// A notification in the clear, in answer to a first message.
pub(crate) fn clear_notify(frame: &Frame<'_>, kind: NotifyKind, cx: &mut Cx<'_>) -> Vec<u8> {
    let header = Header {
        exchange: Exchange::INFORMATIONAL,
        flags: Flags::default(),
        message_id: cx.entropy.random_u32(),
        ..frame.header
    };
    encode(&header, &[Payload::Notify(Notify::isakmp(kind))]).unwrap_or_default()
}
