//! One tunnel of IKEv1: negotiations, ISAKMP SAs, quick modes, pairs of ESP SAs, and the will to keep them.
//!
//! Whatever happens to a tunnel, [`Tunnel::settle`] brings it back to what it should be: an ISAKMP SA, and a pair of ESP
//! SAs for each pair of selectors.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crypto::Role;
use isakmp::v1::{Exchange, Frame, NotifyKind, PayloadKind};
use negotiation::{
    Backoff, Cx, DownReason, Event, Failure, IkeVersion, LimitReached, Path, RekeyKind, Slot, StartAction,
    TunnelConfig, TunnelCounters, V1Mode, between,
};
use wire::Secret;
use wire::ipsec::{Direction, IkeSpi, Spi, TunnelId};

use crate::children::Child;
use crate::contents::Contents;
use crate::pairs::{Pair, pairs};
use crate::phase1::{Negotiation, open_clear};
use crate::quick::Quick;
use crate::sa::{Sa, SaPhase};

/// Pause before we connect again after an operator took the tunnel down.
const AFTER_TERMINATE: Duration = Duration::from_secs(5);
/// How much longer the end whose turn it is not waits before it begins what is missing.
pub(crate) const COURTESY: Duration = Duration::from_secs(3);
/// Spread of the first attempts of many tunnels.
const FIRST_ATTEMPT: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(50));
/// Pause before a renewal for which there is no ISAKMP SA yet.
const RENEW_LATER: Duration = Duration::from_secs(2);

/// What we do about a tunnel that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Will {
    /// Connect, again and again.
    Connect,
    /// Wait for the peer.
    Listen,
    /// Nothing; the peer is refused.
    Stop,
}

/// A tunnel that speaks IKEv1.
#[derive(Debug)]
pub struct Tunnel {
    pub(crate) slot: Slot,
    /// Its number in the process.
    pub id: TunnelId,
    /// What it is told.
    pub config: TunnelConfig,
    /// What both ends prove that they have.
    psk: Secret,
    pub(crate) will: Will,
    /// Another tunnel has the same two identities: no statement about all SAs between them can be made.
    pub shares_identities: bool,
    pub(crate) negotiations: Vec<Negotiation>,
    pub(crate) sas: Vec<Sa>,
    pub(crate) quicks: Vec<Quick>,
    pub(crate) children: Vec<Child>,
    pub(crate) pairs: Vec<Pair>,
    /// Which of our groups is offered where only one can be.
    pub(crate) ike_turn: usize,
    pub(crate) esp_turn: usize,
    pub(crate) up_since: Option<Instant>,
    pub(crate) since: Instant,
    /// The last authentic ESP packet.
    pub last_traffic: Option<Instant>,
    pub(crate) backoff: Backoff,
    pub(crate) retry_at: Option<Instant>,
    /// Before that, no packet makes us begin.
    pub(crate) demand_after: Option<Instant>,
    pub(crate) last_failure: Option<(Failure, Instant)>,
    /// Who was refused by the operation under way, for the endpoint to remember.
    pub refused: Vec<(IpAddr, Failure)>,
    pub(crate) counters: TunnelCounters,
}

impl Tunnel {
    /// A tunnel whose ends prove that they have `psk`; begins when it is ours to begin.
    #[must_use]
    pub fn new(cx: &mut Cx<'_>, slot: Slot, id: TunnelId, config: TunnelConfig, psk: Secret) -> Self {
        let (will, retry_at) = match config.start {
            StartAction::Initiate => {
                (Will::Connect, Some(cx.now + between(FIRST_ATTEMPT.0, FIRST_ATTEMPT.1, cx.entropy)))
            }
            StartAction::OnDemand | StartAction::Respond => (Will::Listen, None),
        };
        Self {
            slot,
            id,
            pairs: pairs(&config),
            config,
            psk,
            will,
            shares_identities: false,
            negotiations: Vec::new(),
            sas: Vec::new(),
            quicks: Vec::new(),
            children: Vec::new(),
            refused: Vec::new(),
            ike_turn: 0,
            esp_turn: 0,
            up_since: None,
            since: cx.now,
            last_traffic: None,
            backoff: Backoff::default(),
            retry_at,
            demand_after: None,
            last_failure: None,
            counters: TunnelCounters::default(),
        }
    }

    /// The mode that is configured.
    pub const fn mode(&self) -> V1Mode {
        match self.config.version {
            IkeVersion::V1(mode) => mode,
            // Only IKEv1 comes here.
            IkeVersion::V2 => V1Mode::Main,
        }
    }

    pub(crate) const fn psk(&self) -> &Secret {
        &self.psk
    }

    /// Whether the peer is heard.
    pub fn listens(&self) -> bool {
        self.will != Will::Stop
    }

    /// The SA in use.
    pub(crate) fn current(&self) -> Option<&Sa> {
        self.sas.iter().rev().find(|sa| sa.is_current())
    }

    /// Whether we are negotiating a phase 1 that we began.
    pub(crate) fn has_attempt(&self) -> bool {
        self.negotiations.iter().any(|negotiation| negotiation.role == Role::Initiator)
    }

    /// Where IKE begins.
    pub(crate) const fn first_path(&self) -> Path {
        self.config.first_path()
    }

    /// Where the peer is, as far as we know.
    pub fn path(&self) -> Path {
        self.current().map_or_else(|| self.first_path(), |sa| sa.path)
    }

    /// What is configured to be carried, as text.
    pub(crate) fn selectors_text(&self) -> String {
        let pairs = self.pairs.iter().map(|pair| format!("{} === {}", pair.selectors.local, pair.selectors.remote));
        pairs.collect::<Vec<_>>().join(", ")
    }

    /// Takes a first message of phase 1 that means this tunnel.
    pub fn handle_first(&mut self, cx: &mut Cx<'_>, frame: &Frame<'_>, contents: Contents, path: Path) {
        let theirs = if frame.header.exchange == Exchange::AGGRESSIVE { V1Mode::Aggressive } else { V1Mode::Main };
        let ours = self.mode();
        if ours != theirs {
            let failure = Failure::ExchangeMode { peer: path.remote, ours, theirs };
            self.refuse_first(cx, frame, path, NotifyKind::UNSUPPORTED_EXCHANGE_TYPE, failure);
            return;
        }
        match ours {
            V1Mode::Main => self.answer_main(cx, frame, contents, path),
            V1Mode::Aggressive => self.answer_aggressive(cx, frame, contents, path),
        }
    }

    /// The answer to this very first message, if it was answered before.
    pub fn repeat_first(&self, cx: &mut Cx<'_>, frame: &Frame<'_>, path: Path) -> bool {
        let begun = |negotiation: &&Negotiation| {
            negotiation.role == Role::Responder && negotiation.peer_cookie == frame.header.initiator
        };
        if let Some(negotiation) = self.negotiations.iter().find(begun) {
            if negotiation.sent.answers == frame.datagram {
                cx.transmit(path, &negotiation.sent.datagrams);
            }
            return true;
        }
        // What is established already was answered long ago.
        self.sas.iter().any(|sa| sa.role == Role::Responder && sa.cookies.initiator == frame.header.initiator)
    }

    /// Takes a datagram that names `cookie`, one of ours.
    pub fn handle_datagram(&mut self, cx: &mut Cx<'_>, cookie: IkeSpi, frame: &Frame<'_>, path: Path) {
        let Some(sa) = self.sas.iter_mut().find(|sa| sa.cookie == cookie) else {
            self.handle_negotiation(cx, cookie, frame, path);
            return;
        };
        if (frame.header.initiator, frame.header.responder) != (sa.cookies.initiator, sa.cookies.responder) {
            return;
        }
        if frame.first == PayloadKind::FRAGMENT {
            let fragment = open_clear(frame).and_then(|contents| contents.fragment);
            let whole = fragment.and_then(|fragment| sa.partial.insert(fragment).ok().flatten());
            if let Some(Ok(whole)) = whole.as_deref().map(Frame::decode)
                && whole.first != PayloadKind::FRAGMENT
            {
                self.handle_datagram(cx, cookie, &whole, path);
            }
            return;
        }
        if frame.datagram == sa.sent.answers {
            // Our last message of phase 1 was lost.
            let datagrams = sa.sent.datagrams.clone();
            cx.transmit(path, &datagrams);
            return;
        }
        if sa.phase == SaPhase::Closing {
            return;
        }
        match frame.header.exchange {
            Exchange::QUICK => self.handle_quick(cx, cookie, frame, path),
            Exchange::INFORMATIONAL => self.handle_informational(cx, cookie, frame, path),
            // Mode-config and extended authentication are not spoken; phase 1 is over.
            _ => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        self.handle_negotiation_timeouts(cx);
        self.handle_quick_timeouts(cx);
        self.handle_child_timeouts(cx);
        self.handle_sa_timeouts(cx);
    }

    /// Brings the tunnel back to what it should be.
    pub fn settle(&mut self, cx: &mut Cx<'_>) {
        if self.will == Will::Stop {
            return;
        }
        if self.current().is_some() {
            self.fill_pairs(cx);
        } else {
            self.keep_connected(cx);
        }
    }

    /// Whether an ISAKMP SA is to be had although it is the peer's turn: what is up is to be kept up.
    fn needs_sa(&self) -> bool {
        self.will == Will::Connect || self.is_up()
    }

    fn keep_connected(&mut self, cx: &mut Cx<'_>) {
        if self.has_attempt() {
            return;
        }
        if !self.needs_sa() {
            self.retry_at = None;
            return;
        }
        let courtesy = if self.will == Will::Connect { Duration::ZERO } else { COURTESY };
        let (now, backoff) = (cx.now, &mut self.backoff);
        let retry_at = *self.retry_at.get_or_insert_with(|| backoff.fail(false, now, cx.entropy) + courtesy);
        if retry_at <= now {
            self.begin_phase1(cx);
        }
    }

    /// It is time to renew a pair.
    pub(crate) fn rekey_child_now(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        let connected = self.current().is_some();
        let next = self.child(spi).is_some_and(|child| self.children.iter().any(|other| other.is_next_of(child)));
        let Some(child) = self.child_mut(spi) else { return };
        let selectors = child.selectors;
        child.rekey_at = if connected { None } else { Some(cx.now + RENEW_LATER) };
        // Another right behind one that is about to be sent on would be taken for what that one replaces.
        if connected && child.is_installed() && !next {
            self.begin_quick(cx, selectors);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let negotiations = self.negotiations.iter().map(Negotiation::next_deadline);
        let quicks = self.quicks.iter().map(Quick::next_deadline);
        let children = self.children.iter().filter_map(Child::next_deadline);
        let sas = self.sas.iter().filter_map(|sa| self.sa_deadline(sa));
        negotiations.chain(quicks).chain(children).chain(sas).chain(self.next_try()).min()
    }

    fn next_try(&self) -> Option<Instant> {
        if self.will == Will::Stop {
            return None;
        }
        if self.current().is_some() {
            let bare = (0..self.pairs.len()).filter(|index| !self.is_carried(*index));
            return bare.filter_map(|index| self.pairs[index].retry_at).min();
        }
        self.retry_at.filter(|_| self.needs_sa() && !self.has_attempt())
    }

    /// Whether nothing of it is left.
    pub fn is_gone(&self) -> bool {
        self.negotiations.is_empty() && self.children.is_empty() && self.sas.is_empty()
    }

    /// Our cookies that are in use.
    pub fn cookies(&self) -> impl Iterator<Item = IkeSpi> {
        let negotiations = self.negotiations.iter().map(|negotiation| negotiation.cookie);
        negotiations.chain(self.sas.iter().map(|sa| sa.cookie))
    }

    /// Takes everything down, and tells the peer.
    pub(crate) fn take_down(&mut self, cx: &mut Cx<'_>, reason: &DownReason) {
        for negotiation in self.negotiations.drain(..) {
            cx.names.release(negotiation.cookie);
        }
        let spis: Vec<_> = self.children.iter().filter(|child| child.is_live()).map(|child| child.spi).collect();
        if let Some(sa) = self.sas.iter_mut().rev().find(|sa| sa.is_current()).filter(|_| !spis.is_empty()) {
            let delete = isakmp::v1::Delete::esp(&spis);
            sa.bid_farewell(cx, vec![isakmp::v1::Payload::Delete(delete)]);
        }
        let cookies: Vec<_> = self.sas.iter().map(|sa| sa.cookie).collect();
        for cookie in cookies {
            self.close_sa(cx, cookie, reason);
        }
        self.drop_children(cx, reason);
    }

    /// Forgets all pairs; those that carry traffic last.
    pub(crate) fn drop_children(&mut self, cx: &mut Cx<'_>, reason: &DownReason) {
        let mut spis: Vec<_> = self.children.iter().map(|child| (child.is_installed(), child.spi)).collect();
        spis.sort_by_key(|(installed, _)| *installed);
        for (_, spi) in spis {
            self.drop_child(cx, spi, reason);
        }
        self.quicks.clear();
    }

    /// Takes everything down for good.
    pub fn stop(&mut self, cx: &mut Cx<'_>, reason: &DownReason) {
        self.will = Will::Stop;
        self.take_down(cx, reason);
    }

    /// An operator takes the tunnel down; it comes back if it is ours to begin.
    pub fn terminate(&mut self, cx: &mut Cx<'_>) {
        self.take_down(cx, &DownReason::Operator);
        self.retry_at = Some(cx.now + AFTER_TERMINATE);
    }

    /// A packet waits for the tunnel.
    pub fn demand(&mut self, cx: &mut Cx<'_>) {
        let due = self.demand_after.is_none_or(|at| at <= cx.now);
        if due && self.config.start == StartAction::OnDemand && !self.is_up() && !self.has_attempt() {
            self.demand_after = Some(self.backoff.fail(false, cx.now, cx.entropy));
            self.initiate(cx);
        }
    }

    /// An operator, or a packet, wants the tunnel up.
    pub fn initiate(&mut self, cx: &mut Cx<'_>) {
        if self.is_up() || self.will == Will::Stop || self.has_attempt() {
            return;
        }
        if self.current().is_some() {
            self.pairs.iter_mut().for_each(|pair| pair.retry_at = Some(cx.now));
        } else {
            self.begin_phase1(cx);
        }
    }

    /// An operator wants new ESP SAs.
    pub fn rekey_child(&mut self, cx: &mut Cx<'_>) {
        self.renew_children(cx.now);
        self.handle_child_timeouts(cx);
    }

    /// An operator wants a new ISAKMP SA.
    pub fn rekey_ike(&mut self, cx: &mut Cx<'_>) {
        if let Some(cookie) = self.current().map(|sa| sa.cookie) {
            self.renew_sa(cx, cookie);
        }
    }

    /// Something failed. If the tunnel is down, we try again later.
    pub(crate) fn fail(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        if self.current().is_none() && self.needs_sa() {
            self.retry_at = Some(self.backoff.fail(failure.is_silence(), cx.now, cx.entropy));
        }
        self.note_failure(cx, failure);
    }

    /// Something failed that changes no plan.
    pub fn note_failure(&mut self, cx: &mut Cx<'_>, failure: Failure) {
        self.counters.failures += 1;
        self.counters.auth_failures += u64::from(failure.is_about_identity());
        self.last_failure = Some((failure.clone(), cx.now));
        let retry_at = self.next_try().filter(|_| self.will == Will::Connect);
        cx.event(Event::Failed { tunnel: self.id, failure, retry_at });
    }

    pub(crate) fn rekey_failed(&mut self, cx: &mut Cx<'_>, kind: RekeyKind, failure: Failure, retry_at: Instant) {
        self.counters.rekey_failures += 1;
        self.last_failure = Some((failure.clone(), cx.now));
        cx.event(Event::RekeyFailed { tunnel: self.id, kind, failure, retry_at });
    }

    /// The peer is elsewhere now: all that we send goes there.
    pub(crate) fn follow_peer(&mut self, cx: &mut Cx<'_>, path: Path) {
        let paths = self.sas.iter_mut().filter(|sa| sa.phase != SaPhase::Closing).map(|sa| &mut sa.path);
        let children = self.children.iter_mut().map(|child| (child.encapsulation, &mut child.outbound));
        cx.follow_peer(self.id, path, paths, children);
    }

    /// The data plane saw authentic ESP from another address.
    pub fn handle_peer_moved(&mut self, cx: &mut Cx<'_>, path: Path) {
        self.last_traffic = Some(cx.now);
        if self.current().is_some_and(|sa| sa.nat.remote && !sa.nat.local && sa.path != path) {
            self.follow_peer(cx, path);
        }
    }

    /// The data plane counted an SA to a limit.
    pub fn handle_limit(&mut self, cx: &mut Cx<'_>, direction: Direction, spi: Spi, limit: LimitReached) {
        let now = cx.now;
        let named = |child: &&mut Child| match direction {
            Direction::Inbound => child.spi == spi,
            Direction::Outbound => child.peer_spi == spi && child.is_installed(),
        };
        let Some(child) = self.children.iter_mut().find(named).filter(|child| child.is_live()) else { return };
        match limit {
            LimitReached::Soft if child.is_installed() => child.rekey_at = Some(now),
            LimitReached::Soft => {}
            LimitReached::Hard => child.expires_at = Some(now),
        }
        self.handle_child_timeouts(cx);
    }
}
