//! The whole machine: all tunnels, and the door through which strangers come in.

mod flow;
mod responder;
mod status;
mod tunnel;
mod version1;
mod will;

pub(crate) use flow::FlowId;
pub(crate) use tunnel::Tunnel;
pub(crate) use will::Will;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use certificate::{UnixTime, WallClock};
use handshake::{Bucket, HalfOpenTable, Rates, Stranger, Strangers};
use identity::Identity;
use isakmp::{ExchangeType, Frame, Version};
use negotiation::{
    Authentication, Cx, DownReason, IkeVersion, LimitReached, Names, Output, Owner, Path, Slot, TunnelConfig,
    TunnelStatus,
};
use wire::Entropy;
use wire::ipsec::{Direction, IkeSpi, Spi, TunnelId};

/// All IKE of a process. See the crate's documentation for its place.
///
/// After every call that takes `&mut self`, drain [`Self::poll_output`] and arm a timer for
/// [`Self::poll_timeout`].
pub struct Endpoint {
    entropy: Box<dyn Entropy>,
    output: VecDeque<Output>,
    names: Names,
    tunnels: BTreeMap<Slot, Tunnel>,
    /// Those that speak IKEv1.
    v1: BTreeMap<Slot, ikev1::Tunnel>,
    slots: BTreeMap<TunnelId, Slot>,
    by_address: BTreeMap<(IpAddr, IpAddr), Vec<Slot>>,
    by_identities: BTreeMap<(Identity, Identity), BTreeSet<Slot>>,
    next_slot: u64,
    half_open: HalfOpenTable,
    deadlines: Deadlines,
    unauthenticated: Bucket,
    /// Of first messages, whoever sent them.
    rates: Rates,
    /// Of those with a cookie: the source is who it says.
    proven_rates: Rates,
    strangers: Strangers,
    clock: WallClock,
    counters: EndpointCounters,
}

/// Counts of what belongs to no tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Responders that await `IKE_AUTH` now.
    pub half_open: usize,
    /// First messages answered with a demand for a cookie.
    pub cookies_sent: u64,
    /// First messages ignored because there were too many half-open SAs.
    pub refused_full: u64,
    /// First messages ignored because their source sent too many.
    pub refused_rate: u64,
    /// Peers refused because of who they are or failed to prove, whatever tunnel they meant.
    pub auth_failures: u64,
    /// Datagrams that are no IKEv2 message, or belong to no SA.
    pub dropped: u64,
}

/// When each tunnel has something to do, earliest first.
#[derive(Debug, Default)]
struct Deadlines {
    order: BTreeSet<(Instant, Slot)>,
    of: BTreeMap<Slot, Instant>,
}

impl Deadlines {
    fn set(&mut self, slot: Slot, deadline: Option<Instant>) {
        let before = match deadline {
            Some(deadline) => self.of.insert(slot, deadline),
            None => self.of.remove(&slot),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, slot));
        }
        if let Some(deadline) = deadline {
            self.order.insert((deadline, slot));
        }
    }

    fn next(&self) -> Option<Instant> {
        self.order.first().map(|(deadline, _)| *deadline)
    }

    fn due(&self, now: Instant) -> Vec<Slot> {
        self.order.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, slot)| *slot).collect()
    }
}

impl Endpoint {
    /// An endpoint without tunnels. Keys, nonces and SPIs come from `entropy`.
    #[must_use]
    pub fn new(entropy: Box<dyn Entropy>) -> Self {
        Self {
            entropy,
            output: VecDeque::new(),
            names: Names::default(),
            tunnels: BTreeMap::new(),
            v1: BTreeMap::new(),
            slots: BTreeMap::new(),
            by_address: BTreeMap::new(),
            by_identities: BTreeMap::new(),
            next_slot: 0,
            half_open: HalfOpenTable::default(),
            deadlines: Deadlines::default(),
            unauthenticated: Bucket::default(),
            rates: Rates::default(),
            proven_rates: Rates::default(),
            strangers: Strangers::default(),
            clock: WallClock::default(),
            counters: EndpointCounters::default(),
        }
    }

    /// What the clock on the wall shows now. Certificates are judged by it; to be told at the start and again whenever
    /// the clock may have been set. Until then it is 1970, and no certificate is valid.
    pub fn set_wall_clock(&mut self, shows: UnixTime, now: Instant) {
        self.clock.set(shows, now);
    }

    /// Adds a tunnel, and begins if it is ours to begin. A tunnel with the same number is removed first.
    pub fn add_tunnel(&mut self, id: TunnelId, config: TunnelConfig, now: Instant) {
        self.remove_tunnel(id, now);
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        self.by_address.entry((config.local, config.remote)).or_default().push(slot);
        let identities = (config.local_id.folded(), config.remote_id.folded());
        let (mut cx, ..) = self.split(now);
        match (config.version, config.auth.shared_key().cloned()) {
            // IKEv1 knows nothing but a pre-shared key here, and a configuration that wants more of it is refused
            // before. What gets here all the same is never authenticated by less than it asks for.
            (IkeVersion::V2, _) | (IkeVersion::V1(_), None) => {
                let tunnel = Tunnel::new(&mut cx, slot, id, config);
                self.tunnels.insert(slot, tunnel);
            }
            (IkeVersion::V1(_), Some(psk)) => {
                let tunnel = ikev1::Tunnel::new(&mut cx, slot, id, config, psk);
                self.v1.insert(slot, tunnel);
            }
        }
        self.by_identities.entry(identities.clone()).or_default().insert(slot);
        self.note_shared_identities(&identities);
        self.slots.insert(id, slot);
        self.settle(slot, now);
    }

    /// Deletes a tunnel's SAs, at the peer too, and forgets the tunnel.
    pub fn remove_tunnel(&mut self, id: TunnelId, now: Instant) {
        let Some(slot) = self.slots.remove(&id) else { return };
        for slots in self.by_address.values_mut() {
            slots.retain(|other| *other != slot);
        }
        self.by_address.retain(|_, slots| !slots.is_empty());
        let config = self.tunnels.get(&slot).map(|tunnel| &tunnel.config);
        let config = config.or_else(|| self.v1.get(&slot).map(|tunnel| &tunnel.config));
        if let Some(TunnelConfig { local_id, remote_id, .. }) = config {
            let identities = (local_id.folded(), remote_id.folded());
            self.by_identities.entry(identities.clone()).or_default().remove(&slot);
            self.note_shared_identities(&identities);
        }
        self.with_slot(slot, now, |tunnel, cx| {
            tunnel.will = Will::Stop;
            tunnel.take_down(cx, &DownReason::Removed);
        });
        self.with_v1(slot, now, |tunnel, cx| tunnel.stop(cx, &DownReason::Removed));
    }

    /// Tells tunnels between the same two identities whether there are several of them.
    fn note_shared_identities(&mut self, identities: &(Identity, Identity)) {
        let Some(slots) = self.by_identities.get(identities) else { return };
        for slot in slots {
            if let Some(tunnel) = self.tunnels.get_mut(slot) {
                tunnel.shares_identities = slots.len() > 1;
            }
            if let Some(tunnel) = self.v1.get_mut(slot) {
                tunnel.shares_identities = slots.len() > 1;
            }
        }
        if slots.is_empty() {
            self.by_identities.remove(identities);
        }
    }

    /// New certificates, or other CAs to trust, for a tunnel that stays up: each is used from the next authentication on. Where
    /// we began, that is now, before the old IKE SA goes; else the peer begins it.
    pub fn set_credentials(&mut self, id: TunnelId, auth: Authentication, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.set_credentials(cx.now, auth));
    }

    /// Brings a tunnel up now, whoever is to begin it.
    pub fn initiate(&mut self, id: TunnelId, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.initiate(cx));
        self.with_v1_id(id, now, ikev1::Tunnel::initiate);
    }

    /// Takes a tunnel down. It comes back by itself if it is ours to begin.
    pub fn terminate(&mut self, id: TunnelId, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.terminate(cx));
        self.with_v1_id(id, now, ikev1::Tunnel::terminate);
    }

    /// Replaces a tunnel's CHILD SAs now.
    pub fn rekey_child(&mut self, id: TunnelId, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.rekey_children(cx));
        self.with_v1_id(id, now, ikev1::Tunnel::rekey_child);
    }

    /// Replaces a tunnel's IKE SA now.
    pub fn rekey_ike(&mut self, id: TunnelId, now: Instant) {
        self.with(id, now, |tunnel, _| tunnel.rekey_ike());
        self.with_v1_id(id, now, ikev1::Tunnel::rekey_ike);
    }

    /// Deletes all SAs of all tunnels and begins nothing any more.
    pub fn shutdown(&mut self, now: Instant) {
        let slots: Vec<_> = self.tunnels.keys().chain(self.v1.keys()).copied().collect();
        for slot in slots {
            self.with_v1(slot, now, |tunnel, cx| tunnel.stop(cx, &DownReason::Shutdown));
            self.with_slot(slot, now, |tunnel, cx| {
                tunnel.will = Will::Stop;
                tunnel.take_down(cx, &DownReason::Shutdown);
            });
        }
    }

    /// Takes a datagram that `remote` sent to our socket `local`, without a non-ESP marker.
    pub fn handle_datagram(&mut self, local: SocketAddr, remote: SocketAddr, datagram: &[u8], now: Instant) {
        let path = Path { local, remote };
        if ikev1::is_v1(datagram) {
            match isakmp::v1::Frame::decode(datagram) {
                Ok(frame) => self.handle_v1(&frame, path, now),
                Err(_) => self.counters.dropped += 1,
            }
            return;
        }
        let Ok(frame) = Frame::decode(datagram) else {
            self.counters.dropped += 1;
            return;
        };
        let header = &frame.header;
        if header.version.major != Version::V2.major {
            self.answer_version(&frame, path, now);
            return;
        }
        let is_first = header.exchange == ExchangeType::IKE_SA_INIT
            && header.flags.initiator
            && !header.flags.response
            && header.responder_spi == IkeSpi::ZERO
            && header.message_id == 0;
        if is_first {
            if !self.refuse_v2(&frame, path, now) {
                self.handle_first(&frame, path, now);
            }
            return;
        }
        // RFC 7296 2.6: the sender's role says which of the two SPIs is ours.
        let ours = if header.flags.initiator { header.responder_spi } else { header.initiator_spi };
        match self.names.owner(ours) {
            Some(Owner::Tunnel(slot)) => {
                self.with_slot(slot, now, |tunnel, cx| tunnel.handle_datagram(cx, ours, &frame, path));
            }
            Some(Owner::HalfOpen) => self.handle_auth(ours, &frame, path, now),
            None => self.answer_unknown_spi(&frame, path, now),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(half) = self.half_open.expired(now) {
            self.names.release(half.spi());
        }
        for slot in self.deadlines.due(now) {
            self.with_slot(slot, now, |tunnel, cx| tunnel.handle_timeout(cx));
            self.with_v1(slot, now, ikev1::Tunnel::handle_timeout);
        }
    }

    /// Authentic ESP arrived: a sign of life.
    pub fn handle_inbound_traffic(&mut self, id: TunnelId, now: Instant) {
        let tunnel = self.slots.get(&id).and_then(|slot| self.tunnels.get_mut(slot));
        // The deadline for the next liveness check may only move back; when it fires it is looked at again.
        if let Some(tunnel) = tunnel {
            tunnel.last_traffic = Some(now);
        }
        if let Some(tunnel) = self.slots.get(&id).and_then(|slot| self.v1.get_mut(slot)) {
            tunnel.last_traffic = Some(now);
        }
    }

    /// A packet waits for a tunnel that has no outbound SA: one that begins on demand begins.
    pub fn handle_demand(&mut self, id: TunnelId, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.demand(cx));
        self.with_v1_id(id, now, ikev1::Tunnel::demand);
    }

    /// An SA was counted to a limit of its [`wire::ipsec::SaLifetime`]. `spi` is the receiver's.
    pub fn handle_sa_limit(&mut self, id: TunnelId, direction: Direction, spi: Spi, limit: LimitReached, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.handle_limit(cx, direction, spi, limit));
        self.with_v1_id(id, now, |tunnel, cx| tunnel.handle_limit(cx, direction, spi, limit));
    }

    /// Authentic ESP arrived from an address other than the peer's.
    pub fn handle_peer_moved(&mut self, id: TunnelId, local: SocketAddr, remote: SocketAddr, now: Instant) {
        self.with(id, now, |tunnel, cx| tunnel.handle_peer_moved(cx, Path { local, remote }));
        self.with_v1_id(id, now, |tunnel, cx| tunnel.handle_peer_moved(cx, Path { local, remote }));
    }

    /// The next thing to do or to know. Call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadlines.next(), self.half_open.next_deadline()].into_iter().flatten().min()
    }

    /// A snapshot of a tunnel.
    #[must_use]
    pub fn status(&self, id: TunnelId) -> Option<TunnelStatus> {
        let slot = self.slots.get(&id)?;
        self.tunnels.get(slot).map(Tunnel::status).or_else(|| self.v1.get(slot).map(ikev1::Tunnel::status))
    }

    /// Who was refused before proving who they are, the most recent first. At most 256 sources.
    #[must_use]
    pub fn strangers(&self) -> Vec<Stranger> {
        self.strangers.list()
    }

    /// Counts of what belongs to no tunnel.
    #[must_use]
    pub fn counters(&self) -> EndpointCounters {
        EndpointCounters { half_open: self.half_open.counts().0, ..self.counters }
    }

    pub(crate) fn with(&mut self, id: TunnelId, now: Instant, operation: impl FnOnce(&mut Tunnel, &mut Cx<'_>)) {
        if let Some(slot) = self.slots.get(&id).copied() {
            self.with_slot(slot, now, operation);
        }
    }

    /// Runs an operation on a tunnel and brings the tunnel back to what it should be.
    fn with_slot(&mut self, slot: Slot, now: Instant, operation: impl FnOnce(&mut Tunnel, &mut Cx<'_>)) {
        let (mut cx, tunnels, _) = self.split(now);
        let Some(tunnel) = tunnels.get_mut(&slot) else { return };
        operation(tunnel, &mut cx);
        tunnel.settle(&mut cx);
        let (id, deadline, is_gone) = (tunnel.id, tunnel.next_deadline(), tunnel.is_gone());
        let gone = is_gone && self.slots.get(&id) != Some(&slot);
        self.deadlines.set(slot, deadline.filter(|_| !gone));
        if gone && let Some(tunnel) = self.tunnels.remove(&slot) {
            tunnel.sas.iter().for_each(|sa| self.names.release(sa.spi));
        }
    }

    fn settle(&mut self, slot: Slot, now: Instant) {
        self.with_slot(slot, now, |_, _| {});
        self.with_v1(slot, now, |_, _| {});
    }

    /// What every operation may touch, apart from the tunnels that it may be about.
    fn split(&mut self, now: Instant) -> (Cx<'_>, &mut BTreeMap<Slot, Tunnel>, &mut BTreeMap<Slot, ikev1::Tunnel>) {
        let cx = Cx {
            now,
            wall: self.clock.at(now),
            entropy: &mut *self.entropy,
            output: &mut self.output,
            names: &mut self.names,
        };
        (cx, &mut self.tunnels, &mut self.v1)
    }

    #[cfg(test)]
    pub(crate) fn names_in_use(&self) -> (usize, usize) {
        self.names.counts()
    }

    #[cfg(test)]
    pub(crate) fn half_open_counts(&self) -> (usize, usize, usize) {
        self.half_open.counts()
    }

    #[cfg(test)]
    pub(crate) fn half_open(&mut self, spi: IkeSpi) -> Option<&mut handshake::HalfOpen> {
        self.half_open.get_mut(spi)
    }

    #[cfg(test)]
    pub(crate) fn sources_remembered(&self) -> usize {
        self.rates.known().max(self.proven_rates.known())
    }

    #[cfg(test)]
    pub(crate) fn tunnel(&self, id: TunnelId) -> Option<&Tunnel> {
        self.slots.get(&id).and_then(|slot| self.tunnels.get(slot))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("tunnels", &(self.tunnels.len() + self.v1.len()))
            .field("half_open", &self.half_open.counts().0)
            .finish_non_exhaustive()
    }
}
