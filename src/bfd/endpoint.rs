//! All sessions of a router: whose packet is it, and who is next?
//!
//! A packet that carries our discriminator is for the session of that number, if it came over that session's path; one
//! that carries none is for the session of its path (RFC 5880 6.3, RFC 5881 3). What comes from further away than the
//! neighbour is nobody's (RFC 5881 5).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use wire::{Entropy, LinkId};

use crate::config::Config;
use crate::discard::Discard;
use crate::packet::{ControlPacket, State};
use crate::session::{Event, Output, Session, Status};
use crate::verdict::Verdict;
use crate::{MULTI_HOP_PORT, SINGLE_HOP_PORT, TTL};

/// A session's number within the process; not what packets carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// How far away the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hops {
    /// On the link (RFC 5881).
    One,
    /// Behind routers (RFC 5883).
    Many {
        /// What the TTL of a packet must at least be when it arrives.
        least_ttl: u8,
    },
}

impl Hops {
    /// UDP port that packets are sent to.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::One => SINGLE_HOP_PORT,
            Self::Many { .. } => MULTI_HOP_PORT,
        }
    }

    const fn least_ttl(self) -> u8 {
        match self {
            Self::One => TTL,
            Self::Many { least_ttl } => least_ttl,
        }
    }
}

/// Between whom a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// What its packets leave and arrive through; `None`: whatever the routes say.
    pub link: Option<LinkId>,
    /// Our address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
    /// How far away it is.
    pub hops: Hops,
}

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The link it came through, where the socket is bound to one.
    pub link: Option<LinkId>,
    /// The address it was sent to.
    pub local: IpAddr,
    /// Who sent it.
    pub remote: IpAddr,
    /// UDP port it was sent to.
    pub port: u16,
    /// What was left of its TTL; 0 where the kernel did not say.
    pub ttl: u8,
}

/// By what a packet without our discriminator is told apart.
type PathKey = (Option<LinkId>, IpAddr, IpAddr, u16);

impl Path {
    const fn key(&self) -> PathKey {
        (self.link, self.local, self.remote, self.hops.port())
    }
}

/// What the endpoint asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointOutput {
    /// Send this over the session's path.
    Transmit {
        /// Whose packet.
        session: SessionId,
        /// The datagram.
        octets: Vec<u8>,
    },
    /// Something happened.
    Event {
        /// To whom.
        session: SessionId,
        /// What.
        event: EndpointEvent,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// Of the session itself.
    Session(Event),
    /// The peer has been told that the session was removed; nothing more will be sent.
    Gone,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    path: Path,
    /// As in `deadlines`.
    deadline: Option<Instant>,
    /// Removed, and saying so until then.
    leaves: Option<Instant>,
    /// Nobody here wants to know of it any more; see [`Endpoint::retire`].
    retired: bool,
}

/// All sessions.
pub struct Endpoint {
    sessions: BTreeMap<SessionId, Entry>,
    by_discriminator: BTreeMap<u32, SessionId>,
    by_path: BTreeMap<PathKey, SessionId>,
    deadlines: BTreeSet<(Instant, SessionId)>,
    outputs: VecDeque<EndpointOutput>,
    discarded: BTreeMap<&'static str, u64>,
    entropy: Box<dyn Entropy>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Without sessions.
    #[must_use]
    pub fn new(entropy: Box<dyn Entropy>) -> Self {
        Self {
            sessions: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            by_path: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            discarded: BTreeMap::new(),
            entropy,
        }
    }

    /// Adds a session that sleeps until [`Endpoint::start`], in the place of one with the same number or path.
    pub fn add(&mut self, id: SessionId, path: Path, config: Config, now: Instant) {
        self.forget(id);
        if let Some(other) = self.by_path.get(&path.key()).copied() {
            self.forget(other);
            self.gone(other);
        }
        let discriminator = self.free_discriminator();
        let session = Session::new(config, discriminator, self.entropy.random_u64(), now);
        self.by_discriminator.insert(discriminator, id);
        self.by_path.insert(path.key(), id);
        self.sessions.insert(id, Entry { session, path, deadline: None, leaves: None, retired: false });
        self.settle(id);
    }

    /// The path below is there. Of sessions that are not here, nothing happens; so for the others.
    pub fn start(&mut self, id: SessionId, now: Instant) {
        self.with(id, |session| session.start(now));
    }

    /// The path below is gone.
    pub fn stop(&mut self, id: SessionId, now: Instant) {
        self.with(id, |session| session.stop(now));
    }

    /// Other settings.
    pub fn reconfigure(&mut self, id: SessionId, config: Config, now: Instant) {
        self.with(id, |session| session.reconfigure(config, now));
    }

    /// Removes a session. The peer is told for a while, then [`EndpointEvent::Gone`] follows.
    pub fn remove(&mut self, id: SessionId, now: Instant) {
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        entry.session.admin_down(now);
        entry.leaves = Some(now + entry.session.farewell());
        self.settle(id);
    }

    /// Takes no more interest in a session, without the peer noticing. AdminDown should be no failure to it (RFC 5882 3.2),
    /// and yet there are peers that end BGP for it. So a session that is up goes on in silence, until the peer ends it or
    /// is not heard; then [`EndpointEvent::Gone`] follows. One that is not up is removed.
    pub fn retire(&mut self, id: SessionId, now: Instant) {
        match self.sessions.get_mut(&id) {
            Some(entry) if entry.session.state() == State::Up => entry.retired = true,
            Some(_) => self.remove(id, now),
            None => {}
        }
    }

    /// Takes up again what was retired on the same path, under this number and in the place of one that has it, and says
    /// that the path is usable; the number that it had, if there is such a session.
    pub fn resume(&mut self, id: SessionId, path: &Path, config: &Config, now: Instant) -> Option<SessionId> {
        let before = *self.by_path.get(&path.key())?;
        self.sessions.get(&before).filter(|entry| entry.retired && entry.path == *path)?;
        self.renumber(before, id);
        let entry = self.sessions.get_mut(&id)?;
        entry.retired = false;
        entry.session.reconfigure(config.clone(), now);
        let event = EndpointEvent::Session(Event::Verdict(Verdict::Usable));
        self.outputs.push_back(EndpointOutput::Event { session: id, event });
        self.settle(id);
        Some(before)
    }

    fn renumber(&mut self, before: SessionId, id: SessionId) {
        if before == id {
            return;
        }
        self.forget(id);
        let Some(mut entry) = self.sessions.remove(&before) else { return };
        self.by_discriminator.insert(entry.session.discriminator(), id);
        self.by_path.insert(entry.path.key(), id);
        // It is due again with the next that settles it.
        if let Some(deadline) = entry.deadline.take() {
            self.deadlines.remove(&(deadline, before));
        }
        self.sessions.insert(id, entry);
    }

    /// A datagram came.
    ///
    /// # Errors
    /// [`Discard`]: it counts for nothing, but for [`Endpoint::discarded`].
    pub fn handle_datagram(&mut self, arrival: &Arrival, octets: &[u8], now: Instant) -> Result<SessionId, Discard> {
        let outcome = self.deliver(arrival, octets, now);
        if let Err(discard) = &outcome {
            *self.discarded.entry(discard.label()).or_default() += 1;
        }
        outcome
    }

    fn deliver(&mut self, arrival: &Arrival, octets: &[u8], now: Instant) -> Result<SessionId, Discard> {
        let packet = ControlPacket::decode(octets)?;
        let id = self.select(arrival, packet.your_discriminator)?;
        let Some(entry) = self.sessions.get_mut(&id) else { return Err(Discard::NoSession) };
        let least = entry.path.hops.least_ttl();
        // RFC 5881 5, RFC 5082.
        if arrival.ttl < least {
            return Err(Discard::Ttl { found: arrival.ttl, least });
        }
        let outcome = entry.session.handle_packet(&packet, octets, now);
        self.settle(id);
        outcome.map(|()| id)
    }

    fn select(&self, arrival: &Arrival, discriminator: u32) -> Result<SessionId, Discard> {
        let key = (arrival.link, arrival.local, arrival.remote, arrival.port);
        if discriminator == 0 {
            return self.by_path.get(&key).copied().ok_or(Discard::NoSession);
        }
        let unknown = Discard::UnknownDiscriminator { discriminator };
        let id = self.by_discriminator.get(&discriminator).copied().ok_or(unknown)?;
        // Whoever guesses a number does not have the path.
        if self.by_path.get(&key) == Some(&id) { Ok(id) } else { Err(unknown) }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, id));
            let Some(entry) = self.sessions.get_mut(&id) else { continue };
            entry.deadline = None;
            if entry.leaves.is_some_and(|leaves| leaves <= now) {
                self.forget(id);
                self.gone(id);
                continue;
            }
            entry.session.handle_timeout(now);
            self.settle(id);
        }
    }

    /// Sessions that would be taken for dead at `now`: look for packets of theirs before [`Endpoint::handle_timeout`].
    pub fn about_to_fail(&self, now: Instant) -> impl Iterator<Item = (SessionId, &Path)> {
        let due = self.deadlines.iter().take_while(move |(at, _)| *at <= now);
        due.filter_map(move |(_, id)| {
            let entry = self.sessions.get(id)?;
            let fails = entry.session.detection_deadline().is_some_and(|deadline| deadline <= now);
            fails.then_some((*id, &entry.path))
        })
    }

    /// What to do, in order. Drain after every other call.
    pub fn poll_output(&mut self) -> Option<EndpointOutput> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How every session is that was not removed.
    pub fn statuses(&self) -> impl Iterator<Item = (SessionId, Path, Status)> {
        let here = self.sessions.iter().filter(|(_, entry)| entry.leaves.is_none() && !entry.retired);
        here.map(|(id, entry)| (*id, entry.path, entry.session.status()))
    }

    /// Datagrams that counted for nothing, by cause.
    #[must_use]
    pub const fn discarded(&self) -> &BTreeMap<&'static str, u64> {
        &self.discarded
    }

    fn with(&mut self, id: SessionId, act: impl FnOnce(&mut Session)) {
        let Some(entry) = self.sessions.get_mut(&id).filter(|entry| entry.leaves.is_none()) else { return };
        act(&mut entry.session);
        self.settle(id);
    }

    /// Takes over what a session asks for, and its deadline.
    fn settle(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        while let Some(output) = entry.session.poll_output() {
            self.outputs.push_back(match output {
                Output::Transmit(octets) => EndpointOutput::Transmit { session: id, octets },
                Output::Event(_) if entry.retired => continue,
                Output::Event(event) => EndpointOutput::Event { session: id, event: EndpointEvent::Session(event) },
            });
        }
        if entry.retired && entry.session.state() != State::Up {
            self.forget(id);
            self.gone(id);
            return;
        }
        let deadline = entry.session.poll_timeout().into_iter().chain(entry.leaves).min();
        if entry.deadline == deadline {
            return;
        }
        if let Some(old) = std::mem::replace(&mut entry.deadline, deadline) {
            self.deadlines.remove(&(old, id));
        }
        self.deadlines.extend(deadline.map(|at| (at, id)));
    }

    fn forget(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.remove(&id) else { return };
        self.by_discriminator.remove(&entry.session.discriminator());
        self.by_path.remove(&entry.path.key());
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, id));
        }
    }

    fn gone(&mut self, id: SessionId) {
        self.outputs.push_back(EndpointOutput::Event { session: id, event: EndpointEvent::Gone });
    }

    /// RFC 5880 6.8.1: unique, not zero, and better random.
    fn free_discriminator(&mut self) -> u32 {
        loop {
            let discriminator = self.entropy.random_u32();
            if discriminator != 0 && !self.by_discriminator.contains_key(&discriminator) {
                return discriminator;
            }
        }
    }
}
